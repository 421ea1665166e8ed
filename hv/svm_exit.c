/* SPDX-License-Identifier: MIT */
/*
 * What an exit means: a VMCB after #VMEXIT, put in no vendor's words. Reads, and does nothing else.
 * Refuses to know what an exit is answered with.
 */
#include "svm.h"

#include "cpu.h"

struct exit_meaning {
    uint32_t code;
    enum exit_reason reason;
    unsigned length;   /* of the instruction without prefixes; 0: nothing to skip */
    uint8_t exception; /* EXIT_FORBIDDEN, EXIT_EXCEPTION */
};

/* clang-format off */
static const struct exit_meaning exit_meanings[] = {
    { VMEXIT_EXCEPTION(EXCEPTION_DB),         EXIT_EXCEPTION,     0, EXCEPTION_DB },
    { VMEXIT_EXCEPTION(EXCEPTION_AC),     EXIT_EXCEPTION,     0, EXCEPTION_AC },
    { VMEXIT_EXCEPTION(EXCEPTION_MC), EXIT_MACHINE_CHECK, 0, 0 },
    { VMEXIT_INTR,     EXIT_INTERRUPT, 0, 0 },
    { VMEXIT_NMI,      EXIT_INTERRUPT, 0, 0 },
    { VMEXIT_SMI,      EXIT_INTERRUPT, 0, 0 },
    { VMEXIT_INIT,     EXIT_INTERRUPT, 0, 0 },
    { VMEXIT_CPUID,    EXIT_CPUID,     2, 0 },
    { VMEXIT_INVD,     EXIT_CACHE,     2, 0 },
    { VMEXIT_WBINVD,   EXIT_CACHE,     2, 0 },
    { VMEXIT_HLT,      EXIT_HALT,      1, 0 },
    { VMEXIT_VMMCALL,  EXIT_HYPERCALL, 3, 0 },
    { VMEXIT_XSETBV,   EXIT_XSETBV,    3, 0 },
    { VMEXIT_SHUTDOWN, EXIT_SHUTDOWN,  0, 0 },
    { VMEXIT_INVALID,  EXIT_INVALID,   0, 0 },
    { VMEXIT_NPF,      EXIT_FAULT,     0, 0 },
    { VMEXIT_MSR,      EXIT_MSR_READ,  2, 0 },
    { VMEXIT_IOIO,     EXIT_PORT_IN,   0, 0 },
    { VMEXIT_RDPMC,    EXIT_FORBIDDEN, 0, EXCEPTION_GP },
    { VMEXIT_INVLPGA,  EXIT_FORBIDDEN, 0, EXCEPTION_UD },
    { VMEXIT_VMRUN,    EXIT_FORBIDDEN, 0, EXCEPTION_UD },
    { VMEXIT_VMLOAD,   EXIT_FORBIDDEN, 0, EXCEPTION_UD },
    { VMEXIT_VMSAVE,   EXIT_FORBIDDEN, 0, EXCEPTION_UD },
    { VMEXIT_STGI,     EXIT_FORBIDDEN, 0, EXCEPTION_UD },
    { VMEXIT_CLGI,     EXIT_FORBIDDEN, 0, EXCEPTION_UD },
    { VMEXIT_SKINIT,   EXIT_FORBIDDEN, 0, EXCEPTION_UD },
    { VMEXIT_MONITOR,  EXIT_FORBIDDEN, 0, EXCEPTION_UD },
    { VMEXIT_MWAIT,    EXIT_FORBIDDEN, 0, EXCEPTION_UD },
    { VMEXIT_RDPRU,    EXIT_FORBIDDEN, 0, EXCEPTION_UD },
};
/* clang-format on */

static void read_fault(const struct vmcb *vmcb, struct fault *fault)
{
    uint64_t info = vmcb->exit_info_1;

    fault->address = vmcb->exit_info_2;
    fault->access = info & NPF_FETCH ? FAULT_FETCH : info & NPF_WRITE ? FAULT_WRITE : FAULT_READ;
    fault->reserved = info & NPF_RESERVED;
    fault->page_walk = info & NPF_WALK;
    fault->code = info;
}

void svm_read_exit(const struct vmcb *vmcb, struct vm_exit *exit)
{
    /* The emulated processor stores "invalid" as 32 bits, a real one as 64. */
    uint32_t code = (uint32_t)vmcb->exit_code;

    *exit = (struct vm_exit){ .reason = EXIT_UNKNOWN, .code = vmcb->exit_code };
    exit->info[0] = vmcb->exit_info_1;
    exit->info[1] = vmcb->exit_info_2;
    for (unsigned i = 0; i < sizeof(exit_meanings) / sizeof(exit_meanings[0]); i++) {
        if (exit_meanings[i].code != code)
            continue;
        exit->reason = exit_meanings[i].reason;
        exit->exception = exit_meanings[i].exception;
        exit->length = exit_meanings[i].length;
    }
    if (exit->length && vmcb->next_rip > vmcb->rip)
        exit->length = (unsigned)(vmcb->next_rip - vmcb->rip);
    if (exit->reason == EXIT_FAULT)
        read_fault(vmcb, &exit->fault);
    if (exit->reason == EXIT_MSR_READ && (exit->info[0] & 1))
        exit->reason = EXIT_MSR_WRITE;
    if (exit->reason == EXIT_PORT_IN) {
        if (!(exit->info[0] & IOIO_IN))
            exit->reason = EXIT_PORT_OUT;
        exit->io.port = (uint16_t)(exit->info[0] >> 16);
        exit->io.size = IOIO_SIZE(exit->info[0]);
        exit->io.string = exit->info[0] & (IOIO_STRING | IOIO_REP);
        exit->length = (unsigned)(exit->info[1] - vmcb->rip);
    }
}

void svm_read_control(const struct vmcb *vmcb, struct control *control)
{
    control->cr0 = vmcb->cr0;
    control->cr3 = vmcb->cr3;
    control->cr4 = vmcb->cr4;
    control->efer = vmcb->efer & EFER_OF_GUEST;
    control->cpl = vmcb->cpl;
    control->code64 = (vmcb->efer & EFER_LMA) && (vmcb->cs.attributes & 1u << 9);
}
