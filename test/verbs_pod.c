/* SPDX-License-Identifier: MIT */
/*
 * The operations of populate-on-demand: promise, give back, populate, clear, targets. What a verb
 * must answer follows from the model, the account and the blocks in hand; which block it takes is
 * the engine's to choose, but it must be in hand, and read as zero when the guest has it.
 */
#include "run.h"

/* ---- ranges --------------------------------------------------------------------------------- */

static enum column piece_column(struct forecast forecast)
{
    switch (forecast.outcome) {
    case OUTCOME_BAD_RANGE:
    case OUTCOME_BAD_TYPE:
    case OUTCOME_OCCUPIED:
        return COLUMN_NONE;
    default:
        return histogram_column(forecast.order);
    }
}

/* What was asked for is `asked`; what happens in the map is the range of world.now. */
static void call_range(struct run *run, struct gfn_range asked, struct forecast forecast,
                       enum p2m_error (*verb)(struct p2m_locked, struct pod *, struct gfn_range *,
                                              struct p2m_debt *))
{
    struct world *world = &run->world;
    struct unmoved unmoved = remember(world);
    struct gfn_range range = asked;
    gfn_t stop = asked.from;
    enum p2m_error error = verb(world->locked, &world->pod, &range, run->debt);

    if (outcome_error(forecast.outcome) == P2M_OK)
        stop = apply_range(run);
    if (outcome_error(forecast.outcome) == P2M_OK && stop.gfn <= asked.from.gfn)
        forecast.outcome = OUTCOME_DEBT_FULL;
    else if (forecast.outcome == OUTCOME_CHANGED && stop.gfn < asked.end.gfn)
        forecast.outcome = OUTCOME_PART;
    if (stop.gfn > asked.end.gfn)
        stop = asked.end;
    EXPECT(world, error == outcome_error(forecast.outcome));
    EXPECT(world, range.from.gfn == (error == P2M_OK ? stop.gfn : asked.from.gfn));
    EXPECT(world, range.end.gfn == asked.end.gfn);
    if (error != P2M_OK)
        expect_unmoved(world, unmoved);
    count_outcome(run, forecast.outcome, piece_column(forecast));
}

static bool is_range(const struct world *world, struct gfn_range range)
{
    return range.from.gfn < range.end.gfn && range.end.gfn <= world->p2m.config.end.gfn;
}

static bool has_types(const struct world *world, struct gfn_range range, const enum p2m_type *types,
                      unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (model_has_type(&world->model, range.from, gfn_range_frames(range), types[i]))
            return true;
    return false;
}

/* Whole pieces of one size, as often as not; or a whole slot, and something on both sides. */
static struct gfn_range choose_range(struct run *run)
{
    static const uint64_t margins[] = { 0, 1, 512, 513 };
    unsigned order = choose_order(run) % (ORDER_1G + 1);
    gfn_t from = GFN(frame_align_down(choose_gfn(run).gfn, order));
    gfn_t end = gfn_add(from, order_frames(order));

    if (one_in(run, 6)) {
        from = GFN(SLOT_FRAMES - margins[choose(&run->choices, 4)]);
        end = GFN(2 * SLOT_FRAMES + margins[choose(&run->choices, 4)]);
    } else if (one_in(run, 2))
        end = choose_end(run, from, MFN(from.gfn));
    return (struct gfn_range){ from, end };
}

void do_pod_mark(struct run *run)
{
    static const enum p2m_type taken[] = { P2M_RAM_RW, P2M_RAM_RO,  P2M_RAM_HELD, P2M_RAM_LOGDIRTY,
                                           P2M_MMIO,   P2M_SPECIAL, P2M_BROKEN };
    struct world *world = &run->world;
    struct gfn_range range = choose_range(run);
    struct forecast forecast;
    uint64_t quota;

    for (unsigned i = 0; i < 3 && is_range(world, range) && has_types(world, range, taken, 7); i++)
        range = choose_range(run);
    quota = begin_verb(run, VERB_POD_MARK, range.from);
    world->now.end = range.end;
    world->now.mapping = (struct p2m_mapping){ INVALID_MFN, ORDER_4K, P2M_POD };
    forecast = forecast_range(world, run->debt);
    call_range(run, range, forecast, pod_mark);
    end_verb(run, quota);
}

/* A region of 2 MB of which nothing would be left goes as a whole. */
static struct gfn_range widen(const struct world *world, struct gfn_range range)
{
    gfn_t first = GFN(frame_align_down(range.from.gfn, ORDER_2M));
    gfn_t last = GFN(frame_align_down(range.end.gfn + 511, ORDER_2M));

    if (model_is_empty(&world->model, first, range.from.gfn - first.gfn))
        range.from = first;
    if (model_is_empty(&world->model, range.end, last.gfn - range.end.gfn))
        range.end = last;
    return range;
}

void do_pod_decrease(struct run *run)
{
    struct world *world = &run->world;
    struct gfn_range range = choose_range(run), wide = range;
    uint64_t quota = begin_verb(run, VERB_POD_DECREASE, range.from);
    struct forecast forecast;

    world->now.mapping = (struct p2m_mapping){ INVALID_MFN, ORDER_4K, P2M_INVALID };
    if (is_range(world, range))
        wide = widen(world, range);
    world->now.gfn = wide.from;
    world->now.end = wide.end;
    forecast = forecast_range(world, run->debt);
    call_range(run, range, forecast, pod_decrease);
    if (forecast.outcome != OUTCOME_BAD_TYPE && forecast.outcome != OUTCOME_BAD_RANGE)
        world_note_unsettled(world, run->debt);
    end_verb(run, quota);
}

/* ---- populates ------------------------------------------------------------------------------ */

/* A block that came into the map: it was in hand, it holds nothing, and the model has it now. */
static void apply_populate(struct run *run, gfn_t gfn, bool in_debt)
{
    struct world *world = &run->world;
    struct p2m_entry entry = p2m_get_entry(p2m_locked_walking(world->locked), gfn);
    struct p2m_mapping mapping = { INVALID_MFN, entry.order, P2M_RAM_RW };
    uint64_t frames;

    if (in_debt && entry.order == ORDER_2M && world->pod.events.populates[2] != run->populates)
        mapping.order = ORDER_1G;
    frames = order_frames(mapping.order);
    mapping.mfn = MFN(frame_align_down(entry.mfn.mfn, mapping.order));
    gfn = GFN(frame_align_down(gfn.gfn, mapping.order));
    EXPECT(world, entry.type == P2M_RAM_RW);
    EXPECT(world, memory_frames_are(mapping.mfn, frames, FRAME_CACHED));
    EXPECT(world, memory_is_zero(mapping.mfn, frames));
    world_apply(world, gfn, &mapping, &run->before);
    if (mapping.order != entry.order)
        model_split(&world->model, gfn, entry.order);
    count_outcome(run, mapping.order != entry.order ? OUTCOME_LEAVES : OUTCOME_CHANGED,
                  histogram_column(mapping.order));
}

/* Frames that sweeps and the guest took out of the map: has every processor forgotten them? */
static bool has_settled(const struct world *world)
{
    return world->p2m.settled >= world->unsettled;
}

static bool pages_may_lack(const struct world *world)
{
    return world->now.fail_allocation > 0 || forecast_tables(world, 4) == OUTCOME_NO_QUOTA;
}

static void expect_populate(struct run *run, enum p2m_error error, struct unmoved before,
                            const struct pod_grant *grant)
{
    struct world *world = &run->world;
    struct model_cell cell = model_at(&world->model, world->now.gfn);
    enum column column = cell.order <= ORDER_1G && model_knows(world->now.gfn)
                             ? histogram_column(cell.order)
                         : model_knows(world->now.gfn) ? COLUMN_512G
                                                       : COLUMN_NONE;
    enum outcome outcome = OUTCOME_BAD_TYPE;

    if (type_is_ram(cell.type))
        outcome = OUTCOME_ALREADY;
    else if (cell.type == P2M_POD && !has_settled(world))
        outcome = OUTCOME_UNSETTLED;
    else if (cell.type == P2M_POD && before.account.cached == 0)
        outcome = OUTCOME_EMPTY;
    else if (cell.type == P2M_POD && error == P2M_NO_MEMORY)
        outcome = world->now.fail_allocation ? OUTCOME_NO_FRAME : OUTCOME_NO_QUOTA;
    else if (cell.type == P2M_POD) {
        struct pod_account account = pod_account(&world->pod);

        EXPECT(world, error == P2M_OK || error == P2M_UNCLEAN);
        EXPECT(world, account.cached < before.account.cached);
        if (error == P2M_OK) {
            apply_populate(run, world->now.gfn, pod_in_debt(&before.account));
            return;
        }
        EXPECT(world, account.granted - before.account.granted == order_frames(grant->order));
        EXPECT(world, grant->gfn.gfn == frame_align_down(world->now.gfn.gfn, grant->order));
        if (cell.order > grant->order)
            model_split(&world->model, grant->gfn, grant->order);
        world->grant[world->grant_count++] = (struct world_grant){ *grant, false };
        count_outcome(run, OUTCOME_UNCLEAN, histogram_column(grant->order));
        return;
    }
    if (error == P2M_NO_MEMORY)
        EXPECT(world, pages_may_lack(world));
    EXPECT(world, error == outcome_error(outcome));
    expect_unmoved(world, before);
    count_outcome(run, outcome, column);
}

/* A mark, if one is soon found: what is none has little to say. */
static gfn_t choose_mark(struct run *run)
{
    gfn_t gfn = choose_any_gfn(run);

    for (unsigned i = 0; i < 6 && model_at(&run->world.model, gfn).type != P2M_POD; i++)
        gfn = choose_any_gfn(run);
    return gfn;
}

static void populate_at(struct run *run, gfn_t gfn, unsigned max_order)
{
    struct world *world = &run->world;
    uint64_t quota = begin_verb(run, VERB_POPULATE, gfn);
    struct unmoved before = remember(world);
    struct p2m_entry entry;
    struct pod_grant grant;
    enum p2m_error error;

    run->populates = world->pod.events.populates[2];
    world->pod.max_order = max_order;
    if (model_at(&world->model, gfn).type == P2M_POD && one_in(run, 2))
        error = p2m_gfn_to_mfn(world->locked, &world->pod, gfn, &entry, &grant);
    else
        error = pod_demand_populate(world->locked, &world->pod, gfn, &grant);
    expect_populate(run, error, before, &grant);
    end_verb(run, quota);
}

/* As much as is promised, if the host has it. */
static void pay_off(struct run *run)
{
    enum p2m_error error = P2M_AGAIN;

    memory_give_frames(ORDER_1G, 5);
    memory_give_frames(ORDER_2M, 1024);
    memory_give_frames(ORDER_4K, 2048);
    while (error == P2M_AGAIN)
        error = pod_set_cache_target(run->world.locked, &run->world.pod, UINT64_MAX);
}

/* What is seldom met: a clean GB in hand, and a mark of a GB to put it to; in debt, and not. */
static void populate_gigabyte(struct run *run)
{
    struct p2m_mapping mark = { INVALID_MFN, ORDER_1G, P2M_POD };
    gfn_t gfn = make_gigabyte(run);

    set_at(run, gfn, mark);
    pay_all(run);
    if (one_in(run, 2))
        pay_off(run);
    populate_at(run, gfn_add(gfn, choose(&run->choices, SLOT_FRAMES)), ORDER_1G);
}

void do_populate(struct run *run)
{
    unsigned max_order =
        one_in(run, 2) ? ORDER_1G : ORDER_STEP * (unsigned)choose(&run->choices, 3);

    if (run->world.grant_count == WORLD_GRANTS)
        do_grant(run);
    else if (one_in(run, 24))
        populate_gigabyte(run);
    else if (one_in(run, 4))
        populate_at(run, choose_mark(run), max_order);
    else {
        settle_all(run);
        populate_at(run, choose_mark(run), max_order);
    }
}

/* ---- grants --------------------------------------------------------------------------------- */

static void expect_put_back(struct run *run, const struct unmoved *before, uint64_t frames)
{
    struct pod_account account = pod_account(&run->world.pod);
    uint64_t most = account.entries > account.granted ? account.entries - account.granted : 0;
    uint64_t expected = before->account.cached + frames;

    if (expected > most)
        expected = most;
    if (account.cached != expected) {
        EXPECT(&run->world, pages_may_lack(&run->world));
        EXPECT(&run->world, account.cached == before->account.cached);
    }
}

static void finish_grant(struct run *run, struct world_grant done)
{
    struct world *world = &run->world;
    uint64_t quota = begin_verb(run, done.is_ahead ? VERB_CLEAN : VERB_FINISH, done.grant.gfn);
    uint64_t frames = order_frames(done.grant.order);
    struct unmoved before = remember(world);
    struct model_cell cell = model_at(&world->model, done.grant.gfn);
    bool fits = !done.is_ahead && cell.type == P2M_POD && cell.order >= done.grant.order &&
                has_settled(world);
    enum outcome outcome = OUTCOME_BACK;
    enum p2m_error error = P2M_OK;

    memory_clear(done.grant.mfn, frames);
    run->populates = world->pod.events.populates[2];
    if (done.is_ahead)
        pod_clean_end(world->locked, &world->pod, &done.grant);
    else
        error = pod_finish_populate(world->locked, &world->pod, &done.grant);
    EXPECT(world, error == P2M_OK || (fits && error == P2M_NO_MEMORY && pages_may_lack(world)));
    if (fits && error == P2M_OK) {
        apply_populate(run, done.grant.gfn, false);
        end_verb(run, quota);
        return;
    }
    if (error == P2M_NO_MEMORY)
        outcome = OUTCOME_NO_FRAME;
    expect_put_back(run, &before, frames);
    count_outcome(run, outcome, histogram_column(done.grant.order));
    end_verb(run, quota);
}

/* Take one to be cleared ahead of need, or end one of either kind. */
void do_grant(struct run *run)
{
    struct world *world = &run->world;
    struct world_grant *next = &world->grant[world->grant_count], done;
    struct pod_cache_counts counts = pod_cache_counts(&world->pod);
    uint64_t which;

    if (world->grant_count < WORLD_GRANTS && one_in(run, 3)) {
        aim_verb(run, VERB_CLEAN, GFN(0));
        next->is_ahead = true;
        if (pod_clean_begin(world->locked, &world->pod, &next->grant)) {
            count_outcome(run, OUTCOME_UNCLEAN, histogram_column(next->grant.order));
            world->grant_count++;
        } else {
            EXPECT(world, counts.clean == counts.frames);
            count_outcome(run, OUTCOME_NOTHING, COLUMN_NONE);
        }
        return;
    }
    if (world->grant_count == 0)
        return;
    which = choose(&run->choices, world->grant_count);
    done = world->grant[which];
    world->grant[which] = world->grant[--world->grant_count];
    finish_grant(run, done);
}

/* ---- targets -------------------------------------------------------------------------------- */

static uint64_t choose_frames(struct run *run, struct pod_account account)
{
    static const uint64_t steps[] = { 0, 1, 511, 512, 513, 700 * 512, SLOT_FRAMES };
    uint64_t step = steps[choose(&run->choices, 7)];

    if (one_in(run, 3))
        return step;
    if (one_in(run, 3))
        return account.cached > step ? account.cached - step : 0;
    return one_in(run, 16) ? UINT64_MAX : account.cached + step;
}

static void expect_target(struct run *run, enum p2m_error error, struct unmoved before,
                          uint64_t target)
{
    struct world *world = &run->world;
    struct pod_account account = pod_account(&world->pod), was = before.account;
    uint64_t most = was.entries > was.granted ? was.entries - was.granted : 0;
    enum outcome outcome = was.cached == account.cached ? OUTCOME_ALREADY : OUTCOME_CHANGED;

    if (target > most)
        target = most;
    if (error == P2M_OK)
        EXPECT(world, account.cached == target);
    else if (account.cached < was.cached)
        EXPECT(world, account.cached > target && error == P2M_AGAIN);
    else
        EXPECT(world, account.cached < target);
    EXPECT(world, account.entries == was.entries && account.populated == was.populated);
    if (error == P2M_EMPTY)
        outcome = OUTCOME_EMPTY;
    else if (error == P2M_AGAIN)
        outcome = OUTCOME_AGAIN;
    else if (error == P2M_NO_MEMORY)
        outcome = OUTCOME_NO_FRAME;
    EXPECT(world, outcome != OUTCOME_NO_FRAME || pages_may_lack(world));
    count_outcome(run, outcome, COLUMN_NONE);
}

void do_target(struct run *run)
{
    struct world *world = &run->world;
    uint64_t quota = begin_verb(run, VERB_CACHE_TARGET, choose_gfn(run)), target, out;
    struct unmoved before = remember(world);
    enum p2m_error error;

    memory_give_frames(ORDER_1G, choose(&run->choices, 2));
    memory_give_frames(ORDER_2M, choose(&run->choices, 600) / 20);
    memory_give_frames(ORDER_4K, choose(&run->choices, 700));
    target = choose_frames(run, before.account);
    if (one_in(run, 2)) {
        error = pod_set_cache_target(world->locked, &world->pod, target);
        expect_target(run, error, before, target);
    } else {
        world->now.verb = VERB_TARGET;
        out = before.account.populated + before.account.granted + world->unpaid.ram;
        error =
            pod_set_target(world->locked, &world->pod, out + target < out ? target : out + target);
        if (before.account.entries == 0 || target < before.account.cached)
            expect_unmoved(world, before); /* the balloon's business */
        else if (error != P2M_AGAIN && error != P2M_NO_MEMORY)
            expect_target(run, error, before, target);
    }
    end_verb(run, quota);
}
