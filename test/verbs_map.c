/* SPDX-License-Identifier: MIT */
/*
 * The operations that change the map: set, set_range, split, merge. Each must answer as foretold,
 * add to the debt what was foretold, and on an error leave everything as it was.
 */
#include "run.h"

#include <string.h>

/* ---- set ------------------------------------------------------------------------------------ */

struct unmoved remember(const struct world *world)
{
    return (struct unmoved){ world->p2m.counts, world->p2m.events, pod_account(&world->pod),
                             pod_cache_counts(&world->pod) };
}

/* Counts, events and accounts; not pages for nodes, which may come and go. */
void expect_unmoved(const struct world *world, struct unmoved before)
{
    struct unmoved now = remember(world);

    EXPECT(world, memcmp(&before.counts, &world->p2m.counts, sizeof(before.counts)) == 0);
    EXPECT(world, memcmp(&before.events, &world->p2m.events, sizeof(before.events)) == 0);
    EXPECT(world, memcmp(&before.account, &now.account, sizeof(now.account)) == 0);
    EXPECT(world, before.cache.clean == now.cache.clean);
}

static void set_now(struct run *run, uint64_t quota)
{
    struct world *world = &run->world;
    const struct p2m_mapping *mapping = &world->now.mapping;
    struct forecast forecast = forecast_set(world, run->debt);
    struct unmoved unmoved = remember(world);
    gfn_t gfn = world->now.gfn;

    if (forecast.outcome != OUTCOME_CHANGED || world_has_frames(world, gfn, mapping)) {
        EXPECT(world, p2m_set_entry(world->locked, gfn, *mapping, run->debt) ==
                          outcome_error(forecast.outcome));
        count_outcome(run, forecast.outcome, asked_column(forecast.order));
        if (forecast.outcome == OUTCOME_CHANGED)
            world_apply(world, gfn, mapping, &run->before);
        else
            expect_unmoved(world, unmoved);
    }
    end_verb(run, quota);
}

void set_at(struct run *run, gfn_t gfn, struct p2m_mapping mapping)
{
    uint64_t quota = begin_verb(run, VERB_SET, gfn);

    run->world.now.mapping = mapping;
    set_now(run, quota);
}

void do_set(struct run *run)
{
    struct p2m_mapping *mapping = &run->world.now.mapping;
    gfn_t gfn = choose_any_gfn(run);

    mapping->order = choose_order(run);
    mapping->type = choose_type(run);
    if (!one_in(run, 64) && order_is_size(mapping->order))
        gfn = GFN(frame_align_down(gfn.gfn, mapping->order));
    mapping->mfn = choose_mfn(run, gfn);
    set_now(run, begin_verb(run, VERB_SET, gfn));
}

/* Frames out of step make small pieces, and too many of them teach nothing new. */
gfn_t choose_end(struct run *run, gfn_t from, mfn_t mfn)
{
    static const uint32_t lengths[] = { 1, 2, 511, 512, 513, 1024, 0x40000, 0x40200, 0x80000 };
    uint64_t length =
        one_in(run, 2) ? lengths[choose(&run->choices, 9)] : choose(&run->choices, 1500);
    uint64_t slot = model_index(from) / SLOT_FRAMES;
    uint64_t last = slot < 3 ? 3 * SLOT_FRAMES : MODEL_END.gfn;

    if (one_in(run, 64))
        return GFN(one_in(run, 2) ? from.gfn : MODEL_END.gfn + 1);
    if (mfn.mfn % 512 != from.gfn % 512 && length > 2000)
        length = 2000;
    return GFN(from.gfn + length < last ? from.gfn + length : last);
}

/* The pieces that the engine should do now, one by one; false where a frame is not to be had. */
static bool range_has_frames(const struct world *world)
{
    struct p2m_mapping mapping = world->now.mapping;
    gfn_t gfn = world->now.gfn;

    while (gfn.gfn < world->now.end.gfn) {
        mapping.order = forecast_piece_order(world, gfn, world->now.end, &mapping);
        if (!world_has_frames(world, gfn, &mapping))
            return false;
        gfn = gfn_add(gfn, order_frames(mapping.order));
        mapping.mfn = mfn_add(mapping.mfn, order_frames(mapping.order));
    }
    return true;
}

static bool piece_is_there(const struct world *world, gfn_t gfn, const struct p2m_mapping *mapping)
{
    struct model_cell cell = model_at(&world->model, gfn);

    return cell.order >= mapping->order && cell.type == mapping->type &&
           (!type_has_frame(cell.type) || cell.mfn.mfn == mapping->mfn.mfn);
}

gfn_t apply_range(struct run *run)
{
    struct world *world = &run->world;
    struct p2m_mapping mapping = world->now.mapping;
    gfn_t gfn = world->now.gfn;

    while (gfn.gfn < world->now.end.gfn) {
        bool there;

        mapping.order = forecast_piece_order(world, gfn, world->now.end, &mapping);
        there = piece_is_there(world, gfn, &mapping);
        if (!there && run->before.count == P2M_DEBT_MAX && world_piece_owes(world, gfn, &mapping))
            break;
        if (!there)
            world_apply(world, gfn, &mapping, &run->before);
        gfn = gfn_add(gfn, order_frames(mapping.order));
        mapping.mfn = mfn_add(mapping.mfn, order_frames(mapping.order));
    }
    return gfn;
}

static void call_range(struct run *run, struct forecast forecast)
{
    struct world *world = &run->world;
    struct gfn_range range = { world->now.gfn, world->now.end };
    mfn_t mfn = world->now.mapping.mfn;
    struct unmoved unmoved = remember(world);
    gfn_t stop = range.from;
    enum p2m_error error =
        p2m_set_range(world->locked, &range, &mfn, world->now.mapping.type, run->debt);

    EXPECT(world, error == outcome_error(forecast.outcome));
    if (error == P2M_OK)
        stop = apply_range(run);
    EXPECT(world, range.from.gfn == stop.gfn);
    EXPECT(world, range.end.gfn == world->now.end.gfn);
    EXPECT(world, mfn.mfn == world->now.mapping.mfn.mfn + stop.gfn - world->now.gfn.gfn);
    if (forecast.outcome != OUTCOME_CHANGED)
        expect_unmoved(world, unmoved);
    else if (stop.gfn < range.end.gfn)
        forecast.outcome = OUTCOME_PART;
    count_outcome(run, forecast.outcome,
                  forecast.outcome == OUTCOME_BAD_RANGE || forecast.outcome == OUTCOME_BAD_TYPE
                      ? COLUMN_NONE
                      : histogram_column(forecast.order));
}

void do_set_range(struct run *run)
{
    struct world *world = &run->world;
    struct p2m_mapping *mapping = &world->now.mapping;
    gfn_t gfn = choose_gfn(run);
    struct forecast forecast;
    uint64_t quota;

    if (one_in(run, 3))
        gfn = GFN(frame_align_down(gfn.gfn, ORDER_2M));
    mapping->order = ORDER_4K;
    mapping->type = choose_type(run);
    mapping->mfn = choose_mfn(run, gfn);
    quota = begin_verb(run, VERB_SET_RANGE, gfn);
    world->now.end = choose_end(run, gfn, mapping->mfn);
    forecast = forecast_range(world, run->debt);
    if (outcome_error(forecast.outcome) != P2M_OK || range_has_frames(world))
        call_range(run, forecast);
    end_verb(run, quota);
}

/* ---- split and merge ------------------------------------------------------------------------ */

void split_at(struct run *run, gfn_t gfn, unsigned order)
{
    struct world *world = &run->world;
    uint64_t quota = begin_verb(run, VERB_SPLIT, gfn);
    struct unmoved unmoved = remember(world);
    struct forecast forecast;

    world->now.mapping.order = order;
    forecast = forecast_split(world);
    EXPECT(world, p2m_split(world->locked, world->now.gfn, world->now.mapping.order) ==
                      outcome_error(forecast.outcome));
    count_outcome(run, forecast.outcome, asked_column(forecast.order));
    if (forecast.outcome == OUTCOME_CHANGED)
        model_split(&world->model, world->now.gfn, forecast.order);
    else
        expect_unmoved(world, unmoved);
    end_verb(run, quota);
}

void do_split(struct run *run)
{
    unsigned order = 9 * (unsigned)choose(&run->choices, 2);

    if (one_in(run, 12))
        order = choose_order(run);
    split_at(run, choose_any_gfn(run), order);
}

static enum outcome forecast_merge(const struct run *run)
{
    static const enum outcome outcomes[] = {
        [ALIKE_NOT] = OUTCOME_UNEQUAL,
        [ALIKE_NOTHING] = OUTCOME_NOTHING,
        [ALIKE_MARKS] = OUTCOME_MARKS,
        [ALIKE_FRAMES] = OUTCOME_FRAMES,
    };
    const struct operation *now = &run->world.now;
    unsigned order = now->mapping.order;
    enum outcome outcome = OUTCOME_UNEQUAL;

    if (order % 9 != 0 || order == 0 || order > 27 || now->gfn.gfn >= run->world.p2m.config.end.gfn)
        return OUTCOME_BAD_RANGE;
    if (model_knows(now->gfn))
        outcome = outcomes[model_alike(&run->world.model, now->gfn, order)];
    if (outcome != OUTCOME_UNEQUAL && run->before.count == P2M_DEBT_MAX)
        return OUTCOME_DEBT_FULL;
    return outcome;
}

/* The model's half of a merge, and the item that it must have added. */
static void apply_merge(struct run *run, gfn_t gfn, unsigned order)
{
    struct p2m_owed owed = { .kind = P2M_OWED_MERGED, .order = order };

    EXPECT(&run->world, model_alike(&run->world.model, gfn, order) != ALIKE_NOT);
    owed.gfn = GFN(frame_align_down(gfn.gfn, order));
    model_merge(&run->world.model, gfn, order);
    run->world.unpaid.tables++;
    run->before.owed[run->before.count++] = owed;
    run->before.flush = true;
    run->before.generation = p2m_generation(&run->world.p2m) + 1;
}

void merge_at(struct run *run, gfn_t gfn, unsigned order)
{
    struct world *world = &run->world;
    uint64_t quota = begin_verb(run, VERB_MERGE, gfn);
    struct unmoved unmoved = remember(world);
    enum outcome outcome;

    world->now.mapping.order = order;
    outcome = forecast_merge(run);
    EXPECT(world,
           p2m_merge(world->locked, world->now.gfn, order, run->debt) == outcome_error(outcome));
    count_outcome(run, outcome, order ? histogram_column(order) : COLUMN_NONE);
    if (outcome_error(outcome) == P2M_OK)
        apply_merge(run, world->now.gfn, order);
    else
        expect_unmoved(world, unmoved);
    end_verb(run, quota);
}

void do_merge(struct run *run)
{
    static const unsigned orders[] = { 9, 9, 9, 9, 18, 18, 18, 27 };
    unsigned order = orders[choose(&run->choices, 8)];

    if (one_in(run, 64))
        order = (unsigned)choose(&run->choices, 80);
    merge_at(run, choose_any_gfn(run), order);
}

/* Which tables are candidates is the engine's to know; that each could be merged is checked. */
void do_candidates(struct run *run)
{
    uint64_t quota = begin_verb(run, VERB_CANDIDATES, choose_gfn(run));
    unsigned held = run->before.count;
    unsigned merged = p2m_merge_candidates(run->world.locked, run->debt);

    EXPECT(&run->world, run->debt->count == held + merged);
    for (unsigned i = held; i < run->debt->count; i++) {
        const struct p2m_owed *owed = &run->debt->owed[i];

        apply_merge(run, owed->gfn, owed->order);
    }
    for (unsigned i = held; i < run->debt->count; i++)
        world_check_around(&run->world, run->debt->owed[i].gfn);
    if (run->debt->count == P2M_DEBT_MAX)
        count_outcome(run, OUTCOME_PART, COLUMN_NONE);
    else
        count_outcome(run, merged ? OUTCOME_CHANGED : OUTCOME_NOTHING, COLUMN_NONE);
    end_verb(run, quota);
}
