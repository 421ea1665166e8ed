/* SPDX-License-Identifier: MIT */
/*
 * How processors are started, given work and kicked: hv/processors.c, with processors of the test's
 * own, some of which are late, deaf, or say no. The file under test is included, so that the
 * instructions in it can be exchanged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "cpu.h"
#include "this_cpu.h"

static uint64_t written_cr3;

#define cpu_number()     0u
#define read_cr3()       0x5000
#define read_cr4()       0x20
#define write_cr3(value) ((void)(written_cr3 = (value)))
#define write_cr4(value) ((void)(value))
#define rdmsr(msr)       (EFER_LME | EFER_NXE | EFER_LMA | EFER_SVME)
#include "../../hv/processors.c"

#define PAGE_AT 0x8000u
#define SELF    4u

char boot_stacks[CPUS_MAX][STACK_GUARD + STACK_SIZE];

/* Side by side, which no two variables of C's need be. */
__asm__(".globl processor_trampoline, processor_trampoline_end\n"
        ".section .rodata\n"
        "processor_trampoline: .asciz \"abc\"\n"
        "processor_trampoline_end: .byte 0\n"
        ".text\n");

static enum behaviour { PROMPT, SECOND_TIME, DEAF, STUCK, REFUSES } behaviour[256]; /* by APIC */
static unsigned starts[256], inits[256], kicks_sent[256];
static uint32_t taken_number;
static uint64_t now;
static char said[1024];

uint64_t clock_ns(void)
{
    return now += 10000;
}

void host_yield(void)
{
}

uint32_t apic_id(void)
{
    return SELF;
}

bool apic_can_reach(uint32_t to)
{
    return to < 0xff;
}

bool apic_init(void)
{
    return true;
}

/* What a processor does is over before anybody looks again. */
static void begin(void)
{
    taken_number = atomic_exchange(&processor_begin.number, 0);
    assert_in_range(taken_number, 1, CPUS_MAX - 1);
    assert_int_equal(processor_begin.efer, EFER_LME | EFER_NXE);
}

static void start_message(uint32_t to)
{
    enum behaviour how = behaviour[to];

    starts[to]++;
    if (how == DEAF || (how == SECOND_TIME && starts[to] < 2))
        return;
    begin();
    if (how != STUCK)
        atomic_store(&cpus[taken_number].state, how == REFUSES ? CPU_REFUSED : CPU_UP);
}

void apic_send(uint32_t to, uint32_t what)
{
    if (what == APIC_INIT)
        inits[to]++;
    else if (what == APIC_START(PAGE_AT))
        start_message(to);
    else if (what == VECTOR_KICK)
        kicks_sent[to]++;
    else
        fail();
}

void print(const char *text, ...)
{
    size_t length = strlen(said);
    va_list arguments;

    va_start(arguments, text);
    vsnprintf(said + length, sizeof(said) - length, text, arguments);
    va_end(arguments);
}

static struct madt list;

static int set_up(void **state)
{
    void *at = (void *)(uintptr_t)DIRECT_MAP;

    *state = mmap(at, 0x10000, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    memset(cpus, 0, sizeof(cpus));
    atomic_store(&cpus[0].state, CPU_UP);
    memset(behaviour, 0, sizeof(behaviour));
    memset(starts, 0, sizeof(starts));
    memset(inits, 0, sizeof(inits));
    memset(kicks_sent, 0, sizeof(kicks_sent));
    *said = '\0';
    list = (struct madt){ .apic_id = { 2, SELF, 7 }, .count = 3 };
    return *state == at ? 0 : -1;
}

static int tear_down(void **state)
{
    return munmap(*state, 0x10000);
}

static void all_but_the_first_are_started(void **state)
{
    (void)state;
    processors_start(&list, PAGE_AT);
    assert_int_equal(processors_count(), 3);
    assert_int_equal(starts[SELF] + inits[SELF], 0);
    assert_int_equal(starts[2], 1);
    assert_int_equal(cpus[1].apic_id, 2);
    assert_int_equal(cpus[2].apic_id, 7);
    assert_string_equal(direct_map(PAGE_AT), "abc");
    assert_string_equal(said, "processors: 3, of 3 that the firmware lists\n");
}

static void one_that_does_not_come_up_is_left_out(void **state)
{
    /* A second INIT keeps one down that may be late; one that has begun may wait for the lock. */
    static const struct {
        enum behaviour behaviour;
        unsigned inits;
    } ways[] = { { DEAF, 2 }, { STUCK, 1 } };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        *said = '\0';
        behaviour[2] = ways[i].behaviour;
        starts[2] = inits[2] = 0;
        processors_start(&list, PAGE_AT);
        assert_int_equal(processors_count(), 2);
        assert_int_equal(atomic_load(&cpus[2].state), CPU_UP); /* the next one has its own number */
        assert_int_equal(inits[2], ways[i].inits);
        assert_int_equal(atomic_load(&processor_begin.number), 0);
        assert_non_null(strstr(said, "processor 1 (APIC 2) does not come up"));
    }
}

static void one_that_arrives_late_counts_after_all(void **state)
{
    (void)state;
    behaviour[2] = STUCK;
    processors_start(&list, PAGE_AT);
    assert_int_equal(atomic_load(&cpus[1].state), CPU_STARTING);
    atomic_store(&cpus[1].state, CPU_UP);
    assert_int_equal(processors_count(), 3);
}

/* Cut to eight bits, the first is this processor, and the second all of them. */
static void an_address_that_is_out_of_reach_is_nobodys(void **state)
{
    (void)state;
    list = (struct madt){ .apic_id = { 0x100 + SELF, 0xff, 7, 0x107 }, .count = 4 };
    processors_start(&list, PAGE_AT);
    assert_int_equal(processors_count(), 2);
    assert_int_equal(cpus[1].apic_id, 7);
    assert_int_equal(inits[7], 1);
    assert_string_equal(said, "processors: 2, of 4 that the firmware lists\n");
}

static void one_is_called_twice_if_need_be(void **state)
{
    (void)state;
    behaviour[7] = SECOND_TIME;
    processors_start(&list, PAGE_AT);
    assert_int_equal(starts[7], 2);
    assert_int_equal(processors_count(), 3);
}

static void one_that_refuses_is_no_processor_to_give_work_to(void **state)
{
    struct vcpu *const some = (struct vcpu *)said, *const other = (struct vcpu *)starts;

    (void)state;
    behaviour[2] = REFUSES;
    processors_start(&list, PAGE_AT);
    assert_int_equal(processors_count(), 2);
    assert_ptr_equal(processors_give(some), &cpus[2]);
    assert_ptr_equal(cpus[2].vcpu, some);
    assert_int_equal(kicks_sent[7], 1);
    assert_null(processors_give(other));
}

static void no_more_than_there_is_room_for_are_started(void **state)
{
    (void)state;
    list = (struct madt){ .count = 20, .dropped = 3 };
    for (unsigned i = 0; i < list.count; i++)
        list.apic_id[i] = 10 + i;
    processors_start(&list, PAGE_AT);
    assert_int_equal(processors_count(), CPUS_MAX);
    assert_string_equal(said, "processors: 8, of 23 that the firmware lists\n");
}

static void without_a_list_or_a_page_there_is_one(void **state)
{
    (void)state;
    processors_start(&list, 0);
    assert_int_equal(processors_count(), 1);
    list.count = 0;
    processors_start(&list, PAGE_AT);
    assert_int_equal(processors_count(), 1);
}

static void nobody_kicks_itself(void **state)
{
    (void)state;
    processors_start(&list, PAGE_AT);
    processors_kick(0);
    processors_kick(2);
    assert_int_equal(kicks_sent[SELF], 0);
    assert_int_equal(kicks_sent[7], 1);
    processors_kicked();
    assert_int_equal(processors_kicks(), 1);
}

static void who_joins_has_the_firsts_tables(void **state)
{
    (void)state;
    processors_start(&list, PAGE_AT);
    assert_true(processors_join());
    assert_int_equal(written_cr3, 0x5000);
}

#define on_machine(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        on_machine(all_but_the_first_are_started),
        on_machine(one_that_does_not_come_up_is_left_out),
        on_machine(one_that_arrives_late_counts_after_all),
        on_machine(an_address_that_is_out_of_reach_is_nobodys),
        on_machine(one_is_called_twice_if_need_be),
        on_machine(one_that_refuses_is_no_processor_to_give_work_to),
        on_machine(no_more_than_there_is_room_for_are_started),
        on_machine(without_a_list_or_a_page_there_is_one),
        on_machine(nobody_kicks_itself),
        on_machine(who_joins_has_the_firsts_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
