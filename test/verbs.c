/* SPDX-License-Identifier: MIT */
/*
 * One operation after the other, each by its weight; then everything is taken down.
 */
#include "verbs.h"

#include "run.h"

/* What a random order of verbs seldom hits: a table is merged while the processor holds it. */
static void do_merge_under_the_processor(struct run *run)
{
    unsigned order = 9 * (unsigned)choose(&run->choices, 2);
    gfn_t gfn = choose_gfn(run);

    split_at(run, gfn, order);
    access_as_guest(run, gfn, VERB_READ);
    merge_at(run, gfn, order + ORDER_STEP);
    if (one_in(run, 2))
        merge_at(run, gfn, ORDER_1G);
    access_as_guest(run, gfn, VERB_WRITE);
}

static void do_next(struct run *run)
{
    static const struct {
        void (*verb)(struct run *run);
        unsigned weight;
    } verbs[] = {
        { do_set, 32 },       { do_set_range, 8 },    { do_get, 8 },
        { do_split, 4 },      { do_merge, 5 },        { do_merge_under_the_processor, 5 },
        { do_candidates, 2 }, { do_mark_dirty, 1 },   { do_pin, 3 },
        { do_unpin, 3 },      { do_access, 22 },      { do_settle_or_pay, 13 },
        { do_pod_mark, 3 },   { do_pod_decrease, 3 }, { do_populate, 6 },
        { do_grant, 3 },      { do_target, 2 },       { do_sweep, 3 },
        { do_change, 4 },     { do_log, 3 },
    };
    unsigned ticket = (unsigned)choose(&run->choices, 133), i = 0;

    while (ticket >= verbs[i].weight)
        ticket -= verbs[i++].weight;
    verbs[i].verb(run);
    memory_fail_allocation(0);
}

void verbs_run(const struct verbs_plan *plan, struct histogram *histogram)
{
    static struct run run;

    run = (struct run){ .choices = plan->choices, .histogram = histogram };
    world_create(&run.world, plan->format);
    for (uint64_t i = 1; i <= plan->operations && !choices_ended(&run.choices); i++) {
        run.world.now.number = i;
        choices_mark(&run.choices);
        run.mood = (enum mood)choose_given(&run.choices, (i >> 11) % MOODS, MOODS);
        do_next(&run);
        if (i % plan->check_every == 0)
            world_check_all(&run.world);
        else if (i <= plan->audit_first)
            world_audit(&run.world);
    }
    world_check_all(&run.world);
    world_destroy(&run.world);
}
