/* SPDX-License-Identifier: MIT */
/*
 * Intel's way to run a guest: VMCS, entry and exit. Refuses to know what an exit is answered with,
 * and what the extended page tables say. [SDM "Introduction to Virtual Machine Extensions"]
 *
 * The guest has the processor as it is ("unrestricted"), but for the few bits of CR0 and CR4 that
 * VMX wants for itself; where it changes one, what it sees follows, and the processor's stays.
 * What no processor switches and the host never uses is switched when another vCPU comes; of the
 * x87 and vector registers and of DR0 to DR3 not even that: a processor's second vCPU needs them
 * switched. A vCPU stays on the processor that made it, whose host state is in its VMCS.
 *
 * One peculiarity of the emulated processor (Bochs') is met here: a guest that is entered with
 * interrupts off is not ended by one. The preemption timer ends it.
 */
#include "vmx.h"

#include "cpu.h"
#include "this_cpu.h"
#include "devices.h"
#include "frames.h"
#include "guest.h"
#include "lib.h"
#include "print.h"
#include "vendor.h"

bool vmx_enter(struct registers *guest, uint64_t launched);

#define DR6_AT_RESET  0xffff0ff0u
#define SLICES_PER_MS 1u         /* how often a guest with interrupts off is looked at */
#define TASK_PRIORITY 0x80u      /* in the virtual APIC's page */
#define NOT_ENTERED   UINT64_MAX /* exit code for people: see info 0 */

/* The guest's own: it reads and writes them without us. */
static const uint32_t live_msrs[] = { MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK,
                                      MSR_KERNEL_GS_BASE };
_Static_assert(sizeof(live_msrs) / sizeof(live_msrs[0]) == LIVE_MSRS, "each has its place");

/* And these travel in the VMCS. */
static const uint32_t switched_msrs[] = { MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP,
                                          MSR_FS_BASE, MSR_GS_BASE };
#define SWITCHED_MSRS (sizeof(switched_msrs) / sizeof(switched_msrs[0]))

/* What all CPUs share; they are alike. */
static struct {
    struct vmx_controls controls;
    uint32_t revision;
    uint64_t msr_bitmap; /* 0: not made yet */
    uint32_t slice;      /* of the preemption timer */
    bool xsave, rdtscp;
} vmx;

/* One a CPU. */
static struct vmx_cpu {
    struct vmx_vcpu *current; /* whose VMCS it is that VMREAD reads */
    struct vmx_vcpu *live;    /* whose registers are those that nobody switches */
    uint32_t tsc_aux;         /* what is in the processor's now */
} vmx_cpu[CPUS_MAX];

static struct vmx_cpu *this_cpu(void)
{
    return &vmx_cpu[cpu_number()];
}

/* Its VMCS is the current one from here on. */
static struct vmx_vcpu *of(const struct vcpu *vcpu)
{
    struct vmx_vcpu *self = vcpu->vendor;
    struct vmx_cpu *cpu = this_cpu();

    if (cpu->current != self && !vmptrld(physical_of(self->vmcs)))
        panic("VMPTRLD refuses a VMCS");
    cpu->current = self;
    return self;
}

/* ---- the processor -------------------------------------------------------------------------- */

static bool is_alike(const struct vmx_controls *controls, uint32_t revision)
{
    return memcmp(controls, &vmx.controls, sizeof(*controls)) == 0 && revision == vmx.revision;
}

/* The first one's count for all, from when it is enabled. */
static const char *vmx_missing(void)
{
    struct vmx_controls controls;
    const char *missing = vmx_choose_controls(&controls);
    uint32_t revision;

    if (missing)
        return missing;
    revision = (uint32_t)rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
    if (vmx.msr_bitmap)
        return is_alike(&controls, revision) ? NULL : "its VMX is not like the first one's";
    vmx.controls = controls;
    vmx.revision = revision;
    return NULL;
}

static bool vmx_has_1g(void)
{
    return rdmsr(MSR_VMX_EPT_VPID) & EPT_1G;
}

static void *page_new(void)
{
    mfn_t mfn = frames_alloc(ORDER_4K, FRAME_HOST, FRAME_OWNER_HOST);

    return mfn_is_valid(mfn) ? memset(direct_map(mfn.mfn << FRAME_SHIFT), 0, FRAME_SIZE) : NULL;
}

static void page_free(void *page)
{
    if (page)
        frames_free(MFN(physical_of(page) >> FRAME_SHIFT), ORDER_4K);
}

/* VMXON's own, and each VMCS: the processor finds its revision in it. */
static void *region_new(void)
{
    uint32_t *region = page_new();

    if (region)
        *region = vmx.revision;
    return region;
}

/* 1 KB each: reads of low MSRs, of high ones, and the same for writes. */
static void msr_bitmap_open(uint8_t *bitmap, uint32_t msr)
{
    uint32_t at = (msr >= 0xc0000000u ? 1024 : 0) + (msr & 0x1fff) / 8;

    bitmap[at] &= (uint8_t) ~(1u << msr % 8);
    bitmap[at + 2048] &= (uint8_t) ~(1u << msr % 8);
}

static void msr_bitmap_fill(uint8_t *bitmap)
{
    memset(bitmap, 0xff, FRAME_SIZE);
    for (unsigned i = 0; i < LIVE_MSRS; i++)
        msr_bitmap_open(bitmap, live_msrs[i]);
    for (unsigned i = 0; i < SWITCHED_MSRS; i++)
        msr_bitmap_open(bitmap, switched_msrs[i]);
}

static bool make_shared(void)
{
    void *bitmap = page_new();

    if (!bitmap)
        return false;
    msr_bitmap_fill(bitmap);
    vmx.msr_bitmap = physical_of(bitmap);
    vmx.slice =
        (uint32_t)(clock_tsc_khz() / SLICES_PER_MS >> (rdmsr(MSR_VMX_MISC) & VMX_MISC_TIMER_RATE));
    vmx.xsave = cpu_has(CPU_XSAVE);
    vmx.rdtscp = vmx.controls.secondary & SECONDARY_RDTSCP;
    return true;
}

static bool vmx_enable(void)
{
    void *region = region_new();

    if (!region || (!vmx.msr_bitmap && !make_shared())) {
        page_free(region);
        return false;
    }
    if (vmx.rdtscp)
        this_cpu()->tsc_aux = (uint32_t)rdmsr(MSR_TSC_AUX);
    if (!(rdmsr(MSR_FEATURE_CONTROL) & FEATURE_CONTROL_LOCK))
        wrmsr(MSR_FEATURE_CONTROL, FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX);
    write_cr0(read_cr0() | rdmsr(MSR_VMX_CR0_FIXED0));
    write_cr4(read_cr4() | rdmsr(MSR_VMX_CR4_FIXED0));
    if (vmxon(physical_of(region)))
        return true;
    if (cpu_number() == 0)
        panic("VMXON: the processor refuses it");
    page_free(region);
    return false;
}

/* ---- a vCPU --------------------------------------------------------------------------------- */

static void vmx_vcpu_destroy(struct vcpu *vcpu)
{
    struct vmx_vcpu *self = vcpu->vendor;
    struct vmx_cpu *cpu = this_cpu();

    if (!vmclear(physical_of(self->vmcs)))
        panic("VMCLEAR refuses a VMCS");
    if (cpu->current == self)
        cpu->current = NULL;
    if (cpu->live == self)
        cpu->live = NULL;
    page_free(self->vmcs);
    page_free(self->virtual_apic);
    page_free(self);
    vcpu->vendor = NULL;
}

/*
 * A VPID need only tell the vCPUs of one guest apart, because translations are tagged with their
 * tables' root as well. [SDM "Creating and Using Cached Translation Information"]
 */
static void write_this_guests(const struct vcpu *vcpu, const struct vmx_vcpu *self)
{
    vmwrite(VMCS_VPID, vcpu->id + 1);
    vmwrite(VMCS_EPTP, self->eptp);
    vmwrite(VMCS_TSC_OFFSET, vcpu->domain->tsc_offset);
    vmwrite(VMCS_MSR_BITMAP, vmx.msr_bitmap);
    vmwrite(VMCS_VIRTUAL_APIC, physical_of(self->virtual_apic));
}

/* Combined with the guest's own translations or not, under whatever VPID: all of these tables'. */
static void vmx_flush(struct vcpu *vcpu)
{
    const struct vmx_vcpu *self = vcpu->vendor;

    if (!invept_single(self->eptp))
        panic("INVEPT refuses a guest's tables");
}

static bool vmx_vcpu_init(struct vcpu *vcpu, struct entry_state entry)
{
    struct vmx_vcpu *self = page_new();
    void *vmcs = region_new(), *virtual_apic = page_new();

    if (!self || !vmcs || !virtual_apic || !vmclear(physical_of(vmcs))) {
        page_free(self);
        page_free(vmcs);
        page_free(virtual_apic);
        return false;
    }
    *self = (struct vmx_vcpu){ .vmcs = vmcs, .virtual_apic = virtual_apic, .dr6 = DR6_AT_RESET };
    self->eptp =
        p2m_root_address(&vcpu->domain->p2m) | EPTP_WRITE_BACK | EPTP_WALK_4 | EPTP_ACCESSED;
    vcpu->vendor = self;
    of(vcpu);
    vmx_write_zeroes();
    vmx_write_controls(&vmx.controls);
    vmx_write_host_state();
    vmx_write_guest_state(entry);
    write_this_guests(vcpu, self);
    vmx_flush(vcpu); /* whose root page this was before may have left translations */
    vcpu->registers = (struct registers){ .rbx = entry.rbx, .rip = entry.rip, .rflags = 2 };
    vcpu->xcr0 = 1;
    return true;
}

/* ---- events --------------------------------------------------------------------------------- */

static void vmx_offer_interrupt(struct vcpu *vcpu, struct interrupt interrupt)
{
    of(vcpu)->offered = interrupt.vector; /* the APIC's are above its task priority */
}

static bool vmx_offer_taken(struct vcpu *vcpu)
{
    return of(vcpu)->taken;
}

static void vmx_raise_exception(struct vcpu *vcpu, uint8_t vector)
{
    vmx_event_raise(of(vcpu), vector);
}

static void vmx_raise_single_step(struct vcpu *vcpu)
{
    write_dr6(read_dr6() | DR6_BS);
    vmx_event_raise(of(vcpu), EXCEPTION_DB);
}

/* ---- CR0 ------------------------------------------------------------------------------------ */

/* [SDM "Exit Qualification for Control-Register Accesses"]: the manual's order of registers. */
static uint64_t register_by_number(const struct registers *r, unsigned number)
{
    const uint64_t value[16] = { r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi,
                                 r->r8,  r->r9,  r->r10, r->r11, r->r12, r->r13, r->r14, r->r15 };

    return value[number];
}

/*
 * The guest changes a bit of CR0 that is kept from it. It is shown the bit as it wants it, and the
 * instruction runs again: the processor itself does, or refuses, the rest of what it asks for.
 */
static void show_cr0(struct vcpu *vcpu)
{
    uint64_t value =
        register_by_number(&vcpu->registers, CONTROL_REGISTER_SOURCE(vcpu->exit.info[0]));

    if ((value & CR0_NW) && !(value & CR0_CD)) { /* the one mistake that it could not see */
        vcpu->exit.reason = EXIT_FORBIDDEN;
        vcpu->exit.exception = EXCEPTION_GP;
        return;
    }
    vmwrite(VMCS_CR0_SHADOW, value);
}

static void read_control(struct control *control)
{
    control->cr0 = (vmread(VMCS_GUEST_CR0) & ~CR0_KEPT) | (vmread(VMCS_CR0_SHADOW) & CR0_KEPT);
    control->cr3 = vmread(VMCS_GUEST_CR3);
    control->cr4 = vmread(VMCS_GUEST_CR4) & ~CR4_KEPT;
    control->efer = vmread(VMCS_GUEST_EFER);
    control->cpl = RIGHTS_DPL(vmread(VMCS_GUEST_SS_RIGHTS));
    control->code64 = (control->efer & EFER_LMA) && (vmread(VMCS_GUEST_CS_RIGHTS) & RIGHTS_CODE64);
}

/* ---- run ------------------------------------------------------------------------------------ */

static void live_save(struct vmx_vcpu *self)
{
    for (unsigned i = 0; i < LIVE_MSRS; i++)
        self->live_msr[i] = rdmsr(live_msrs[i]);
    self->cr2 = read_cr2();
    self->dr6 = read_dr6();
}

static void live_load(const struct vmx_vcpu *self)
{
    for (unsigned i = 0; i < LIVE_MSRS; i++)
        wrmsr(live_msrs[i], self->live_msr[i]);
    write_cr2(self->cr2);
    write_dr6(self->dr6);
}

/* XCR0 and TSC_AUX are set through the host, which knows what they should be. */
static void load_unswitched(const struct vcpu *vcpu, struct vmx_vcpu *self)
{
    struct vmx_cpu *cpu = this_cpu();

    if (cpu->live != self) {
        if (cpu->live)
            live_save(cpu->live);
        live_load(self);
        cpu->live = self;
    }
    if (vmx.xsave && xgetbv(0) != vcpu->xcr0)
        xsetbv(0, vcpu->xcr0);
    if (vmx.rdtscp && cpu->tsc_aux != vcpu->tsc_aux) {
        wrmsr(MSR_TSC_AUX, vcpu->tsc_aux);
        cpu->tsc_aux = vcpu->tsc_aux;
    }
}

static void load(struct vcpu *vcpu, struct vmx_vcpu *self)
{
    const struct registers *registers = &vcpu->registers;

    load_unswitched(vcpu, self);
    vmx_event_load(self, registers, vmx.controls.primary);
    self->virtual_apic[TASK_PRIORITY] = (uint8_t)vcpu->lapic.task_priority;
    vmwrite(VMCS_GUEST_RSP, registers->rsp);
    vmwrite(VMCS_GUEST_RIP, registers->rip);
    vmwrite(VMCS_GUEST_RFLAGS, registers->rflags);
    vmwrite(VMCS_PREEMPTION_TIMER, registers->rflags & RFLAGS_INTERRUPT ? UINT32_MAX : vmx.slice);
}

static void store(struct vcpu *vcpu, struct vmx_vcpu *self)
{
    struct registers *registers = &vcpu->registers;
    struct vmcs_exit from = {
        .reason = (uint32_t)vmread(VMCS_EXIT_REASON),
        .event = (uint32_t)vmread(VMCS_EXIT_EVENT),
        .length = (uint32_t)vmread(VMCS_EXIT_LENGTH),
        .qualification = vmread(VMCS_QUALIFICATION),
        .guest_physical = vmread(VMCS_GUEST_PHYSICAL),
    };

    self->launched = true;
    registers->rsp = vmread(VMCS_GUEST_RSP);
    registers->rip = self->exit_rip = vmread(VMCS_GUEST_RIP);
    registers->rflags = vmread(VMCS_GUEST_RFLAGS);
    vcpu->lapic.task_priority = self->virtual_apic[TASK_PRIORITY];
    vmx_event_recover(self);
    read_control(&vcpu->control);
    vmx_read_exit(&from, &vcpu->exit);
    if (VMX_REASON(from.reason) == VMX_CONTROL_REGISTER && vcpu->exit.reason == EXIT_AGAIN)
        show_cr0(vcpu);
    if (vcpu->exit.reason == EXIT_EXCEPTION && vcpu->exit.exception == EXCEPTION_DB)
        vmx_event_note_debug(from.qualification);
    if (VMX_REASON(from.reason) == VMX_EVENT && EVENT_TYPE(from.event) == EVENT_NMI)
        interrupt_nmi(); /* the exit has used it up */
}

static void vmx_run(struct vcpu *vcpu)
{
    struct vmx_vcpu *self = of(vcpu);

    load(vcpu, self);
    if (vmx_enter(&vcpu->registers, self->launched)) {
        store(vcpu, self);
    } else {
        vcpu->exit = (struct vm_exit){ .reason = EXIT_INVALID, .code = NOT_ENTERED };
        vcpu->exit.info[0] = vmread(VMCS_INSTRUCTION_ERROR);
    }
}

/* ---- MSRs ----------------------------------------------------------------------------------- */

static uint64_t vmx_msr_read(struct vcpu *vcpu, uint32_t msr)
{
    of(vcpu);
    return vmread(msr == MSR_EFER ? VMCS_GUEST_EFER : VMCS_GUEST_PAT);
}

static void vmx_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    of(vcpu);
    vmwrite(msr == MSR_EFER ? VMCS_GUEST_EFER : VMCS_GUEST_PAT, value);
}

/* ---- for people ----------------------------------------------------------------------------- */

static void vmx_dump(struct vcpu *vcpu)
{
    const struct registers *r = &vcpu->registers;
    const struct control *c = &vcpu->control;

    of(vcpu);
    print("  rip %016lx rsp %016lx rflags %08lx cpl %u\n", r->rip, r->rsp, r->rflags, c->cpl);
    print("  rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r->rax, r->rbx, r->rcx, r->rdx);
    print("  rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", r->rsi, r->rdi, r->rbp, r->r8);
    print("  r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", r->r9, r->r10, r->r11, r->r12);
    print("  r13 %016lx r14 %016lx r15 %016lx\n", r->r13, r->r14, r->r15);
    print("  cr0 %08lx cr2 %016lx cr3 %016lx cr4 %08lx efer %04lx\n", c->cr0, read_cr2(), c->cr3,
          c->cr4, c->efer);
    print("  cs %04lx rights %05lx base %lx, exit %lx info %lx %lx, in delivery %lx\n",
          vmread(VMCS_GUEST_CS), vmread(VMCS_GUEST_CS_RIGHTS), vmread(VMCS_GUEST_CS_BASE),
          vcpu->exit.code, vcpu->exit.info[0], vcpu->exit.info[1], vmread(VMCS_VECTORING_EVENT));
}

const struct vendor vmx_vendor = {
    .name = "vmx",
    .format = &ept_format,
    .hypercall = { 0x0f, 0x01, 0xc1 }, /* VMCALL */
    .missing = vmx_missing,
    .has_1g = vmx_has_1g,
    .enable = vmx_enable,
    .vcpu_init = vmx_vcpu_init,
    .vcpu_destroy = vmx_vcpu_destroy,
    .run = vmx_run,
    .offer_interrupt = vmx_offer_interrupt,
    .offer_taken = vmx_offer_taken,
    .raise_exception = vmx_raise_exception,
    .raise_single_step = vmx_raise_single_step,
    .msr_read = vmx_msr_read,
    .msr_write = vmx_msr_write,
    .flush = vmx_flush,
    .dump = vmx_dump,
};
