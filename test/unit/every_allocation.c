/* SPDX-License-Identifier: MIT */
/*
 * All verbs, in every order from 4 KB to 1 GB, without memory: each page and each block that a verb
 * asks the host for is refused once. Then the verb has failed and nothing has changed; or, where
 * its header says so, it did without, and all is sound.
 */
#include "trial.h"

#include <stdlib.h>

/* What the host refuses. */
struct scarce {
    const char *name;
    void (*refuse)(uint64_t nth);
    uint64_t (*asked)(struct memory_asked asked);
};

static uint64_t asked_tables(struct memory_asked asked)
{
    return asked.tables;
}

static uint64_t asked_frames(struct memory_asked asked)
{
    return asked.frames;
}

static const struct scarce tables = { "table", memory_fail_allocation, asked_tables };
static const struct scarce frames = { "block", memory_fail_frames, asked_frames };

/* So often the verb asks when nothing is refused. */
static uint64_t count_asked(struct trials *trials, const struct scarce *scarce)
{
    uint64_t before;

    trial_begin(trials);
    before = scarce->asked(memory_asked());
    must(trials->now->act(&trials->trial));
    return scarce->asked(memory_asked()) - before;
}

static void expect_every_page_accounted_for(const struct trials *trials)
{
    const struct p2m *p2m = &trials->trial.f->p2m;
    uint64_t known = p2m->counts.tables + p2m->unpaid.tables + p2m->lent_pages;

    if (p2m->reserve_count != 0 || memory_tables_in_use() != known)
        TRIAL_FAIL(trials, "%lu pages taken, %lu known", memory_tables_in_use(), known);
}

/* What the guest has, what is owed, and what the host has back, but for what it gave since. */
static uint64_t sum_of_frames(struct fixture *f)
{
    struct pod_account account = pod_account(&f->pod);

    return pod_frames(&account) + f->p2m.unpaid.ram + memory_returned().kept +
           memory_freed().frames - pod_events(&f->pod).taken;
}

static void refuse_once(struct trials *trials, const struct scarce *scarce, uint64_t nth)
{
    struct fixture *f = trials->trial.f;
    struct pod_snapshot before;
    enum p2m_error error;
    uint64_t sum;

    trial_begin(trials);
    before = pod_snapshot_take(f);
    sum = sum_of_frames(f);
    scarce->refuse(nth);
    error = trials->now->act(&trials->trial);
    scarce->refuse(0);
    if (trials->now->want == WANTS_ALL) {
        if (error == P2M_OK)
            TRIAL_FAIL(trials, "works without %s %lu", scarce->name, nth);
        pod_snapshot_expect_same(f, before);
    } else {
        free(before.map.entry);
    }
    expect_pod_sound(f);
    expect_every_page_accounted_for(trials);
    if (sum_of_frames(f) != sum)
        TRIAL_FAIL(trials, "%lu frames, not %lu", sum_of_frames(f), sum);
}

static void refuse_each(struct fixture *f, const struct scarce *scarce, uint64_t at_least)
{
    struct trials trials = trials_of(f, ORDERS_ALL);
    uint64_t refused = 0;

    while (trials_next(&trials)) {
        uint64_t asked = count_asked(&trials, scarce);

        if (f->debt.flush)
            fixture_settle(f);
        for (uint64_t nth = 1; nth <= asked; nth++)
            refuse_once(&trials, scarce, nth);
        refused += asked;
    }
    assert_in_range(refused, at_least, 10000);
}

static void every_table_page_is_refused_once(void **state)
{
    refuse_each(*state, &tables, 100);
}

static void every_block_is_refused_once(void **state)
{
    refuse_each(*state, &frames, 4);
}

/* ---- orders that are none ------------------------------------------------------------------- */

static bool is_order_of_a_table(unsigned order)
{
    return order == ORDER_2M || order == ORDER_1G || order == ORDER_1G + ORDER_STEP;
}

static void orders_that_are_no_size_are_refused(void **state)
{
    struct fixture *f = *state;
    gfn_t here = GFN(0x40000);

    must(mark(f, GFN(0), FRAMES_1G));
    map(f, here, MFN(0x40000), ORDER_1G);
    for (unsigned order = 0; order < 64; order++) {
        if (!order_is_size(order))
            for (unsigned type = 0; type < P2M_TYPE_COUNT; type++)
                POD_REFUSED(f, P2M_BAD_RANGE,
                            set(f, here, MFN(0x40000), order, (enum p2m_type)type));
        if (order != ORDER_4K && order != ORDER_2M)
            POD_REFUSED(f, P2M_BAD_RANGE, p2m_split(f->locked, here, order));
        if (!is_order_of_a_table(order))
            POD_REFUSED(f, P2M_BAD_RANGE, p2m_merge(f->locked, here, order, &f->debt));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRIAL_FOR_BOTH_FORMATS(every_table_page_is_refused_once),
        TRIAL_FOR_BOTH_FORMATS(every_block_is_refused_once),
        TRIAL_FOR_BOTH_FORMATS(orders_that_are_no_size_are_refused),
    };

    return cmocka_run_group_tests_name("every_allocation", tests, NULL, NULL);
}
