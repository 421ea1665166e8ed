/* SPDX-License-Identifier: MIT */
/*
 * Intel's way to run a guest, on a processor of the test's own: what it is asked to do by its
 * capabilities, what it finds in the VMCS when it is entered, and what becomes of what it leaves
 * there, with events cut short as no emulator does it on demand. The files under test are included,
 * so that the instructions in them can be exchanged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "p2m/format.h"

#include "cpu.h"
#include "vmx.h"

#define PAGES 64u
#define ALL   UINT32_MAX

/* ---- the processor -------------------------------------------------------------------------- */

static struct {
    bool has_nx, has_rdtscp;
    uint64_t feature_control, basic, ept;
    uint32_t must[5], may[5]; /* pin, primary, exit, entry, secondary */
    uint64_t tsc_aux, live[5], cr0, cr2, cr4, dr6, xcr0;
    unsigned tsc_aux_writes, nmis, flushes;
    uint64_t flushed;
    uint64_t *vmcs; /* the current one */
} processor;

static uint64_t vmcs_of_page[PAGES][VMCS_FIELDS];

enum { PIN, PRIMARY, EXIT, ENTRY, SECONDARY };

static uint64_t capability(unsigned which)
{
    return processor.must[which] | (uint64_t)processor.may[which] << 32;
}

static uint64_t *live_register(uint32_t msr)
{
    static const uint32_t msrs[] = { MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK,
                                     MSR_KERNEL_GS_BASE };

    for (unsigned i = 0; i < 5; i++) {
        if (msrs[i] == msr)
            return &processor.live[i];
    }
    return NULL;
}

static uint64_t fake_rdmsr(uint32_t msr)
{
    switch (msr) {
    case MSR_FEATURE_CONTROL:
        return processor.feature_control;
    case MSR_VMX_BASIC:
        return processor.basic;
    case MSR_VMX_EPT_VPID:
        return processor.ept;
    case MSR_VMX_TRUE_PIN:
        return capability(PIN);
    case MSR_VMX_TRUE_PRIMARY:
        return capability(PRIMARY);
    case MSR_VMX_TRUE_EXIT:
        return capability(EXIT);
    case MSR_VMX_TRUE_ENTRY:
        return capability(ENTRY);
    case MSR_VMX_SECONDARY:
        return capability(SECONDARY);
    case MSR_VMX_CR0_FIXED0:
        return CR0_NE;
    case MSR_VMX_CR4_FIXED0:
        return CR4_VMXE;
    case MSR_VMX_MISC:
        return 5;
    case MSR_TSC_AUX:
        return processor.tsc_aux;
    default:
        return live_register(msr) ? *live_register(msr) : 0;
    }
}

static void fake_wrmsr(uint32_t msr, uint64_t value)
{
    if (live_register(msr))
        *live_register(msr) = value;
    if (msr == MSR_FEATURE_CONTROL)
        processor.feature_control = value;
    if (msr != MSR_TSC_AUX)
        return;
    processor.tsc_aux = value;
    processor.tsc_aux_writes++;
}

static bool fake_has(struct cpu_feature feature)
{
    if (feature.bit == CPU_NX.bit && feature.leaf == CPU_NX.leaf)
        return processor.has_nx;
    return true;
}

static bool fake_vmptrld(uint64_t physical)
{
    processor.vmcs = vmcs_of_page[physical / FRAME_SIZE];
    return true;
}

static bool fake_vmclear(uint64_t physical)
{
    (void)physical;
    return true;
}

static bool fake_invept(uint64_t eptp)
{
    processor.flushes++;
    processor.flushed = eptp;
    return true;
}

static const uint64_t fake_gdt[5] = { 0, 0, 0, 0x12008b345678ffffull, 0x9a };

#define cpu_has(feature)      fake_has(feature)
#define rdmsr(msr)            fake_rdmsr(msr)
#define wrmsr(msr, value)     fake_wrmsr(msr, value)
#define xgetbv(index)         processor.xcr0
#define xsetbv(index, value)  (processor.xcr0 = (value))
#define read_cr0()            processor.cr0
#define write_cr0(value)      (processor.cr0 = (value))
#define read_cr2()            processor.cr2
#define write_cr2(value)      (processor.cr2 = (value))
#define read_cr3()            0x5000u
#define read_cr4()            processor.cr4
#define write_cr4(value)      (processor.cr4 = (value))
#define read_dr6()            processor.dr6
#define write_dr6(value)      (processor.dr6 = (value))
#define read_gdtr()           ((struct table_register){ sizeof(fake_gdt) - 1, (uintptr_t)fake_gdt })
#define read_idtr()           ((struct table_register){ 0, 0x7000 })
#define vmxon(region)         true
#define vmclear(vmcs)         fake_vmclear(vmcs)
#define vmptrld(vmcs)         fake_vmptrld(vmcs)
#define invept_single(eptp)   fake_invept(eptp)
#define vmread(field)         (processor.vmcs[field])
#define vmwrite(field, value) ((void)(processor.vmcs[field] = (value)))
#define interrupts_take()     ((void)0)
#define interrupt_nmi()       ((void)processor.nmis++)
#include "../../hv/vmx_state.c"
#include "../../hv/vmx_event.c"
#include "../../hv/vmx.c"

/* ---- what stands around the files ----------------------------------------------------------- */

static bool page_used[PAGES];
static unsigned frames_left;

mfn_t frames_alloc(unsigned order, enum frame_state state, unsigned owner)
{
    (void)state;
    (void)owner;
    assert_int_equal(order, ORDER_4K);
    for (unsigned page = 1; page < PAGES && frames_left; page++) {
        if (page_used[page])
            continue;
        page_used[page] = true;
        frames_left--;
        return MFN(page);
    }
    return INVALID_MFN;
}

void frames_free(mfn_t mfn, unsigned order)
{
    assert_int_equal(order, ORDER_4K);
    assert_true(page_used[mfn.mfn]);
    page_used[mfn.mfn] = false;
    frames_left++;
}

const struct pt_format ept_format;

uint64_t p2m_root_address(const struct p2m *p2m)
{
    (void)p2m;
    return 0x123000;
}

uint64_t clock_tsc_khz(void)
{
    return 3200000;
}

void print(const char *text, ...)
{
    (void)text;
}

void panic(const char *text, ...)
{
    fail_msg("%s", text);
    abort();
}

void vmx_exit_point(void)
{
    abort();
}

/* What the next run does, between what was loaded and what will be found. */
static uint64_t loaded[VMCS_FIELDS];
static uint64_t launched_before;
static void (*run_does)(void);
static bool refuses;

bool vmx_enter(struct registers *guest, uint64_t launched)
{
    (void)guest;
    memcpy(loaded, processor.vmcs, sizeof(loaded));
    launched_before = launched;
    vmwrite(VMCS_EXIT_REASON, VMX_HLT);
    vmwrite(VMCS_EXIT_EVENT, 0);
    vmwrite(VMCS_VECTORING_EVENT, 0);
    vmwrite(VMCS_QUALIFICATION, 0);
    if (run_does)
        run_does();
    return !refuses;
}

static struct domain domain, other;
static struct vcpu *const vcpu = &domain.vcpu[0];

static int set_up(void **state)
{
    void *at = (void *)(uintptr_t)DIRECT_MAP;

    *state = mmap(at, (size_t)PAGES * FRAME_SIZE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    memset(page_used, false, sizeof(page_used));
    memset(vmcs_of_page, 0xa5, sizeof(vmcs_of_page)); /* what a new one holds is anybody's guess */
    frames_left = PAGES;
    processor = (__typeof__(processor)){
        .has_nx = true,
        .basic = VMX_BASIC_TRUE | 0x11,
        .ept = UINT64_MAX,
        .may = { ALL, ALL, ALL, ALL, ALL },
        .xcr0 = 1,
    };
    memset(&vmx, 0, sizeof(vmx));
    memset(&domain, 0, sizeof(domain));
    memset(&other, 0, sizeof(other));
    vcpu->domain = &domain;
    other.vcpu[0].domain = &other;
    run_does = NULL;
    refuses = false;
    return *state == at && !vmx_missing() && vmx_enable() &&
                   vmx_vcpu_init(vcpu, (struct entry_state){ .rip = 0x1000 })
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    return munmap(*state, (size_t)PAGES * FRAME_SIZE);
}

static void offer(uint8_t vector)
{
    vmx_offer_interrupt(vcpu, (struct interrupt){ vector, INTERRUPT_APIC });
}

/* ---- what a processor must have ------------------------------------------------------------- */

static void assert_missing(const char *words)
{
    assert_non_null(vmx_missing());
    assert_non_null(strstr(vmx_missing(), words));
}

static void each_thing_missing_has_its_own_line(void **state)
{
    (void)state;
    assert_null(vmx_missing());
    processor.may[PRIMARY] &= ~PRIMARY_TPR_SHADOW;
    assert_missing("TPR shadow");
    processor.may[ENTRY] &= ~ENTRY_CONTROL_LOAD_PAT;
    assert_missing("PAT and EFER");
    processor.may[PIN] &= ~PIN_PREEMPTION_TIMER;
    assert_missing("preemption timer");
    processor.ept &= ~EPT_ACCESSED;
    assert_missing("accessed and dirty");
    processor.may[SECONDARY] &= ~SECONDARY_UNRESTRICTED;
    assert_missing("unrestricted");
    processor.may[SECONDARY] &= ~SECONDARY_EPT;
    assert_missing("nested paging");
    processor.basic = 0x11;
    assert_missing("too old");
    processor.has_nx = false;
    assert_missing("NX");
    processor.feature_control = FEATURE_CONTROL_LOCK;
    assert_missing("firmware");
}

static void firmware_that_leaves_vmx_to_us_is_told(void **state)
{
    (void)state;
    assert_int_equal(processor.feature_control, FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX);
    assert_true(processor.cr0 & CR0_NE);
    assert_true(processor.cr4 & CR4_VMXE);
}

static void controls_are_what_must_be_and_what_is_wanted(void **state)
{
    (void)state;
    processor.must[PIN] = 0x16;
    processor.must[ENTRY] = 0x11fb;
    processor.may[SECONDARY] &= ~SECONDARY_RDTSCP;
    assert_null(vmx_missing());
    assert_int_equal(vmx.controls.pin,
                     0x16 | PIN_EXTERNAL_INTERRUPT | PIN_NMI | PIN_PREEMPTION_TIMER);
    assert_int_equal(vmx.controls.entry, 0x11fb | ENTRY_CONTROL_LOAD_DEBUG |
                                             ENTRY_CONTROL_LOAD_PAT | ENTRY_CONTROL_LOAD_EFER);
    assert_false(vmx.controls.secondary & SECONDARY_RDTSCP);
}

static void enable_gives_back_what_it_took_when_it_fails(void **state)
{
    (void)state;
    for (unsigned frames = 0; frames < 2; frames++) {
        memset(page_used, false, sizeof(page_used));
        frames_left = frames;
        assert_false(vmx_enable());
        assert_int_equal(frames_left, frames);
    }
}

static void a_vcpu_gives_back_what_it_took(void **state)
{
    (void)state;
    for (unsigned frames = 0; frames < 3; frames++) {
        frames_left = frames;
        assert_false(vmx_vcpu_init(&other.vcpu[0], (struct entry_state){ 0 }));
        assert_int_equal(frames_left, frames);
    }
    frames_left = 3;
    assert_true(vmx_vcpu_init(&other.vcpu[0], (struct entry_state){ 0 }));
    vmx_run(&other.vcpu[0]);
    vmx_vcpu_destroy(&other.vcpu[0]);
    assert_int_equal(frames_left, 3);
    assert_null(vmx.current);
    assert_null(vmx.live);
}

static void the_host_comes_back_to_its_own_task_state(void **state)
{
    (void)state;
    assert_int_equal(vmread(VMCS_HOST_TR_BASE), 0x9a12345678ull);
    assert_int_equal(vmread(VMCS_HOST_CR4), processor.cr4);
}

/* Exactly the MSRs that are switched: a bit each for reads and for writes. */
static void few_msrs_are_the_guests_own(void **state)
{
    const uint8_t *bitmap = direct_map(vmx.msr_bitmap);
    unsigned open = 0;

    (void)state;
    for (unsigned i = 0; i < FRAME_SIZE * 8; i++)
        open += !(bitmap[i / 8] >> i % 8 & 1);
    assert_int_equal(open, 2 * 10);
    assert_false(bitmap[MSR_SYSENTER_CS / 8] >> MSR_SYSENTER_CS % 8 & 1);
    assert_false(bitmap[1024 + 0x102 / 8] >> 0x102 % 8 & 1);
    assert_false(bitmap[3072 + 0x82 / 8] >> 0x82 % 8 & 1);
    assert_true(bitmap[3072 + 0x80 / 8] >> 0x80 % 8 & 1);
}

static void a_new_vcpus_tables_start_with_a_flush(void **state)
{
    (void)state;
    assert_int_equal(processor.flushes, 1);
    assert_int_equal(processor.flushed, 0x123000 | 6 | 3 << 3 | 1 << 6);
    assert_int_equal(vmread(VMCS_EPTP), processor.flushed);
    assert_int_equal(vmread(VMCS_VPID), 1);
}

static void the_first_entry_launches(void **state)
{
    (void)state;
    vmx_run(vcpu);
    assert_int_equal(launched_before, 0);
    vmx_run(vcpu);
    assert_int_equal(launched_before, 1);
}

/* Of all fields that the manual lists for these controls; a VMCS holds what was in the page before. */
static void every_field_that_counts_is_written(void **state)
{
    static const struct {
        unsigned first, last;
    } counts[] = {
        { 0x0000, 0x0000 }, { 0x0800, 0x080e }, { 0x0c00, 0x0c0c }, { 0x2004, 0x2004 },
        { 0x2010, 0x2012 }, { 0x201a, 0x201a }, { 0x2800, 0x2806 }, { 0x2c00, 0x2c02 },
        { 0x4000, 0x401e }, { 0x4800, 0x4826 }, { 0x482a, 0x482a }, { 0x482e, 0x482e },
        { 0x4c00, 0x4c00 }, { 0x6000, 0x6006 }, { 0x6800, 0x6826 }, { 0x6c00, 0x6c12 },
        { 0x6c16, 0x6c16 },
    };

    (void)state;
    vmx_run(vcpu);
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        for (unsigned field = counts[i].first; field <= counts[i].last; field += 2)
            assert_int_not_equal(loaded[field], 0xa5a5a5a5a5a5a5a5);
    }
}

static void a_refused_entry_is_the_guests_end(void **state)
{
    (void)state;
    refuses = true;
    vmwrite(VMCS_INSTRUCTION_ERROR, 7);
    vmx_run(vcpu);
    assert_int_equal(vcpu->exit.reason, EXIT_INVALID);
    assert_int_equal(vcpu->exit.info[0], 7);
}

/* ---- exits ---------------------------------------------------------------------------------- */

static struct vm_exit exit_of(struct vmcs_exit from)
{
    struct vm_exit exit;

    vmx_read_exit(&from, &exit);
    return exit;
}

static void faults_are_the_same_as_the_other_vendors(void **state)
{
    static const struct {
        uint64_t qualification;
        unsigned access;
        bool page_walk;
    } all[] = {
        { 0x181, FAULT_READ, false },  { 0x182, FAULT_WRITE, false }, { 0x184, FAULT_FETCH, false },
        { 0x1aa, FAULT_WRITE, false }, { 0x19c, FAULT_FETCH, false }, { 0x082, FAULT_WRITE, true },
        { 0x081, FAULT_READ, true },   { 0x001, FAULT_READ, false },
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct vm_exit exit = exit_of((struct vmcs_exit){ .reason = VMX_EPT_VIOLATION,
                                                          .qualification = all[i].qualification,
                                                          .guest_physical = 0x123456 });

        assert_int_equal(exit.reason, EXIT_FAULT);
        assert_int_equal(exit.fault.address, 0x123456);
        assert_int_equal(exit.fault.access, all[i].access);
        assert_int_equal(exit.fault.page_walk, all[i].page_walk);
        assert_false(exit.fault.reserved);
    }
}

static void a_misconfiguration_is_our_bug(void **state)
{
    struct vm_exit exit = exit_of((struct vmcs_exit){
        .reason = VMX_EPT_MISCONFIGURATION, .qualification = 0x182, .guest_physical = 0x7000 });

    (void)state;
    assert_int_equal(exit.reason, EXIT_FAULT);
    assert_true(exit.fault.reserved);
    assert_int_equal(exit.fault.address, 0x7000);
}

static void ports_are_read_from_the_qualification(void **state)
{
    struct vm_exit in =
        exit_of((struct vmcs_exit){ .reason = VMX_PORT, .qualification = 0x3fd0008, .length = 1 });
    struct vm_exit out =
        exit_of((struct vmcs_exit){ .reason = VMX_PORT, .qualification = 0xcf80003, .length = 1 });
    struct vm_exit string =
        exit_of((struct vmcs_exit){ .reason = VMX_PORT, .qualification = 0x600031 });

    (void)state;
    assert_int_equal(in.reason, EXIT_PORT_IN);
    assert_int_equal(in.io.port, 0x3fd);
    assert_int_equal(in.io.size, 1);
    assert_int_equal(in.length, 1);
    assert_false(in.io.string);
    assert_int_equal(out.reason, EXIT_PORT_OUT);
    assert_int_equal(out.io.port, 0xcf8);
    assert_int_equal(out.io.size, 4);
    assert_int_equal(string.io.size, 2);
    assert_true(string.io.string);
}

static void the_instructions_of_vmx_do_not_exist(void **state)
{
    static const enum vmx_reason all[] = { VMX_VMCLEAR, VMX_VMLAUNCH, VMX_VMPTRLD, VMX_VMPTRST,
                                           VMX_VMREAD,  VMX_VMRESUME, VMX_VMWRITE, VMX_VMXOFF,
                                           VMX_VMXON,   VMX_INVEPT,   VMX_INVVPID, VMX_GETSEC };

    (void)state;
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct vm_exit exit = exit_of((struct vmcs_exit){ .reason = all[i] });

        assert_int_equal(exit.reason, EXIT_FORBIDDEN);
        assert_int_equal(exit.exception, EXCEPTION_UD);
    }
}

static void a_state_that_is_refused_is_known_by_the_low_half(void **state)
{
    (void)state;
    assert_int_equal(exit_of((struct vmcs_exit){ .reason = 0x80000021 }).reason, EXIT_INVALID);
    assert_int_equal(exit_of((struct vmcs_exit){ .reason = 0x1234 }).reason, EXIT_UNKNOWN);
}

static void exits_by_exception(void)
{
    vmwrite(VMCS_EXIT_REASON, VMX_EVENT);
    vmwrite(VMCS_EXIT_EVENT, EVENT_VALID | EVENT_EXCEPTION << 8 | EXCEPTION_DB);
    vmwrite(VMCS_QUALIFICATION, DR6_BD | 2);
    vmwrite(VMCS_GUEST_DR7, DR7_GD | 0x400);
}

static void a_debug_exception_is_noted_where_the_guest_looks(void **state)
{
    (void)state;
    run_does = exits_by_exception;
    processor.dr6 = 0xffff0ff1;
    vmx_run(vcpu);
    assert_int_equal(vcpu->exit.reason, EXIT_EXCEPTION);
    assert_int_equal(vcpu->exit.exception, EXCEPTION_DB);
    assert_int_equal(vmread(VMCS_GUEST_DR7), 0x400);
    assert_int_equal(processor.dr6 & (DR6_BD | DR6_HITS), DR6_BD | 2);
    assert_true(loaded[VMCS_EXCEPTIONS] >> EXCEPTION_DB & 1);
}

static void exits_by_nmi(void)
{
    vmwrite(VMCS_EXIT_REASON, VMX_EVENT);
    vmwrite(VMCS_EXIT_EVENT, EVENT_VALID | EVENT_NMI << 8 | 2);
}

static void an_nmi_is_the_hosts(void **state)
{
    (void)state;
    run_does = exits_by_nmi;
    vmx_run(vcpu);
    assert_int_equal(vcpu->exit.reason, EXIT_INTERRUPT);
    assert_int_equal(processor.nmis, 1);
}

/* ---- CR0 and CR4 ---------------------------------------------------------------------------- */

static void moves_rsi_to_cr0(void)
{
    vmwrite(VMCS_EXIT_REASON, VMX_CONTROL_REGISTER);
    vmwrite(VMCS_QUALIFICATION, 6 << 8);
}

static void the_guest_sees_cr0_as_it_sets_it(void **state)
{
    (void)state;
    run_does = moves_rsi_to_cr0;
    vcpu->registers.rsi = CR0_PE | CR0_NE | CR0_CD;
    vmx_run(vcpu);
    assert_int_equal(vcpu->exit.reason, EXIT_AGAIN);
    assert_int_equal(vcpu->registers.rip, 0x1000);
    run_does = NULL;
    vmx_run(vcpu);
    assert_int_equal(vcpu->control.cr0, CR0_PE | CR0_ET | CR0_NE | CR0_CD);
    assert_int_equal(loaded[VMCS_GUEST_CR0], CR0_PE | CR0_ET | CR0_NE);
}

static void write_through_without_a_cache_is_a_mistake(void **state)
{
    (void)state;
    run_does = moves_rsi_to_cr0;
    vcpu->registers.rsi = CR0_PE | CR0_NW;
    vmx_run(vcpu);
    assert_int_equal(vcpu->exit.reason, EXIT_FORBIDDEN);
    assert_int_equal(vcpu->exit.exception, EXCEPTION_GP);
    assert_int_equal(vmread(VMCS_CR0_SHADOW), CR0_PE | CR0_ET);
}

static void moves_to_cr4(void)
{
    vmwrite(VMCS_EXIT_REASON, VMX_CONTROL_REGISTER);
    vmwrite(VMCS_QUALIFICATION, 4);
}

static void there_is_no_vmx_in_the_guest(void **state)
{
    (void)state;
    run_does = moves_to_cr4;
    vmx_run(vcpu);
    assert_int_equal(vcpu->exit.reason, EXIT_FORBIDDEN);
    assert_int_equal(vcpu->exit.exception, EXCEPTION_GP);
    assert_int_equal(vcpu->control.cr4, 0);
    assert_int_equal(loaded[VMCS_GUEST_CR4], CR4_VMXE);
}

/* ---- events --------------------------------------------------------------------------------- */

static uint64_t cut_short, cut_short_code; /* IDT-vectoring information of the next run */

static void is_cut_short(void)
{
    vmwrite(VMCS_VECTORING_EVENT, cut_short);
    vmwrite(VMCS_VECTORING_ERROR_CODE, cut_short_code);
}

static uint64_t delivered_after(uint64_t event)
{
    cut_short = event;
    run_does = is_cut_short;
    vmx_run(vcpu);
    run_does = NULL;
    vmx_run(vcpu);
    return loaded[VMCS_ENTRY_EVENT];
}

static uint64_t event_of(unsigned type, unsigned vector)
{
    return EVENT_VALID | type << 8 | vector;
}

static void exceptions_cut_short_are_delivered_again(void **state)
{
    uint64_t fault = event_of(EVENT_EXCEPTION, 14) | EVENT_HAS_CODE;

    (void)state;
    cut_short_code = 6;
    assert_int_equal(delivered_after(fault | 1 << 12), fault);
    assert_int_equal(loaded[VMCS_ENTRY_ERROR_CODE], 6);
    vmx_run(vcpu);
    assert_int_equal(loaded[VMCS_ENTRY_EVENT], 0);
}

static void what_an_instruction_raises_is_raised_by_it_again(void **state)
{
    (void)state;
    for (unsigned type = 4; type < 8; type++)
        assert_int_equal(delivered_after(event_of(type, 3)), 0);
}

static void open_for_interrupts(void)
{
    vcpu->registers.rflags |= RFLAGS_INTERRUPT;
    vmwrite(VMCS_GUEST_RFLAGS, vcpu->registers.rflags); /* and stays so */
}

static void an_interrupt_is_taken_when_it_was_delivered_whole(void **state)
{
    (void)state;
    open_for_interrupts();
    offer(0x51);
    vmx_run(vcpu);
    assert_int_equal(loaded[VMCS_ENTRY_EVENT], event_of(EVENT_INTERRUPT, 0x51));
    assert_false(loaded[VMCS_PRIMARY] & PRIMARY_INTERRUPT_WINDOW);
    assert_true(vmx_offer_taken(vcpu));
    offer(0x11);
    cut_short = event_of(EVENT_INTERRUPT, 0x11);
    run_does = is_cut_short;
    vmx_run(vcpu);
    assert_false(vmx_offer_taken(vcpu));
    offer(0);
    run_does = NULL;
    vmx_run(vcpu);
    assert_int_equal(loaded[VMCS_ENTRY_EVENT], 0);
    assert_false(vmx_offer_taken(vcpu));
}

static void assert_waits_at_the_window(void)
{
    offer(0x51);
    vmx_run(vcpu);
    assert_true(loaded[VMCS_PRIMARY] & PRIMARY_INTERRUPT_WINDOW);
    assert_int_not_equal(loaded[VMCS_ENTRY_EVENT], event_of(EVENT_INTERRUPT, 0x51));
    assert_false(vmx_offer_taken(vcpu));
}

static void an_interrupt_waits_until_the_guest_can_take_it(void **state)
{
    (void)state;
    assert_waits_at_the_window(); /* its interrupts are off */
    open_for_interrupts();
    vmx_raise_exception(vcpu, EXCEPTION_GP);
    assert_waits_at_the_window(); /* an exception comes first */
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, BLOCKED_BY_STI);
    assert_waits_at_the_window();
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, BLOCKED_BY_MOV_SS);
    assert_waits_at_the_window();
}

static void an_emulated_instruction_ends_the_shadow(void **state)
{
    (void)state;
    open_for_interrupts();
    vmx_run(vcpu);
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, BLOCKED_BY_STI);
    vmwrite(VMCS_GUEST_PENDING_DEBUG, DR6_BS);
    vcpu->registers.rip++;
    offer(0x51);
    vmx_run(vcpu);
    assert_int_equal(loaded[VMCS_GUEST_INTERRUPTIBILITY], 0);
    assert_int_equal(loaded[VMCS_GUEST_PENDING_DEBUG], 0);
    assert_true(vmx_offer_taken(vcpu));
}

static void errors_have_a_code_where_the_manual_says_so(void **state)
{
    (void)state;
    vmx_raise_exception(vcpu, EXCEPTION_UD);
    assert_int_equal(of(vcpu)->event, event_of(EVENT_EXCEPTION, EXCEPTION_UD));
    vmx_raise_exception(vcpu, EXCEPTION_GP);
    assert_int_equal(of(vcpu)->event, event_of(EVENT_EXCEPTION, EXCEPTION_GP) | EVENT_HAS_CODE);
    vmwrite(VMCS_GUEST_CR0, CR0_NE); /* real mode */
    vmx_raise_exception(vcpu, EXCEPTION_GP);
    assert_int_equal(of(vcpu)->event, event_of(EVENT_EXCEPTION, EXCEPTION_GP));
    vmx_raise_single_step(vcpu);
    assert_int_equal(of(vcpu)->event, event_of(EVENT_EXCEPTION, EXCEPTION_DB));
    assert_true(processor.dr6 & DR6_BS);
}

static void a_guest_with_interrupts_off_is_looked_at_every_millisecond(void **state)
{
    (void)state;
    vmx_run(vcpu);
    assert_int_equal(loaded[VMCS_PREEMPTION_TIMER], 3200000 >> 5);
    open_for_interrupts();
    vmx_run(vcpu);
    assert_int_equal(loaded[VMCS_PREEMPTION_TIMER], UINT32_MAX);
}

/* ---- what the processor and the host each hold one half of ---------------------------------- */

static void writes_cr8(void)
{
    of(vcpu)->virtual_apic[TASK_PRIORITY] = 0x90;
}

static void cr8_and_the_task_priority_are_one(void **state)
{
    (void)state;
    vcpu->lapic.task_priority = 0x35;
    vmx_run(vcpu);
    assert_int_equal(vcpu->lapic.task_priority, 0x35);
    run_does = writes_cr8;
    vmx_run(vcpu);
    assert_int_equal(vcpu->lapic.task_priority, 0x90);
}

static void tsc_aux_is_loaded_when_it_differs(void **state)
{
    (void)state;
    vcpu->tsc_aux = 7;
    vmx_run(vcpu);
    vmx_run(vcpu);
    assert_int_equal(processor.tsc_aux, 7);
    assert_int_equal(processor.tsc_aux_writes, 1);
}

static void each_vcpu_finds_its_own_registers(void **state)
{
    struct vcpu *second = &other.vcpu[0];

    (void)state;
    assert_true(vmx_vcpu_init(second, (struct entry_state){ .rip = 0x2000 }));
    vmx_run(vcpu);
    processor.live[1] = 0xaaaa;
    processor.cr2 = 0x1111;
    vmx_run(second);
    assert_int_equal(loaded[VMCS_GUEST_RIP], 0x2000);
    assert_int_equal(processor.live[1], 0);
    assert_int_equal(processor.dr6, DR6_AT_RESET);
    processor.live[1] = 0xbbbb;
    vmx_run(vcpu);
    assert_int_equal(loaded[VMCS_GUEST_RIP], 0x1000);
    assert_int_equal(processor.live[1], 0xaaaa);
    assert_int_equal(processor.cr2, 0x1111);
    vmx_vcpu_destroy(second);
}

#define on_vmx(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        on_vmx(each_thing_missing_has_its_own_line),
        on_vmx(firmware_that_leaves_vmx_to_us_is_told),
        on_vmx(controls_are_what_must_be_and_what_is_wanted),
        on_vmx(enable_gives_back_what_it_took_when_it_fails),
        on_vmx(a_vcpu_gives_back_what_it_took),
        on_vmx(the_host_comes_back_to_its_own_task_state),
        on_vmx(few_msrs_are_the_guests_own),
        on_vmx(a_new_vcpus_tables_start_with_a_flush),
        on_vmx(the_first_entry_launches),
        on_vmx(every_field_that_counts_is_written),
        on_vmx(a_refused_entry_is_the_guests_end),
        on_vmx(faults_are_the_same_as_the_other_vendors),
        on_vmx(a_misconfiguration_is_our_bug),
        on_vmx(ports_are_read_from_the_qualification),
        on_vmx(the_instructions_of_vmx_do_not_exist),
        on_vmx(a_state_that_is_refused_is_known_by_the_low_half),
        on_vmx(a_debug_exception_is_noted_where_the_guest_looks),
        on_vmx(an_nmi_is_the_hosts),
        on_vmx(the_guest_sees_cr0_as_it_sets_it),
        on_vmx(write_through_without_a_cache_is_a_mistake),
        on_vmx(there_is_no_vmx_in_the_guest),
        on_vmx(exceptions_cut_short_are_delivered_again),
        on_vmx(what_an_instruction_raises_is_raised_by_it_again),
        on_vmx(an_interrupt_is_taken_when_it_was_delivered_whole),
        on_vmx(an_interrupt_waits_until_the_guest_can_take_it),
        on_vmx(an_emulated_instruction_ends_the_shadow),
        on_vmx(errors_have_a_code_where_the_manual_says_so),
        on_vmx(a_guest_with_interrupts_off_is_looked_at_every_millisecond),
        on_vmx(cr8_and_the_task_priority_are_one),
        on_vmx(tsc_aux_is_loaded_when_it_differs),
        on_vmx(each_vcpu_finds_its_own_registers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
