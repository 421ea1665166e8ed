/* SPDX-License-Identifier: MIT */
/*
 * Intel's way to run a guest: what a processor must have, what it is asked for by its capabilities,
 * what it finds in a new VMCS, and what it and the host each hold one half of.
 */
#include "vmx_processor.h"

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
    vmx.msr_bitmap = 0; /* nobody is enabled yet */
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

static void another_processor_is_like_the_first_or_left_out(void **state)
{
    struct vmx_controls first = vmx.controls;

    (void)state;
    processor.number = 1;
    assert_null(vmx_missing());
    processor.basic++;
    assert_missing("not like the first");
    processor.basic--;
    processor.may[SECONDARY] &= ~SECONDARY_RDTSCP;
    assert_missing("not like the first");
    assert_memory_equal(&vmx.controls, &first, sizeof(first));
}

static void another_processor_that_refuses_keeps_nothing(void **state)
{
    unsigned frames = frames_left;

    (void)state;
    processor.number = 1;
    processor.refuses_vmxon = true;
    assert_false(vmx_enable());
    assert_int_equal(frames_left, frames);
}

static void enable_gives_back_what_it_took_when_it_fails(void **state)
{
    (void)state;
    for (unsigned frames = 0; frames < 2; frames++) {
        memset(page_used, false, sizeof(page_used));
        frames_left = frames;
        vmx.msr_bitmap = 0;
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
    assert_null(vmx_cpu[0].current);
    assert_null(vmx_cpu[0].live);
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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        on_vmx(each_thing_missing_has_its_own_line),
        on_vmx(firmware_that_leaves_vmx_to_us_is_told),
        on_vmx(controls_are_what_must_be_and_what_is_wanted),
        on_vmx(another_processor_is_like_the_first_or_left_out),
        on_vmx(another_processor_that_refuses_keeps_nothing),
        on_vmx(enable_gives_back_what_it_took_when_it_fails),
        on_vmx(a_vcpu_gives_back_what_it_took),
        on_vmx(the_host_comes_back_to_its_own_task_state),
        on_vmx(few_msrs_are_the_guests_own),
        on_vmx(a_new_vcpus_tables_start_with_a_flush),
        on_vmx(the_first_entry_launches),
        on_vmx(every_field_that_counts_is_written),
        on_vmx(a_refused_entry_is_the_guests_end),
        on_vmx(cr8_and_the_task_priority_are_one),
        on_vmx(tsc_aux_is_loaded_when_it_differs),
        on_vmx(each_vcpu_finds_its_own_registers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
