/* SPDX-License-Identifier: MIT */
/*
 * p2m/type.c: the table of types is whole, and what it says can be said in every format.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "p2m/type.h"

static void every_type_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (unsigned type = 0; type < P2M_TYPE_COUNT; type++) {
        assert_non_null(p2m_type_name(type));
        assert_string_not_equal(p2m_type_name(type), "unknown");
        for (unsigned other = 0; other < type; other++)
            assert_string_not_equal(p2m_type_name(type), p2m_type_name(other));
    }
}

static void classes_are_as_documented(void **state)
{
    (void)state;
    assert_int_equal(p2m_type_class(P2M_INVALID), P2M_CLASS_NONE);
    assert_int_equal(p2m_type_class(P2M_RAM_RW), P2M_CLASS_RAM);
    assert_int_equal(p2m_type_class(P2M_RAM_RO), P2M_CLASS_RAM);
    assert_int_equal(p2m_type_class(P2M_RAM_HELD), P2M_CLASS_RAM);
    assert_int_equal(p2m_type_class(P2M_RAM_COPIED), P2M_CLASS_RAM);
    assert_int_equal(p2m_type_class(P2M_RAM_LOGDIRTY), P2M_CLASS_RAM);
    assert_int_equal(p2m_type_class(P2M_MMIO), P2M_CLASS_OTHER);
    assert_int_equal(p2m_type_class(P2M_SPECIAL), P2M_CLASS_OTHER);
    assert_int_equal(p2m_type_class(P2M_POD), P2M_CLASS_MARKER);
    assert_int_equal(p2m_type_class(P2M_BROKEN), P2M_CLASS_OTHER);
}

static void rights_are_as_documented(void **state)
{
    (void)state;
    assert_int_equal(p2m_type_rights(P2M_RAM_RW), P2M_READ | P2M_WRITE | P2M_EXECUTE);
    assert_int_equal(p2m_type_rights(P2M_RAM_RO), P2M_READ | P2M_EXECUTE);
    assert_int_equal(p2m_type_rights(P2M_RAM_HELD), P2M_READ | P2M_EXECUTE);
    assert_int_equal(p2m_type_rights(P2M_RAM_COPIED), P2M_READ | P2M_EXECUTE);
    assert_int_equal(p2m_type_rights(P2M_RAM_LOGDIRTY), P2M_READ | P2M_EXECUTE);
    assert_int_equal(p2m_type_rights(P2M_MMIO), P2M_READ | P2M_WRITE);
    assert_int_equal(p2m_type_rights(P2M_SPECIAL), P2M_READ | P2M_WRITE);
    assert_int_equal(p2m_type_rights(P2M_INVALID), 0);
    assert_int_equal(p2m_type_rights(P2M_POD), 0);
    assert_int_equal(p2m_type_rights(P2M_BROKEN), 0);
}

static void every_right_can_be_expressed_in_both_formats(void **state)
{
    (void)state;
    for (unsigned type = 0; type < P2M_TYPE_COUNT; type++) {
        unsigned rights = p2m_type_rights(type);

        assert_int_equal(npt_format.leaf[rights] != 0, rights != 0);
        assert_int_equal(ept_format.leaf[rights] != 0, rights != 0);
    }
}

static void only_devices_are_uncached(void **state)
{
    (void)state;
    for (unsigned type = 0; type < P2M_TYPE_COUNT; type++)
        assert_int_equal(type_table[type].memory, type == P2M_MMIO ? UNCACHED : WRITE_BACK);
}

static void what_is_no_type_is_unknown_and_means_nothing(void **state)
{
    static const unsigned none[] = { P2M_TYPE_COUNT, 15, 16, ~0u };

    (void)state;
    for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_string_equal(p2m_type_name((enum p2m_type)none[i]), "unknown");
        assert_int_equal(p2m_type_class((enum p2m_type)none[i]), P2M_CLASS_NONE);
        assert_int_equal(p2m_type_rights((enum p2m_type)none[i]), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_has_a_name_of_its_own),
        cmocka_unit_test(classes_are_as_documented),
        cmocka_unit_test(rights_are_as_documented),
        cmocka_unit_test(every_right_can_be_expressed_in_both_formats),
        cmocka_unit_test(only_devices_are_uncached),
        cmocka_unit_test(what_is_no_type_is_unknown_and_means_nothing),
    };

    return cmocka_run_group_tests_name("type", tests, NULL, NULL);
}
