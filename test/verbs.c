/* SPDX-License-Identifier: MIT */
/*
 * The operations. Each is chosen, foretold, done, and checked along the path that it touched. The
 * choices prefer a few guest frames and a few machine frames, so that they meet: tables fill up and
 * become alike again, debts and pins run full. Moods make what is rare happen for a while.
 */
#include "verbs.h"

#include <string.h>

#include "world.h"

/* Machine frames come in four copies of the guest's layout; the last is a frame out of step. */
#define PLACES       4u
#define OUT_OF_STEP  3u
#define PLACE_FRAMES (8 * SLOT_FRAMES)

struct run {
    struct world world;
    struct choices choices;
    struct histogram *histogram;
    struct p2m_debt *debt; /* of this operation */
    struct p2m_debt before;
};

static void count(struct run *run, enum outcome outcome, enum column column)
{
    histogram_add(run->histogram, run->world.now.verb, outcome, column);
}

/* A column for an order that somebody asked for: leaves and marks end at 1 GB. */
static enum column asked_column(unsigned order)
{
    return order_is_size(order) ? histogram_column(order) : COLUMN_NONE;
}

/* ---- choosing ---------------------------------------------------------------------------------
 */

static bool one_in(struct run *run, uint64_t times)
{
    return choose_once_in(&run->choices, times);
}

/* A mood holds for some thousands of operations, and comes back. */
static bool is_in_mood(const struct run *run, unsigned which)
{
    return (run->world.now.number >> 12) % 8 == which;
}

static uint64_t choose_place_in_table(struct run *run)
{
    static const uint16_t favourites[] = { 0, 1, 255, 511 };

    return one_in(run, 24) ? choose(&run->choices, 512) : favourites[choose(&run->choices, 4)];
}

static gfn_t choose_gfn(struct run *run)
{
    uint64_t slot = choose(&run->choices, MODEL_SLOTS);
    uint64_t region = choose_place_in_table(run), page = choose_place_in_table(run);

    return model_gfn(slot * SLOT_FRAMES + region * 512 + page);
}

/* Now and then one that no verb may accept. */
static gfn_t choose_any_gfn(struct run *run)
{
    if (!one_in(run, 64))
        return choose_gfn(run);
    return GFN(one_in(run, 2) ? MODEL_END.gfn + choose(&run->choices, 2000) : UINT64_MAX);
}

static enum p2m_type choose_type(struct run *run)
{
    static const enum p2m_type types[] = {
        P2M_RAM_RW,  P2M_RAM_RW,  P2M_RAM_RW,  P2M_RAM_RW, P2M_RAM_RW, P2M_RAM_RW, P2M_RAM_RO,
        P2M_RAM_RO,  P2M_MMIO,    P2M_SPECIAL, P2M_POD,    P2M_POD,    P2M_POD,    P2M_BROKEN,
        P2M_INVALID, P2M_INVALID, P2M_INVALID,
    };

    if (one_in(run, 128))
        return (enum p2m_type)(P2M_TYPE_COUNT + choose(&run->choices, 20));
    return types[choose(&run->choices, sizeof(types) / sizeof(types[0]))];
}

static unsigned choose_order(struct run *run)
{
    static const unsigned orders[] = { 0, 0, 0, 0, 0, 0, 9, 9, 9, 18 };

    if (one_in(run, 128))
        return (unsigned)choose(&run->choices, 80);
    return orders[choose(&run->choices, 10)];
}

/* Most often the frame that is there already, or the one in the first place. */
static mfn_t choose_mfn(struct run *run, gfn_t gfn)
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

    if (!one_in(run, 24))
        return p2m->config.table_quota;
    return p2m->counts.tables + p2m->unpaid.tables + choose(&run->choices, 3);
}

/* ---- settling and paying ----------------------------------------------------------------------
 */

static bool is_settled(const struct run *run, const struct p2m_debt *debt)
{
    return !debt->flush || debt->generation <= run->world.p2m.settled;
}

/* Two halves with other operations between them; the flush belongs to the second. */
static void do_settle(struct run *run)
{
    struct world *world = &run->world;
    bool waited = false;

    world->now.verb = VERB_SETTLE;
    if (!world->settling) {
        world->settling = p2m_begin_settle(&world->p2m);
        return;
    }
    for (unsigned i = 0; i < WORLD_DEBTS; i++)
        waited = waited || !is_settled(run, &world->debt[i]);
    processor_flush(&world->processor);
    p2m_end_settle(&world->p2m, world->settling);
    world->settling = 0;
    count(run, waited ? OUTCOME_CHANGED : OUTCOME_NOTHING, COLUMN_NONE);
}

/* Were frames of this dead table written whose live entry does not say so yet? */
static bool has_late_bits(const struct world *world, const struct p2m_owed *owed)
{
    uint64_t from, end;

    if (owed->order > ORDER_1G)
        return false;
    from = model_index(owed->gfn);
    end = from + order_frames(owed->order);
    for (uint64_t i = from; i < end; i++) {
        const uint8_t *next = memchr(world->model.written + i, 1, end - i);

        if (!next)
            return false;
        i = (uint64_t)(next - world->model.written);
        if (!p2m_get_entry(p2m_locked_walking(world->locked), model_gfn(i)).dirty)
            return true;
    }
    return false;
}

/* What the model loses by the payment, and the row that it belongs to. */
static void expect_payment(struct run *run, const struct p2m_owed *owed)
{
    static const enum outcome outcomes[] = {
        [P2M_OWED_FRAMES] = OUTCOME_FRAMES,
        [P2M_OWED_SUBTREE] = OUTCOME_SUBTREE,
        [P2M_OWED_MERGED] = OUTCOME_TABLE,
    };

    count(run, outcomes[owed->kind], histogram_column(owed->order));
    if (owed->kind == P2M_OWED_MERGED && has_late_bits(&run->world, owed))
        count(run, OUTCOME_LATE_BITS, histogram_column(owed->order));
}

static void do_pay(struct run *run)
{
    struct world *world = &run->world;
    struct p2m_debt *debt = &world->debt[choose(&run->choices, WORLD_DEBTS)], paid = *debt;

    if (!is_settled(run, debt)) {
        do_settle(run);
        return;
    }
    world->now.verb = VERB_PAY;
    for (unsigned i = 0; i < debt->count; i++)
        expect_payment(run, &debt->owed[i]);
    if (debt->count == 0)
        count(run, OUTCOME_NOTHING, COLUMN_NONE);
    p2m_pay(world->locked, debt);
    EXPECT(world, debt->count == 0 && !debt->flush);
    world->unpaid = world->p2m.unpaid; /* the host's own tracking saw each frame and page */
    EXPECT(world, memory_tables_in_use() == world->p2m.counts.tables + world->unpaid.tables);
    for (unsigned i = 0; i < paid.count; i++) {
        uint64_t from;

        if (paid.owed[i].order > ORDER_1G)
            continue;
        from = model_index(paid.owed[i].gfn);
        EXPECT(world, !memory_is_table(paid.owed[i].mfn));
        world_check_around(world, paid.owed[i].gfn);
        world_check_dirty(world, from, from + order_frames(paid.owed[i].order));
    }
}

/* ---- set --------------------------------------------------------------------------------------
 */

/* A debt to add to, a quota, an allocation that fails: what every changing verb is given. */
static uint64_t begin(struct run *run, enum verb verb, gfn_t gfn)
{
    struct operation *now = &run->world.now;
    uint64_t quota = run->world.p2m.config.table_quota;

    now->verb = verb;
    now->gfn = now->end = gfn;
    now->fail_allocation = one_in(run, 10) ? 1 + choose(&run->choices, 3) : 0;
    run->debt = &run->world.debt[choose(&run->choices, WORLD_DEBTS)];
    run->before = *run->debt;
    run->world.p2m.config.table_quota = choose_quota(run);
    memory_fail_allocation(now->fail_allocation);
    return quota;
}

static void end(struct run *run, uint64_t quota)
{
    run->world.p2m.config.table_quota = quota;
    memory_fail_allocation(0);
    run->world.now.fail_allocation = 0;
    world_check_debt(&run->world, run->debt, &run->before);
    world_check_around(&run->world, run->world.now.gfn);
    if (run->world.now.end.gfn != run->world.now.gfn.gfn && run->world.now.end.gfn > 0)
        world_check_around(&run->world, GFN(run->world.now.end.gfn - 1));
}

/* On error nothing may have moved: counts and events are compared too. */
struct unmoved {
    struct p2m_counts counts;
    struct p2m_events events;
};

static struct unmoved remember(const struct p2m *p2m)
{
    return (struct unmoved){ p2m->counts, p2m->events };
}

static void expect_unmoved(const struct world *world, struct unmoved before)
{
    EXPECT(world, memcmp(&before.counts, &world->p2m.counts, sizeof(before.counts)) == 0);
    EXPECT(world, memcmp(&before.events, &world->p2m.events, sizeof(before.events)) == 0);
}

static void do_set(struct run *run)
{
    struct world *world = &run->world;
    struct p2m_mapping *mapping = &world->now.mapping;
    gfn_t gfn = choose_any_gfn(run);
    struct unmoved unmoved = remember(&world->p2m);
    struct forecast forecast;
    uint64_t quota;
    enum p2m_error error;

    mapping->order = choose_order(run);
    mapping->type = choose_type(run);
    if (!one_in(run, 64) && order_is_size(mapping->order))
        gfn = GFN(frame_align_down(gfn.gfn, mapping->order));
    mapping->mfn = choose_mfn(run, gfn);
    quota = begin(run, VERB_SET, gfn);
    forecast = forecast_set(world, run->debt);
    if (forecast.outcome != OUTCOME_CHANGED || world_has_frames(world, gfn, mapping)) {
        error = p2m_set_entry(world->locked, gfn, *mapping, run->debt);
        EXPECT(world, error == outcome_error(forecast.outcome));
        count(run, forecast.outcome, asked_column(forecast.order));
        if (forecast.outcome == OUTCOME_CHANGED)
            world_apply(world, gfn, mapping, &run->before);
        else
            expect_unmoved(world, unmoved);
    }
    end(run, quota);
}

static gfn_t choose_end(struct run *run, gfn_t from)
{
    static const uint32_t lengths[] = { 1, 2, 511, 512, 513, 1024, 0x40000, 0x40200, 0x80000 };
    uint64_t length = one_in(run, 2) ? lengths[choose(&run->choices, 9)]
                                     : choose(&run->choices, 1500);
    uint64_t slot = model_index(from) / SLOT_FRAMES;
    uint64_t last = slot < 3 ? 3 * SLOT_FRAMES : MODEL_END.gfn;

    if (one_in(run, 64))
        return GFN(one_in(run, 2) ? from.gfn : MODEL_END.gfn + 1);
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

/* Returns where the range must have stopped. */
static gfn_t apply_range(struct run *run)
{
    struct world *world = &run->world;
    struct p2m_mapping mapping = world->now.mapping;
    gfn_t gfn = world->now.gfn;

    while (gfn.gfn < world->now.end.gfn && run->before.count < P2M_DEBT_MAX) {
        mapping.order = forecast_piece_order(world, gfn, world->now.end, &mapping);
        if (!piece_is_there(world, gfn, &mapping))
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
    struct unmoved unmoved = remember(&world->p2m);
    gfn_t stop = range.from;
    enum p2m_error error = p2m_set_range(world->locked, &range, &mfn, world->now.mapping.type,
                                         run->debt);

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
    count(run, forecast.outcome,
          forecast.outcome == OUTCOME_BAD_RANGE || forecast.outcome == OUTCOME_BAD_TYPE
              ? COLUMN_NONE
              : histogram_column(forecast.order));
}

static void do_set_range(struct run *run)
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
    quota = begin(run, VERB_SET_RANGE, gfn);
    world->now.end = choose_end(run, gfn);
    if (mapping->mfn.mfn % 512 != gfn.gfn % 512 && world->now.end.gfn > gfn.gfn + 2000)
        world->now.end = GFN(gfn.gfn + 2000); /* so many pieces teach nothing new */
    forecast = forecast_range(world, run->debt);
    if (outcome_error(forecast.outcome) != P2M_OK || range_has_frames(world))
        call_range(run, forecast);
    end(run, quota);
}

/* ---- split and merge --------------------------------------------------------------------------
 */

static void split(struct run *run, gfn_t gfn, unsigned order)
{
    struct world *world = &run->world;
    uint64_t quota = begin(run, VERB_SPLIT, gfn);
    struct unmoved unmoved = remember(&world->p2m);
    struct forecast forecast;

    world->now.mapping.order = order;
    forecast = forecast_split(world);
    EXPECT(world, p2m_split(world->locked, world->now.gfn, world->now.mapping.order) ==
                      outcome_error(forecast.outcome));
    count(run, forecast.outcome, asked_column(forecast.order));
    if (forecast.outcome == OUTCOME_CHANGED)
        model_split(&world->model, world->now.gfn, forecast.order);
    else
        expect_unmoved(world, unmoved);
    end(run, quota);
}

static void do_split(struct run *run)
{
    unsigned order = 9 * (unsigned)choose(&run->choices, 2);

    split(run, choose_any_gfn(run), one_in(run, 32) ? choose_order(run) : order);
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

    if (order % 9 == 0 && order > 0 && order <= 27 && model_knows(now->gfn))
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

static void merge(struct run *run, gfn_t gfn, unsigned order)
{
    struct world *world = &run->world;
    uint64_t quota = begin(run, VERB_MERGE, gfn);
    struct unmoved unmoved = remember(&world->p2m);
    enum outcome outcome;

    world->now.mapping.order = order;
    outcome = forecast_merge(run);
    EXPECT(world, p2m_merge(world->locked, world->now.gfn, order, run->debt) ==
                      outcome_error(outcome));
    count(run, outcome, order ? histogram_column(order) : COLUMN_NONE);
    if (outcome_error(outcome) == P2M_OK)
        apply_merge(run, world->now.gfn, order);
    else
        expect_unmoved(world, unmoved);
    end(run, quota);
}

static void do_merge(struct run *run)
{
    static const unsigned orders[] = { 9, 9, 9, 9, 18, 18, 18, 27 };
    unsigned order = orders[choose(&run->choices, 8)];

    if (one_in(run, 64))
        order = (unsigned)choose(&run->choices, 80);
    merge(run, choose_any_gfn(run), order);
}

/* Which tables are candidates is the engine's to know; that each could be merged is checked. */
static void do_candidates(struct run *run)
{
    uint64_t quota = begin(run, VERB_CANDIDATES, choose_gfn(run));
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
        count(run, OUTCOME_PART, COLUMN_NONE);
    else
        count(run, merged ? OUTCOME_CHANGED : OUTCOME_NOTHING, COLUMN_NONE);
    end(run, quota);
}

/* ---- looking, marking, pinning ----------------------------------------------------------------
 */

static void do_get(struct run *run)
{
    struct world *world = &run->world;
    struct p2m_entry entry;

    begin(run, VERB_GET, choose_any_gfn(run));
    entry = p2m_get_entry(p2m_locked_walking(world->locked), world->now.gfn);
    if (!model_knows(world->now.gfn)) {
        EXPECT(world, entry.type == P2M_INVALID && !mfn_is_valid(entry.mfn));
        count(run, OUTCOME_NOTHING, COLUMN_NONE);
        return;
    }
    world_check(world, world->now.gfn);
    count(run,
          type_has_frame(entry.type)    ? OUTCOME_FRAMES
          : entry.type == P2M_INVALID   ? OUTCOME_NOTHING
                                        : OUTCOME_MARKS,
          histogram_column(entry.order));
}

static enum column column_of_entry(const struct run *run)
{
    gfn_t gfn = run->world.now.gfn;

    if (!model_knows(gfn))
        return COLUMN_NONE;
    return histogram_column(model_at(&run->world.model, gfn).order);
}

static bool has_frame(const struct run *run)
{
    gfn_t gfn = run->world.now.gfn;

    return model_knows(gfn) && type_has_frame(model_at(&run->world.model, gfn).type);
}

static void do_mark_dirty(struct run *run)
{
    struct world *world = &run->world;
    uint64_t quota = begin(run, VERB_MARK_DIRTY, choose_any_gfn(run));
    enum outcome outcome = has_frame(run) ? OUTCOME_CHANGED : OUTCOME_BAD_TYPE;

    EXPECT(world, p2m_mark_dirty(world->locked, world->now.gfn) == outcome_error(outcome));
    if (outcome == OUTCOME_CHANGED)
        world->model.written[model_index(world->now.gfn)] = 1;
    count(run, outcome, column_of_entry(run));
    end(run, quota);
}

static void do_pin(struct run *run)
{
    struct world *world = &run->world;
    uint64_t quota = begin(run, VERB_PIN, choose_any_gfn(run));
    enum outcome outcome = OUTCOME_CHANGED;

    if (!has_frame(run))
        outcome = OUTCOME_BAD_TYPE;
    else if (world->pin_count == P2M_PINS_MAX)
        outcome = OUTCOME_PINS_FULL;
    EXPECT(world, p2m_pin(world->locked, world->now.gfn) == outcome_error(outcome));
    if (outcome == OUTCOME_CHANGED)
        world->pin[world->pin_count++] = world->now.gfn;
    count(run, outcome, column_of_entry(run));
    end(run, quota);
}

static void do_unpin(struct run *run)
{
    struct world *world = &run->world;
    uint64_t which;

    if (world->pin_count == 0 || (is_in_mood(run, 1) && !one_in(run, 16))) {
        do_pin(run);
        return;
    }
    which = choose(&run->choices, world->pin_count);
    begin(run, VERB_UNPIN, world->pin[which]);
    world->pin[which] = world->pin[--world->pin_count];
    p2m_unpin(world->locked, world->now.gfn);
    count(run, OUTCOME_CHANGED, column_of_entry(run));
}

/* ---- the processor ----------------------------------------------------------------------------
 */

/* A fault is never stale: it was found out from the root. */
static void expect_fault(struct run *run, struct processor_translation seen, unsigned access)
{
    struct world *world = &run->world;
    gfn_t gfn = world->now.gfn;
    unsigned rights = model_knows(gfn) ? type_rights(model_at(&world->model, gfn).type) : 0;

    if (seen.answer == ANSWER_NOT_PRESENT) {
        EXPECT(world, rights == 0);
        count(run, OUTCOME_NOT_PRESENT, COLUMN_NONE);
        return;
    }
    EXPECT(world, seen.answer == ANSWER_NOT_ALLOWED);
    EXPECT(world, rights != 0 && !(rights & access));
    count(run, OUTCOME_NOT_ALLOWED, column_of_entry(run));
}

/* A translation may be of the past only while a flush is owed, and its frame never at the host. */
static void access(struct run *run, gfn_t gfn, enum verb verb)
{
    enum processor_access access = verb == VERB_READ    ? ACCESS_READ
                                   : verb == VERB_WRITE ? ACCESS_WRITE
                                                        : ACCESS_EXECUTE;
    struct world *world = &run->world;
    struct processor_translation seen;
    struct model_cell cell;

    world->now.verb = verb;
    world->now.gfn = world->now.end = gfn;
    if (gfn.gfn >= (uint64_t)1 << 36)
        return; /* no processor can say such an address */
    seen = processor_access(&world->processor, gfn, access);
    EXPECT(world, seen.answer != ANSWER_MALFORMED);
    if (seen.answer > ANSWER_WALKED) {
        expect_fault(run, seen, access);
        return;
    }
    cell = model_at(&world->model, world->now.gfn);
    if (cell.mfn.mfn == seen.mfn.mfn) {
        EXPECT(world, world_is_stale(world) || type_rights(cell.type) & access);
        if (access == ACCESS_WRITE)
            world->model.written[model_index(world->now.gfn)] = 1;
    } else {
        EXPECT(world, world_is_stale(world));
        EXPECT(world, memory_frame_state(seen.mfn) == FRAME_OWED);
    }
    world_check(world, world->now.gfn);
    count(run, seen.answer == ANSWER_CACHED ? OUTCOME_CACHED : OUTCOME_WALKED,
          histogram_column(seen.order));
}

static void do_access(struct run *run)
{
    enum verb verb = one_in(run, 6) ? VERB_EXECUTE : one_in(run, 2) ? VERB_READ : VERB_WRITE;

    access(run, choose_any_gfn(run), verb);
}

/* What a random order of verbs seldom hits: a table is merged while the processor holds it. */
static void do_merge_under_the_processor(struct run *run)
{
    unsigned order = 9 * (unsigned)choose(&run->choices, 2);
    gfn_t gfn = choose_gfn(run);

    split(run, gfn, order);
    access(run, gfn, VERB_READ);
    merge(run, gfn, order + ORDER_STEP);
    if (one_in(run, 2))
        merge(run, gfn, ORDER_1G);
    access(run, gfn, VERB_WRITE);
}

/* ---- one after the other ----------------------------------------------------------------------
 */

static void do_settle_or_pay(struct run *run)
{
    if (is_in_mood(run, 2) && !one_in(run, 16))
        return; /* let the debts run full */
    if (one_in(run, 3))
        do_settle(run);
    else
        do_pay(run);
}

static void do_next(struct run *run)
{
    static const struct {
        void (*verb)(struct run *run);
        unsigned weight;
    } verbs[] = {
        { do_set, 32 },
        { do_set_range, 8 },
        { do_get, 4 },
        { do_split, 4 },
        { do_merge, 5 },
        { do_merge_under_the_processor, 5 },
        { do_candidates, 2 },
        { do_mark_dirty, 1 },
        { do_pin, 1 },
        { do_unpin, 3 },
        { do_access, 22 },
        { do_settle_or_pay, 13 },
    };
    unsigned ticket = (unsigned)choose(&run->choices, 100), i = 0;

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
        do_next(&run);
        if (i % plan->check_every == 0)
            world_check_all(&run.world);
        else if (i <= plan->audit_first)
            world_audit(&run.world);
    }
    world_check_all(&run.world);
    world_destroy(&run.world);
}
