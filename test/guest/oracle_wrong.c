/* SPDX-License-Identifier: MIT */
/*
 * Question: what does the processor say of an entry that is wrong, at each level, and which bits
 * does it not care about? Each row flips bits of a live entry that gives all rights, for one
 * access, and says what the manual demands then: malformed, or these rights and no others. The
 * address of a table stays what it is, for the host looks through that entry, too.
 * [APM "Nested Paging", "Page-Translation-Table Entry Fields"], [SDM "EPT Misconfigurations"]
 */
#include "oracle.h"

#define AT (512 * MB) /* in the first slot */

/* Levels of leaves, and of entries that name a table. */
#define LEAF(level)  (1u << (level))
#define TABLE(level) (1u << ((level) + 4))
#define LEAVES       (LEAF(0) | LEAF(1) | LEAF(2))
#define LARGE        (LEAF(1) | LEAF(2))
#define BELOW_ROOT   (TABLE(1) | TABLE(2))
#define TABLES       (BELOW_ROOT | TABLE(3))

enum verdict { MALFORMED, PRESENT, ABSENT };

struct wrong {
    const char *name;
    unsigned places;
    uint64_t mask;
    enum verdict verdict;
    unsigned rights; /* that are left, when it is present */
};

#define BIT(n)          (1ull << (n))
#define BITS(high, low) (BIT((high) + 1) - BIT(low))

static const struct wrong amd_wrong[] = {
    { "P clear", LEAVES | TABLES, BIT(0), ABSENT, 0 },
    { "W clear", LEAVES | TABLES, BIT(1), PRESENT, READ | FETCH },
    { "U clear", LEAVES | BELOW_ROOT, BIT(2), PRESENT, 0 },
    { "NX set", LEAVES | BELOW_ROOT, BIT(63), PRESENT, READ | WRITE },
    { "W clear and NX set", LEAVES | BELOW_ROOT, BIT(1) | BIT(63), PRESENT, READ },
    { "address bit 51 set", LEAVES, BIT(51), MALFORMED, 0 },
    { "address bit 13 of a large page set", LARGE, BIT(13), MALFORMED, 0 },
    { "address bit 20 of a large page set", LARGE, BIT(20), MALFORMED, 0 },
    { "address bit 29 of a large page set", LEAF(2), BIT(29), MALFORMED, 0 },
    { "PS set in the root", TABLE(3), BIT(7), MALFORMED, 0 },
    { "bit 8 set in the root", TABLE(3), BIT(8), MALFORMED, 0 },
    { "PWT and PCD set", LEAVES | TABLES, BITS(4, 3), PRESENT, ALL },
    { "PAT set", LEAF(0), BIT(7), PRESENT, ALL },
    { "PAT of a large page set", LARGE, BIT(12), PRESENT, ALL },
    { "G set", LEAVES, BIT(8), PRESENT, ALL },
    { "bits 9 to 11 set", LEAVES | TABLES, BITS(11, 9), PRESENT, ALL },
    { "bits 57 and 58 set", LEAVES | TABLES, BITS(58, 57), PRESENT, ALL },
    { "software's bits flipped", LEAVES | TABLES, BITS(56, 52), PRESENT, ALL },
    { 0 },
};

static const struct wrong intel_wrong[] = {
    { "R, W and X clear", LEAVES | TABLES, BITS(2, 0), ABSENT, 0 },
    { "W clear", LEAVES | TABLES, BIT(1), PRESENT, READ | FETCH },
    { "X clear", LEAVES | BELOW_ROOT, BIT(2), PRESENT, READ | WRITE },
    { "W and X clear", LEAVES | BELOW_ROOT, BITS(2, 1), PRESENT, READ },
    { "only X", LEAVES | BELOW_ROOT, BITS(1, 0), PRESENT, FETCH },
    { "only W", LEAVES | TABLES, BIT(0) | BIT(2), MALFORMED, 0 },
    { "only W and X", LEAVES | TABLES, BIT(0), MALFORMED, 0 },
    { "memory type 0", LEAVES, 6u << 3, PRESENT, ALL },
    { "memory type 1", LEAVES, 7u << 3, PRESENT, ALL },
    { "memory type 2", LEAVES, 4u << 3, MALFORMED, 0 },
    { "memory type 3", LEAVES, 5u << 3, MALFORMED, 0 },
    { "memory type 4", LEAVES, 2u << 3, PRESENT, ALL },
    { "memory type 5", LEAVES, 3u << 3, PRESENT, ALL },
    { "memory type 7", LEAVES, 1u << 3, MALFORMED, 0 },
    { "IPAT clear", LEAVES, BIT(6), PRESENT, ALL },
    { "address bit 51 set", LEAVES, BIT(51), MALFORMED, 0 },
    { "address bit 12 of a large page set", LARGE, BIT(12), MALFORMED, 0 },
    { "address bit 20 of a large page set", LARGE, BIT(20), MALFORMED, 0 },
    { "address bit 29 of a large page set", LEAF(2), BIT(29), MALFORMED, 0 },
    { "bit 3 set in a table's entry", TABLES, BIT(3), MALFORMED, 0 },
    { "bit 6 set in a table's entry", TABLES, BIT(6), MALFORMED, 0 },
    { "bit 7 set in the root", TABLE(3), BIT(7), MALFORMED, 0 },
    { "bit 7 of a 4 KB leaf set", LEAF(0), BIT(7), PRESENT, ALL },
    { "bits 10 and 11 set", LEAVES | TABLES, BITS(11, 10), PRESENT, ALL },
    { "software's bits flipped", LEAVES | TABLES, BITS(56, 52), PRESENT, ALL },
    { 0 },
};

struct spot {
    unsigned place;
    unsigned level;
    const char *name;
};

static const struct spot one_gb_leaf = { LEAF(2), 2, "1g leaf" };
static const struct spot two_mb_leaf = { LEAF(1), 1, "2m leaf" };
static const struct spot small[] = { { LEAF(0), 0, "4k leaf" },
                                     { TABLE(1), 1, "table at level 1" },
                                     { TABLE(2), 2, "table at level 2" },
                                     { TABLE(3), 3, "root" } };

/* A wrong root is met by the walk to the program's own next instruction, which is a write. */
static void ask_one(const struct wrong *wrong, const struct spot *spot, enum access access)
{
    bool root = spot->place == TABLE(3);
    struct entry entry = { AT, spot->level };
    struct fault fault = { .address = root ? house_root() : AT,
                           .access = root ? WRITE : access,
                           .rights = wrong->rights,
                           .present = wrong->verdict != ABSENT,
                           .malformed = wrong->verdict == MALFORMED,
                           .walk = root };
    struct outcome outcome;

    ABOUT(spot->name, "with", wrong->name, access_name(access));
    outcome = access_with(access, VIEW + AT, entry, wrong->mask);
    if (wrong->verdict != PRESENT || !(wrong->rights & fault.access))
        ask_fault(&outcome, &fault);
    else if (ask_no_fault(&outcome) && access == READ)
        ask("value", WRITTEN, outcome.value);
}

/* The root is walked for everything: one access is as good as three. */
static void ask_spot(const struct spot *spot)
{
    const struct wrong *wrong = processor_is_intel() ? intel_wrong : amd_wrong;
    unsigned count = spot->place == TABLE(3) ? 1 : ACCESSES;

    for (; wrong->name; wrong++)
        for (unsigned i = 0; wrong->places & spot->place && i < count; i++) {
            host_plant(AT, accesses[i] == FETCH ? 0xc3 : WRITTEN);
            ask_one(wrong, spot, accesses[i]);
        }
}

void ask_wrong(void)
{
    ask_spot(&one_gb_leaf);
    check(host_split(FRAME(AT), ORDER_2M) == 0, "split refused", AT);
    ask_spot(&two_mb_leaf);
    check(host_split(FRAME(AT), ORDER_4K) == 0, "split refused", AT);
    for (unsigned i = 0; i < sizeof(small) / sizeof(small[0]); i++)
        ask_spot(&small[i]);
    check(host_merge(FRAME(AT), ORDER_2M) == 0, "merge refused", AT);
    check(host_has_merged(FRAME(AT), ORDER_1G), "merge refused", AT);
}
