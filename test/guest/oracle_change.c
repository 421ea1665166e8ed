/* SPDX-License-Identifier: MIT */
/*
 * Question: where a change of type waits in the entry of a table, does the processor stop, whatever
 * the access, and does the guest go on as if nothing had been once the host has seen to it? The
 * host carries out what waits when it has time, some milliseconds later: so each is asked again
 * until it was there in time.
 */
#include "oracle.h"

#define TRIES 100u

static const struct change to_ro = { RAM_RW, RAM_RO }, to_rw = { RAM_RO, RAM_RW };

/* Two tables, one below the other, and a leaf of each size. */
static const struct place slot = { 0, ORDER_1G, RAM_RW };
static const struct place region = { 0, ORDER_2M, RAM_RW };
static const struct place small = { 5 * PAGE, ORDER_4K, RAM_RO };
static const struct place large = { 6 * MB, ORDER_2M, RAM_RO };

static void change_all(struct change change)
{
    check(host_change(0, FRAME(GB), change) == 0, "a change is refused", change.to);
}

static void change_back(void)
{
    host_change_finish();
    change_all(to_rw);
    host_change_finish();
}

static uint64_t hardware(const struct place *place)
{
    return entry_value(place_entry(place)) & ENTRY_HARDWARE & ~manual()->accessed;
}

/* Of the upper table, which waits first, and of the lower one, once a leaf near it was touched. */
static void ask_waiting(const char *which, const struct place *table)
{
    uint64_t seen = manual()->table;

    ABOUT("a table of", which, "where a change waits");
    for (unsigned i = 0; i < TRIES && seen == manual()->table; i++) {
        change_all(to_ro);
        if (table == &region)
            (void)*(volatile uint64_t *)(VIEW + large.address);
        seen = hardware(table);
        change_back();
    }
    ask("entry", manual()->pending, seen);
    ask("entry afterwards", manual()->table, hardware(table));
}

static void ask_stop(const struct place *leaf, enum access access)
{
    uint64_t address = VIEW + leaf->address;
    struct fault fault = { leaf->address, access, ALL, true, manual()->blind, false };
    struct outcome outcome = { .faulted = false };

    ABOUT(order_name(leaf->order), "leaf, where a change waits,", access_name(access));
    for (unsigned i = 0; i < TRIES && !outcome.faulted; i++) {
        change_back();
        change_all(to_ro);
        outcome = access_at(access, address);
    }
    ask_fault(&outcome, &fault);
    ABOUT(order_name(leaf->order), "leaf, where a change waited", access_name(access));
    ask("value", leaf->address ^ 7, *(volatile uint64_t *)address);
    ask("order", leaf->order, host_view(FRAME(leaf->address)).order);
    outcome = access_at(WRITE, address);
    fault = (struct fault){ leaf->address, WRITE, READ | FETCH, true, false, false };
    ask_fault(&outcome, &fault);
}

void ask_changes(void)
{
    struct place keeps = { PAGE, ORDER_4K, SPECIAL }; /* both tables: nothing merges */

    place_set(&keeps);
    host_plant(small.address, small.address ^ 7);
    host_plant(large.address, large.address ^ 7);
    ask_waiting("2m entries", &slot);
    ask_waiting("4k entries", &region);
    for (unsigned i = 0; i < ACCESSES; i++) {
        ask_stop(&small, accesses[i]);
        ask_stop(&large, accesses[i]);
    }
    change_back();
    keeps.type = RAM_RW;
    place_set(&keeps);
    ABOUT("after changes of type");
    ask("2m is whole again", true, host_has_merged(0, ORDER_2M));
    ask("1g is whole again", true, host_has_merged(0, ORDER_1G));
}
