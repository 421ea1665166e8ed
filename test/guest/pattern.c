/* SPDX-License-Identifier: MIT */
/*
 * Question: does every page of a range hold what was written to it another way, whether 1 GB, 2 MB
 * or 4 KB leaves map it, and do live splits and merges under the guest leave it so?
 *
 * The host writes through its own view of memory and the guest reads through the nested tables, and
 * the other way round. The range straddles a 2 MB boundary on both sides and starts at the GB, so
 * that a leaf which is off by one frame, one table or one entry shows. On a small machine the only
 * leaf of 1 GB is the one with this program in it; there the range starts in its middle.
 */
#include "guest.h"

const char test_name[] = "pattern: every page, through every size of leaf";

#define RANGE (24 * MB)

static uint64_t slot, start;

static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 31) * 0x9e3779b97f4a7c15ull;
    return value ^ value >> 29;
}

static volatile uint64_t *word(uint64_t address)
{
    return (volatile uint64_t *)address;
}

static void fill(uint64_t seed)
{
    for (uint64_t at = start; at < start + RANGE; at += PAGE)
        check(host_write(FRAME(at), mix(at ^ seed)) == 0, "the host can't write", at);
    /* The far end too: the last page that the slot's leaf maps. */
    check(host_write(FRAME(slot + GB - PAGE), mix(seed)) == 0, "the host can't write", slot + GB);
}

static void verify(uint64_t seed, const char *when)
{
    for (uint64_t at = start; at < start + RANGE; at += PAGE)
        check(*word(at) == mix(at ^ seed), when, at);
    check(*word(slot + GB - PAGE) == mix(seed), when, slot + GB - PAGE);
}

/* The guest writes, the host reads. */
static void turn_round(uint64_t seed, const char *when)
{
    for (uint64_t at = start; at < start + RANGE; at += PAGE)
        *word(at) = ~mix(at ^ seed);
    for (uint64_t at = start; at < start + RANGE; at += PAGE)
        check(host_read(FRAME(at)) == ~mix(at ^ seed), when, at);
}

static void expect_order(unsigned order, const char *what)
{
    for (uint64_t at = start; at < start + RANGE; at += 2 * MB)
        check(host_view(FRAME(at)).order == order, what, at);
}

static void split_all(unsigned order)
{
    for (uint64_t at = start; at < start + RANGE; at += 2 * MB)
        check(host_split(FRAME(at), order) == 0, "split refused", at);
}

/* The first slot is the program's own. */
static void choose_slot(void)
{
    slot = host_view(FRAME(GB)).order == ORDER_1G ? GB : 0;
    start = slot ? slot : GB / 2;
}

void test(void)
{
    choose_slot();
    expect_order(ORDER_1G, "the slot is not one leaf at the start");
    fill(1);
    verify(1, "1 GB leaf");
    turn_round(2, "1 GB leaf, the other way");

    fill(3);
    check(host_split(FRAME(slot), ORDER_2M) == 0, "split refused", slot);
    expect_order(ORDER_2M, "not 2 MB after the split");
    verify(3, "2 MB leaves after a split");
    turn_round(4, "2 MB leaves, the other way");

    fill(5);
    split_all(ORDER_4K);
    expect_order(ORDER_4K, "not 4 KB after the split");
    verify(5, "4 KB leaves after a split");
    turn_round(6, "4 KB leaves, the other way");

    fill(7);
    for (uint64_t at = start; at < start + RANGE; at += 2 * MB)
        check(host_merge(FRAME(at), ORDER_2M) == 0, "merge to 2 MB refused", at);
    expect_order(ORDER_2M, "not 2 MB after the merge");
    verify(7, "2 MB leaves after a merge");
    check(host_has_merged(FRAME(slot), ORDER_1G), "merge to 1 GB refused", slot);
    expect_order(ORDER_1G, "not 1 GB after the merge");
    verify(7, "1 GB leaf after a merge");
    turn_round(8, "1 GB leaf after a merge, the other way");
}
