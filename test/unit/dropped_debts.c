/* SPDX-License-Identifier: MIT */
/*
 * All verbs before a processor that forgets nothing until it is told. With its debt settled no verb
 * lets it do harm, and no D bit is lost, not even one that it sets late. With its debt dropped (the
 * engine is told that there was a flush, and there was none) the harm is found: otherwise the first
 * half would prove nothing. What was found is printed, a line a case.
 */
#include "trial.h"

#include <stdio.h>

#include "hoard.h"
#include "to_the_end.h"

#define LATE_MAX 8192u

static struct hoard hoard;
static struct written early[LATE_MAX], late[LATE_MAX];
static unsigned early_count;

/* The verb, before the eyes of a processor that keeps all that it sees on the way. What it stopped
 * is carried out after it: that owes nothing more, and shows what may still be done. */
static void act(struct trials *trials)
{
    struct fixture *f = trials->trial.f;
    struct watched watched;
    const char *harm;

    trial_begin(trials);
    early_count = trial_find_written(trials, early, LATE_MAX);
    watch_begin(&f->processor, WATCH_ONLY);
    must(trials->now->act(&trials->trial));
    watched = watch_end();
    trial_carry_out(trials);
    hoard_forget(&hoard);
    for (unsigned i = 0; i < watched.views; i++)
        hoard_keep(&hoard, watched.view[i]);
    harm = hoard_harm(&hoard, &f->processor, &f->debt);
    if (harm)
        TRIAL_FAIL(trials, "before the flush a processor %s", harm);
}

/* ---- settled -------------------------------------------------------------------------------- */

static void expect_well_when_settled(struct trials *trials)
{
    struct fixture *f = trials->trial.f;
    unsigned writes;
    const char *harm;

    act(trials);
    if (f->debt.flush != (trials->now->owes != OWES_NOTHING))
        TRIAL_FAIL(trials, "%s", f->debt.flush ? "owes a flush" : "owes nothing");
    writes = hoard_write_late(&hoard, &f->processor, late, LATE_MAX);
    if (f->debt.flush) {
        hoard_forget(&hoard);
        fixture_settle(f);
    }
    harm = hoard_harm(&hoard, &f->processor, NULL);
    if (harm)
        TRIAL_FAIL(trials, "owes nothing, and a processor %s", harm);
    trial_expect_dirty(trials, early, early_count);
    trial_expect_dirty(trials, late, writes);
}

/* ---- dropped -------------------------------------------------------------------------------- */

static const char *harm_when_dropped(struct trials *trials)
{
    struct fixture *f = trials->trial.f;

    act(trials);
    p2m_end_settle(&f->p2m, p2m_begin_settle(&f->p2m));
    pay_to_the_end(f->locked, &f->debt);
    return hoard_harm(&hoard, &f->processor, NULL);
}

static void every_debt_is_needed_and_enough(void **state)
{
    struct fixture *f = *state;
    struct trials trials = trials_of(f, ORDERS_SIZES);

    while (trials_next(&trials)) {
        const struct verb_case *now = trials.now;
        const char *harm;

        expect_well_when_settled(&trials);
        harm = harm_when_dropped(&trials);
        if (!harm != (now->owes != OWES))
            TRIAL_FAIL(&trials, "its debt dropped, a processor %s", harm ? harm : "does no harm");
        printf("# %s | %s | %s | ", p2m_format_name(f->config.format), now->verb, now->what);
        printf(now->orders == ORDERS_ONE ? "-" : "%u", trials.trial.order);
        printf(" | ok | %s\n", harm                        ? harm
                               : now->owes == OWES_NOTHING ? "no debt"
                                                           : "no harm to memory");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRIAL_FOR_BOTH_FORMATS(every_debt_is_needed_and_enough),
    };

    return cmocka_run_group_tests_name("dropped_debts", tests, NULL, NULL);
}
