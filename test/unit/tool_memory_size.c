/* SPDX-License-Identifier: MIT */
/*
 * tool/memory_size.c: what people write, what they read, and how large the machine must be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tool/memory_size.h"

static void sizes_are_read_with_their_unit(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        { "3G", 3 * GB },       { "3g", 3 * GB },
        { "3072M", 3 * GB },    { "3145728K", 3 * GB },
        { "3145728k", 3 * GB }, { "8192B", 8 * KB },
        { "4K", 4 * KB },       { "0M", 0 },
        { "0003G", 3 * GB },    { "17179869183G", 17179869183 * GB },
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint64_t bytes = 1;
        assert_null(memory_parse(good[i].text, &bytes));
        assert_true(bytes == good[i].bytes);
    }
}

static void other_texts_are_refused_with_the_reason(void **state)
{
    static const struct {
        const char *text, *wrong;
    } bad[] = {
        { "", "not a number" },
        { "lots", "not a number" },
        { "3", "not a number with a unit" },
        { "3GB", "not a number with a unit" },
        { "3 G", "not a number with a unit" },
        { "3T", "not a number with a unit" },
        { "-3G", "not a number" },
        { "+3G", "not a number" },
        { " 3G", "not a number" },
        { "0x3G", "not a number" },
        { "1.5G", "not a number" },
        { "1K", "not a multiple of 4 KB" },
        { "4097B", "not a multiple of 4 KB" },
        { "17179869184G", "any machine" },
        { "18446744073709551616B", "any machine" },
        { "99999999999999999999G", "any machine" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t bytes = 0;
        const char *wrong = memory_parse(bad[i].text, &bytes);
        assert_non_null(wrong);
        assert_non_null(strstr(wrong, bad[i].wrong));
    }
}

static void sizes_are_written_in_the_largest_unit_that_divides_them(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } written[] = {
        { 3 * GB, "3G" },       { 3500 * MB, "3500M" },
        { 4100 * KB, "4100K" }, { 3 * GB + 4 * KB, "3145732K" },
        { MEMORY_MAX, "256G" }, { 0, "0G" },
    };
    char text[24];

    (void)state;
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
        uint64_t bytes = 1;
        memory_format(written[i].bytes, text);
        assert_string_equal(text, written[i].text);
        assert_null(memory_parse(text, &bytes));
        assert_true(bytes == written[i].bytes);
    }
}

/* Whole GBs of the machine: all but GB 0, and, of those below 4 GB, all but the topmost. */
static uint64_t whole_gbs(uint64_t host)
{
    uint64_t low = memory_below_4g(host);

    return (low / GB > 2 ? low / GB - 2 : 0) + (host - low) / GB;
}

static void the_machine_has_as_many_whole_gbs_as_the_guest_wants(void **state)
{
    (void)state;
    for (uint64_t guest = GB; guest <= MEMORY_MAX; guest += guest < 16 * GB ? GB : 16 * GB) {
        assert_true(whole_gbs(memory_for_host(guest, 0)) >= guest / GB);
        assert_true(whole_gbs(memory_for_host(guest - 4 * KB, 100 * MB)) >= guest / GB);
    }
}

static void large_modules_make_the_machine_larger(void **state)
{
    (void)state;
    assert_true(memory_for_host(3 * GB, 0) == 5 * GB);
    assert_true(memory_for_host(3 * GB, 60 * MB) == 5 * GB);
    assert_true(memory_for_host(3 * GB, 900 * MB) == 6 * GB);
}

static void memory_from_three_and_a_half_gbs_on_is_cut_at_three(void **state)
{
    (void)state;
    assert_true(memory_below_4g(2 * GB) == 2 * GB);
    assert_true(memory_below_4g(3584 * MB - 4 * KB) == 3584 * MB - 4 * KB);
    assert_true(memory_below_4g(3584 * MB) == 3 * GB);
    assert_true(memory_below_4g(5 * GB) == 3 * GB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read_with_their_unit),
        cmocka_unit_test(other_texts_are_refused_with_the_reason),
        cmocka_unit_test(sizes_are_written_in_the_largest_unit_that_divides_them),
        cmocka_unit_test(the_machine_has_as_many_whole_gbs_as_the_guest_wants),
        cmocka_unit_test(large_modules_make_the_machine_larger),
        cmocka_unit_test(memory_from_three_and_a_half_gbs_on_is_cut_at_three),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
