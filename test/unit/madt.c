/* SPDX-License-Identifier: MIT */
/*
 * ACPI's list of processors, sound and hostile, in a direct map of the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "cpu.h"
#include "madt.h"

#define LOW_4G  0x100000000ull
#define EBDA    0x9fc00u
#define ROM     0xf5ab0u
#define POINTER 0x20000u
#define ROOT    0x30000u
#define NEW     0x31000u
#define MADT    0x32000u
#define HEAD    36u
#define ENTRIES 44u

static struct madt madt;

static uint8_t *at(uint64_t address)
{
    return direct_map(address);
}

static void put(uint64_t address, uint64_t value, size_t size)
{
    memcpy(at(address), &value, size);
}

/* This byte makes the sum of all be 0. */
static void seal(uint64_t address, size_t size, size_t byte)
{
    uint8_t sum = 0;

    at(address)[byte] = 0;
    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + at(address)[i]);
    at(address)[byte] = (uint8_t)-sum;
}

static void make_pointer(uint64_t address, unsigned revision)
{
    memcpy(at(address), "RSD PTR ", 8);
    at(address)[15] = (uint8_t)revision;
    put(address + 16, ROOT, 4);
    put(address + 20, 36, 4);
    put(address + 24, NEW, 8);
    seal(address, 20, 8);
    seal(address, 36, 32);
}

static void make_table(uint64_t address, const char *signature, uint32_t size)
{
    memcpy(at(address), signature, 4);
    put(address + 4, size, 4);
    seal(address, size, 9);
}

static uint32_t entries_end;

static void add_apic(unsigned apic_id, unsigned flags)
{
    put(MADT + entries_end, 0x0800u | (uint64_t)apic_id << 24 | (uint64_t)flags << 32, 8);
    entries_end += 8;
    make_table(MADT, "APIC", entries_end);
}

static void add_x2apic(uint32_t apic_id, uint32_t flags)
{
    put(MADT + entries_end, 0x1009u | (uint64_t)apic_id << 32, 8);
    put(MADT + entries_end + 8, flags, 8);
    entries_end += 16;
    make_table(MADT, "APIC", entries_end);
}

/* Two processors, and one that is off; found by both roots. */
static int set_up(void **state)
{
    void *map = (void *)(uintptr_t)DIRECT_MAP;

    *state = mmap(map, LOW_4G, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (*state != map)
        return -1;
    entries_end = ENTRIES;
    add_apic(4, 1);
    add_apic(9, 0);
    add_x2apic(0x1234, 1);
    put(ROOT + HEAD, 0x40000, 4); /* nothing is there */
    put(ROOT + HEAD + 4, MADT, 4);
    make_table(ROOT, "RSDT", HEAD + 8);
    put(NEW + HEAD, MADT, 8);
    make_table(NEW, "XSDT", HEAD + 8);
    make_pointer(POINTER, 2);
    return 0;
}

static int tear_down(void **state)
{
    return munmap(*state, LOW_4G);
}

static void expect_two(uint64_t pointer)
{
    madt_read(pointer, &madt);
    assert_int_equal(madt.count, 2);
    assert_int_equal(madt.apic_id[0], 4);
    assert_int_equal(madt.apic_id[1], 0x1234);
    assert_int_equal(madt.dropped, 0);
}

static void expect_none(uint64_t pointer)
{
    madt.count = 99;
    madt_read(pointer, &madt);
    assert_int_equal(madt.count, 0);
}

/* ---- found ---------------------------------------------------------------------------------- */

static void enabled_processors_are_listed(void **state)
{
    (void)state;
    expect_two(POINTER);
}

static void the_firmwares_places_are_searched(void **state)
{
    (void)state;
    expect_none(0);
    make_pointer(ROM, 0);
    expect_two(0);
    memset(at(ROM), 0, 36);
    put(0x40e, EBDA >> 4, 2);
    make_pointer(EBDA + 0x30, 2);
    expect_two(0);
}

static void the_old_root_serves_where_the_new_one_is_broken(void **state)
{
    (void)state;
    put(NEW, 0, 1);
    expect_two(POINTER);
    put(POINTER + 24, UINT64_MAX - 7, 8);
    seal(POINTER, 36, 32);
    expect_two(POINTER);
}

static void a_processor_counts_once(void **state)
{
    (void)state;
    add_apic(4, 1);
    add_x2apic(4, 1);
    expect_two(POINTER);
}

static void too_many_are_counted_as_dropped(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MADT_PROCESSORS_MAX; i++)
        add_x2apic(0x10000 + i, 1);
    madt_read(POINTER, &madt);
    assert_int_equal(madt.count, MADT_PROCESSORS_MAX);
    assert_int_equal(madt.dropped, 2);
}

/* ---- hostile -------------------------------------------------------------------------------- */

static void wrong_sums_are_not_believed(void **state)
{
    (void)state;
    at(MADT)[ENTRIES + 3]++;
    expect_none(POINTER);
    at(MADT)[ENTRIES + 3]--;
    at(POINTER)[17]++;
    expect_none(POINTER);
    at(POINTER)[17]--;
    expect_two(POINTER);
}

static void no_address_leads_out_of_what_is_mapped(void **state)
{
    static const uint64_t addresses[] = { LOW_4G - 8, LOW_4G,          LOW_4G + POINTER,
                                          UINT64_MAX, UINT64_MAX - 35, 1ull << 63 };

    (void)state;
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        expect_none(addresses[i]);
        put(NEW + HEAD, addresses[i], 8);
        make_table(NEW, "XSDT", HEAD + 8);
        put(ROOT + HEAD + 4, addresses[i], 4);
        make_table(ROOT, "RSDT", HEAD + 8);
        expect_none(POINTER);
    }
}

static void sizes_that_make_no_sense_end_it(void **state)
{
    static const uint32_t sizes[] = { 0, 8, 35, 0x100001, UINT32_MAX };

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        put(MADT + 4, sizes[i], 4);
        expect_none(POINTER);
    }
    make_table(MADT, "APIC", HEAD); /* no room for what precedes the entries */
    expect_none(POINTER);
    make_table(MADT, "APIC", ENTRIES + 1);
    expect_none(POINTER);
}

/* Each value in the size of the first entry and of the last. */
static void entries_are_not_followed_beyond_the_end(void **state)
{
    (void)state;
    for (unsigned size = 0; size < 256; size++) {
        at(MADT)[ENTRIES + 1] = (uint8_t)size;
        make_table(MADT, "APIC", entries_end);
        madt_read(POINTER, &madt);
        assert_true(madt.count <= 2);
        assert_true(size >= 8 || madt.count == 0 || madt.apic_id[0] != 4);
    }
    at(MADT)[ENTRIES + 1] = 8;
    for (unsigned size = 0; size < 256; size++) {
        at(MADT)[ENTRIES + 17] = (uint8_t)size;
        make_table(MADT, "APIC", entries_end);
        madt_read(POINTER, &madt);
        assert_int_equal(madt.count, size == 16 ? 2 : 1);
    }
}

/* Sealed, so that only the checks of the fields themselves stand in the way. */
static void no_garbage_is_followed(void **state)
{
    (void)state;
    srandom(7);
    for (unsigned turn = 0; turn < 100000; turn++) {
        uint32_t size = HEAD + (uint32_t)random() % 64;

        for (uint32_t i = HEAD; i < size; i++)
            at(MADT)[i] = (uint8_t)random();
        make_table(MADT, "APIC", size);
        madt_read(POINTER, &madt);
        assert_true(madt.count <= 3);
    }
}

#define on_tables(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        on_tables(enabled_processors_are_listed),
        on_tables(the_firmwares_places_are_searched),
        on_tables(the_old_root_serves_where_the_new_one_is_broken),
        on_tables(a_processor_counts_once),
        on_tables(too_many_are_counted_as_dropped),
        on_tables(wrong_sums_are_not_believed),
        on_tables(no_address_leads_out_of_what_is_mapped),
        on_tables(sizes_that_make_no_sense_end_it),
        on_tables(entries_are_not_followed_beyond_the_end),
        on_tables(no_garbage_is_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
