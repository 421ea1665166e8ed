/* SPDX-License-Identifier: MIT */
/*
 * Trying cases: one after the other, each from the same beginning. Refuses to know what is claimed
 * of them.
 */
#include "trial.h"

#include "verb_cases.h"

const struct verb_case *const verb_cases[] = {
    verb_cases_map, verb_cases_cache, verb_cases_pod, verb_cases_sweep, verb_cases_change, NULL,
};

const struct verb_without verbs_without[] = {
    { "p2m_lock", "no map is looked at" },
    { "p2m_unlock", "no map is looked at" },
    { "pod_create", "nobody can see it yet" },
    { "pod_set_debt_order", "changes no map" },
    { "p2m_current_create", "no map is looked at" },
    { "p2m_get_entry", "reads only" },
    { "p2m_audit", "reads only" },
    { "p2m_type_name", "reads only" },
    { "p2m_type_class", "reads only" },
    { "p2m_type_rights", "reads only" },
    { "p2m_type_is_held", "reads only" },
    { "p2m_error_name", "reads only" },
    { "p2m_format_name", "reads only" },
    { "p2m_root_address", "reads only" },
    { "p2m_generation", "reads only" },
    { "p2m_debt_is_settled", "reads only" },
    { "p2m_counts", "reads only" },
    { "p2m_events", "reads only" },
    { "p2m_unpaid", "reads only" },
    { "p2m_max_order", "reads only" },
    { "p2m_has_candidates", "reads only" },
    { "p2m_is_changing", "reads only" },
    { "pod_cache_counts", "reads only" },
    { "pod_cache_is_aside", "reads only" },
    { "pod_cache_audit", "reads only" },
    { "pod_account", "reads only" },
    { "pod_events", "reads only" },
    { "pod_has_surplus", "reads only" },
    { "pod_prefers_sweep", "reads only" },
    { "pod_gather_slot", "reads only" },
    { "pod_audit", "reads only" },
    { NULL, NULL },
};

/* ---- one after the other -------------------------------------------------------------------- */

struct trials trials_of(struct fixture *fixture, enum orders most)
{
    return (struct trials){ .trial.f = fixture, .most = most };
}

static const struct verb_case *next_case(struct trials *trials)
{
    const struct verb_case *next = trials->now ? trials->now + 1 : verb_cases[0];

    while (next && !next->verb)
        next = verb_cases[++trials->at];
    return next;
}

bool trials_next(struct trials *trials)
{
    enum orders orders = trials->now ? trials->now->orders : ORDERS_ONE;
    unsigned step = orders == ORDERS_ALL && trials->most == ORDERS_ALL ? 1 : ORDER_STEP;

    if (orders != ORDERS_ONE && trials->trial.order + step <= ORDER_1G) {
        trials->trial.order += step;
        return true;
    }
    trials->now = next_case(trials);
    trials->trial.order = ORDER_4K;
    return trials->now;
}

/* A case may have taken the whole map down. */
static void bring_back(struct fixture *f)
{
    if (mfn_is_valid(f->p2m.root))
        return;
    memory_fail_allocation(0);
    fixture_settle(f);
    p2m_unlock(f->locked);
    must(p2m_create(&f->p2m, &f->config));
    f->locked = p2m_lock(&f->p2m);
}

void trial_begin(struct trials *trials)
{
    struct trial *trial = &trials->trial;
    struct fixture *f = trial->f;

    bring_back(f);
    memory_fail_frames(0);
    pod_restart(f, ORDER_1G);
    *trial = (struct trial){ .f = f, .order = trial->order };
    trials->now->prepare(trial);
    if (f->debt.flush && !p2m_debt_is_settled(&f->p2m, &f->debt))
        pod_settle(f);
}

void trial_carry_out(const struct trials *trials)
{
    while (p2m_finish_type_change(trials->trial.f->locked, ONE_TABLE) == P2M_AGAIN)
        ;
}

int trial_teardown(void **state)
{
    struct fixture *f = *state;

    (void)watch_end(); /* a test that failed may have left it on */
    bring_back(f);
    return pod_teardown(state);
}

unsigned trial_find_written(const struct trials *trials, struct written *written, unsigned room)
{
    struct fixture *f = trials->trial.f;
    mfn_t along[PROCESSOR_LEVELS + 1];
    gfn_t gfn = GFN(0);
    unsigned count = 0;

    while (gfn.gfn < f->config.end.gfn && count < room) {
        struct processor_translation seen = processor_look_along(&f->processor, gfn, along);

        if (seen.answer == ANSWER_WALKED && seen.dirty)
            written[count++] = (struct written){ gfn, seen.mfn };
        gfn = gfn_add(gfn, order_frames(seen.order));
    }
    return count;
}

/* D, or that the engine has seen D and cleared it, for a log. */
static bool is_dirty(const struct fixture *f, const struct written *written)
{
    mfn_t along[PROCESSOR_LEVELS + 1];
    struct processor_translation now = processor_look_along(&f->processor, written->gfn, along);
    bool is_there = now.answer == ANSWER_WALKED && now.mfn.mfn == written->mfn.mfn;

    return (is_there && (now.dirty || get(f, written->gfn).dirty)) ||
           memory_came_back_dirty(written->mfn);
}

void trial_expect_dirty(const struct trials *trials, const struct written *written, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (!is_dirty(trials->trial.f, &written[i]))
            TRIAL_FAIL(trials, "gfn %#lx was written, and mfn %#lx is not dirty",
                       written[i].gfn.gfn, written[i].mfn.mfn);
}
