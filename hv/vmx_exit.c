/* SPDX-License-Identifier: MIT */
/*
 * What an exit means: a VMCS after a VM exit, put in no vendor's words. Reads, and does nothing
 * else. Refuses to know what an exit is answered with.
 */
#include "vmx.h"

#include "cpu.h"

struct exit_meaning {
    enum vmx_reason code;
    enum exit_reason reason;
    uint8_t exception; /* EXIT_FORBIDDEN */
};

/* clang-format off */
static const struct exit_meaning exit_meanings[] = {
    { VMX_EXTERNAL_INTERRUPT, EXIT_INTERRUPT, 0 },
    { VMX_TRIPLE_FAULT,       EXIT_SHUTDOWN,  0 },
    { VMX_INIT,               EXIT_INTERRUPT, 0 },
    { VMX_INTERRUPT_WINDOW,   EXIT_AGAIN,     0 },
    { VMX_CPUID,              EXIT_CPUID,     0 },
    { VMX_GETSEC,             EXIT_FORBIDDEN, EXCEPTION_UD },
    { VMX_HLT,                EXIT_HALT,      0 },
    { VMX_INVD,               EXIT_CACHE,     0 },
    { VMX_RDPMC,              EXIT_FORBIDDEN, EXCEPTION_GP },
    { VMX_VMCALL,             EXIT_HYPERCALL, 0 },
    { VMX_VMCLEAR,            EXIT_FORBIDDEN, EXCEPTION_UD },
    { VMX_VMLAUNCH,           EXIT_FORBIDDEN, EXCEPTION_UD },
    { VMX_VMPTRLD,            EXIT_FORBIDDEN, EXCEPTION_UD },
    { VMX_VMPTRST,            EXIT_FORBIDDEN, EXCEPTION_UD },
    { VMX_VMREAD,             EXIT_FORBIDDEN, EXCEPTION_UD },
    { VMX_VMRESUME,           EXIT_FORBIDDEN, EXCEPTION_UD },
    { VMX_VMWRITE,            EXIT_FORBIDDEN, EXCEPTION_UD },
    { VMX_VMXOFF,             EXIT_FORBIDDEN, EXCEPTION_UD },
    { VMX_VMXON,              EXIT_FORBIDDEN, EXCEPTION_UD },
    { VMX_PORT,               EXIT_PORT_OUT,  0 },
    { VMX_RDMSR,              EXIT_MSR_READ,  0 },
    { VMX_WRMSR,              EXIT_MSR_WRITE, 0 },
    { VMX_BAD_GUEST_STATE,    EXIT_INVALID,   0 },
    { VMX_BAD_MSR_LOAD,       EXIT_INVALID,   0 },
    { VMX_MWAIT,              EXIT_FORBIDDEN, EXCEPTION_UD },
    { VMX_MONITOR,            EXIT_FORBIDDEN, EXCEPTION_UD },
    { VMX_MACHINE_CHECK,      EXIT_MACHINE_CHECK, 0 },
    { VMX_EPT_VIOLATION,      EXIT_FAULT,     0 },
    { VMX_EPT_MISCONFIGURATION, EXIT_FAULT,   0 },
    { VMX_INVEPT,             EXIT_FORBIDDEN, EXCEPTION_UD },
    { VMX_PREEMPTION_TIMER,   EXIT_INTERRUPT, 0 },
    { VMX_INVVPID,            EXIT_FORBIDDEN, EXCEPTION_UD },
    { VMX_WBINVD,             EXIT_CACHE,     0 },
    { VMX_XSETBV,             EXIT_XSETBV,    0 },
};
/* clang-format on */

/* A misconfiguration says nothing of the access; it has no qualification. */
static void read_fault(const struct vmcs_exit *from, struct fault *fault)
{
    uint64_t info = from->qualification;

    fault->address = from->guest_physical;
    fault->reserved = VMX_REASON(from->reason) == VMX_EPT_MISCONFIGURATION;
    fault->access = FAULT_READ;
    if (fault->reserved)
        return;
    fault->code = info;
    fault->page_walk = (info & VIOLATION_LINEAR) && !(info & VIOLATION_FINAL);
    if (info & VIOLATION_FETCH)
        fault->access = FAULT_FETCH;
    else if (info & VIOLATION_WRITE)
        fault->access = FAULT_WRITE;
}

static void read_port(const struct vmcs_exit *from, struct vm_exit *exit)
{
    if (from->qualification & PORT_IN)
        exit->reason = EXIT_PORT_IN;
    exit->io.port = (uint16_t)(from->qualification >> 16);
    exit->io.size = (uint8_t)PORT_SIZE(from->qualification);
    exit->io.string = from->qualification & (PORT_STRING | PORT_REP);
}

/* NMIs are the host's; of exceptions only three come here. */
static void read_event(const struct vmcs_exit *from, struct vm_exit *exit)
{
    if (EVENT_TYPE(from->event) == EVENT_NMI) {
        exit->reason = EXIT_INTERRUPT;
        return;
    }
    exit->exception = EVENT_VECTOR(from->event);
    exit->reason = exit->exception == EXCEPTION_MC ? EXIT_MACHINE_CHECK : EXIT_EXCEPTION;
}

/* Of CR0 it is a bit that the host keeps; of CR4 it is VMXE, which this guest does not have. */
static void read_control_register(const struct vmcs_exit *from, struct vm_exit *exit)
{
    unsigned which = CONTROL_REGISTER(from->qualification);

    if (!CONTROL_REGISTER_IS_MOV(from->qualification) || (which != 0 && which != 4))
        return;
    exit->reason = which == 0 ? EXIT_AGAIN : EXIT_FORBIDDEN;
    exit->exception = EXCEPTION_GP;
}

void vmx_read_exit(const struct vmcs_exit *from, struct vm_exit *exit)
{
    enum vmx_reason reason = VMX_REASON(from->reason);

    *exit = (struct vm_exit){ .reason = EXIT_UNKNOWN, .code = from->reason };
    exit->info[0] = from->qualification;
    exit->info[1] = from->guest_physical;
    exit->length = from->length;
    for (unsigned i = 0; i < sizeof(exit_meanings) / sizeof(exit_meanings[0]); i++) {
        if (exit_meanings[i].code != reason)
            continue;
        exit->reason = exit_meanings[i].reason;
        exit->exception = exit_meanings[i].exception;
    }
    if (exit->reason == EXIT_FAULT)
        read_fault(from, &exit->fault);
    else if (reason == VMX_PORT)
        read_port(from, exit);
    else if (reason == VMX_EVENT)
        read_event(from, exit);
    else if (reason == VMX_CONTROL_REGISTER)
        read_control_register(from, exit);
}
