/* SPDX-License-Identifier: MIT */
/*
 * tool/records.c: which lines of the second serial port are records, and which are counted as bad.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tool/records.h"

static struct records records;

static int set_up(void **state)
{
    (void)state;
    memset(&records, 0, sizeof records);
    return 0;
}

/* How many records are in there. */
static unsigned take(const char *text)
{
    size_t size = strlen(text);
    unsigned count = 0;
    cJSON *record;

    while ((record = records_take(&records, &text, &size)) != NULL) {
        cJSON_Delete(record);
        count++;
    }
    return count;
}

static void a_record_may_come_in_pieces(void **state)
{
    (void)state;
    assert_int_equal(take("\n{\"record\":"), 0);
    assert_int_equal(take("\"a\"}\n{\"record\":\"b\"}\n"), 2);
    assert_int_equal(records.bad, 0);
}

static void a_line_that_is_no_record_is_counted(void **state)
{
    (void)state;
    assert_int_equal(take("{\"record\":\"a\"}\n{\"record\":1}\nnoise\n\n{\"rec\n"), 1);
    assert_int_equal(records.bad, 3);
}

static void noise_before_the_first_record_is_a_firmwares(void **state)
{
    (void)state;
    assert_int_equal(take("\33[2J\33[01;01H\nBooting\r\nhalf a line"), 0);
    assert_int_equal(records.bad, 2); /* as long as there is no record, that is all there is */
    assert_int_equal(take("\n{\"record\":\"a\"}\n"), 1);
    assert_int_equal(records.bad, 0);
    assert_int_equal(take("noise\n{\"record\":\"b\"}\n"), 1);
    assert_int_equal(records.bad, 1);
}

static void a_line_that_is_too_long_is_skipped(void **state)
{
    (void)state;
    assert_int_equal(take("{\"record\":\"a\"}\n"), 1);
    for (unsigned i = 0; i < RECORD_SIZE / 16 + 1; i++)
        assert_int_equal(take("{\"record\":\"aaaaa"), 0);
    assert_int_equal(take("\"}\n{\"record\":\"b\"}\n"), 1);
    assert_int_equal(records.bad, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_record_may_come_in_pieces, set_up),
        cmocka_unit_test_setup(a_line_that_is_no_record_is_counted, set_up),
        cmocka_unit_test_setup(noise_before_the_first_record_is_a_firmwares, set_up),
        cmocka_unit_test_setup(a_line_that_is_too_long_is_skipped, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
