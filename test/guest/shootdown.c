/* SPDX-License-Identifier: MIT */
/*
 * Question: does a vCPU that never leaves guest mode see another frame under its feet, when the
 * host says that it does? Only if its processor is told; and so it is asked twice, without that and
 * with it. An emulated processor keeps what it has translated until it is told, as a real one does.
 *
 * The second vCPU reads a page in a loop, and says what it sees. Then it is told again and again,
 * and once more each time as it is about to enter guest mode: a kick that is lost there is waited
 * for for ever; and told while an interrupt comes there that nobody asked for. It ends while it
 * reads: by a kick.
 */
#include "second.h"

const char test_name[] = "shootdown: a frame is exchanged while another processor reads it";

#define WATCHED (32 * MB)
#define FIRST   0x1111111111111111ull
#define SECOND  0x2222222222222222ull
#define THIRD   0x3333333333333333ull
#define A_FEW   1000u
#define STRAYS  10u

/* Long enough to forget anything that would be forgotten by itself. */
#define TURNS_TCG   20000000u
#define TURNS_BOCHS 3000000u
#define RACES_TCG   200u
#define RACES_BOCHS 500u

static struct {
    volatile uint64_t turns, seen, changes;
    volatile bool races; /* it leaves guest mode by itself at every change */
} report __attribute__((aligned(4096)));

/*
 * With interrupts on: of a guest that is entered with them off, the host on VMX ends the run after
 * a millisecond. CPUID makes it enter again.
 */
static void read_on(void)
{
    volatile uint64_t *watched = (volatile uint64_t *)WATCHED;
    uint64_t last = *watched;

    __asm__ volatile("sti");
    processor_is_intel();
    for (;;) {
        uint64_t value = *watched;

        if (value != last) {
            report.changes++;
            if (report.races)
                processor_is_intel();
        }
        last = value;
        report.seen = value;
        report.turns++;
    }
}

static void expect_seen(uint64_t turns, uint64_t value, uint64_t changes)
{
    check(wait_until(&report.turns, report.turns + turns), "the second vCPU does not run",
          report.turns << 12);
    check(report.seen == value, "not what it should see", report.seen << 12);
    check(report.changes == changes, "not as many changes", report.changes << 12);
}

static void nobody_tells_it(void)
{
    uint64_t turns = processor_is_intel() ? TURNS_BOCHS : TURNS_TCG;
    int64_t exits = second_exits();

    check(host_remap_untold(FRAME(WATCHED), SECOND) == 0, "remap refused", WATCHED);
    expect_seen(turns, FIRST, 0);
    check(second_exits() == exits, "it was disturbed: this shows nothing", 0);
    check(host_read(FRAME(WATCHED)) == SECOND, "the map has the old frame still", WATCHED);
    check(host_remap(FRAME(WATCHED), THIRD) < 0, "two debts at a time", WATCHED);
    say_number("test guest: stale for turns ", turns);
}

static void it_is_told(void)
{
    int64_t exits = second_exits();

    check(host_settle() == 0, "settle", WATCHED);
    expect_seen(A_FEW, SECOND, 1);
    check(second_exits() > exits, "it was not kicked", 0);
    exits = second_exits();
    check(host_remap(FRAME(WATCHED), THIRD) == 0, "remap refused", WATCHED);
    expect_seen(A_FEW, THIRD, 2);
    check(second_exits() > exits, "it was not kicked", 0);
}

/* The pause lets the kick come early and late in what the other one does meanwhile. */
static void told_as_it_enters(void)
{
    uint64_t races = processor_is_intel() ? RACES_BOCHS : RACES_TCG;
    uint64_t changes = report.changes;

    report.races = true;
    for (uint64_t i = 0; i < races; i++) {
        check(host_remap(FRAME(WATCHED), FIRST + i) == 0, "remap refused", i << 12);
        check(wait_until(&report.changes, changes + i + 1), "not told", i << 12);
        for (volatile uint64_t pause = i % 97 * 8; pause > 0; pause--)
            ;
        check(host_flush() == 0, "flush", i << 12);
    }
    check(report.changes == changes + races, "not as many changes", report.changes << 12);
    report.races = false;
}

static void told_as_a_stray_interrupt_comes(void)
{
    int64_t exits = second_exits();

    for (uint64_t i = 0; i < STRAYS; i++) {
        check(second_stray() == 0, "stray interrupt", i << 12);
        check(wait_until(&report.turns, report.turns + A_FEW), "it does not go on", i << 12);
    }
    check(second_exits() >= exits + (int64_t)STRAYS, "it was not disturbed", 0);
}

void test(void)
{
    *(volatile uint64_t *)WATCHED = FIRST;
    check(host_split(FRAME(WATCHED), ORDER_4K) == 0, "split refused", WATCHED);
    check(second_begin(read_on) == 0, "no second vCPU", 0);
    check(second_begin(read_on) < 0, "a third vCPU", 0);
    expect_seen(A_FEW, FIRST, 0);
    nobody_tells_it();
    it_is_told();
    told_as_it_enters();
    told_as_a_stray_interrupt_comes();
}
