/* SPDX-License-Identifier: MIT */
/*
 * Question: what may happen to memory while a sweep holds its writes off? A write, the guest's or
 * the host's, goes through and ends it for that leaf; a read does not; what is given back meanwhile
 * is gone; and only what is all zeroes still is taken.
 *
 * For any guest with RAM from 16 to 272 MB.
 */
#include "guest.h"

const char test_name[] = "held: what happens between the steps of a sweep";

#define FROM    (16 * MB)
#define REGIONS 128u
#define BATCH   16
#define TRIES   1024u
#define VALUE   0x1234567890abcdefull

static uint64_t found[BATCH]; /* what is held */

static volatile uint64_t *word(uint64_t address)
{
    return (volatile uint64_t *)address;
}

/* A write of zero sets D: it is not known, it must be read. */
static void write_zeroes(void)
{
    for (uint64_t at = FROM; at < FROM + REGIONS * 2 * MB; at += PAGE)
        *word(at) = 0;
}

/* Until a batch lies above what this guest itself is made of. */
static bool hold(unsigned order, enum depth depth)
{
    for (unsigned try = 0; try < TRIES; try++) {
        bool is_above = host_hold(order, depth) == BATCH;

        for (unsigned i = 0; i < BATCH && is_above; i++) {
            found[i] = host_held(i) << 12;
            is_above = found[i] >= FROM;
        }
        if (is_above)
            return true;
        host_take();
    }
    return false;
}

static void give_back(uint64_t at, unsigned order)
{
    uint64_t gfn = FRAME(at);

    check(host_balloon(DECREASE, &gfn, 1, order) == 1, "held memory can't be given back", at);
    check(host_view(gfn).type == TYPE_INVALID, "given back and still there", at);
}

static void between_the_steps(unsigned order, enum depth depth, const char *what)
{
    int64_t taken, frames = 1ll << order;

    write_zeroes();
    if (!hold(order, depth)) {
        check(false, what, FROM);
        return;
    }
    *word(found[0]) = VALUE;
    check(host_view(FRAME(found[0])).type == TYPE_RAM, "written to, and still held", found[0]);
    check(host_write(FRAME(found[1]), VALUE) == 0, "the host can't write", found[1]);
    check(host_view(FRAME(found[1])).type == TYPE_RAM, "the host wrote: still held", found[1]);
    check(*word(found[2]) == 0, "held memory reads as what it is not", found[2]);
    check(host_read(FRAME(found[2])) == 0, "the host reads what it is not", found[2]);
    check(host_view(FRAME(found[2])).type == TYPE_HELD, "read, and not held any more", found[2]);
    give_back(found[3], order);
    *word(found[4]) = 0; /* zero as before, but the guest's again */

    taken = host_take();
    check(taken == (BATCH - 4) * frames, "not what should be taken", (uint64_t)taken << 12);
    check(host_view(FRAME(found[0])).type == TYPE_RAM, "taken, and it was written to", found[0]);
    check(host_view(FRAME(found[2])).type == TYPE_POD, "not taken", found[2]);
    check(host_view(FRAME(found[3])).type == TYPE_INVALID, "what is gone came back", found[3]);
    check(host_view(FRAME(found[4])).type == TYPE_RAM, "taken after a write of zero", found[4]);
    check(*word(found[0]) == VALUE && *word(found[1]) == VALUE, "a write is lost", found[0]);
    for (unsigned i = 5; i < BATCH; i++)
        check(*word(found[i]) == 0, "not zero when it is touched again", found[i]);
    check(host_balloon(POPULATE, (uint64_t[]){ FRAME(found[3]) }, 1, order) == 1, "populate", 0);
    check(*word(found[3]) == 0, "not zero when it is taken again", found[3]);
    *word(found[0]) = 0;
    *word(found[1]) = 0;
}

static void split_some(void)
{
    for (uint64_t at = FROM; at < FROM + 32 * MB; at += 2 * MB)
        check(host_split(FRAME(at), ORDER_4K) == 0, "split refused", at);
}

static void nonsense(void)
{
    check(host_take() == 0, "taken without a sweep", 0);
    check(host_hold(3, LEAVES) < 0, "order 3", 0);
    check(host_hold(ORDER_4K, (enum depth)7) < 0, "no depth", 0);
}

void test(void)
{
    nonsense();
    between_the_steps(ORDER_2M, LEAVES, "no batch of 2 MB");
    between_the_steps(ORDER_4K, PIECES, "no batch of 4 KB pieces");
    write_zeroes();
    split_some();
    between_the_steps(ORDER_4K, LEAVES, "no batch of 4 KB");
}
