/* SPDX-License-Identifier: MIT */
/*
 * AMD's way to run a guest, on a processor of the test's own: what it finds in the VMCB when it is
 * entered, and what becomes of what it leaves there, with events cut short as no emulator does it
 * on demand. The file under test is included, so that the instructions in it can be exchanged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "p2m/format.h"

#include "cpu.h"
#include "this_cpu.h"

#define PAGES 64u

/* ---- the processor -------------------------------------------------------------------------- */

static struct {
    struct cpuid svm_features;
    bool has_nx, has_rdtscp;
    uint64_t tsc_aux, de_cfg;
    unsigned tsc_aux_writes, number;
    uint64_t xcr0;
} processor;

static struct cpuid fake_leaf(uint32_t leaf)
{
    return leaf == 0x8000000a ? processor.svm_features : (struct cpuid){ 0 };
}

static bool fake_has(struct cpu_feature feature)
{
    if (feature.bit == CPU_NX.bit && feature.leaf == CPU_NX.leaf)
        return processor.has_nx;
    return feature.bit != CPU_RDTSCP.bit || processor.has_rdtscp;
}

static uint64_t fake_rdmsr(uint32_t msr)
{
    return msr == MSR_TSC_AUX ? processor.tsc_aux : msr == MSR_DE_CFG ? processor.de_cfg : 0;
}

static void fake_wrmsr(uint32_t msr, uint64_t value)
{
    if (msr == MSR_DE_CFG)
        processor.de_cfg = value;
    if (msr != MSR_TSC_AUX)
        return;
    processor.tsc_aux = value;
    processor.tsc_aux_writes++;
}

#define cpuid(leaf, in)            fake_leaf(leaf)
#define cpuid_if_present(leaf, in) fake_leaf(leaf)
#define cpu_has(feature)           fake_has(feature)
#define cpu_has_de_cfg()           true
#define rdmsr(msr)                 fake_rdmsr(msr)
#define wrmsr(msr, value)          fake_wrmsr(msr, value)
#define xgetbv(index)              processor.xcr0
#define xsetbv(index, value)       (processor.xcr0 = (value))
#define vmsave(vmcb)               ((void)0)
#define cpu_number()               processor.number
#include "../../hv/svm.c"

/* ---- what stands around the file ------------------------------------------------------------ */

static bool page_used[PAGES];
static unsigned frames_left;

mfn_t frames_alloc(unsigned order, enum frame_state state, unsigned owner)
{
    unsigned count = 1u << order;

    (void)state;
    (void)owner;
    for (unsigned first = count; first + count <= PAGES && frames_left >= count; first += count) {
        if (memchr(&page_used[first], true, count))
            continue;
        memset(&page_used[first], true, count);
        frames_left -= count;
        return MFN(first);
    }
    return INVALID_MFN;
}

void frames_free(mfn_t mfn, unsigned order)
{
    assert_true(page_used[mfn.mfn]);
    memset(&page_used[mfn.mfn], false, 1u << order);
    frames_left += 1u << order;
}

const struct pt_format npt_format;

uint64_t p2m_root_address(const struct p2m *p2m)
{
    (void)p2m;
    return 0;
}

void print(const char *text, ...)
{
    (void)text;
}

/* What the next run does, between what was loaded and what will be found. */
static struct vmcb loaded;
static void (*run_does)(struct vmcb *vmcb);

void svm_enter(struct registers *guest, uint64_t vmcb, uint64_t host_vmcb)
{
    struct vmcb *state = direct_map(vmcb);

    (void)guest;
    (void)host_vmcb;
    loaded = *state;
    state->exit_code = VMEXIT_HLT;
    state->exit_interrupt = 0;
    if (run_does)
        run_does(state);
}

static struct domain domain;
static struct vcpu *const vcpu = &domain.vcpu[0];

static int set_up(void **state)
{
    void *at = (void *)(uintptr_t)DIRECT_MAP;

    *state = mmap(at, (size_t)PAGES * FRAME_SIZE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    memset(page_used, false, sizeof(page_used));
    frames_left = PAGES;
    processor = (__typeof__(processor)){
        .svm_features = { .ebx = 3, .edx = 1 }, .has_nx = true, .has_rdtscp = true, .xcr0 = 1
    };
    memset(&svm, 0, sizeof(svm));
    memset(&domain, 0, sizeof(domain));
    vcpu->domain = &domain;
    run_does = NULL;
    return *state == at && svm_enable() && svm_vcpu_init(vcpu, (struct entry_state){ 0 }) ? 0 : -1;
}

static int tear_down(void **state)
{
    return munmap(*state, (size_t)PAGES * FRAME_SIZE);
}

static void offer(uint8_t vector)
{
    svm_offer_interrupt(vcpu, (struct interrupt){ vector, INTERRUPT_APIC });
}

/* ---- what a processor must have ------------------------------------------------------------- */

static void each_thing_missing_has_its_own_line(void **state)
{
    (void)state;
    assert_null(svm_missing());
    processor.has_nx = false;
    assert_non_null(strstr(svm_missing(), "NX"));
    processor.svm_features.ebx = 1;
    assert_non_null(strstr(svm_missing(), "ASID"));
}

static void enable_gives_back_what_it_took_when_it_fails(void **state)
{
    (void)state;
    for (unsigned frames = 0; frames < 8; frames++) {
        memset(page_used, false, sizeof(page_used));
        frames_left = frames;
        svm.iopm = 0;
        assert_false(svm_enable());
        assert_int_equal(frames_left, frames);
    }
}

static void lfence_is_made_to_serialise(void **state)
{
    (void)state;
    assert_int_equal(processor.de_cfg, DE_CFG_LFENCE_SERIALISES);
}

/* ---- translations --------------------------------------------------------------------------- */

static void every_new_asid_starts_with_a_flush(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        of(vcpu)->asid_round = 0;
        svm_run(vcpu);
        assert_in_range(loaded.asid, 1, 2);
        assert_int_equal(loaded.tlb_control, TLB_FLUSH_ALL);
        svm_run(vcpu);
        assert_int_equal(loaded.tlb_control, 0);
    }
}

/* What is shared is made once; a number given out on one says nothing of the other. */
static void each_processor_gives_out_its_own_asids(void **state)
{
    struct vcpu *second = &domain.vcpu[1];
    uint64_t iopm = svm.iopm;
    unsigned frames = frames_left;

    (void)state;
    svm_run(vcpu);
    processor.number = 1;
    assert_true(svm_enable());
    assert_int_equal(frames_left, frames - 2);
    assert_int_equal(svm.iopm, iopm);
    second->domain = &domain;
    assert_true(svm_vcpu_init(second, (struct entry_state){ 0 }));
    svm_run(second);
    assert_int_equal(loaded.asid, 1);
    assert_int_equal(loaded.tlb_control, TLB_FLUSH_ALL);
    assert_int_equal(loaded.iopm_base, iopm);
    processor.number = 0;
    svm_run(vcpu);
    assert_int_equal(loaded.asid, 1);
    assert_int_equal(loaded.tlb_control, 0);
}

/* ---- events --------------------------------------------------------------------------------- */

static uint64_t cut_short; /* EXITINTINFO of the next run */

static void is_cut_short(struct vmcb *vmcb)
{
    vmcb->exit_interrupt = cut_short;
}

static uint64_t injected_after(uint64_t event)
{
    cut_short = event;
    run_does = is_cut_short;
    svm_run(vcpu);
    return of(vcpu)->vmcb->event_injection;
}

static uint64_t event_of(unsigned type, unsigned vector)
{
    return EVENT_VALID | type << 8 | vector;
}

static void exceptions_cut_short_are_delivered_again(void **state)
{
    uint64_t fault = event_of(EVENT_EXCEPTION, 14) | EVENT_HAS_CODE | 2ull << 32;

    (void)state;
    assert_int_equal(injected_after(fault), fault);
    assert_int_equal(injected_after(event_of(EVENT_NMI, 2)), event_of(EVENT_NMI, 2));
}

static void what_an_instruction_raises_is_raised_by_it_again(void **state)
{
    (void)state;
    assert_int_equal(injected_after(event_of(EVENT_EXCEPTION, EXCEPTION_BP)), 0);
    assert_int_equal(injected_after(event_of(EVENT_EXCEPTION, EXCEPTION_OF)), 0);
    assert_int_equal(injected_after(event_of(EVENT_SOFTWARE, 0x80)), 0);
}

static void takes_the_interrupt(struct vmcb *vmcb)
{
    vmcb->virtual_interrupt &= ~VINTR_REQUEST;
}

static void takes_the_interrupt_and_is_cut_short(struct vmcb *vmcb)
{
    takes_the_interrupt(vmcb);
    is_cut_short(vmcb);
}

static void an_interrupt_is_taken_when_it_was_delivered_whole(void **state)
{
    (void)state;
    offer(0x51);
    run_does = takes_the_interrupt;
    svm_run(vcpu);
    assert_true(svm_offer_taken(vcpu));
    for (unsigned type = EVENT_INTERRUPT; type <= EVENT_EXCEPTION; type += EVENT_EXCEPTION) {
        offer(0x11); /* also the vector of an exception */
        cut_short = event_of(type, 0x11);
        run_does = takes_the_interrupt_and_is_cut_short;
        svm_run(vcpu);
        assert_false(svm_offer_taken(vcpu));
        assert_int_equal(of(vcpu)->vmcb->event_injection, 0);
    }
}

static void errors_have_a_code_where_the_manual_says_so(void **state)
{
    (void)state;
    svm_raise_exception(vcpu, EXCEPTION_UD);
    assert_int_equal(of(vcpu)->vmcb->event_injection, event_of(EVENT_EXCEPTION, EXCEPTION_UD));
    svm_raise_exception(vcpu, EXCEPTION_AC);
    assert_int_equal(of(vcpu)->vmcb->event_injection,
                     event_of(EVENT_EXCEPTION, EXCEPTION_AC) | EVENT_HAS_CODE);
    svm_raise_single_step(vcpu);
    assert_int_equal(of(vcpu)->vmcb->event_injection, event_of(EVENT_EXCEPTION, EXCEPTION_DB));
    assert_true(of(vcpu)->vmcb->dr6 & DR6_SINGLE_STEP);
}

static void exits_by(struct vmcb *vmcb)
{
    vmcb->exit_code = cut_short;
}

static void exceptions_that_can_go_round_pass_through_the_host(void **state)
{
    static const struct {
        unsigned vector;
        enum exit_reason reason;
    } all[] = { { EXCEPTION_DB, EXIT_EXCEPTION },
                { EXCEPTION_AC, EXIT_EXCEPTION },
                { EXCEPTION_MC, EXIT_MACHINE_CHECK } };

    (void)state;
    run_does = exits_by;
    for (unsigned i = 0; i < 3; i++) {
        cut_short = VMEXIT_EXCEPTION(all[i].vector);
        svm_run(vcpu);
        assert_true(loaded.intercept_exceptions >> all[i].vector & 1);
        assert_int_equal(vcpu->exit.reason, all[i].reason);
        if (all[i].reason == EXIT_EXCEPTION)
            assert_int_equal(vcpu->exit.exception, all[i].vector);
    }
}

/* ---- what the processor and the host each hold one half of ---------------------------------- */

static void writes_cr8(struct vmcb *vmcb)
{
    vmcb->virtual_interrupt = (vmcb->virtual_interrupt & ~VINTR_TPR) | 9;
}

static void cr8_is_the_upper_half_of_the_task_priority(void **state)
{
    (void)state;
    vcpu->lapic.task_priority = 0x35;
    offer(0x51);
    svm_run(vcpu);
    assert_int_equal(loaded.virtual_interrupt & VINTR_TPR, 3);
    assert_int_equal(vcpu->lapic.task_priority, 0x35);
    run_does = writes_cr8;
    svm_run(vcpu);
    assert_int_equal(vcpu->lapic.task_priority, 0x90);
}

static void the_task_priority_holds_back_the_apics_interrupts_alone(void **state)
{
    (void)state;
    offer(0x51);
    svm_run(vcpu);
    assert_int_equal(loaded.virtual_interrupt >> VINTR_PRIORITY_SHIFT & 0x1f, 5);
    svm_offer_interrupt(vcpu, (struct interrupt){ 0xf3, INTERRUPT_EVENT });
    svm_run(vcpu);
    assert_true(loaded.virtual_interrupt & VINTR_IGNORE_TPR);
}

static void tsc_aux_is_loaded_when_it_differs(void **state)
{
    (void)state;
    vcpu->tsc_aux = 7;
    svm_run(vcpu);
    svm_run(vcpu);
    assert_int_equal(processor.tsc_aux, 7);
    assert_int_equal(processor.tsc_aux_writes, 1);
}

static void leaves_in_shadow(struct vmcb *vmcb)
{
    vmcb->interrupt_shadow = 1;
    vmcb->rip = 0x1234;
}

static void a_shadow_stays_until_the_host_ends_it(void **state)
{
    (void)state;
    run_does = leaves_in_shadow;
    svm_run(vcpu);
    assert_int_equal(vcpu->shadow_rip, 0x1234);
    svm_run(vcpu);
    assert_int_equal(loaded.interrupt_shadow, 1);
    vcpu->shadow_rip = 0;
    svm_run(vcpu);
    assert_int_equal(loaded.interrupt_shadow, 0);
}

#define on_svm(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        on_svm(each_thing_missing_has_its_own_line),
        on_svm(enable_gives_back_what_it_took_when_it_fails),
        on_svm(lfence_is_made_to_serialise),
        on_svm(every_new_asid_starts_with_a_flush),
        on_svm(each_processor_gives_out_its_own_asids),
        on_svm(exceptions_cut_short_are_delivered_again),
        on_svm(what_an_instruction_raises_is_raised_by_it_again),
        on_svm(an_interrupt_is_taken_when_it_was_delivered_whole),
        on_svm(errors_have_a_code_where_the_manual_says_so),
        on_svm(exceptions_that_can_go_round_pass_through_the_host),
        on_svm(cr8_is_the_upper_half_of_the_task_priority),
        on_svm(the_task_priority_holds_back_the_apics_interrupts_alone),
        on_svm(tsc_aux_is_loaded_when_it_differs),
        on_svm(a_shadow_stays_until_the_host_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
