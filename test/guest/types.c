/* SPDX-License-Identifier: MIT */
/*
 * Question: may the types of memory change while a guest uses it? What it wrote is there, what the
 * host says is so at once, superpages keep their size, and where a change waits the processor comes
 * to a stop that nobody but the host notices.
 *
 * For any guest whose first GB is all RAM.
 */
#include "guest.h"

const char test_name[] = "types: types change under the guest's feet";

#define FROM (16 * MB)
#define END  (64 * MB)
#define STEP (128 * 1024)

static const struct change to_ro = { TYPE_RAM, TYPE_RAM_RO }, to_rw = { TYPE_RAM_RO, TYPE_RAM };

static volatile uint64_t *word(uint64_t address)
{
    return (volatile uint64_t *)address;
}

static void write_all(uint64_t salt)
{
    for (uint64_t at = FROM; at < END; at += STEP)
        *word(at) = at ^ salt;
}

static void expect_all(uint64_t salt)
{
    for (uint64_t at = FROM; at < END; at += STEP)
        check(*word(at) == (at ^ salt), "not what was written", at);
}

static void expect_types(unsigned type)
{
    for (uint64_t at = FROM; at < END; at += STEP)
        check(host_view(FRAME(at)).type == type, "not the type that it has now", at);
}

/* All of it, and back before this guest runs on: every table that it walks waits. */
static void all_and_back(uint64_t salt)
{
    unsigned order = host_view(FRAME(FROM)).order;

    write_all(salt);
    check(host_change_back() == 0, "change refused", 0);
    check(host_view(FRAME(FROM)).order >= order, "a smaller size", FROM);
    expect_types(TYPE_RAM);
    expect_all(salt);
    write_all(~salt);
    expect_all(~salt);
    check(host_view(FRAME(FROM)).dirty, "written, and not dirty", FROM);
    check(host_view(FRAME(FROM)).order >= order, "a smaller size", FROM);
    host_change_finish(); /* what the host has not carried out by itself by now */
    check(host_change_finish() == 0, "not carried out", 0);
    expect_all(~salt);
}

static void a_range_and_back(uint64_t salt)
{
    write_all(salt);
    check(host_change(FRAME(FROM), FRAME(END), to_ro) == 0, "change refused", FROM);
    expect_types(TYPE_RAM_RO);
    expect_all(salt);
    check(host_write(FRAME(FROM), 0) != 0, "the host wrote to what is read-only", FROM);
    host_change_finish();
    expect_types(TYPE_RAM_RO);
    check(host_change_one(FRAME(FROM), to_ro) != 0, "read-only twice", FROM);
    check(host_change_one(FRAME(FROM), to_rw) == 0, "one frame", FROM);
    *word(FROM) = FROM ^ salt;
    check(host_view(FRAME(FROM + 2 * MB)).type == TYPE_RAM_RO, "more than one", FROM);
    check(host_change(FRAME(FROM), FRAME(END), to_rw) == 0, "no way back", FROM);
    expect_all(salt);
    write_all(~salt);
    expect_all(~salt);
    host_change_finish();
}

static void split_some(void)
{
    for (uint64_t at = FROM; at < END; at += 8 * MB)
        check(host_split(FRAME(at), ORDER_4K) == 0, "split refused", at);
}

void test(void)
{
    check(host_change(0, 1, (struct change){ TYPE_RAM, TYPE_SPECIAL }) != 0, "no such change", 0);
    check(host_change(7, 7, to_ro) != 0, "no such range", 0);
    all_and_back(0x1111111111111111);
    split_some();
    all_and_back(0x2222222222222222);
    a_range_and_back(0x3333333333333333);
    split_some();
    a_range_and_back(0x4444444444444444);
    for (uint64_t at = FROM; at < END; at += 2 * MB)
        check(host_has_merged(FRAME(at), ORDER_2M), "not 2 MB again", at);
    check(host_has_merged(0, ORDER_1G), "not 1 GB again", 0);
    expect_all(~0x4444444444444444ull);
}
