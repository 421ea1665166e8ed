/* SPDX-License-Identifier: MIT */
/*
 * The property test: a million operations from a seed, on NPT and on EPT, against the flat model.
 *
 *      random [operations [seed]]
 *
 * It ends with the histogram of what happened, and fails if something that can happen did not.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "p2m/p2m.h"

#include "verbs.h"

#define OPERATIONS  1000000u
#define AUDIT_FIRST 10000u
#define CHECK_EVERY 1000u

/* With fewer operations than this some cells stay empty by chance, and that is no failure. */
#define ENOUGH_FOR_EVERY_CELL OPERATIONS

static uint64_t operations = OPERATIONS, seed = 1;

/* The two formats see different operations. */
static void run(const struct pt_format *format, uint64_t format_seed)
{
    struct verbs_plan plan = {
        .format = format,
        .choices = { .seed = format_seed },
        .operations = operations,
        .audit_first = AUDIT_FIRST,
        .check_every = CHECK_EVERY,
    };
    static struct histogram histogram;
    clock_t start = clock();
    unsigned wrong;

    histogram = (struct histogram){ 0 };
    verbs_run(&plan, &histogram);
    wrong = histogram_print(&histogram, p2m_format_name(format));
    printf("# %" PRIu64 " operations, seed %#" PRIx64 ", %.1f s\n", operations, format_seed,
           (double)(clock() - start) / CLOCKS_PER_SEC);
    if (operations >= ENOUGH_FOR_EVERY_CELL)
        assert_int_equal(wrong, 0);
}

static void random_operations_agree_with_the_flat_model_on_npt(void **state)
{
    (void)state;
    run(&npt_format, seed);
}

static void random_operations_agree_with_the_flat_model_on_ept(void **state)
{
    (void)state;
    run(&ept_format, ~seed);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_the_flat_model_on_npt),
        cmocka_unit_test(random_operations_agree_with_the_flat_model_on_ept),
    };

    if (count > 1)
        operations = strtoull(arguments[1], NULL, 0);
    if (count > 2)
        seed = strtoull(arguments[2], NULL, 0);
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
