/* SPDX-License-Identifier: MIT */
/*
 * A second vCPU for tiny guests; see second.h.
 */
#include "second.h"

enum { TEST_CALL = 63 };
enum {
    START = 20,
    REMAP = 21,
    STALE = 22,
    SETTLE = 23,
    EXITS = 24,
    KICK = 25,
    KICKS = 26,
    FLUSH = 27,
    STRAY = 28
};

#define SECOND     1
#define LOOKS_MOST (1ull << 33)

extern char second_start[];       /* entry.S */
extern void (*second_main)(void); /* entry.S */
static uint8_t stack[PAGE] __attribute__((aligned(4096)));

int64_t second_begin(void (*main)(void))
{
    second_main = main;
    return hypercall(TEST_CALL, START, FRAME((uint64_t)stack), (uint64_t)second_start);
}

int64_t host_remap(uint64_t gfn, uint64_t value)
{
    return hypercall(TEST_CALL, REMAP, gfn, value);
}

int64_t host_remap_untold(uint64_t gfn, uint64_t value)
{
    return hypercall(TEST_CALL, STALE, gfn, value);
}

int64_t host_settle(void)
{
    return hypercall(TEST_CALL, SETTLE, 0, 0);
}

int64_t host_flush(void)
{
    return hypercall(TEST_CALL, FLUSH, 0, 0);
}

int64_t second_exits(void)
{
    return hypercall(TEST_CALL, EXITS, SECOND, 0);
}

int64_t second_kicks(void)
{
    return hypercall(TEST_CALL, KICKS, SECOND, 0);
}

int64_t second_kick(void)
{
    return hypercall(TEST_CALL, KICK, SECOND, 0);
}

int64_t second_stray(void)
{
    return hypercall(TEST_CALL, STRAY, SECOND, 0);
}

bool wait_until(volatile uint64_t *counter, uint64_t value)
{
    for (uint64_t looks = 0; looks < LOOKS_MOST; looks++)
        if (*counter >= value)
            return true;
    return false;
}
