/* SPDX-License-Identifier: MIT */
/*
 * Question: what does the walk of the guest's own page tables do to the leaf that they lie in, and
 * what comes of it when that leaf does not allow it? To both vendors such a walk is a write,
 * whether or not it has a mark of its own to set. And: do the entries above a leaf get an A?
 * [APM "Nested Paging"], [SDM "Accessed and Dirty Flags for EPT"]
 */
#include "oracle.h"

#define ENTRY  5u              /* of the guest's page table */
#define TARGET (GB + 100 * MB) /* what it names: a page like any other, in a 2 MB leaf */
#define VALUE  0xfedcba9876543210ull

static const struct place target = { TARGET, ORDER_2M, RAM_RW };

static void ask_walked(const struct outcome *outcome, const struct place *table)
{
    if (!ask_no_fault(outcome))
        return;
    ask("value", VALUE, outcome->value);
    ask_marks("A and D of the table's leaf", table, MARKED_DIRTY);
    ask_marks("A and D of what was read", &target, MARKED);
}

static void ask_walk(const struct place *table, uint64_t bits, const char *what)
{
    struct place memory = { table->address, table->order, RAM_RW };
    struct fault fault = { .address = table->address + ENTRY * 8,
                           .access = WRITE,
                           .rights = types[table->type].rights,
                           .present = types[table->type].rights,
                           .walk = true };
    struct outcome outcome;

    place_set(&memory);
    host_plant(fault.address, TARGET | bits);
    place_set(table);
    clear_marks(&target);
    window_set(table->address);
    ABOUT("a page table in a", order_name(table->order), types[table->type].name, "leaf,", what);
    outcome = access_at(READ, WINDOW + ENTRY * PAGE);
    if (types[table->type].rights & WRITE)
        ask_walked(&outcome, table);
    else
        ask_fault(&outcome, &fault);
    place_set(&memory);
}

static void ask_type(enum type type)
{
    static const struct place tables[] = { { GB, ORDER_4K, INVALID },
                                           { GB + 64 * MB, ORDER_2M, INVALID },
                                           { 0, ORDER_1G, INVALID } };

    for (unsigned i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        struct place table = { tables[i].address, tables[i].order, type };

        ask_walk(&table, 0x3, "its entry new");
        ask_walk(&table, 0x23, "its entry accessed");
    }
}

/* A write through tables whose entries are unmarked marks them, and never as dirty. */
static void ask_tables_above(void)
{
    const struct place leaf = { 512 * MB, ORDER_4K, RAM_RW };

    check(host_split(FRAME(leaf.address), ORDER_4K) == 0, "split refused", leaf.address);
    for (unsigned level = 1; level < 3; level++) {
        struct entry entry = { leaf.address, level };
        struct outcome outcome;

        entry_clear(entry, manual()->accessed);
        clear_marks(&leaf);
        ABOUT("the entry of a table at level", level == 1 ? "1" : "2");
        ask("A before", 0, entry_value(entry) & manual()->accessed);
        outcome = access_at(WRITE, VIEW + leaf.address);
        ask("faults", false, outcome.faulted);
        ask("A after a write", manual()->accessed, entry_value(entry) & manual()->accessed);
        ask("D after a write", 0, entry_value(entry) & manual()->dirty);
    }
    check(host_merge(FRAME(leaf.address), ORDER_2M) == 0, "merge refused", leaf.address);
    check(host_has_merged(FRAME(leaf.address), ORDER_1G), "merge refused", leaf.address);
}

void ask_walks(void)
{
    host_plant(TARGET, VALUE);
    for (enum type type = 0; type < TYPES; type++)
        ask_type(type);
    ask_tables_above();
}
