/* SPDX-License-Identifier: MIT */
/*
 * Question: do splits and merges under a guest that goes on leave contents, A and D as they were,
 * without a fault? A leaf hands both marks to all its pieces; a merged leaf has those of any.
 */
#include "oracle.h"

/* Where a leaf is looked at: its first piece, one inside, its last. */
#define SPOTS 3

static uint64_t spot_address(const struct place *leaf, unsigned index, unsigned order)
{
    uint64_t size = PAGE << order, inside = place_size(leaf) / 8 * 3 / size * size;

    return leaf->address + (index == 0 ? 0 : index == 1 ? inside : place_size(leaf) - size);
}

static uint64_t spot_value(const struct place *leaf, unsigned index)
{
    return (leaf->address + 77 + index) * 0x9e3779b97f4a7c15ull;
}

/* No piece lies about another: written before the leaf is as new. */
static void lay(const struct place *leaf, unsigned order)
{
    for (unsigned i = 0; i < SPOTS; i++)
        host_plant(spot_address(leaf, i, order), spot_value(leaf, i));
    place_set(leaf);
}

static void ask_spots(const struct place *leaf, unsigned order)
{
    for (unsigned i = 0; i < SPOTS; i++) {
        struct outcome outcome = access_at(READ, VIEW + spot_address(leaf, i, order));

        ask("faults", false, outcome.faulted);
        ask("value", spot_value(leaf, i), outcome.value);
    }
}

static void ask_pieces(const struct place *leaf, unsigned order, enum marks marks)
{
    for (unsigned i = 0; i < SPOTS; i++) {
        struct place piece = { spot_address(leaf, i, order), order, RAM_RW };

        ask("order", order, host_view(FRAME(piece.address)).order);
        ask_marks("A and D", &piece, marks);
    }
}

static void split(const struct place *leaf, unsigned order)
{
    ask("split", 0, (uint64_t)host_split(FRAME(leaf->address), order));
}

static void merge(const struct place *leaf)
{
    ask("merge", true, host_has_merged(FRAME(leaf->address), leaf->order));
    ask("order", leaf->order, host_view(FRAME(leaf->address)).order);
}

/* A leaf, and its pieces one size down. */
static void ask_leaf(const struct place *leaf)
{
    const char *size = order_name(leaf->order);
    unsigned order = leaf->order - 9;
    struct place inside = { spot_address(leaf, 1, order), order, RAM_RW };
    struct outcome outcome;

    lay(leaf, order);
    ABOUT(size, "leaf, as new, split");
    split(leaf, order);
    ask("entry", manual()->table, entry_value(place_entry(leaf)) & ENTRY_HARDWARE);
    ask_pieces(leaf, order, UNMARKED);

    ABOUT(size, "leaf, split, one piece read");
    outcome = access_at(READ, VIEW + inside.address);
    ask("faults", false, outcome.faulted);
    ask_marks("A and D of that piece", &inside, MARKED);
    inside.address += place_size(&inside);
    ask_marks("A and D next door", &inside, UNMARKED);

    ABOUT(size, "leaf, merged from one piece read");
    merge(leaf);
    ask_marks("A and D", leaf, MARKED);
    ask_spots(leaf, order);

    ABOUT(size, "leaf, merged, then written");
    outcome = access_at(WRITE, VIEW + leaf->address + place_size(leaf) - 8);
    ask("faults", false, outcome.faulted);
    ask_marks("A and D", leaf, MARKED_DIRTY);

    ABOUT(size, "leaf, written, then split");
    split(leaf, order);
    ask_pieces(leaf, order, MARKED_DIRTY);
    ask_spots(leaf, order);

    ABOUT(size, "leaf, merged from written pieces");
    merge(leaf);
    ask_marks("A and D", leaf, MARKED_DIRTY);
    ask_spots(leaf, order);
}

void ask_live(void)
{
    static const struct place small = { GB + 64 * MB, ORDER_2M, RAM_RW };
    static const struct place large = { 0, ORDER_1G, RAM_RW };

    ask_leaf(&small);
    ask_leaf(&large);
}
