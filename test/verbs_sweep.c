/* SPDX-License-Identifier: MIT */
/*
 * The sweep, a step at a time, with all other operations in between. Which leaves it holds is the
 * engine's to choose; that each may be held, that what holds something is never taken, and that
 * what is not taken is the guest's again, is checked here.
 */
#include "run.h"

static struct p2m_entry entry_at(const struct world *world, gfn_t gfn)
{
    return p2m_get_entry(p2m_locked_walking(world->locked), gfn);
}

/* ---- protect -------------------------------------------------------------------------------- */

static void apply_held(struct run *run, const struct pod_swept *item, struct pod_sweep_kind kind)
{
    struct p2m_mapping held = { item->mfn, kind.order, P2M_RAM_HELD };
    struct world *world = &run->world;
    struct model_cell cell = model_at(&world->model, item->gfn);

    EXPECT(world, frame_is_aligned(item->gfn.gfn, kind.order));
    EXPECT(world, cell.type == P2M_RAM_RW && cell.mfn.mfn == item->mfn.mfn);
    EXPECT(world, kind.depth == POD_PIECES ? cell.order >= kind.order : cell.order == kind.order);
    EXPECT(world, !world_is_pinned(world, item->gfn, kind.order));
    EXPECT(world, item->is_zero == item->is_known);
    EXPECT(world, !item->is_known || world->p2m.unpaid.merged == 0);
    if (item->is_known)
        EXPECT(world, !model_is_written(&world->model, item->gfn, kind.order));
    world_apply(world, item->gfn, &held, &run->before);
}

/* The sweep has a debt of its own, which is empty when it begins. */
static uint64_t begin_sweep(struct run *run, enum verb verb)
{
    uint64_t quota = begin_verb(run, verb, choose_gfn(run));

    run->debt = &run->world.debt[SWEEP_DEBT];
    run->before = *run->debt;
    return quota;
}

static enum outcome protect_outcome(enum p2m_error error)
{
    switch (error) {
    case P2M_OK:
        return OUTCOME_CHANGED;
    case P2M_AGAIN:
        return OUTCOME_AGAIN;
    case P2M_EMPTY:
        return OUTCOME_EMPTY;
    default:
        return OUTCOME_NO_FRAME;
    }
}

static void protect(struct run *run)
{
    const struct pod_sweep_kind whole = { ORDER_1G, POD_LEAVES };
    const struct pod_sweep_kind in_pieces = { ORDER_2M, POD_PIECES };
    struct pod_sweep_kind kind = pod_sweep_kinds[choose(&run->choices, POD_SWEEP_KINDS)];
    uint64_t quota = begin_sweep(run, VERB_PROTECT);
    struct world *world = &run->world;
    struct unmoved before = remember(world);
    enum p2m_error error;

    if (run->sweeps_gigabyte)
        kind = one_in(run, 3) ? in_pieces : whole;
    error = pod_sweep_protect(world->locked, &world->pod, kind, &world->sweep, run->debt);
    if (error == P2M_OK) {
        EXPECT(world, world->sweep.count > 0 && world->sweep.order == kind.order);
        for (unsigned i = 0; i < world->sweep.count; i++)
            apply_held(run, &world->sweep.item[i], kind);
        world->sweeping = SWEEP_HELD;
    } else {
        EXPECT(world, error != P2M_NO_MEMORY || world->now.fail_allocation > 0 ||
                          forecast_tables(world, 2) == OUTCOME_NO_QUOTA);
        EXPECT(world, error != P2M_BUSY && error != P2M_BAD_RANGE);
        expect_unmoved(world, before);
    }
    count_outcome(run, protect_outcome(error), histogram_column(kind.order));
    end_verb(run, quota);
}

/* ---- scan ----------------------------------------------------------------------------------- */

static bool is_still_held(const struct world *world, const struct pod_swept *item)
{
    struct model_cell cell = model_at(&world->model, item->gfn);

    return cell.type == P2M_RAM_HELD && cell.order == world->sweep.order &&
           cell.mfn.mfn == item->mfn.mfn;
}

/* Of 2 MB, one in a few is read, and none of 1 GB: that takes long, and the unit tests do it. */
static bool is_to_be_read(struct run *run, const struct pod_swept *item)
{
    unsigned order = run->world.sweep.order;

    return item->is_known || order == ORDER_4K || (order == ORDER_2M && one_in(run, 8));
}

static void scan(struct run *run)
{
    struct world *world = &run->world;

    aim_verb(run, VERB_SCAN, world->sweep.item[0].gfn);
    for (unsigned i = 0; i < world->sweep.count; i++) {
        struct pod_swept *item = &world->sweep.item[i];

        if (!is_to_be_read(run, item))
            continue;
        pod_sweep_scan(&world->pod, &world->sweep, i);
        if (is_still_held(world, item) && !item->is_known)
            EXPECT(world, item->is_zero !=
                              model_has_content(&world->model, item->gfn, world->sweep.order));
        count_outcome(run, item->is_known ? OUTCOME_NOTHING : OUTCOME_CHANGED,
                      histogram_column(world->sweep.order));
    }
    world->sweeping = SWEEP_SCANNED;
}

/* ---- finish --------------------------------------------------------------------------------- */

static void apply_release(struct world *world, gfn_t gfn, uint64_t frames)
{
    for (uint64_t at = gfn.gfn; at < gfn.gfn + frames;) {
        struct model_cell cell = model_at(&world->model, GFN(at));
        uint64_t first = frame_align_down(at, cell.order);
        struct p2m_mapping released = { MFN(cell.mfn.mfn - (at - first)), cell.order, P2M_RAM_RW };

        if (cell.type == P2M_RAM_HELD)
            model_set(&world->model, GFN(first), &released);
        at = first + order_frames(cell.order);
    }
}

static void apply_end(struct run *run, const struct pod_swept *item, bool is_taken)
{
    struct p2m_mapping mark = { INVALID_MFN, run->world.sweep.order, P2M_POD };
    struct world *world = &run->world;

    if (!is_taken) {
        apply_release(world, item->gfn, order_frames(mark.order));
    } else {
        EXPECT(world, !model_has_content(&world->model, item->gfn, mark.order));
        EXPECT(world, memory_is_zero(item->mfn, order_frames(mark.order)));
        world_apply(world, item->gfn, &mark, &run->before);
        run->before.owed[run->before.count - 1].frames.dirty = false;
        EXPECT(world, !run->debt->owed[run->before.count - 1].frames.dirty);
    }
    count_outcome(run,
                  !is_taken        ? OUTCOME_STAYED
                  : item->is_known ? OUTCOME_KNOWN
                                   : OUTCOME_READ,
                  histogram_column(mark.order));
}

static void finish(struct run *run)
{
    struct world *world = &run->world;
    uint64_t quota = begin_sweep(run, VERB_TAKE), frames = 0, taken;
    struct pod_sweep sweep = world->sweep;
    bool is_taken[POD_SWEEP_MAX];

    for (unsigned i = 0; i < sweep.count; i++) {
        const struct pod_swept *item = &sweep.item[i];

        is_taken[i] = item->is_zero && is_still_held(world, item) &&
                      !(item->is_known && entry_at(world, item->gfn).dirty) &&
                      !world_is_pinned(world, item->gfn, sweep.order);
        frames += is_taken[i] ? order_frames(sweep.order) : 0;
    }
    taken = pod_sweep_finish(world->locked, &world->pod, &world->sweep, run->debt);
    EXPECT(world, taken == frames);
    world_note_unsettled(world, run->debt);
    for (unsigned i = 0; i < sweep.count; i++)
        apply_end(run, &sweep.item[i], is_taken[i]);
    for (unsigned i = 0; i < sweep.count; i++)
        world_check_around(world, sweep.item[i].gfn);
    world->sweeping = SWEEP_NONE;
    end_verb(run, quota);
}

/* What a random order of verbs seldom makes: a whole GB that nobody has written to, or hardly. */
gfn_t make_gigabyte(struct run *run)
{
    uint64_t slot = choose(&run->choices, MODEL_SLOTS);
    gfn_t gfn = model_gfn(slot * SLOT_FRAMES);
    struct p2m_mapping nothing = { INVALID_MFN, ORDER_1G, P2M_INVALID };
    struct p2m_mapping leaf = { MFN((1 + slot) * SLOT_FRAMES), ORDER_1G, P2M_RAM_RW };

    set_at(run, gfn, nothing);
    pay_all(run);
    set_at(run, gfn, leaf);
    for (unsigned i = 0; i < POD_RECENT; i++)
        run->world.pod.recent[i] = GFN(UINT64_MAX); /* long ago */
    if (one_in(run, 4))
        access_as_guest(run, gfn_add(gfn, 1), VERB_WRITE);
    return gfn;
}

/* ---- a step --------------------------------------------------------------------------------- */

static void do_step(struct run *run)
{
    struct world *world = &run->world;
    struct p2m_debt *debt = &world->debt[SWEEP_DEBT];

    if (!is_settled(run, debt)) {
        do_settle(run);
    } else if (world->sweeping == SWEEP_NONE && debt->count > 0) {
        do_settle_or_pay(run);
    } else if (world->sweeping == SWEEP_NONE) {
        run->sweeps_gigabyte = one_in(run, 8);
        if (run->sweeps_gigabyte)
            make_gigabyte(run);
        if (one_in(run, 2))
            pay_all(run); /* no D bit may come late: then what is clear is known to be */
        *debt = P2M_NO_DEBT;
        if (!p2m_is_changing(&world->p2m))
            protect(run);
    } else if (world->sweeping == SWEEP_HELD && !one_in(run, 8)) {
        scan(run);
    } else {
        pay_to_the_end(world->locked, debt);
        finish(run);
    }
}

/* Often one step after the other, so that something is taken; the rest is for the others. */
void do_sweep(struct run *run)
{
    do
        do_step(run);
    while (!choices_ended(&run->choices) && one_in(run, 2));
}

void release_at(struct run *run, gfn_t gfn)
{
    struct world *world = &run->world;
    struct model_cell cell = model_at(&world->model, gfn);
    enum verb verb = world->now.verb;

    pod_release(world->locked, &world->pod, gfn);
    if (cell.type != P2M_RAM_HELD)
        return;
    world->now.verb = VERB_RELEASE;
    count_outcome(run, OUTCOME_CHANGED, histogram_column(cell.order));
    world->now.verb = verb;
    apply_release(world, gfn, 1);
}
