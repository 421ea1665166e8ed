/* SPDX-License-Identifier: MIT */
/*
 * The operations of the log of writes. By write protection the model foretells every bit; by D bits
 * it knows what must be said. Which leaves are split is the engine's to choose; sizes are taken
 * over, and what is left of each is checked like everything else.
 */
#include "run.h"

#include <string.h>

#include "p2m/log_dirty.h"

/* One slot's, by 4K frames. */
static uint64_t bits[SLOT_FRAMES / 64];

static bool is_said(uint64_t bit)
{
    return bits[bit / 64] >> bit % 64 & 1;
}

static struct p2m_entry entry_at(const struct world *world, gfn_t gfn)
{
    return p2m_get_entry(p2m_locked_walking(world->locked), gfn);
}

/* ---- start and stop ------------------------------------------------------------------------- */

static void aim_at_all(struct run *run)
{
    run->world.now.gfn = GFN(0);
    run->world.now.end = MODEL_END;
}

static void log_start(struct run *run)
{
    struct world *world = &run->world;
    enum p2m_log_mode mode = one_in(run, 2) ? P2M_LOG_WRITES : P2M_LOG_DIRTY_BITS;
    unsigned grain = one_in(run, 16) ? ORDER_1G : one_in(run, 2) ? ORDER_2M : ORDER_4K;
    uint64_t quota = begin_verb(run, VERB_LOG_START, choose_gfn(run));
    enum outcome outcome = OUTCOME_CHANGED;

    aim_at_all(run);
    if (grain == ORDER_1G)
        outcome = OUTCOME_BAD_RANGE;
    else if (world->logging != P2M_LOG_OFF)
        outcome = OUTCOME_UNSETTLED;
    else if (mode == P2M_LOG_WRITES)
        outcome = forecast_change(world, P2M_RAM_RW, P2M_RAM_LOGDIRTY);
    EXPECT(world,
           p2m_log_dirty_start(world->locked, mode, grain, run->debt) == outcome_error(outcome));
    count_outcome(run, outcome, COLUMN_NONE);
    if (outcome == OUTCOME_CHANGED && mode == P2M_LOG_WRITES)
        apply_change(run, P2M_RAM_RW, P2M_RAM_LOGDIRTY);
    end_verb(run, quota);
    if (outcome != OUTCOME_CHANGED)
        return;
    settle_all(run); /* what is written before that is nobody's business */
    world->logging = mode;
    world->grain = grain;
    world->has_cleared_d = world->has_cleared_d || mode == P2M_LOG_DIRTY_BITS;
    memset(world->model.logged, 0, MODEL_FRAMES);
}

static void log_stop(struct run *run)
{
    struct world *world = &run->world;
    uint64_t quota = begin_verb(run, VERB_LOG_STOP, choose_gfn(run));
    enum outcome outcome = OUTCOME_CHANGED;

    aim_at_all(run);
    if (world->logging == P2M_LOG_OFF)
        outcome = OUTCOME_BAD_TYPE;
    else if (world->logging == P2M_LOG_WRITES)
        outcome = forecast_change(world, P2M_RAM_LOGDIRTY, P2M_RAM_RW);
    EXPECT(world, p2m_log_dirty_stop(world->locked, run->debt) == outcome_error(outcome));
    count_outcome(run, outcome, COLUMN_NONE);
    if (outcome == OUTCOME_CHANGED) {
        if (world->logging == P2M_LOG_WRITES)
            apply_change(run, P2M_RAM_LOGDIRTY, P2M_RAM_RW);
        world->logging = P2M_LOG_OFF;
    }
    end_verb(run, quota);
}

/* ---- a write -------------------------------------------------------------------------------- */

bool log_write_at(struct run *run, gfn_t gfn)
{
    struct world *world = &run->world;
    struct model_cell cell = model_at(&world->model, gfn);
    enum verb verb = world->now.verb;
    struct gfn_range leaf;
    unsigned order;

    memory_fail_allocation(one_in(run, 8)); /* then it is the whole leaf */
    EXPECT(world, p2m_log_dirty_write(world->locked, gfn) == (cell.type == P2M_RAM_LOGDIRTY));
    memory_fail_allocation(0);
    if (cell.type != P2M_RAM_LOGDIRTY)
        return false;
    order = entry_at(world, gfn).order;
    EXPECT(world, order <= cell.order);
    model_split(&world->model, gfn, order);
    leaf.from = GFN(frame_align_down(gfn.gfn, order));
    leaf.end = gfn_add(leaf.from, order_frames(order));
    model_retype(&world->model, leaf, P2M_RAM_LOGDIRTY, P2M_RAM_RW);
    world->now.verb = VERB_LOG_WRITE;
    count_outcome(run, OUTCOME_CHANGED, histogram_column(order));
    world->now.verb = verb;
    world_check_around(world, gfn);
    return true;
}

/* ---- collecting ----------------------------------------------------------------------------- */

static gfn_t slot_of(gfn_t gfn)
{
    return GFN(frame_align_down(gfn.gfn, ORDER_1G));
}

/* A whole slot, or a part of it. */
static struct gfn_range choose_part(struct run *run)
{
    gfn_t gfn = choose_gfn(run), slot = slot_of(gfn);
    struct gfn_range range = { slot, gfn_add(slot, SLOT_FRAMES) };

    if (one_in(run, 2))
        return range;
    range.from = GFN(frame_align_down(gfn.gfn, run->world.grain));
    range.end = GFN(range.from.gfn + 1 + choose(&run->choices, 1500));
    if (range.end.gfn > slot.gfn + SLOT_FRAMES)
        range.end = gfn_add(slot, SLOT_FRAMES);
    return range;
}

/* What must be said before anything is cleaned: by write protection, nothing else. */
static void foretell(const struct world *world, struct gfn_range range, uint64_t *expected)
{
    gfn_t slot = slot_of(range.from);

    for (uint64_t gfn = range.from.gfn; gfn < range.end.gfn;) {
        struct model_cell cell = model_at(&world->model, GFN(gfn));
        uint64_t end = frame_align_down(gfn, cell.order) + order_frames(cell.order);

        for (; gfn < end && gfn < range.end.gfn; gfn++) {
            uint64_t bit = (gfn - slot.gfn) >> world->grain;

            if (cell.type == P2M_RAM_RW)
                expected[bit / 64] |= (uint64_t)1 << bit % 64;
            else
                gfn = end - 1;
        }
    }
    for (unsigned i = 0; i < world->pin_count; i++) {
        uint64_t gfn = world->pin[i].gfn, bit = (gfn - slot.gfn) >> world->grain;

        if (gfn >= range.from.gfn && gfn < range.end.gfn)
            expected[bit / 64] |= (uint64_t)1 << bit % 64;
    }
}

/* Smaller leaves are where there were dirty ones; and by write protection they are clean now, but
 * what reaches beyond the range and could not be split. */
static void take_over(struct world *world, struct gfn_range range)
{
    for (uint64_t gfn = range.from.gfn; gfn < range.end.gfn;) {
        struct p2m_entry entry = entry_at(world, GFN(gfn));
        struct model_cell cell = model_at(&world->model, GFN(gfn));
        uint64_t from = frame_align_down(gfn, entry.order), end = from + order_frames(entry.order);
        bool is_inside = from >= range.from.gfn && end <= range.end.gfn;

        EXPECT(world, entry.order <= cell.order);
        model_split(&world->model, GFN(gfn), entry.order);
        if (cell.type == P2M_RAM_RW && world->logging == P2M_LOG_WRITES &&
            (is_inside || entry.order <= world->grain))
            model_retype(&world->model, (struct gfn_range){ GFN(from), GFN(end) }, P2M_RAM_RW,
                         P2M_RAM_LOGDIRTY);
        gfn = end;
    }
}

/* By write protection, what is read-only is not the log's; D bits know all. */
static bool is_logged(const struct world *world, gfn_t gfn)
{
    enum p2m_type type = model_at(&world->model, gfn).type;

    if (world->logging == P2M_LOG_WRITES)
        return type == P2M_RAM_RW || type == P2M_RAM_LOGDIRTY;
    return type_is_ram(type);
}

/* What was said is known, of whole pieces, also where the range ends within one. */
static void forget_said(struct world *world, struct gfn_range range)
{
    uint64_t slot = model_index(slot_of(range.from));
    uint64_t last = (model_index(GFN(range.end.gfn - 1)) - slot) >> world->grain;

    for (uint64_t piece = (model_index(range.from) - slot) >> world->grain; piece <= last; piece++)
        if (is_said(piece))
            memset(world->model.logged + slot + (piece << world->grain), 0,
                   order_frames(world->grain));
}

/* What was written since the last time was said, all of it: this round may be the last. */
static void expect_writes(struct world *world, struct gfn_range range)
{
    uint64_t at = model_index(range.from), end = at + gfn_range_frames(range);
    const uint8_t *next;

    forget_said(world, range);
    for (; (next = memchr(world->model.logged + at, 1, end - at)); at++) {
        at = (uint64_t)(next - world->model.logged);
        EXPECT(world, !is_logged(world, model_gfn(at)));
    }
}

static void collect_now(struct run *run, struct gfn_range range)
{
    static uint64_t expected[SLOT_FRAMES / 64];
    struct world *world = &run->world;
    const struct p2m_dirty dirty = { slot_of(range.from), bits };
    struct gfn_range rest = range;
    enum p2m_error error;

    memset(bits, 0, sizeof(bits));
    memset(expected, 0, sizeof(expected));
    foretell(world, range, expected);
    do
        error = p2m_log_dirty_collect(world->locked, &rest, &dirty, run->debt);
    while (error == P2M_AGAIN);
    EXPECT(world, error == P2M_OK && rest.from.gfn == range.end.gfn);
    if (world->logging == P2M_LOG_WRITES)
        EXPECT(world, memcmp(bits, expected, sizeof(bits)) == 0);
    if (run->debt->generation != run->before.generation) {
        run->before.flush = true;
        run->before.generation = p2m_generation(&world->p2m) + 1;
    }
    take_over(world, range);
    expect_writes(world, range);
}

static bool is_anything_said(void)
{
    static const uint64_t nothing[SLOT_FRAMES / 64];

    return memcmp(bits, nothing, sizeof(bits)) != 0;
}

/* Something else must be over first, or its writes could be lost. */
static enum outcome forecast_collect(const struct world *world)
{
    if (world->logging == P2M_LOG_OFF)
        return OUTCOME_BAD_TYPE;
    if (world->sweeping != SWEEP_NONE ||
        (world->logging == P2M_LOG_DIRTY_BITS && world->p2m.unpaid.merged > 0))
        return OUTCOME_UNSETTLED;
    return OUTCOME_CHANGED;
}

static void log_collect(struct run *run)
{
    struct world *world = &run->world;
    struct gfn_range range = choose_part(run);
    uint64_t quota = begin_verb(run, VERB_LOG_COLLECT, range.from);
    const struct p2m_dirty dirty = { slot_of(range.from), bits };
    enum outcome outcome = forecast_collect(world);

    world->now.end = range.end;
    if (outcome == OUTCOME_CHANGED) {
        collect_now(run, range);
        outcome = is_anything_said() ? OUTCOME_CHANGED : OUTCOME_NOTHING;
    } else {
        EXPECT(world, p2m_log_dirty_collect(world->locked, &range, &dirty, run->debt) ==
                          outcome_error(outcome));
    }
    count_outcome(run, outcome, COLUMN_NONE);
    end_verb(run, quota);
    settle_all(run); /* before the memory is read */
}

void do_log(struct run *run)
{
    unsigned ticket = (unsigned)choose(&run->choices, 8);

    if (ticket < 2)
        log_start(run);
    else if (ticket < 3)
        log_stop(run);
    else
        log_collect(run);
}
