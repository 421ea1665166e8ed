/* SPDX-License-Identifier: MIT */
/*
 * Question: are A and D in the map what this guest's accesses should leave, in leaves of each size,
 * and do split and merge hand them on? [APM "Nested Paging"]
 *
 * A read sets A alone, a write sets both, in the leaf that maps the page and in no other. A split
 * gives both bits to all pieces; a merge takes them from any. A machine too small for a leaf of
 * 1 GB that is nobody's yet is asked about smaller ones.
 */
#include "guest.h"

const char test_name[] = "accessed_dirty: A and D as the accesses leave them";

static void touch(uint64_t address)
{
    (void)*(volatile uint64_t *)address;
}

static void dirty(uint64_t address)
{
    *(volatile uint64_t *)address = address;
}

static void expect(uint64_t address, unsigned order, bool accessed, bool dirty_too)
{
    struct view view = host_view(FRAME(address));

    check(view.order == order, "the leaf's size", address);
    check(view.accessed == accessed, "A", address);
    check(view.dirty == dirty_too, "D", address);
}

/* A leaf nobody has touched, of 1 GB or 2 MB. */
static void whole(uint64_t at, unsigned order)
{
    uint64_t size = PAGE << order;

    expect(at, order, false, false);
    touch(at + size / 8);
    expect(at, order, true, false);
    dirty(at + size - 8);
    expect(at, order, true, true);
}

/* A clean slot in pieces: each piece for itself. Then back, with the bits of any piece. */
static void pieces(uint64_t slot, unsigned order)
{
    uint64_t far = slot + 100 * MB;

    check(host_split(FRAME(slot), ORDER_4K) == 0, "split refused", slot);
    expect(slot, ORDER_4K, false, false);
    expect(slot + 2 * MB, ORDER_2M, false, false);

    touch(slot);
    expect(slot, ORDER_4K, true, false);
    expect(slot + PAGE, ORDER_4K, false, false);
    dirty(slot + 7 * PAGE);
    expect(slot + 7 * PAGE, ORDER_4K, true, true);
    expect(slot + 6 * PAGE, ORDER_4K, false, false);
    touch(far);
    expect(far, ORDER_2M, true, false);
    expect(far + 2 * MB, ORDER_2M, false, false);
    dirty(far + 2 * MB - 8);
    expect(far, ORDER_2M, true, true);
    expect(far - 2 * MB, ORDER_2M, false, false);

    check(host_merge(FRAME(slot), ORDER_2M) == 0, "merge refused", slot);
    expect(slot, ORDER_2M, true, true);
    expect(slot + 2 * MB, ORDER_2M, false, false);
    if (order == ORDER_2M)
        return;
    check(host_has_merged(FRAME(slot), ORDER_1G), "merge refused", slot);
    expect(slot, ORDER_1G, true, true);
}

/* A dirty leaf's pieces are all dirty: nobody knows which of them was written. */
static void inherit(uint64_t at, unsigned order)
{
    check(host_split(FRAME(at), ORDER_4K) == 0, "split refused", at);
    expect(at, ORDER_4K, true, true);
    expect(at + 511 * PAGE, ORDER_4K, true, true);
    if (order == ORDER_2M)
        return;
    expect(at + 2 * MB, ORDER_2M, true, true);
    expect(at + GB - PAGE, ORDER_2M, true, true);
}

void test(void)
{
    unsigned order = host_view(FRAME(GB)).order;

    say(order == ORDER_1G ? "leaves of 1 GB\n" : "leaves of 2 MB\n");
    whole(GB + (order == ORDER_2M ? 512 * MB : 0), order);
    pieces(order == ORDER_1G ? 2 * GB : GB, order);
    inherit(GB + (order == ORDER_2M ? 512 * MB : 0), order);
}
