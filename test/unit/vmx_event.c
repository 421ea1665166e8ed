/* SPDX-License-Identifier: MIT */
/*
 * What Intel's processor is given to deliver, and what becomes of what it leaves, with events cut
 * short as no emulator does it on demand.
 */
#include "vmx_processor.h"

/* ---- exits that want more than a name -------------------------------------------------------- */

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

static void offer(uint8_t vector)
{
    vmx_offer_interrupt(vcpu, (struct interrupt){ vector, INTERRUPT_APIC });
}

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

int main(void)
{
    static const struct CMUnitTest tests[] = {
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
