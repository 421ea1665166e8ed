/* SPDX-License-Identifier: MIT */
/*
 * The row of words of the flat model, beside a plain array: whatever is done to both, they are the
 * same. Refuses to know what a word means.
 */
#include "../cells.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../choices.h"

#define COUNT      (8u * CELLS_BLOCK)
#define OPERATIONS 20000u

static struct cells cells;
static uint32_t plain[COUNT];

/* Half of them begin and end where blocks do. */
static struct cells_run choose_run(struct choices *choices)
{
    static const uint32_t steps[] = { 0, 256, 256, 1 };
    struct cells_run run = { .from = choose(choices, COUNT), .end = choose(choices, COUNT) };

    if (choose_once_in(choices, 2)) {
        run.from -= run.from % CELLS_BLOCK;
        run.end -= run.end % CELLS_BLOCK;
    }
    if (run.from > run.end)
        run = (struct cells_run){ .from = run.end, .end = run.from };
    run.first = (uint32_t)choose(choices, 1 << 10);
    run.step = steps[choose(choices, 4)];
    return run;
}

static bool plain_are(struct cells_run run)
{
    for (uint64_t i = run.from; i < run.end; i++)
        if (plain[i] != run.first + (uint32_t)(i - run.from) * run.step)
            return false;
    return true;
}

static void set_both(struct cells_run run)
{
    cells_set(&cells, run);
    for (uint64_t i = run.from; i < run.end; i++)
        plain[i] = run.first + (uint32_t)(i - run.from) * run.step;
}

/* Bits that a step changes are among them now and then. */
static void edit_both(struct choices *choices, struct cells_run run)
{
    struct cells_edit edit = { .where = (uint32_t)choose(choices, 1 << 9) & 0x10f };

    edit.is = (uint32_t)choose(choices, 1 << 9) & edit.where;
    edit.bits = choose_once_in(choices, 4) ? 0x180 : 0x3f;
    edit.become = (uint32_t)choose(choices, 1 << 9) & edit.bits;
    cells_edit(&cells, run.from, run.end, edit);
    for (uint64_t i = run.from; i < run.end; i++)
        if ((plain[i] & edit.where) == edit.is)
            plain[i] = (plain[i] & ~edit.bits) | edit.become;
}

/* What is there, or nearly. */
static void compare_runs(struct choices *choices, struct cells_run run)
{
    if (run.from < run.end && !choose_once_in(choices, 4))
        run.first = plain[run.from];
    assert_int_equal(cells_are(&cells, run), plain_are(run));
}

static void cells_are_what_a_plain_array_is(void **state)
{
    struct choices choices = { .seed = 1 };
    unsigned alike = 0;

    (void)state;
    cells_create(&cells, COUNT);
    for (unsigned i = 0; i < OPERATIONS; i++) {
        struct cells_run run = choose_run(&choices);

        if (choose_once_in(&choices, 2))
            set_both(run);
        else
            edit_both(&choices, run);
        for (uint64_t at = 0; at < COUNT; at++)
            assert_true(cells_get(&cells, at) == plain[at]);
        compare_runs(&choices, run);
        compare_runs(&choices, choose_run(&choices));
        alike += plain_are(run);
    }
    assert_in_range(alike, OPERATIONS / 4, OPERATIONS);
    cells_destroy(&cells);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_are_what_a_plain_array_is),
    };

    return cmocka_run_group_tests_name("cells", tests, NULL, NULL);
}
