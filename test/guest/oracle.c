/* SPDX-License-Identifier: MIT */
/*
 * Question: do the tables mean to the processor's own walker what the engine believes? Each part
 * asks about one side of it. The first slot is one leaf of 1 GB, and the program leaves it.
 *
 * For a guest of 1200 MB that has all of its memory. Whoever runs it reads its lines: a check that
 * fails is no failure of this guest's, for emulators deviate from the manuals here and there.
 */
#include "oracle.h"

const char test_name[] = "oracle: what our tables mean to the processor";

/* The tables of the new house: root, GBs, and 2 MB pages of 4 GB. */
#define GBS 4
static uint64_t tables[2 + GBS][512] __attribute__((aligned(4096)));

enum { TABLE_ENTRY = 0x3, PAGE_ENTRY = 0x83 };

uint64_t house_root(void)
{
    return HOUSE + (uint64_t)tables;
}

void window_set(uint64_t table)
{
    tables[2 + WINDOW / GB][WINDOW / (2 * MB) % 512] = table | TABLE_ENTRY;
    __asm__ volatile("mov %0, %%cr3" : : "r"(house_root()) : "memory");
}

/* From the first byte that is copied to the switch nothing may be written that matters. */
void move_house(void)
{
    uint64_t from = 0, to = HOUSE, size = 2 * MB;

    tables[0][0] = (house_root() + PAGE) | TABLE_ENTRY;
    for (uint64_t i = 0; i < GBS; i++)
        tables[1][i] = (house_root() + (2 + i) * PAGE) | TABLE_ENTRY;
    for (uint64_t i = 0; i < GBS * 512; i++)
        tables[2 + i / 512][i % 512] = i * 2 * MB % VIEW | PAGE_ENTRY;
    tables[2][0] = HOUSE | PAGE_ENTRY;
    __asm__ volatile("rep movsb; mov %3, %%cr3"
                     : "+S"(from), "+D"(to), "+c"(size)
                     : "r"(house_root())
                     : "memory");
}

/*
 * What becomes alike again would be merged in passing: a frame of another type keeps the regions in
 * which 4 KB leaves are asked about.
 */
static void keep_in_pieces(enum type type)
{
    struct place first = { GB + MB, ORDER_4K, type }, last = { GB + 37 * MB, ORDER_4K, type };

    place_set(&first);
    place_set(&last);
}

void test(void)
{
    check(host_view(0).order == ORDER_1G, "the first slot is not one leaf", 0);
    move_house();
    keep_in_pieces(RAM_RO);
    ask_slot();
    ask_live();
    ask_changes();
    ask_wrong();
    ask_walks();
    ask_streets();
    keep_in_pieces(RAM_RW);
    say_number("oracle: asked ", asked());
}
