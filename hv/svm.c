/* SPDX-License-Identifier: MIT */
/*
 * AMD's way to run a guest: the VMCB, entry and exit, exits put in no vendor's words. Refuses to
 * know what an exit is answered with, and what the nested page tables say.
 * [APM "Secure Virtual Machine"]
 *
 * Four peculiarities of the emulated processor (QEMU's) are met here, none of which hurts a real
 * one: it neither switches PAT nor XCR0, nor lets XSETBV be intercepted, so both are kept apart by
 * hand; it fills in no next RIP, so lengths are those of the instructions without prefixes; and it
 * forgets the interrupt shadow (vcpu.c waits it out). No processor switches TSC_AUX, DR0 to DR3 and
 * the x87 and vector registers: TSC_AUX is loaded here; the others the host never uses, and so they
 * stay the guest's as long as a processor runs one vCPU only. A second one needs them switched.
 */
#include "svm.h"

#include "cpu.h"
#include "this_cpu.h"
#include "frames.h"
#include "guest.h"
#include "lib.h"
#include "print.h"
#include "vendor.h"

void svm_enter(struct registers *guest, uint64_t vmcb, uint64_t host_vmcb);

#define VM_CR_SVMDIS ((uint64_t)1 << 4)
#define SVM_FEATURES 0x8000000au
#define FEATURE_NPT  (1u << 0)
#define PAT_AT_RESET 0x0007040600070406u
#define ASIDS_LEAST  2u /* 0 is the host's */

/* Exceptions with an error code: 8, 10 to 14, 17, 21, 29, 30. */
#define HAS_ERROR_CODE 0x60227d00u

/* One a vCPU, in a page of its own beside the VMCB's. */
struct svm_vcpu {
    struct vmcb *vmcb;
    uint64_t asid_round; /* the round in which its ASID was given out; 0: none yet */
    uint8_t offered;
    bool taken;
};

/* What all CPUs share; they are alike. */
static struct {
    uint64_t iopm, msrpm; /* 0: not made yet */
    uint32_t asids;
    bool xsave, rdtscp;
} svm;

/* One a CPU. */
static struct svm_cpu {
    uint64_t host_vmcb;
    uint32_t next_asid;
    uint64_t asid_round; /* rises, and every translation goes, when the numbers run out */
    uint32_t tsc_aux;    /* what is in the processor's now */
} svm_cpu[CPUS_MAX];

static struct svm_cpu *this_cpu(void)
{
    return &svm_cpu[cpu_number()];
}

static struct svm_vcpu *of(const struct vcpu *vcpu)
{
    return vcpu->vendor;
}

/* ---- the processor -------------------------------------------------------------------------- */

static const char *svm_missing(void)
{
    if (rdmsr(MSR_VM_CR) & VM_CR_SVMDIS)
        return "SVM is switched off by the firmware: turn it on in the firmware's set-up";
    if (!(cpuid_if_present(SVM_FEATURES, 0).edx & FEATURE_NPT))
        return "this processor has SVM but no nested paging: podium needs NPT to run guests";
    if (cpuid_if_present(SVM_FEATURES, 0).ebx < ASIDS_LEAST)
        return "this processor has SVM but no address space numbers (ASIDs) for guests";
    if (!cpu_has(CPU_NX))
        return "this processor has no NX (or it is switched off): podium's page tables need it";
    return NULL;
}

static bool svm_has_1g(void)
{
    return cpu_has(CPU_1G_PAGES);
}

static void *page_alloc(unsigned order, int fill)
{
    mfn_t mfn = frames_alloc(order, FRAME_HOST, FRAME_OWNER_HOST);
    void *page;

    if (!mfn_is_valid(mfn))
        return NULL;
    page = direct_map(mfn.mfn << FRAME_SHIFT);
    memset(page, fill, (size_t)FRAME_SIZE << order);
    return page;
}

static void page_free(void *page, unsigned order)
{
    if (!page)
        return;
    frames_free(MFN(physical_of(page) >> FRAME_SHIFT), order);
}

/* Let the guest read and write this MSR itself: VMLOAD and VMSAVE switch it. Two bits an MSR. */
static void msrpm_open(uint8_t *msrpm, uint32_t msr)
{
    uint32_t base = msr >= 0xc0000000u ? 0x800 : 0;
    uint32_t index = msr & 0x1fff;

    msrpm[base + index / 4] &= (uint8_t) ~(3u << index % 4 * 2);
}

/* Guests are told that LFENCE waits for what is before it; here it is made true. */
static void serialise_lfence(void)
{
    uint64_t value;

    if (!cpu_has_de_cfg())
        return;
    value = rdmsr(MSR_DE_CFG);
    if (!(value & DE_CFG_LFENCE_SERIALISES))
        wrmsr(MSR_DE_CFG, value | DE_CFG_LFENCE_SERIALISES);
}

/* What guests may not touch: the same for all of them, on all CPUs. */
static bool make_permissions(void)
{
    static const uint32_t open[] = { MSR_SYSENTER_CS,   MSR_SYSENTER_ESP, MSR_SYSENTER_EIP,
                                     MSR_STAR,          MSR_LSTAR,        MSR_CSTAR,
                                     MSR_SFMASK,        MSR_FS_BASE,      MSR_GS_BASE,
                                     MSR_KERNEL_GS_BASE };
    void *iopm = page_alloc(2, 0xff);
    uint8_t *msrpm = page_alloc(1, 0xff);

    if (!iopm || !msrpm) {
        page_free(iopm, 2);
        page_free(msrpm, 1);
        return false;
    }
    for (unsigned i = 0; i < sizeof(open) / sizeof(open[0]); i++)
        msrpm_open(msrpm, open[i]);
    svm.iopm = physical_of(iopm);
    svm.msrpm = physical_of(msrpm);
    svm.asids = cpuid(SVM_FEATURES, 0).ebx;
    svm.xsave = cpu_has(CPU_XSAVE);
    svm.rdtscp = cpu_has(CPU_RDTSCP);
    return true;
}

static bool svm_enable(void)
{
    struct svm_cpu *self = this_cpu();
    void *save = page_alloc(0, 0), *host = page_alloc(0, 0);

    if (!save || !host || (!svm.iopm && !make_permissions())) {
        page_free(save, 0);
        page_free(host, 0);
        return false;
    }
    serialise_lfence();
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
    wrmsr(MSR_VM_HSAVE_PA, physical_of(save));
    *self = (struct svm_cpu){ physical_of(host), .next_asid = 1, .asid_round = 1 };
    if (svm.rdtscp)
        self->tsc_aux = (uint32_t)rdmsr(MSR_TSC_AUX);
    vmsave(self->host_vmcb);
    return true;
}

/* ---- a vCPU --------------------------------------------------------------------------------- */

static void intercept(struct vmcb *vmcb, unsigned word, unsigned bit)
{
    vmcb->intercept_misc[word] |= 1u << bit;
}

/*
 * #DB and #AC, because a guest can make their delivery raise them again, without end and with no
 * instruction between at which an interrupt could come: by way of the host, one can. A machine
 * check is the host's own.
 */
static void intercept_all(struct vmcb *vmcb)
{
    vmcb->intercept_exceptions = 1u << EXCEPTION_DB | 1u << EXCEPTION_AC | 1u << EXCEPTION_MC;
    intercept(vmcb, INTERCEPT_INTR);
    intercept(vmcb, INTERCEPT_NMI);
    intercept(vmcb, INTERCEPT_SMI);
    intercept(vmcb, INTERCEPT_INIT);
    intercept(vmcb, INTERCEPT_RDPMC);
    intercept(vmcb, INTERCEPT_CPUID);
    intercept(vmcb, INTERCEPT_INVD);
    intercept(vmcb, INTERCEPT_HLT);
    intercept(vmcb, INTERCEPT_INVLPGA);
    intercept(vmcb, INTERCEPT_IOIO);
    intercept(vmcb, INTERCEPT_MSR);
    intercept(vmcb, INTERCEPT_SHUTDOWN);
    intercept(vmcb, INTERCEPT_VMRUN);
    intercept(vmcb, INTERCEPT_VMMCALL);
    intercept(vmcb, INTERCEPT_VMLOAD);
    intercept(vmcb, INTERCEPT_VMSAVE);
    intercept(vmcb, INTERCEPT_STGI);
    intercept(vmcb, INTERCEPT_CLGI);
    intercept(vmcb, INTERCEPT_SKINIT);
    intercept(vmcb, INTERCEPT_WBINVD);
    intercept(vmcb, INTERCEPT_MONITOR);
    intercept(vmcb, INTERCEPT_MWAIT);
    intercept(vmcb, INTERCEPT_XSETBV);
    intercept(vmcb, INTERCEPT_RDPRU);
}

/* Flat 32-bit protected mode, paging off: the PVH ABI's first state. */
static void set_entry_state(struct vmcb *vmcb, struct entry_state entry)
{
    const struct vmcb_segment data = { .attributes = 0xc93, .limit = 0xffffffff };

    vmcb->cs = (struct vmcb_segment){ .attributes = 0xc9b, .limit = 0xffffffff };
    vmcb->ds = vmcb->es = vmcb->ss = vmcb->fs = vmcb->gs = data;
    vmcb->tr = (struct vmcb_segment){ .attributes = 0x08b, .limit = 0x67 };
    vmcb->cr0 = CR0_PE | CR0_ET;
    vmcb->efer = EFER_SVME;
    vmcb->rflags = 2;
    vmcb->dr6 = 0xffff0ff0;
    vmcb->dr7 = 0x400;
    vmcb->pat = PAT_AT_RESET;
    vmcb->rip = entry.rip;
}

static bool svm_vcpu_init(struct vcpu *vcpu, struct entry_state entry)
{
    struct svm_vcpu *self = page_alloc(0, 0);
    struct vmcb *vmcb = page_alloc(0, 0);

    if (!self || !vmcb) {
        page_free(self, 0);
        page_free(vmcb, 0);
        return false;
    }
    self->vmcb = vmcb;
    vcpu->vendor = self;
    intercept_all(vmcb);
    vmcb->iopm_base = svm.iopm;
    vmcb->msrpm_base = svm.msrpm;
    vmcb->tsc_offset = vcpu->domain->tsc_offset;
    vmcb->nested_enable = 1;
    vmcb->nested_cr3 = p2m_root_address(&vcpu->domain->p2m);
    vmcb->virtual_interrupt = VINTR_MASKING;
    set_entry_state(vmcb, entry);
    vcpu->registers = (struct registers){ .rbx = entry.rbx, .rip = entry.rip, .rflags = 2 };
    vcpu->xcr0 = 1;
    return true;
}

static void svm_vcpu_destroy(struct vcpu *vcpu)
{
    page_free(of(vcpu)->vmcb, 0);
    page_free(of(vcpu), 0);
    vcpu->vendor = NULL;
}

/* ---- translations --------------------------------------------------------------------------- */

static void svm_flush(struct vcpu *vcpu)
{
    of(vcpu)->vmcb->tlb_control = TLB_FLUSH_ALL;
}

/*
 * An ASID of this CPU's, where the vCPU stays. When the numbers run out they begin again. Whoever
 * had the number before, in an earlier round or before this program, may have left translations
 * under it: they all go.
 */
static void assign_asid(struct svm_vcpu *self)
{
    struct svm_cpu *cpu = this_cpu();

    if (self->asid_round == cpu->asid_round)
        return;
    if (cpu->next_asid == svm.asids) {
        cpu->next_asid = 1;
        cpu->asid_round++;
    }
    self->vmcb->tlb_control = TLB_FLUSH_ALL;
    self->vmcb->asid = cpu->next_asid++;
    self->asid_round = cpu->asid_round;
}

/* ---- interrupts ----------------------------------------------------------------------------- */

/* The processor itself waits for IF and the shadow: no interrupt window is needed. */
static void svm_offer_interrupt(struct vcpu *vcpu, struct interrupt interrupt)
{
    struct svm_vcpu *self = of(vcpu);
    uint64_t value = VINTR_MASKING;

    if (interrupt.vector)
        value |= VINTR_REQUEST | (uint64_t)interrupt.vector << VINTR_VECTOR_SHIFT |
                 (uint64_t)(interrupt.vector >> 4) << VINTR_PRIORITY_SHIFT;
    if (interrupt.from == INTERRUPT_EVENT)
        value |= VINTR_IGNORE_TPR;
    self->vmcb->virtual_interrupt = value;
    self->offered = interrupt.vector;
}

static bool svm_offer_taken(struct vcpu *vcpu)
{
    return of(vcpu)->taken;
}

static void svm_raise_exception(struct vcpu *vcpu, uint8_t vector)
{
    uint64_t event = EVENT_VALID | EVENT_EXCEPTION << 8 | vector;

    if (HAS_ERROR_CODE >> vector & 1)
        event |= EVENT_HAS_CODE;
    of(vcpu)->vmcb->event_injection = event;
}

static void svm_raise_single_step(struct vcpu *vcpu)
{
    of(vcpu)->vmcb->dr6 |= DR6_SINGLE_STEP;
    svm_raise_exception(vcpu, EXCEPTION_DB);
}

/*
 * An exit can cut the delivery of an event short. Exceptions and NMIs are delivered again. An
 * interrupt that was offered counts as not taken, and is offered again if it is still wanted (the
 * emulated processor calls it an exception). What an instruction raises (INT, INT3, INTO) is not:
 * rip is still there.
 */
static void recover_event(struct svm_vcpu *self)
{
    uint64_t event = self->vmcb->exit_interrupt;
    unsigned type = EVENT_TYPE(event), vector = EVENT_VECTOR(event);
    bool interrupt = type == EVENT_INTERRUPT ||
                     (type == EVENT_EXCEPTION && self->offered && vector == self->offered);
    bool software = type == EVENT_SOFTWARE || vector == EXCEPTION_BP || vector == EXCEPTION_OF;

    self->vmcb->event_injection = 0;
    self->taken = self->offered && !(self->vmcb->virtual_interrupt & VINTR_REQUEST);
    if (!(event & EVENT_VALID))
        return;
    if (interrupt)
        self->taken = false;
    else if (!software)
        self->vmcb->event_injection = event;
}

/* ---- run ------------------------------------------------------------------------------------ */

/* XCR0 is the processor's one and only: no exit says that the guest set it. */
static void load_xcr0(const struct vcpu *vcpu)
{
    if (svm.xsave && xgetbv(0) != vcpu->xcr0)
        xsetbv(0, vcpu->xcr0);
}

static void load_tsc_aux(const struct vcpu *vcpu)
{
    struct svm_cpu *cpu = this_cpu();

    if (!svm.rdtscp || cpu->tsc_aux == vcpu->tsc_aux)
        return;
    wrmsr(MSR_TSC_AUX, vcpu->tsc_aux);
    cpu->tsc_aux = vcpu->tsc_aux;
}

/* CR8 is the upper half of the APIC's task priority, and the processor's own while it runs. */
static void load_task_priority(const struct vcpu *vcpu, struct vmcb *vmcb)
{
    vmcb->virtual_interrupt &= ~VINTR_TPR;
    vmcb->virtual_interrupt |= vcpu->lapic.task_priority >> 4;
}

static void store_task_priority(struct vcpu *vcpu, const struct vmcb *vmcb)
{
    uint32_t priority = vmcb->virtual_interrupt & VINTR_TPR;

    if (vcpu->lapic.task_priority >> 4 != priority)
        vcpu->lapic.task_priority = priority << 4;
}

static void svm_run(struct vcpu *vcpu)
{
    struct svm_vcpu *self = of(vcpu);
    struct vmcb *vmcb = self->vmcb;
    struct registers *registers = &vcpu->registers;

    assign_asid(self);
    if (!vcpu->shadow_rip)
        vmcb->interrupt_shadow = 0; /* an emulated instruction has ended it */
    vmcb->rax = registers->rax;
    vmcb->rsp = registers->rsp;
    vmcb->rip = registers->rip;
    vmcb->rflags = registers->rflags;
    load_task_priority(vcpu, vmcb);
    load_tsc_aux(vcpu);
    load_xcr0(vcpu);
    svm_enter(registers, physical_of(vmcb), this_cpu()->host_vmcb);
    if (svm.xsave)
        vcpu->xcr0 = xgetbv(0);
    registers->rax = vmcb->rax;
    registers->rsp = vmcb->rsp;
    registers->rip = vmcb->rip;
    registers->rflags = vmcb->rflags;
    vmcb->tlb_control = 0;
    store_task_priority(vcpu, vmcb);
    vcpu->shadow_rip = vmcb->interrupt_shadow & 1 ? vmcb->rip : 0;
    recover_event(self);
    svm_read_control(vmcb, &vcpu->control);
    svm_read_exit(vmcb, &vcpu->exit);
}

/* ---- MSRs ----------------------------------------------------------------------------------- */

static uint64_t svm_msr_read(struct vcpu *vcpu, uint32_t msr)
{
    const struct vmcb *vmcb = of(vcpu)->vmcb;

    return msr == MSR_EFER ? vmcb->efer & EFER_OF_GUEST : vmcb->pat;
}

static void svm_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    struct vmcb *vmcb = of(vcpu)->vmcb;

    if (msr == MSR_EFER)
        vmcb->efer = value | EFER_SVME;
    else
        vmcb->pat = value;
}

/* ---- for people ----------------------------------------------------------------------------- */

static void svm_dump(struct vcpu *vcpu)
{
    const struct vmcb *v = of(vcpu)->vmcb;
    const struct registers *r = &vcpu->registers;

    print("  rip %016lx rsp %016lx rflags %08lx cpl %u\n", r->rip, r->rsp, r->rflags, v->cpl);
    print("  rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r->rax, r->rbx, r->rcx, r->rdx);
    print("  rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", r->rsi, r->rdi, r->rbp, r->r8);
    print("  r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", r->r9, r->r10, r->r11, r->r12);
    print("  r13 %016lx r14 %016lx r15 %016lx\n", r->r13, r->r14, r->r15);
    print("  cr0 %08lx cr2 %016lx cr3 %016lx cr4 %08lx efer %04lx\n", v->cr0, v->cr2, v->cr3,
          v->cr4, v->efer & EFER_OF_GUEST);
    print("  cs %04x attributes %03x base %lx, exit %lx info %lx %lx, in delivery %lx\n",
          v->cs.selector, v->cs.attributes, v->cs.base, v->exit_code, v->exit_info_1,
          v->exit_info_2, v->exit_interrupt);
}

const struct vendor svm_vendor = {
    .name = "svm",
    .format = &npt_format,
    .hypercall = { 0x0f, 0x01, 0xd9 }, /* VMMCALL */
    .missing = svm_missing,
    .has_1g = svm_has_1g,
    .enable = svm_enable,
    .vcpu_init = svm_vcpu_init,
    .vcpu_destroy = svm_vcpu_destroy,
    .run = svm_run,
    .offer_interrupt = svm_offer_interrupt,
    .offer_taken = svm_offer_taken,
    .raise_exception = svm_raise_exception,
    .raise_single_step = svm_raise_single_step,
    .msr_read = svm_msr_read,
    .msr_write = svm_msr_write,
    .flush = svm_flush,
    .dump = svm_dump,
};
