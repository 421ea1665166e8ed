/* SPDX-License-Identifier: MIT */
/*
 * What tiny guests share; see guest.h. Ends by SCHEDOP_shutdown: power-off when every check passed,
 * crash when one did not, so that the run's exit code tells.
 */
#include "guest.h"

enum { MEMORY_OP = 12, CONSOLE_IO = 18, VCPU_OP = 24, SCHED_OP = 29, TEST_CALL = 63 };
enum { CONSOLE_WRITE = 0, SHUTDOWN = 2, SHUTDOWN_POWEROFF = 0, SHUTDOWN_CRASH = 3 };
enum { CURRENT_RESERVATION = 3, DOMID_SELF = 0x7ff0 };
enum { REGISTER_VCPU_INFO = 10 };
enum { SPLIT = 0, MERGE = 1, QUERY = 2, WRITE = 5, READ = 6 };
enum { CHANGE = 30, CHANGE_ONE = 31, CHANGE_BACK = 32, CHANGE_FINISH = 33 };
enum { LOG_START = 34, LOG_COLLECT = 35, LOG_SAYS = 36, LOG_STOP = 37 };
enum { TARGET = 7, ACCOUNT = 8, HOLD = 9, TAKE = 10, HELD = 11 };

#define FAILURES_SAID 8

static uint64_t checks, failures;

int64_t hypercall(uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
    int64_t result;

    __asm__ volatile(HYPERCALL : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "memory");
    return result;
}

bool processor_is_intel(void)
{
    uint32_t maker, leaf = 0;

    __asm__ volatile("cpuid" : "+a"(leaf), "=b"(maker) : : "ecx", "edx");
    return maker == 0x756e6547; /* "Genu" */
}

int64_t host_split(uint64_t gfn, unsigned order)
{
    return hypercall(TEST_CALL, SPLIT, gfn, order);
}

int64_t host_merge(uint64_t gfn, unsigned order)
{
    return hypercall(TEST_CALL, MERGE, gfn, order);
}

int64_t host_write(uint64_t gfn, uint64_t value)
{
    return hypercall(TEST_CALL, WRITE, gfn, value);
}

uint64_t host_read(uint64_t gfn)
{
    return (uint64_t)hypercall(TEST_CALL, READ, gfn, 0);
}

int64_t host_balloon(enum balloon verb, const uint64_t *list, uint64_t count, unsigned order)
{
    struct {
        const uint64_t *list;
        uint64_t count;
        uint32_t order, flags;
        uint16_t domain;
    } request = { .list = list, .count = count, .order = order, .domain = DOMID_SELF };

    return hypercall(MEMORY_OP, verb, (uint64_t)&request, 0);
}

int64_t host_has(void)
{
    uint16_t domain = DOMID_SELF;

    return hypercall(MEMORY_OP, CURRENT_RESERVATION, (uint64_t)&domain, 0);
}

int64_t host_memory_op(unsigned command)
{
    uint16_t argument[64];

    for (unsigned i = 0; i < 64; i++)
        argument[i] = i % 4 ? 0 : DOMID_SELF;
    return hypercall(MEMORY_OP, command, (uint64_t)argument, 0);
}

int64_t host_pin(uint64_t gfn)
{
    struct {
        uint64_t gfn;
        uint32_t offset, reserved;
    } info = { .gfn = gfn };

    return hypercall(VCPU_OP, REGISTER_VCPU_INFO, 0, (uint64_t)&info);
}

int64_t host_target(uint64_t frames)
{
    return hypercall(TEST_CALL, TARGET, frames, 0);
}

uint64_t host_account(enum account which)
{
    return (uint64_t)hypercall(TEST_CALL, ACCOUNT, which, 0);
}

int64_t host_hold(unsigned order, enum depth depth)
{
    return hypercall(TEST_CALL, HOLD, order, depth);
}

uint64_t host_held(unsigned index)
{
    return (uint64_t)hypercall(TEST_CALL, HELD, index, 0);
}

int64_t host_take(void)
{
    return hypercall(TEST_CALL, TAKE, 0, 0);
}

struct view host_view(uint64_t gfn)
{
    uint64_t value = (uint64_t)hypercall(TEST_CALL, QUERY, gfn, 0);

    return (struct view){ .order = value & 0xff,
                          .type = value >> 8 & 0xff,
                          .accessed = value >> 16 & 1,
                          .dirty = value >> 17 & 1 };
}

int64_t host_change(uint64_t gfn, uint64_t end, struct change change)
{
    uint64_t types = (uint64_t)change.from << 40 | (uint64_t)change.to << 48;

    return hypercall(TEST_CALL, CHANGE, gfn, end | types);
}

int64_t host_change_one(uint64_t gfn, struct change change)
{
    uint64_t types = (uint64_t)change.from << 40 | (uint64_t)change.to << 48;

    return hypercall(TEST_CALL, CHANGE_ONE, gfn, types);
}

int64_t host_change_back(void)
{
    return hypercall(TEST_CALL, CHANGE_BACK, 0, 0);
}

int64_t host_change_finish(void)
{
    return hypercall(TEST_CALL, CHANGE_FINISH, 0, 0);
}

int64_t host_log_start(enum log mode, unsigned grain)
{
    return hypercall(TEST_CALL, LOG_START, mode, grain);
}

int64_t host_log_collect(void)
{
    return hypercall(TEST_CALL, LOG_COLLECT, 0, 0);
}

bool host_log_says(uint64_t index)
{
    return hypercall(TEST_CALL, LOG_SAYS, index, 0) == 1;
}

int64_t host_log_stop(void)
{
    return hypercall(TEST_CALL, LOG_STOP, 0, 0);
}

bool host_has_merged(uint64_t gfn, unsigned order)
{
    return host_merge(gfn, order) == 0 || host_view(gfn).order >= order;
}

void handle(unsigned vector, void (*handler)(void))
{
    static struct {
        uint16_t offset_low, selector;
        uint8_t stack, type;
        uint16_t offset_middle;
        uint32_t offset_high, reserved;
    } table[VECTORS];
    const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = { sizeof(table) - 1, (uint64_t)table };

    table[vector].offset_low = (uint16_t)(uint64_t)handler;
    table[vector].selector = 8;
    table[vector].type = 0x8e;
    table[vector].offset_middle = (uint16_t)((uint64_t)handler >> 16);
    __asm__ volatile("lidt %0" : : "m"(pointer));
}

void say(const char *text)
{
    uint64_t length = 0;

    while (text[length])
        length++;
    hypercall(CONSOLE_IO, CONSOLE_WRITE, length, (uint64_t)text);
}

void say_number(const char *text, uint64_t number)
{
    char digits[24];
    unsigned at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    say(text);
    say(&digits[at]);
    say("\n");
}

void check(bool good, const char *what, uint64_t address)
{
    checks++;
    if (good)
        return;
    if (++failures > FAILURES_SAID)
        return;
    say("FAILED: ");
    say(what);
    say_number(" at frame ", FRAME(address));
}

void guest_main(void);
void guest_main(void)
{
    uint32_t reason;

    say("test guest: ");
    say(test_name);
    say("\n");
    test();
    say_number("test guest: checks ", checks);
    say_number("test guest: failures ", failures);
    reason = failures || !checks ? SHUTDOWN_CRASH : SHUTDOWN_POWEROFF;
    hypercall(SCHED_OP, SHUTDOWN, (uint64_t)&reason, 0);
}
