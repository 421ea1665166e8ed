/* SPDX-License-Identifier: MIT */
/*
 * Question: does a second vCPU have what the first one has, at the same time? Both touch the same
 * promised memory, page by page in turn, and ask the host for things; then the second sleeps: a
 * kick alone does not wake it, an event does. It ends asleep.
 *
 * For any guest that is promised 512 MB and has less.
 */
#include "second.h"

const char test_name[] = "pair: two vCPUs at the same memory, and one that sleeps";

#define FROM    (32 * MB)
#define PAGES   8192u
#define KICKS   20u
#define A_FEW   1000u
#define VECTOR  0x55
#define DOMSELF 0x7ff0u

enum { VCPU_OP = 24, EVENT_OP = 32, HVM_OP = 34 };
enum { REGISTER_VCPU_INFO = 10, SEND = 4, BIND_IPI = 7, UNMASK = 9 };

static struct {
    volatile uint64_t touched, wrong, naps, woken, turns;
} second __attribute__((aligned(4096)));

/* The second vCPU's vcpu_info. */
static volatile struct {
    uint8_t pending, mask;
    uint64_t selected, more[6];
} info __attribute__((aligned(4096)));

static volatile uint64_t *page(uint64_t index)
{
    return (volatile uint64_t *)(FROM + index * PAGE);
}

/* Every second page from here, all zeroes before, and half of it no memory yet. */
static uint64_t touch(uint64_t first, uint64_t mark)
{
    uint64_t wrong = 0;

    for (uint64_t i = first; i < PAGES; i += 2) {
        wrong += *page(i) != 0;
        *page(i) = mark + i;
        if (i % 64 == first)
            wrong += host_view(FRAME((uint64_t)page(i))).type != TYPE_RAM;
    }
    return wrong;
}

static __attribute__((interrupt)) void on_event(void *frame)
{
    (void)frame;
    info.selected = 0;
    info.pending = 0;
    second.woken++;
}

static void live(void)
{
    second.wrong = touch(1, 0x2000000000);
    second.touched = 1;
    handle(VECTOR, (void (*)(void))(uint64_t)on_event);
    for (;;) {
        second.naps++;
        __asm__ volatile("sti; hlt");
        second.turns++;
    }
}

static int64_t register_info(void)
{
    struct {
        uint64_t gfn;
        uint32_t offset, reserved;
    } where = { .gfn = FRAME((uint64_t)&info) };

    return hypercall(VCPU_OP, REGISTER_VCPU_INFO, 1, (uint64_t)&where);
}

static int64_t set_vector(void)
{
    struct {
        uint16_t domain;
        uint32_t index;
        uint64_t value;
    } parameter = { .domain = DOMSELF, .value = 2ull << 56 | VECTOR };

    return hypercall(HVM_OP, 0, (uint64_t)&parameter, 0);
}

/* An event for the second vCPU; its port, or less than 0. */
static int64_t bind(void)
{
    struct {
        uint32_t vcpu, port;
    } bound = { .vcpu = 1 };
    int64_t error = hypercall(EVENT_OP, BIND_IPI, (uint64_t)&bound, 0);
    uint32_t port = bound.port;

    if (!error)
        error = hypercall(EVENT_OP, UNMASK, (uint64_t)&port, 0);
    return error ? -1 : (int64_t)port;
}

static void both_touch(void)
{
    uint64_t wrong = touch(0, 0x1000000000);

    check(wait_for(&second.touched, 1 - second.touched), "the second vCPU does not end", 0);
    check(wrong == 0, "the first one's pages were not zero", wrong << 12);
    check(second.wrong == 0, "the second one's pages were not zero", second.wrong << 12);
    for (uint64_t i = 0; i < PAGES; i++)
        check(*page(i) == (i % 2 ? 0x2000000000 : 0x1000000000) + i, "a value is lost",
              (uint64_t)page(i));
}

/* Each is counted by the processor that it wakes, and ends with that. */
static void kicks_wake_nobody(void)
{
    uint64_t turns = second.turns;

    for (unsigned i = 0; i < KICKS; i++) {
        int64_t before = second_kicks();
        unsigned looks = 0;

        check(second_kick() == 0, "kick", 0);
        while (second_kicks() == before && looks < A_FEW * A_FEW)
            looks++;
        check(second_kicks() == before + 1, "kicks that came", (uint64_t)before << 12);
    }
    check(second.turns == turns, "a kick is no event", second.turns << 12);
}

static void an_event_wakes_it(void)
{
    uint32_t port;
    int64_t bound;

    check(wait_for(&second.naps, 1 - second.naps), "it does not sleep", 0);
    kicks_wake_nobody();
    check(set_vector() == 0, "callback", 0);
    check(register_info() == 0, "vcpu_info", 0); /* it is to look whether it missed anything */
    check(wait_for(&second.woken, 1 - second.woken), "a new vcpu_info does not wake it", 0);
    bound = bind();
    check(bound > 0, "event channel", 0);
    port = (uint32_t)bound;
    check(hypercall(EVENT_OP, SEND, (uint64_t)&port, 0) == 0, "send", 0);
    check(wait_for(&second.woken, 2 - second.woken), "an event does not wake it", 0);
    check(wait_for(&second.turns, 2 - second.turns), "it does not go on", 0);
}

void test(void)
{
    check(second_begin(live) == 0, "no second vCPU", 0);
    both_touch();
    an_event_wakes_it();
}
