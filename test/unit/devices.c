/* SPDX-License-Identifier: MIT */
/*
 * The host's few devices on a machine of the test's own: ports, a local APIC and a TSC that do what
 * the test says, and count what is done to them. The file under test is included, so that the
 * instructions of cpu.h can be exchanged for this machine's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cpu.h"
#include "this_cpu.h"

#define PIT_NEVER UINT64_MAX

/* ---- the machine ---------------------------------------------------------------------------- */

static struct {
    uint64_t tsc, tsc_per_read;
    uint64_t pit_started, pit_ticks; /* in TSC ticks; PIT_NEVER: it never counts down */
    uint32_t lapic[0x400 / 4];
    unsigned timer_writes;
    struct cpuid told; /* leaf 0x15 */
    uint8_t scratch;
    bool transmitter_stuck;
    unsigned status_polls, bytes_sent;
} machine;

static uint64_t fake_rdtsc(void)
{
    return machine.tsc += machine.tsc_per_read;
}

static uint8_t fake_in8(uint16_t port)
{
    switch (port) {
    case 0x61:
        return machine.tsc - machine.pit_started >= machine.pit_ticks ? 0x20 : 0;
    case 0x3f8 + 5:
        machine.status_polls++;
        return machine.transmitter_stuck ? 0 : 0x60;
    case 0x3f8 + 7:
        return machine.scratch;
    default:
        return 0xff;
    }
}

static void fake_out8(uint16_t port, uint8_t value)
{
    if (port == 0x61 && value & 1)
        machine.pit_started = machine.tsc;
    else if (port == 0x3f8 + 7)
        machine.scratch = value;
    else if (port == 0x3f8)
        machine.bytes_sent++;
}

/* The APIC is in x2APIC mode: all of it is MSRs. Its timer counts as fast as the TSC. */
static uint64_t fake_rdmsr(uint32_t msr)
{
    if (msr == MSR_APIC_BASE)
        return 0xfee00d00;
    return msr == 0x839 ? machine.lapic[0x38] - (uint32_t)machine.tsc : machine.lapic[msr - 0x800];
}

static void fake_wrmsr(uint32_t msr, uint64_t value)
{
    if (msr == MSR_APIC_BASE)
        return;
    machine.lapic[msr - 0x800] = (uint32_t)value;
    machine.timer_writes += msr == 0x838;
}

static struct cpuid fake_leaf(uint32_t leaf)
{
    return leaf == 0x15 ? machine.told : (struct cpuid){ 0 };
}

#define rdtsc()                    fake_rdtsc()
#define in8(port)                  fake_in8((uint16_t)(port))
#define out8(port, value)          fake_out8((uint16_t)(port), value)
#define rdmsr(msr)                 fake_rdmsr(msr)
#define wrmsr(msr, value)          fake_wrmsr(msr, value)
#define cpu_has(feature)           true
#define cpuid_if_present(leaf, in) fake_leaf(leaf)
#define cli()                      ((void)0)
#define cpu_number()               0u
#define cpu_halt()                 abort()
#include "../../hv/apic.c"
#include "../../hv/devices.c"

#define MS_OF_TSC 1000000ull /* a TSC of 1 GHz */

static int set_up(void **state)
{
    (void)state;
    armed_ns[0] = 0;
    machine = (__typeof__(machine)){ .tsc_per_read = 100, .pit_ticks = 50 * MS_OF_TSC };
    uart_init();
    machine.bytes_sent = 0; /* what set the rate */
    return 0;
}

/* In x2APIC mode, which the machine's is in, all ones alone is not one processor. */
static void all_ones_is_no_processors_address(void **state)
{
    (void)state;
    assert_true(apic_init());
    assert_true(apic_can_reach(0xff));
    assert_false(apic_can_reach(UINT32_MAX));
    is_x2apic = false;
    assert_true(apic_can_reach(0xfe));
    assert_false(apic_can_reach(0xff));
    assert_false(apic_can_reach(0x100));
    is_x2apic = true;
}

static void what_goes_to_all_goes_to_those_that_are_up(void **state)
{
    (void)state;
    assert_true(apic_init());
    apic_send_others(APIC_NMI);
    assert_int_equal(machine.lapic[0x30], 0); /* itself alone */
    ids[3] = 9;
    atomic_store(&is_up[3], true);
    apic_send_others(APIC_NMI);
    atomic_store(&is_up[3], false);
    assert_int_equal(machine.lapic[0x30], APIC_NMI);
}

static uint32_t timer_ticks(void)
{
    return machine.lapic[0x38];
}

/* ---- calibration ---------------------------------------------------------------------------- */

static void the_clock_is_calibrated_by_the_pit(void **state)
{
    (void)state;
    assert_true(clock_init());
    assert_in_range(clock_tsc_khz(), 999000, 1001000);
}

static void a_pit_that_never_counts_down_is_given_up(void **state)
{
    (void)state;
    machine.pit_ticks = PIT_NEVER;
    machine.tsc_per_read = 1000000;
    assert_false(clock_init());
}

static void rates_that_no_machine_has_are_refused(void **state)
{
    (void)state;
    machine.pit_ticks = 1000; /* 20 kHz */
    assert_false(clock_init());
    machine.pit_ticks = 5000 * 50 * MS_OF_TSC / 10; /* 500 GHz */
    machine.tsc_per_read = MS_OF_TSC;
    assert_false(clock_init());
}

static void what_cpuid_tells_is_believed_only_near_what_is_measured(void **state)
{
    (void)state;
    machine.told = (struct cpuid){ 1, 60, 24000000, 0 };
    assert_true(clock_init());
    assert_in_range(clock_tsc_khz(), 999000, 1001000);
    machine.told = (struct cpuid){ 1, 42, 24000000, 0 };
    assert_true(clock_init());
    assert_int_equal(clock_tsc_khz(), 1008000);
}

/* ---- the timer ------------------------------------------------------------------------------ */

static void an_interrupt_that_came_early_does_not_stop_the_next(void **state)
{
    uint64_t deadline;

    (void)state;
    assert_true(clock_init());
    deadline = clock_ns() + 1000000;
    timer_arm(deadline);
    timer_acknowledge(); /* long before its time */
    machine.timer_writes = 0;
    timer_arm(deadline);
    assert_int_equal(machine.timer_writes, 1);
}

static void an_earlier_interrupt_is_left_as_it_is(void **state)
{
    uint64_t now;

    (void)state;
    assert_true(clock_init());
    now = clock_ns();
    timer_arm(now + 1000000);
    machine.timer_writes = 0;
    timer_arm(now + 2000000);
    assert_int_equal(machine.timer_writes, 0);
    timer_arm(now + 500000);
    assert_int_equal(machine.timer_writes, 1);
    timer_disarm();
    timer_arm(now + 2000000);
    assert_in_range(timer_ticks(), 1990000, 2010000);
}

static void an_interrupt_that_is_overdue_is_not_waited_for(void **state)
{
    uint64_t now;

    (void)state;
    assert_true(clock_init());
    now = clock_ns();
    timer_arm(now + 1000000);
    machine.tsc += 2 * MS_OF_TSC;
    machine.timer_writes = 0;
    timer_arm(now + 5000000);
    assert_int_equal(machine.timer_writes, 1);
}

static void no_wait_is_longer_than_a_second(void **state)
{
    (void)state;
    assert_true(clock_init());
    timer_arm(UINT64_MAX);
    assert_in_range(timer_ticks(), 990000000, 1010000000);
    machine.timer_writes = 0;
    machine.tsc += 2000 * MS_OF_TSC;
    timer_arm(UINT64_MAX);
    assert_int_equal(machine.timer_writes, 1);
}

/* ---- serial ports --------------------------------------------------------------------------- */

static void a_port_that_was_stuck_is_tried_again(void **state)
{
    (void)state;
    assert_true(uart_present(UART_CONSOLE));
    assert_false(uart_present(UART_RECORDS));
    machine.transmitter_stuck = true;
    uart_put(UART_CONSOLE, 'a');
    machine.status_polls = 0;
    uart_put(UART_CONSOLE, 'b');
    assert_in_range(machine.status_polls, 1, 10000); /* with less patience */
    machine.transmitter_stuck = false;
    uart_put(UART_CONSOLE, 'c');
    assert_int_equal(machine.bytes_sent, 1);
}

#define on_a_machine(test) cmocka_unit_test_setup(test, set_up)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        on_a_machine(the_clock_is_calibrated_by_the_pit),
        on_a_machine(a_pit_that_never_counts_down_is_given_up),
        on_a_machine(rates_that_no_machine_has_are_refused),
        on_a_machine(what_cpuid_tells_is_believed_only_near_what_is_measured),
        on_a_machine(an_interrupt_that_came_early_does_not_stop_the_next),
        on_a_machine(all_ones_is_no_processors_address),
        on_a_machine(what_goes_to_all_goes_to_those_that_are_up),
        on_a_machine(an_earlier_interrupt_is_left_as_it_is),
        on_a_machine(an_interrupt_that_is_overdue_is_not_waited_for),
        on_a_machine(no_wait_is_longer_than_a_second),
        on_a_machine(a_port_that_was_stuck_is_tried_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
