/* SPDX-License-Identifier: MIT */
/*
 * p2m/npt.c: the bits of AMD's format, held against a list that was written from the manual anew.
 * [APM "Nested Paging"], [APM "Page-Translation-Table Entry Fields"]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "p2m/pte.h"

#define P  0x001u
#define RW 0x002u
#define US 0x004u
#define UC 0x018u /* PWT and PCD: entry 3 of the PAT */
#define PS 0x080u
#define NX 0x8000000000000000u

static void every_right_has_its_bits(void **state)
{
    (void)state;
    assert_int_equal(npt_format.leaf[R], P | US | NX);
    assert_int_equal(npt_format.leaf[R | X], P | US);
    assert_int_equal(npt_format.leaf[R | W], P | US | RW | NX);
    assert_int_equal(npt_format.leaf[R | W | X], P | US | RW);
}

static void what_cannot_be_expressed_has_none(void **state)
{
    (void)state;
    assert_int_equal(npt_format.leaf[0], 0);
    assert_int_equal(npt_format.leaf[W], 0);
    assert_int_equal(npt_format.leaf[X], 0);
    assert_int_equal(npt_format.leaf[W | X], 0);
}

static void a_table_permits_everything(void **state)
{
    (void)state;
    assert_int_equal(npt_format.table, P | RW | US);
    assert_int_equal(npt_format.pending, P | RW); /* the walk is a user's, and is stopped */
    assert_int_equal(npt_format.present, P);
    assert_int_equal(npt_format.superpage, PS);
}

static void accessed_and_dirty_are_bits_5_and_6(void **state)
{
    (void)state;
    assert_int_equal(npt_format.accessed, 1u << 5);
    assert_int_equal(npt_format.dirty, 1u << 6);
}

static void types_become_whole_entries(void **state)
{
    const uint64_t frame = 0x12340000, address = frame << 12;

    (void)state;
    assert_int_equal(entry_make(&npt_format, MFN(frame), P2M_RAM_RW, 0),
                     address | P | RW | US | (uint64_t)P2M_RAM_RW << 52);
    assert_int_equal(entry_make(&npt_format, MFN(frame), P2M_RAM_RO, 2),
                     address | P | US | PS | (uint64_t)P2M_RAM_RO << 52);
    assert_int_equal(entry_make(&npt_format, MFN(frame), P2M_MMIO, 1),
                     address | P | RW | US | UC | PS | NX | (uint64_t)P2M_MMIO << 52);
    assert_int_equal(entry_make(&npt_format, MFN(frame), P2M_SPECIAL, 0),
                     address | P | RW | US | NX | (uint64_t)P2M_SPECIAL << 52);
    assert_int_equal(entry_make(&npt_format, MFN(frame), P2M_POD, 2), (uint64_t)P2M_POD << 52);
    assert_int_equal(entry_make(&npt_format, MFN(frame), P2M_INVALID, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_right_has_its_bits),
        cmocka_unit_test(what_cannot_be_expressed_has_none),
        cmocka_unit_test(a_table_permits_everything),
        cmocka_unit_test(accessed_and_dirty_are_bits_5_and_6),
        cmocka_unit_test(types_become_whole_entries),
    };

    return cmocka_run_group_tests_name("npt", tests, NULL, NULL);
}
