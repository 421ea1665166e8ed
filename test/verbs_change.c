/* SPDX-License-Identifier: MIT */
/*
 * The operations that change types. The model changes at once; the engine may take its time, as
 * long as look-ups say the same and no processor gets through where it has not been carried out.
 */
#include "run.h"

#include "p2m/change.h"

static bool may_change(enum p2m_type type)
{
    return type == P2M_RAM_RW || type == P2M_RAM_RO || type == P2M_RAM_LOGDIRTY;
}

/* Most often the one into the other. */
static void choose_types(struct run *run, enum p2m_type *from, enum p2m_type *to)
{
    bool back = one_in(run, 2);

    *from = one_in(run, 32) ? choose_type(run) : back ? P2M_RAM_RO : P2M_RAM_RW;
    *to = one_in(run, 32) ? choose_type(run) : back ? P2M_RAM_RW : P2M_RAM_RO;
}

/* ---- one frame ------------------------------------------------------------------------------ */

static struct forecast forecast_one(struct run *run, enum p2m_type from, enum p2m_type to)
{
    struct world *world = &run->world;
    struct forecast forecast = { OUTCOME_BAD_TYPE, ORDER_4K };
    struct model_cell cell = model_at(&world->model, world->now.gfn);

    world->now.mapping = (struct p2m_mapping){ cell.mfn, ORDER_4K, to };
    if (!may_change(from) || !may_change(to) || from == to)
        return forecast;
    forecast.outcome = OUTCOME_BAD_RANGE;
    if (world->now.gfn.gfn >= world->p2m.config.end.gfn)
        return forecast;
    forecast.outcome = OUTCOME_UNEQUAL;
    return cell.type == from ? forecast_set(world, run->debt) : forecast;
}

/* Now and then a pinned one: few are. */
static gfn_t choose_one(struct run *run)
{
    const struct world *world = &run->world;

    if (world->pin_count > 0 && one_in(run, 16))
        return world->pin[choose(&run->choices, world->pin_count)];
    return choose_any_gfn(run);
}

static void change_one(struct run *run)
{
    uint64_t quota = begin_verb(run, VERB_CHANGE_ONE, choose_one(run));
    struct world *world = &run->world;
    struct unmoved unmoved = remember(world);
    enum p2m_type from, to;
    struct forecast forecast;
    gfn_t gfn = world->now.gfn;

    choose_types(run, &from, &to);
    forecast = forecast_one(run, from, to);
    EXPECT(world, p2m_change_type_one(world->locked, gfn, from, to, run->debt) ==
                      outcome_error(forecast.outcome));
    count_outcome(run, forecast.outcome,
                  forecast.outcome == OUTCOME_BAD_TYPE || forecast.outcome == OUTCOME_OCCUPIED ||
                          !model_knows(gfn)
                      ? COLUMN_NONE
                      : histogram_column(model_at(&world->model, gfn).order));
    if (forecast.outcome == OUTCOME_CHANGED)
        world_apply(world, gfn, &world->now.mapping, &run->before);
    else
        expect_unmoved(world, unmoved);
    end_verb(run, quota);
}

/* ---- ranges, and all ------------------------------------------------------------------------ */

static unsigned cut_order(gfn_t gfn)
{
    return frame_is_aligned(gfn.gfn, ORDER_2M) ? ORDER_2M : ORDER_4K;
}

static bool is_cut(const struct model *model, gfn_t gfn, enum p2m_type from)
{
    struct model_cell cell = model_at(model, gfn);

    return cell.type == from && !frame_is_aligned(gfn.gfn, cell.order);
}

static uint64_t tables_to_cut(const struct model *model, gfn_t gfn, enum p2m_type from)
{
    unsigned order = model_at(model, gfn).order;

    return is_cut(model, gfn, from) ? (order - cut_order(gfn)) / ORDER_STEP : 0;
}

/* The same over the same, or its reverse. */
static bool may_follow(const struct world *world, enum p2m_type from, enum p2m_type to)
{
    const struct world_change *last = &world->change;

    return world->now.gfn.gfn == last->range.from.gfn &&
           world->now.end.gfn == last->range.end.gfn &&
           ((from == last->from && to == last->to) || (from == last->to && to == last->from));
}

enum outcome forecast_change(const struct world *world, enum p2m_type from, enum p2m_type to)
{
    gfn_t begin = world->now.gfn, end = world->now.end;

    if (!may_change(from) || !may_change(to) || from == to)
        return OUTCOME_BAD_TYPE;
    if (begin.gfn >= end.gfn || end.gfn > world->p2m.config.end.gfn)
        return OUTCOME_BAD_RANGE;
    if (world->sweeping != SWEEP_NONE ||
        (p2m_is_changing(&world->p2m) && !may_follow(world, from, to)))
        return OUTCOME_UNSETTLED;
    return forecast_tables(world, tables_to_cut(&world->model, begin, from) +
                                      tables_to_cut(&world->model, end, from));
}

void apply_change(struct run *run, enum p2m_type from, enum p2m_type to)
{
    struct world *world = &run->world;
    struct gfn_range range = { world->now.gfn, world->now.end };

    world->change = (struct world_change){ from, to, range };
    if (is_cut(&world->model, range.from, from))
        model_split(&world->model, range.from, cut_order(range.from));
    if (is_cut(&world->model, range.end, from))
        model_split(&world->model, range.end, cut_order(range.end));
    model_retype(&world->model, range, from, to);
    run->before.flush = true;
    run->before.generation = p2m_generation(&world->p2m) + 1;
}

static void choose_range(struct run *run)
{
    struct operation *now = &run->world.now;

    if (p2m_is_changing(&run->world.p2m) && one_in(run, 2)) {
        now->gfn = run->world.change.range.from;
        now->end = run->world.change.range.end;
    } else if (one_in(run, 3)) {
        now->gfn = GFN(0);
        now->end = MODEL_END;
    } else {
        now->end = choose_end(run, now->gfn, MFN(now->gfn.gfn));
    }
}

static void change_range(struct run *run)
{
    uint64_t quota = begin_verb(run, VERB_CHANGE, choose_gfn(run));
    struct world *world = &run->world;
    struct unmoved unmoved = remember(world);
    struct gfn_range range;
    enum p2m_type from, to;
    enum outcome outcome;

    if (one_in(run, 4)) { /* few ranges need a table */
        world->now.fail_allocation = 1;
        memory_fail_allocation(1);
    }
    choose_range(run);
    choose_types(run, &from, &to);
    range = (struct gfn_range){ world->now.gfn, world->now.end };
    outcome = forecast_change(world, from, to);
    EXPECT(world, p2m_change_type_range(world->locked, range, from, to, run->debt) ==
                      outcome_error(outcome));
    count_outcome(run, outcome, COLUMN_NONE);
    if (outcome == OUTCOME_CHANGED)
        apply_change(run, from, to);
    else
        expect_unmoved(world, unmoved);
    end_verb(run, quota);
}

/* ---- carrying it out ------------------------------------------------------------------------ */

static void finish(struct run *run)
{
    struct world *world = &run->world;
    bool was_changing = p2m_is_changing(&world->p2m);
    uint64_t quota = begin_verb(run, VERB_CHANGE_FINISH, choose_gfn(run));
    enum p2m_error error = p2m_finish_type_change(world->locked, choose(&run->choices, 3000));

    EXPECT(world, p2m_is_changing(&world->p2m) == (error == P2M_AGAIN));
    EXPECT(world, error == P2M_OK || error == P2M_AGAIN);
    count_outcome(run,
                  error == P2M_AGAIN ? OUTCOME_AGAIN
                  : was_changing     ? OUTCOME_CHANGED
                                     : OUTCOME_NOTHING,
                  COLUMN_NONE);
    end_verb(run, quota);
}

bool recalculate_at(struct run *run, gfn_t gfn)
{
    enum verb verb = run->world.now.verb;

    if (!p2m_recalculate(run->world.locked, gfn))
        return false;
    run->world.now.verb = VERB_RECALCULATE;
    count_outcome(run, OUTCOME_CHANGED, COLUMN_NONE);
    run->world.now.verb = verb;
    return true;
}

void do_change(struct run *run)
{
    static void (*const verbs[])(struct run *) = { change_one, change_range, finish };

    verbs[choose(&run->choices, 3)](run);
}
