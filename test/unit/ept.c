/* SPDX-License-Identifier: MIT */
/*
 * p2m/ept.c: the bits of Intel's format, held against a list that was written from the manual anew.
 * [SDM "Format of an EPT Page-Table Entry that Maps a 4-KByte Page"], [SDM "EPT Misconfigurations"]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "p2m/pte.h"

#define READ    0x001u
#define WRITE   0x002u
#define EXECUTE 0x004u
#define WB      0x030u
#define IPAT    0x040u
#define LARGE   0x080u

static void every_right_has_its_bits(void **state)
{
    (void)state;
    assert_int_equal(ept_format.leaf[R], READ);
    assert_int_equal(ept_format.leaf[R | X], READ | EXECUTE);
    assert_int_equal(ept_format.leaf[R | W], READ | WRITE);
    assert_int_equal(ept_format.leaf[R | W | X], READ | WRITE | EXECUTE);
}

static void what_would_be_a_misconfiguration_has_none(void **state)
{
    (void)state;
    assert_int_equal(ept_format.leaf[0], 0);
    assert_int_equal(ept_format.leaf[W], 0);
    assert_int_equal(ept_format.leaf[W | X], 0);
    assert_int_equal(ept_format.leaf[X], 0); /* needs a capability */
}

static void a_table_permits_everything_and_sets_nothing_reserved(void **state)
{
    (void)state;
    assert_int_equal(ept_format.table, READ | WRITE | EXECUTE);
    assert_int_equal(ept_format.present, READ);
    assert_int_equal(ept_format.superpage, LARGE);
}

/* Bits 7 to 3 are reserved in an entry that names a table. */
static void a_table_that_waits_is_a_misconfiguration(void **state)
{
    (void)state;
    assert_int_equal(ept_format.pending, READ | WRITE | EXECUTE | 7u << 3);
}

static void accessed_and_dirty_are_bits_8_and_9(void **state)
{
    (void)state;
    assert_int_equal(ept_format.accessed, 1u << 8);
    assert_int_equal(ept_format.dirty, 1u << 9);
}

static void types_become_whole_entries(void **state)
{
    const uint64_t frame = 0x12340000, address = frame << 12;

    (void)state;
    assert_int_equal(entry_make(&ept_format, MFN(frame), P2M_RAM_RW, 0),
                     address | READ | WRITE | EXECUTE | WB | IPAT | (uint64_t)P2M_RAM_RW << 52);
    assert_int_equal(entry_make(&ept_format, MFN(frame), P2M_RAM_RO, 2),
                     address | READ | EXECUTE | WB | IPAT | LARGE | (uint64_t)P2M_RAM_RO << 52);
    assert_int_equal(entry_make(&ept_format, MFN(frame), P2M_MMIO, 1),
                     address | READ | WRITE | IPAT | LARGE | (uint64_t)P2M_MMIO << 52);
    assert_int_equal(entry_make(&ept_format, MFN(frame), P2M_SPECIAL, 0),
                     address | READ | WRITE | WB | IPAT | (uint64_t)P2M_SPECIAL << 52);
    assert_int_equal(entry_make(&ept_format, MFN(frame), P2M_POD, 2), (uint64_t)P2M_POD << 52);
    assert_int_equal(entry_make(&ept_format, MFN(frame), P2M_INVALID, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_right_has_its_bits),
        cmocka_unit_test(what_would_be_a_misconfiguration_has_none),
        cmocka_unit_test(a_table_permits_everything_and_sets_nothing_reserved),
        cmocka_unit_test(a_table_that_waits_is_a_misconfiguration),
        cmocka_unit_test(accessed_and_dirty_are_bits_8_and_9),
        cmocka_unit_test(types_become_whole_entries),
    };

    return cmocka_run_group_tests_name("ept", tests, NULL, NULL);
}
