/* SPDX-License-Identifier: MIT */
/*
 * One access, and how it ended; live entries, seen and flipped. A fault is awaited just before the
 * access, and the host lets the guest go on behind it. Refuses to know what should have come.
 */
#include "oracle.h"

/* hv/test_calls.h, a second time: the hypercall, and its numbers. */
enum { TEST_CALL = 63 };
enum { FAULT = 13, WRONG = 14, POKE = 15, SET = 16, PEEK = 17, PLANT = 18 };
enum { FAULT_CAME, FAULT_ADDRESS, FAULT_CAUSE, FAULT_CODE };
#define LEVEL_SHIFT 52

/* EXPECT is 12, and the landing is LAND. RBX keeps the stack's pointer: any call moves it. */
#define AWAIT                                                                                      \
    "mov %%rsp, %%rbx; mov $63, %%eax; mov $12, %%edi; lea 1f(%%rip), %%rsi; xor %%edx, "          \
    "%%edx; " HYPERCALL "; "
#define LAND   "; 1: mov %%rbx, %%rsp"
#define SPOILT "rax", "rbx", "rdi", "rsi", "rdx", "memory", "cc"

const enum access accesses[ACCESSES] = { READ, WRITE, FETCH };

static uint64_t number_of(struct entry entry)
{
    return FRAME(entry.address) | (uint64_t)entry.level << LEVEL_SHIFT;
}

static uint64_t fault(unsigned which)
{
    return (uint64_t)hypercall(TEST_CALL, FAULT, which, 0);
}

struct outcome access_at(enum access access, uint64_t linear)
{
    struct outcome outcome = { .faulted = false };
    uint64_t value = WRITTEN;

    if (access == READ)
        __asm__ volatile(AWAIT "mov (%[at]), %[value]" LAND
                         : [value] "+&r"(value)
                         : [at] "r"(linear)
                         : SPOILT);
    else if (access == WRITE)
        __asm__ volatile(AWAIT "mov %[value], (%[at])" LAND
                         :
                         : [value] "r"(value), [at] "r"(linear)
                         : SPOILT);
    else
        __asm__ volatile(AWAIT "call *%[at]" LAND : : [at] "r"(linear) : SPOILT);
    outcome.value = value;
    outcome.faulted = fault(FAULT_CAME);
    outcome.address = fault(FAULT_ADDRESS);
    outcome.cause = fault(FAULT_CAUSE);
    outcome.code = fault(FAULT_CODE);
    return outcome;
}

struct outcome access_with(enum access access, uint64_t linear, struct entry entry, uint64_t mask)
{
    check(hypercall(TEST_CALL, WRONG, number_of(entry), mask) == 0, "no such entry", entry.address);
    return access_at(access, linear);
}

uint64_t entry_value(struct entry entry)
{
    return (uint64_t)hypercall(TEST_CALL, POKE, number_of(entry), 0);
}

void entry_clear(struct entry entry, uint64_t bits)
{
    hypercall(TEST_CALL, POKE, number_of(entry), entry_value(entry) & bits);
}

uint64_t host_peek(uint64_t address)
{
    return (uint64_t)hypercall(TEST_CALL, PEEK, address, 0);
}

void host_plant(uint64_t address, uint64_t value)
{
    check(hypercall(TEST_CALL, PLANT, address, value) == 0, "the host can't write", address);
}

/* ---- places --------------------------------------------------------------------------------- */

uint64_t place_size(const struct place *place)
{
    return PAGE << place->order;
}

struct entry place_entry(const struct place *place)
{
    return (struct entry){ place->address, place->order / 9 };
}

void place_set(const struct place *place)
{
    check(hypercall(TEST_CALL, SET, number_of(place_entry(place)), place->type) == 0,
          "the host can't set it", place->address);
}

void clear_marks(const struct place *place)
{
    if (types[place->type].rights)
        entry_clear(place_entry(place), manual()->accessed | manual()->dirty);
}
