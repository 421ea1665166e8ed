/* SPDX-License-Identifier: MIT */
/*
 * What is chosen. The choices prefer a few guest frames and a few machine frames, so that they
 * meet: tables fill up and become alike again, debts and pins run full. Moods make what is rare
 * happen for a while.
 */
#include "run.h"

/* Machine frames come in four copies of the guest's layout; the last is a frame out of step. */
#define PLACES       4u
#define OUT_OF_STEP  3u
#define PLACE_FRAMES (8 * SLOT_FRAMES)

/* ---- choosing ------------------------------------------------------------------------------- */

bool one_in(struct run *run, uint64_t times)
{
    return choose_once_in(&run->choices, times);
}

bool is_in_mood(const struct run *run, enum mood mood)
{
    return run->mood == mood;
}

static uint64_t choose_place_in_table(struct run *run)
{
    static const uint16_t favourites[] = { 0, 1, 255, 511 };

    return one_in(run, 48) ? choose(&run->choices, 512) : favourites[choose(&run->choices, 4)];
}

gfn_t choose_gfn(struct run *run)
{
    bool alone = is_in_mood(run, MOOD_EMPTY) && one_in(run, 2);
    uint64_t slot = alone ? MODEL_SLOTS - 1 : choose(&run->choices, MODEL_SLOTS);
    uint64_t region = choose_place_in_table(run), page = choose_place_in_table(run);

    return model_gfn(slot * SLOT_FRAMES + region * 512 + page);
}

gfn_t choose_any_gfn(struct run *run)
{
    if (!one_in(run, 64))
        return choose_gfn(run);
    return GFN(one_in(run, 2) ? MODEL_END.gfn + choose(&run->choices, 2000) : UINT64_MAX);
}

enum p2m_type choose_type(struct run *run)
{
    static const enum p2m_type types[] = {
        P2M_RAM_RW, P2M_RAM_RW, P2M_RAM_RW,  P2M_RAM_RW,  P2M_RAM_RW,  P2M_RAM_RW,
        P2M_RAM_RO, P2M_RAM_RO, P2M_MMIO,    P2M_SPECIAL, P2M_POD,     P2M_POD,
        P2M_POD,    P2M_BROKEN, P2M_INVALID, P2M_INVALID, P2M_INVALID,
    };

    if (one_in(run, 128))
        return (enum p2m_type)(P2M_TYPE_COUNT + choose(&run->choices, 20));
    if (is_in_mood(run, MOOD_EMPTY) && one_in(run, 2))
        return P2M_INVALID;
    return types[choose(&run->choices, sizeof(types) / sizeof(types[0]))];
}

unsigned choose_order(struct run *run)
{
    static const unsigned orders[] = { 0, 0, 0, 0, 0, 0, 9, 9, 9, 18 };
    bool large =
        is_in_mood(run, MOOD_LARGE) || is_in_mood(run, MOOD_EMPTY) || is_in_mood(run, MOOD_PINS);

    if (one_in(run, 128))
        return (unsigned)choose(&run->choices, 80);
    if (large && !one_in(run, 3))
        return ORDER_1G;
    return orders[choose(&run->choices, 10)];
}

/* Most often the frame that is there already, or the one in the first place. */
mfn_t choose_mfn(struct run *run, gfn_t gfn)
{
    struct model_cell cell = model_at(&run->world.model, gfn);
    uint64_t place = 0;

    if (!model_knows(gfn))
        return MFN(choose(&run->choices, MODEL_FRAMES));
    if (mfn_is_valid(cell.mfn) && !one_in(run, 4))
        return cell.mfn;
    if (one_in(run, 128))
        return one_in(run, 2) ? INVALID_MFN : MFN((uint64_t)1 << 40);
    if (one_in(run, 4))
        place = choose(&run->choices, PLACES);
    return MFN(SLOT_FRAMES + place * PLACE_FRAMES + model_index(gfn) + (place == OUT_OF_STEP));
}

/* The quota for one operation: usually what it was, sometimes just above what is held. */
static uint64_t choose_quota(struct run *run)
{
    const struct p2m *p2m = &run->world.p2m;
    uint64_t quota = p2m->counts.tables + p2m->unpaid.tables + p2m->lent_pages;

    if (!one_in(run, 12))
        return p2m->config.table_quota;
    quota += choose(&run->choices, 3);
    return quota < p2m->config.table_quota ? quota : p2m->config.table_quota;
}

/* ---- around every verb ---------------------------------------------------------------------- */

void aim_verb(struct run *run, enum verb verb, gfn_t gfn)
{
    run->world.now.verb = verb;
    run->world.now.gfn = run->world.now.end = gfn;
}

uint64_t begin_verb(struct run *run, enum verb verb, gfn_t gfn)
{
    struct operation *now = &run->world.now;
    uint64_t quota = run->world.p2m.config.table_quota;

    aim_verb(run, verb, gfn);
    now->fail_allocation = one_in(run, 10) ? 1 + choose(&run->choices, 3) : 0;
    run->debt = &run->world.debt[choose(&run->choices, WORLD_DEBTS)];
    run->before = *run->debt;
    run->world.p2m.config.table_quota = choose_quota(run);
    memory_fail_allocation(now->fail_allocation);
    return quota;
}

void end_verb(struct run *run, uint64_t quota)
{
    run->world.p2m.config.table_quota = quota;
    memory_fail_allocation(0);
    run->world.now.fail_allocation = 0;
    trim_to_the_end(run->world.locked, &run->world.pod); /* marks may have gone */
    world_check_debt(&run->world, run->debt, &run->before);
    world_check_around(&run->world, run->world.now.gfn);
    if (run->world.now.end.gfn != run->world.now.gfn.gfn && run->world.now.end.gfn > 0)
        world_check_around(&run->world, GFN(run->world.now.end.gfn - 1));
}

void count_outcome(struct run *run, enum outcome outcome, enum column column)
{
    histogram_add(run->histogram, run->world.now.verb, outcome, column);
}

enum column asked_column(unsigned order)
{
    return order_is_size(order) ? histogram_column(order) : COLUMN_NONE;
}
