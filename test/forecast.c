/* SPDX-License-Identifier: MIT */
/*
 * What a verb must answer, and what it must leave behind, from the model, the pins, the quota and
 * the debt alone. Reasons in cells and pieces; refuses to know tables other than by their number.
 */
#include "world.h"

/* ---- outcomes and errors -------------------------------------------------------------------- */

enum p2m_error outcome_error(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_BAD_RANGE:
        return P2M_BAD_RANGE;
    case OUTCOME_BAD_TYPE:
        return P2M_BAD_TYPE;
    case OUTCOME_OCCUPIED:
        return P2M_OCCUPIED;
    case OUTCOME_PINNED:
    case OUTCOME_UNSETTLED:
        return P2M_BUSY;
    case OUTCOME_DEBT_FULL:
        return P2M_DEBT_FULL;
    case OUTCOME_NO_QUOTA:
    case OUTCOME_NO_FRAME:
    case OUTCOME_PINS_FULL:
        return P2M_NO_MEMORY;
    case OUTCOME_UNEQUAL:
        return P2M_UNEQUAL;
    case OUTCOME_EMPTY:
        return P2M_EMPTY;
    case OUTCOME_AGAIN:
        return P2M_AGAIN;
    default:
        return P2M_OK;
    }
}

enum outcome forecast_tables(const struct world *world, uint64_t tables)
{
    uint64_t held = world->p2m.counts.tables + world->unpaid.tables + world->p2m.lent_pages;

    if (held + tables > world->p2m.config.table_quota)
        return OUTCOME_NO_QUOTA;
    if (world->now.fail_allocation > 0 && world->now.fail_allocation <= tables)
        return OUTCOME_NO_FRAME;
    return OUTCOME_CHANGED;
}

/* ---- one piece ------------------------------------------------------------------------------ */

static bool is_bad_range(const struct world *world, gfn_t gfn, const struct p2m_mapping *mapping)
{
    unsigned order = mapping->order;
    uint64_t end = world->p2m.config.end.gfn, frames;

    if (order != 0 && order != 9 && order != 18)
        return true;
    frames = (uint64_t)1 << order;
    if (gfn.gfn % frames != 0 || gfn.gfn >= end || gfn.gfn + frames > end)
        return true;
    return type_has_frame(mapping->type) &&
           (mapping->mfn.mfn % frames != 0 || order > world->model.max_order ||
            mapping->mfn.mfn >= world->p2m.config.mfn_end.mfn ||
            frames > world->p2m.config.mfn_end.mfn - mapping->mfn.mfn);
}

/* Something in the region's table stands in the way of a leaf. */
static bool table_is_occupied(const struct world *world, gfn_t gfn, unsigned order)
{
    uint64_t from = model_index(gfn);

    for (uint64_t i = from, step; i < from + order_frames(order); i += step) {
        struct model_cell cell = model_at(&world->model, model_gfn(i));

        if (type_has_frame(cell.type) || cell.type == P2M_BROKEN)
            return true;
        step = order_frames(cell.order);
    }
    return false;
}

static bool is_occupied(const struct world *world, gfn_t gfn, const struct p2m_mapping *mapping)
{
    struct model_cell cell = model_at(&world->model, gfn);

    if (!type_has_frame(mapping->type))
        return false;
    if (cell.order < mapping->order)
        return table_is_occupied(world, gfn, mapping->order);
    if (!type_has_frame(cell.type))
        return cell.type == P2M_BROKEN;
    return cell.mfn.mfn != mapping->mfn.mfn ||
           (cell.type != mapping->type && !(type_is_ram(cell.type) && type_is_ram(mapping->type)));
}

bool world_piece_owes(const struct world *world, gfn_t gfn, const struct p2m_mapping *mapping)
{
    struct model_cell cell = model_at(&world->model, gfn);

    return cell.order < mapping->order ||
           (type_has_frame(cell.type) && !type_has_frame(mapping->type));
}

/* What this debt owes there may still be seen by a processor. */
static bool is_owed_here(const struct world *world, const struct p2m_debt *debt, gfn_t gfn,
                         gfn_t end)
{
    if (!debt->flush || debt->generation <= world->p2m.settled)
        return false;
    for (unsigned i = 0; i < debt->count; i++) {
        const struct p2m_owed *owed = &debt->owed[i];
        uint64_t owed_end = owed->gfn.gfn + order_frames(owed->order);

        if (owed->kind != P2M_OWED_MERGED && owed->gfn.gfn < end.gfn && gfn.gfn < owed_end)
            return true;
    }
    return false;
}

bool world_is_pinned(const struct world *world, gfn_t gfn, unsigned order)
{
    for (unsigned i = 0; i < world->pin_count; i++)
        if (world->pin[i].gfn - gfn.gfn < order_frames(order))
            return true;
    return false;
}

static enum outcome forecast_piece(const struct world *world, gfn_t gfn,
                                   const struct p2m_mapping *mapping)
{
    struct model_cell cell;

    if ((unsigned)mapping->type >= P2M_TYPE_COUNT)
        return OUTCOME_BAD_TYPE;
    if (is_bad_range(world, gfn, mapping))
        return OUTCOME_BAD_RANGE;
    cell = model_at(&world->model, gfn);
    if (cell.order >= mapping->order && cell.type == mapping->type &&
        (!type_has_frame(cell.type) || cell.mfn.mfn == mapping->mfn.mfn))
        return OUTCOME_ALREADY;
    if (is_occupied(world, gfn, mapping))
        return OUTCOME_OCCUPIED;
    return world_is_pinned(world, gfn, mapping->order) ? OUTCOME_PINNED : OUTCOME_CHANGED;
}

static uint64_t missing_tables(const struct world *world, gfn_t gfn, unsigned order)
{
    unsigned there = model_at(&world->model, gfn).order;

    return there > order ? (there - order) / ORDER_STEP : 0;
}

struct forecast forecast_set(const struct world *world, const struct p2m_debt *debt)
{
    const struct p2m_mapping *mapping = &world->now.mapping;
    gfn_t gfn = world->now.gfn;
    struct forecast forecast = { forecast_piece(world, gfn, mapping), mapping->order };

    if (forecast.outcome != OUTCOME_CHANGED)
        return forecast;
    if (type_has_frame(mapping->type) &&
        is_owed_here(world, debt, gfn, gfn_add(gfn, order_frames(mapping->order))))
        forecast.outcome = OUTCOME_OCCUPIED;
    else if (debt->count == P2M_DEBT_MAX && world_piece_owes(world, gfn, mapping))
        forecast.outcome = OUTCOME_DEBT_FULL;
    else
        forecast.outcome = forecast_tables(world, missing_tables(world, gfn, mapping->order));
    return forecast;
}

struct forecast forecast_split(const struct world *world)
{
    unsigned order = world->now.mapping.order;
    struct forecast forecast = { OUTCOME_ALREADY, order };
    gfn_t gfn = world->now.gfn;
    uint64_t missing;

    if ((order != ORDER_4K && order != ORDER_2M) || gfn.gfn >= world->p2m.config.end.gfn) {
        forecast.outcome = OUTCOME_BAD_RANGE;
        return forecast;
    }
    missing = missing_tables(world, gfn, order);
    if (missing > 0 && model_at(&world->model, gfn).type != P2M_INVALID)
        forecast.outcome = forecast_tables(world, missing);
    return forecast;
}

/* ---- ranges --------------------------------------------------------------------------------- */

unsigned forecast_piece_order(const struct world *world, gfn_t gfn, gfn_t end,
                              const struct p2m_mapping *mapping)
{
    bool has_frame = type_has_frame(mapping->type);
    unsigned order = has_frame ? world->model.max_order : ORDER_1G;

    for (; order > ORDER_4K; order -= ORDER_STEP) {
        uint64_t frames = (uint64_t)1 << order;

        if (gfn.gfn % frames == 0 && gfn.gfn + frames <= end.gfn &&
            (!has_frame || mapping->mfn.mfn % frames == 0))
            break;
    }
    /* Not larger than leaves that are there: they may be the same frames. */
    while (has_frame && order > ORDER_4K && model_at(&world->model, gfn).order < order &&
           table_is_occupied(world, gfn, order))
        order -= ORDER_STEP;
    return order;
}

/* Tables that pieces in rising order need, each counted when it is first met. */
struct table_count {
    uint64_t tables;
    uint64_t last[3]; /* by size of what the table's entries cover: the last table met, and one */
};

static void count_tables(const struct world *world, gfn_t gfn, unsigned order,
                         struct table_count *count)
{
    unsigned there = model_at(&world->model, gfn).order;

    for (; order < there; order += ORDER_STEP) {
        uint64_t table = (gfn.gfn >> (order + ORDER_STEP)) + 1;

        count->tables += count->last[order_size(order)] != table;
        count->last[order_size(order)] = table;
    }
}

/* What a verb of populate-on-demand leaves where it is: a guest gives back neither a page of the
 * host's nor what is left of a broken one, and what is there is not promised. OUTCOME_CHANGED: there
 * is none of that. */
static enum outcome forecast_kept(const struct world *world, gfn_t gfn, unsigned order)
{
    static const enum p2m_type kept[] = { P2M_MMIO,   P2M_SPECIAL,  P2M_BROKEN,      P2M_RAM_RW,
                                          P2M_RAM_RO, P2M_RAM_HELD, P2M_RAM_LOGDIRTY };
    unsigned count = world->now.verb == VERB_POD_MARK       ? 7
                     : world->now.verb == VERB_POD_DECREASE ? 3
                                                            : 0;

    for (unsigned i = 0; i < count; i++)
        if (model_has_type(&world->model, gfn, order_frames(order), kept[i]))
            return world->now.verb == VERB_POD_MARK ? OUTCOME_OCCUPIED : OUTCOME_BAD_TYPE;
    return OUTCOME_CHANGED;
}

struct forecast forecast_range(const struct world *world, const struct p2m_debt *debt)
{
    struct forecast forecast = { OUTCOME_ALREADY, ORDER_4K };
    struct p2m_mapping mapping = world->now.mapping;
    struct table_count count = { 0 };
    gfn_t gfn = world->now.gfn, end = world->now.end;
    unsigned room = P2M_DEBT_MAX - debt->count;
    enum outcome tables;

    if ((unsigned)mapping.type >= P2M_TYPE_COUNT)
        return (struct forecast){ OUTCOME_BAD_TYPE, ORDER_4K };
    if (gfn.gfn >= end.gfn || end.gfn > world->p2m.config.end.gfn)
        return (struct forecast){ OUTCOME_BAD_RANGE, ORDER_4K };
    while (gfn.gfn < end.gfn) {
        enum outcome outcome;

        mapping.order = forecast_piece_order(world, gfn, end, &mapping);
        if (mapping.order > forecast.order)
            forecast.order = mapping.order;
        outcome = forecast_kept(world, gfn, mapping.order);
        if (outcome == OUTCOME_CHANGED)
            outcome = forecast_piece(world, gfn, &mapping);
        if (outcome == OUTCOME_CHANGED && type_has_frame(mapping.type) &&
            is_owed_here(world, debt, gfn, gfn_add(gfn, order_frames(mapping.order))))
            outcome = OUTCOME_OCCUPIED;
        /* Beyond what the debt has room for nothing is looked at. */
        if (outcome == OUTCOME_CHANGED && world_piece_owes(world, gfn, &mapping) && room-- == 0)
            break;
        if (outcome != OUTCOME_ALREADY)
            forecast.outcome = outcome;
        if (outcome_error(outcome) != P2M_OK)
            return forecast;
        if (outcome == OUTCOME_CHANGED)
            count_tables(world, gfn, mapping.order, &count);
        gfn = gfn_add(gfn, order_frames(mapping.order));
        mapping.mfn = mfn_add(mapping.mfn, order_frames(mapping.order));
    }
    tables = forecast_tables(world, count.tables);
    if (gfn.gfn == world->now.gfn.gfn)
        forecast.outcome = OUTCOME_DEBT_FULL;
    else if (tables != OUTCOME_CHANGED)
        forecast.outcome = tables;
    return forecast;
}

/* ---- carrying it out ------------------------------------------------------------------------ */

bool world_has_frames(const struct world *world, gfn_t gfn, const struct p2m_mapping *mapping)
{
    struct model_cell cell = model_at(&world->model, gfn);

    if (!type_has_frame(mapping->type))
        return true;
    if (cell.order >= mapping->order && cell.mfn.mfn == mapping->mfn.mfn)
        return true;
    return memory_frames_are(mapping->mfn, order_frames(mapping->order), FRAME_HOME);
}

static void expect_flush(const struct world *world, struct p2m_debt *debt)
{
    debt->flush = true;
    debt->generation = p2m_generation(&world->p2m) + 1;
}

static void owe_leaf(struct world *world, const struct model_cell *cell, unsigned order)
{
    memory_move_frames(cell->mfn, order_frames(order), FRAME_OWED);
    if (type_is_ram(cell->type))
        world->unpaid.ram += order_frames(order);
}

static void owe_table(struct world *world, gfn_t gfn, unsigned order)
{
    uint64_t from = model_index(gfn);

    world->unpaid.tables += model_tables(&world->model, gfn, order);
    for (uint64_t i = from, step; i < from + order_frames(order); i += step) {
        struct model_cell cell = model_at(&world->model, model_gfn(i));

        if (type_has_frame(cell.type))
            owe_leaf(world, &cell, cell.order);
        step = order_frames(cell.order);
    }
}

void world_apply(struct world *world, gfn_t gfn, const struct p2m_mapping *mapping,
                 struct p2m_debt *debt)
{
    struct model_cell cell = model_at(&world->model, gfn);
    struct p2m_owed owed = { .gfn = gfn, .kind = P2M_OWED_FRAMES, .order = mapping->order };

    owed.frames =
        (struct p2m_frames){ .mfn = cell.mfn,
                             .order = mapping->order,
                             .type = cell.type,
                             .became = mapping->type,
                             .dirty = model_is_written(&world->model, gfn, mapping->order) };

    if (cell.order < mapping->order) {
        owed.kind = P2M_OWED_SUBTREE;
        owe_table(world, gfn, mapping->order);
        debt->owed[debt->count++] = owed;
        expect_flush(world, debt);
    } else if (type_has_frame(cell.type)) {
        expect_flush(world, debt);
        if (!type_has_frame(mapping->type)) {
            owe_leaf(world, &cell, mapping->order);
            debt->owed[debt->count++] = owed;
        }
    }
    if (type_has_frame(mapping->type) && cell.mfn.mfn != mapping->mfn.mfn) {
        memory_move_frames(mapping->mfn, order_frames(mapping->order), FRAME_MAPPED);
        memory_clear(mapping->mfn, order_frames(mapping->order));
    }
    model_set(&world->model, gfn, mapping);
}
