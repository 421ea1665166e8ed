/* SPDX-License-Identifier: MIT */
/*
 * Saved inputs, once more: each file is a test.
 *
 *      replay FILE...
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "input.h"

static void an_input_runs_to_its_end(void **state)
{
    static struct histogram ignored;
    FILE *file = fopen(*state, "rb");
    uint8_t *bytes = malloc(INPUT_MAX);
    size_t size;

    assert_non_null(file);
    assert_non_null(bytes);
    size = fread(bytes, 1, INPUT_MAX, file);
    assert_int_equal(ferror(file), 0);
    assert_int_not_equal(size, 0);
    fclose(file);
    input_run(bytes, size, &ignored, NULL);
    free(bytes);
}

int main(int count, char **arguments)
{
    size_t inputs = (size_t)count - 1;
    struct CMUnitTest *tests = calloc(inputs + 1, sizeof(*tests));
    int failed;

    assert_non_null(tests);
    if (inputs == 0)
        fprintf(stderr, "usage: replay FILE...\n");
    for (size_t i = 0; i < inputs; i++)
        tests[i] = (struct CMUnitTest){ .name = arguments[i + 1],
                                        .test_func = an_input_runs_to_its_end,
                                        .initial_state = arguments[i + 1] };
    failed = _cmocka_run_group_tests("replay", tests, inputs, NULL, NULL);
    free(tests);
    return inputs == 0 ? 2 : failed;
}
