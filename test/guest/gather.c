/* SPDX-License-Identifier: MIT */
/*
 * Question: what does a guest see of its memory being moved to make a GB of the machine whole? All
 * that it wrote is there, the page that it shares with the host still brings it events, what it
 * gives back meanwhile is gone, and a GB that is touched afterwards is one leaf.
 *
 * For a guest that is promised 4 GB, and has 2 GB of that: RAM to 3 GB, and from 4 to 5 GB.
 */
#include "guest.h"

const char test_name[] = "gather: moved under its feet";

#define ROOM       (512 * MB) /* of the first GB: given back, so that there is room to move to */
#define ROOM_SIZE  (128 * MB)
#define SLOT       (1 * GB) /* all but KEPT of it is given back */
#define KEPT       (88 * MB)
#define GIVEN      (SLOT + 64 * MB) /* single frames of what is kept, not all in one region */
#define GIVEN_STEP (MB + PAGE)
#define INFO_AT    (SLOT + 40 * MB + 5 * PAGE)
#define TOUCHED    (2 * GB) /* promised, and not touched until the end */
#define LAST       (4 * GB) /* promised, and given back in the end */
#define ROUNDS     8u
#define ROUND_NS   170000000u /* the host looks twice, not too often, before it begins */
#define LIST       1024u

enum { SET_TIMER = 15, EVENT_CHANNEL = 32, HVM = 34 };
enum { BIND_VIRQ = 1, CLOSE = 3, UNMASK = 9 };
enum { VIRQ_TIMER = 0, VECTOR = 0x60 };

/* What the host shares with a vCPU; time first written when it is registered. */
struct info {
    uint8_t upcall_pending, upcall_mask;
    uint64_t pending_selector;
    uint64_t architecture[2];
    uint32_t version, padding;
    uint64_t tsc_at, ns_at;
    uint32_t multiplier;
    int8_t shift;
};

static volatile struct info *const info = (volatile struct info *)INFO_AT;
extern volatile uint64_t events; /* the handler counts them */
static uint64_t list[LIST];

void on_event(void);
__asm__(".bss\n.balign 8\n.globl events\nevents: .skip 8\n.text\n.globl on_event\n"
        "on_event: push %rax\n mov $0x42805000, %eax\n"
        "movb $0, (%rax)\n movq $0, 8(%rax)\n incq events(%rip)\n pop %rax\n iretq\n");
_Static_assert(INFO_AT == 0x42805000, "the handler's address of the shared page");

/* ---- time and events ------------------------------------------------------------------------ */

static uint64_t now_ns(void)
{
    uint32_t low, high;
    uint64_t tsc;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    tsc = ((uint64_t)high << 32 | low) - info->tsc_at;
    tsc = info->shift < 0 ? tsc >> -info->shift : tsc << info->shift;
    return info->ns_at + (uint64_t)((unsigned __int128)tsc * info->multiplier >> 32);
}

static void take_events(void)
{
    struct {
        uint16_t domain;
        uint32_t index;
        uint64_t value;
    } callback = { .domain = 0x7ff0, .index = 0, .value = 2ull << 56 | VECTOR };

    handle(VECTOR, on_event);
    check(hypercall(HVM, 0, (uint64_t)&callback, 0) == 0, "no callback", 0);
    check(host_pin(FRAME(INFO_AT)) == 0, "vcpu_info is refused", INFO_AT);
    info->upcall_pending = 0; /* registering it signals all there might be */
    info->pending_selector = 0;
}

/* Asleep, until the timer's event comes. The port is bound anew: that clears what was pending. */
static void sleep(void)
{
    struct {
        uint32_t virq, vcpu, port;
    } bind = { .virq = VIRQ_TIMER };
    uint64_t before = events;

    check(hypercall(EVENT_CHANNEL, BIND_VIRQ, (uint64_t)&bind, 0) == 0, "no port", 0);
    check(hypercall(EVENT_CHANNEL, UNMASK, (uint64_t)&bind.port, 0) == 0, "not unmasked", 0);
    check(hypercall(SET_TIMER, now_ns() + ROUND_NS, 0, 0) == 0, "no timer", 0);
    __asm__ volatile("sti; hlt; cli" : : : "memory");
    check(events == before + 1, "no event, or too many", INFO_AT);
    check(hypercall(EVENT_CHANNEL, CLOSE, (uint64_t)&bind.port, 0) == 0, "not closed", 0);
}

/* ---- memory --------------------------------------------------------------------------------- */

static volatile uint64_t *word(uint64_t address)
{
    return (volatile uint64_t *)address;
}

static uint64_t given(unsigned round)
{
    return GIVEN + round * GIVEN_STEP;
}

static bool is_given(uint64_t at)
{
    return at >= GIVEN && (at - GIVEN) % GIVEN_STEP == 0 && (at - GIVEN) / GIVEN_STEP < ROUNDS;
}

/* Two words of each page, but of the one that the host writes to. */
static void write_all(void)
{
    for (uint64_t at = SLOT; at < SLOT + KEPT; at += PAGE)
        if (at != INFO_AT)
            *word(at) = *word(at + PAGE - 8) = ~at;
}

static void verify_all(void)
{
    for (uint64_t at = SLOT; at < SLOT + KEPT; at += PAGE)
        if (at != INFO_AT && !is_given(at))
            check(*word(at) == ~at && *word(at + PAGE - 8) == ~at, "what was written is lost", at);
}

static void give_back(uint64_t from, uint64_t size)
{
    uint64_t count = size / (2 * MB);

    for (uint64_t i = 0; i < count; i++)
        list[i] = FRAME(from + i * 2 * MB);
    check(host_balloon(DECREASE, list, count, ORDER_2M) == (int64_t)count, "decrease", from);
}

static int64_t change_one(enum balloon verb, uint64_t at, unsigned order)
{
    uint64_t gfn = FRAME(at);

    return host_balloon(verb, &gfn, 1, order);
}

static void a_little_more_each_time(void)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        sleep();
        check(change_one(DECREASE, given(round), ORDER_4K) == 1, "decrease one", given(round));
        check(change_one(POPULATE, given(round), ORDER_4K) == 0, "taken in debt", given(round));
        *word(SLOT + round * PAGE) = ~(SLOT + round * PAGE);
    }
    sleep();
}

void test(void)
{
    *word(ROOM + 2 * ROOM_SIZE) = 1; /* the first GB is there, whatever of it was touched before */
    write_all();
    take_events();
    give_back(ROOM, ROOM_SIZE);
    give_back(SLOT + KEPT, GB - KEPT);
    a_little_more_each_time();
    verify_all();

    check(change_one(DECREASE, LAST, ORDER_1G) == 1, "decrease 1 GB", LAST);
    check(host_account(ENTRIES) == host_account(CACHED), "still in debt", LAST);
    for (unsigned round = 0; round < ROUNDS; round++) {
        check(change_one(POPULATE, given(round), ORDER_4K) == 1, "populate one", given(round));
        check(*word(given(round)) == 0, "not zero when it is taken again", given(round));
    }
    check(*word(TOUCHED + 5 * PAGE) == 0, "not zero", TOUCHED);
    check(host_view(FRAME(TOUCHED)).order == ORDER_1G, "not one leaf", TOUCHED);
    sleep();
    verify_all();
}
