/* SPDX-License-Identifier: MIT */
/*
 * The operations that use the map: look-ups, pins, the host's and the processor's accesses; and the
 * flushes and payments that come some time after the changes.
 */
#include "run.h"

#include <string.h>

/* ---- looking, marking, pinning -------------------------------------------------------------- */

void do_get(struct run *run)
{
    struct world *world = &run->world;
    struct p2m_entry entry;

    aim_verb(run, VERB_GET, choose_any_gfn(run));
    entry = p2m_get_entry(p2m_locked_walking(world->locked), world->now.gfn);
    if (!model_knows(world->now.gfn)) {
        EXPECT(world, entry.type == P2M_INVALID && !mfn_is_valid(entry.mfn));
        count_outcome(run, OUTCOME_NOTHING, COLUMN_NONE);
        return;
    }
    world_check(world, world->now.gfn);
    count_outcome(run,
                  type_has_frame(entry.type)  ? OUTCOME_FRAMES
                  : entry.type == P2M_INVALID ? OUTCOME_NOTHING
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

void do_mark_dirty(struct run *run)
{
    struct world *world = &run->world;
    uint64_t quota = begin_verb(run, VERB_MARK_DIRTY, choose_any_gfn(run));
    enum outcome outcome = has_frame(run) ? OUTCOME_CHANGED : OUTCOME_BAD_TYPE;

    EXPECT(world, p2m_mark_dirty(world->locked, world->now.gfn) == outcome_error(outcome));
    if (outcome == OUTCOME_CHANGED)
        world->model.written[model_index(world->now.gfn)] = 1;
    count_outcome(run, outcome, column_of_entry(run));
    end_verb(run, quota);
}

/* Superpages are few when pins are many: look for one. */
static gfn_t choose_superpage(struct run *run)
{
    gfn_t gfn = choose_gfn(run);

    for (unsigned slot = 0; slot < MODEL_SLOTS; slot++) {
        struct model_cell cell = model_at(&run->world.model, model_gfn(slot * SLOT_FRAMES));

        if (cell.order == ORDER_1G && type_has_frame(cell.type))
            gfn = model_gfn(slot * SLOT_FRAMES);
    }
    return gfn;
}

void do_pin(struct run *run)
{
    struct world *world = &run->world;
    bool full = world->pin_count == P2M_PINS_MAX;
    gfn_t gfn = full && one_in(run, 2) ? choose_superpage(run) : choose_any_gfn(run);
    uint64_t quota = begin_verb(run, VERB_PIN, gfn);
    enum outcome outcome = OUTCOME_CHANGED;

    if (!has_frame(run))
        outcome = OUTCOME_BAD_TYPE;
    else if (full)
        outcome = OUTCOME_PINS_FULL;
    EXPECT(world, p2m_pin(world->locked, world->now.gfn) == outcome_error(outcome));
    if (outcome == OUTCOME_CHANGED)
        world->pin[world->pin_count++] = world->now.gfn;
    count_outcome(run, outcome, column_of_entry(run));
    end_verb(run, quota);
}

void do_unpin(struct run *run)
{
    struct world *world = &run->world;
    uint64_t which;

    if (world->pin_count == 0 || (is_in_mood(run, MOOD_PINS) && !one_in(run, 16))) {
        do_pin(run);
        return;
    }
    which = choose(&run->choices, world->pin_count);
    aim_verb(run, VERB_UNPIN, world->pin[which]);
    world->pin[which] = world->pin[--world->pin_count];
    p2m_unpin(world->locked, world->now.gfn);
    count_outcome(run, OUTCOME_CHANGED, column_of_entry(run));
}

/* ---- the processor -------------------------------------------------------------------------- */

/* A fault is never stale: it was found out from the root. */
static void expect_fault(struct run *run, struct processor_translation seen, unsigned access)
{
    struct world *world = &run->world;
    gfn_t gfn = world->now.gfn;
    unsigned rights = model_knows(gfn) ? type_rights(model_at(&world->model, gfn).type) : 0;

    if (seen.answer == ANSWER_NOT_PRESENT) {
        EXPECT(world, rights == 0);
        count_outcome(run, OUTCOME_NOT_PRESENT, COLUMN_NONE);
        return;
    }
    EXPECT(world, seen.answer == ANSWER_NOT_ALLOWED);
    EXPECT(world, rights != 0 && !(rights & access));
    count_outcome(run, OUTCOME_NOT_ALLOWED, column_of_entry(run));
}

/* A translation may be of the past only while a flush is owed, and its frame never at the host. */
void access_as_guest(struct run *run, gfn_t gfn, enum verb verb)
{
    enum processor_access access = verb == VERB_READ    ? ACCESS_READ
                                   : verb == VERB_WRITE ? ACCESS_WRITE
                                                        : ACCESS_EXECUTE;
    struct world *world = &run->world;
    struct processor_translation seen;
    struct model_cell cell;

    aim_verb(run, verb, gfn);
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
    count_outcome(run, seen.answer == ANSWER_CACHED ? OUTCOME_CACHED : OUTCOME_WALKED,
                  histogram_column(seen.order));
}

void do_access(struct run *run)
{
    enum verb verb = one_in(run, 6) ? VERB_EXECUTE : one_in(run, 2) ? VERB_READ : VERB_WRITE;

    access_as_guest(run, choose_any_gfn(run), verb);
}

/* ---- settling and paying -------------------------------------------------------------------- */

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
    count_outcome(run, waited ? OUTCOME_CHANGED : OUTCOME_NOTHING, COLUMN_NONE);
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

    count_outcome(run, outcomes[owed->kind], histogram_column(owed->order));
    if (owed->kind == P2M_OWED_MERGED && has_late_bits(&run->world, owed))
        count_outcome(run, OUTCOME_LATE_BITS, histogram_column(owed->order));
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
        count_outcome(run, OUTCOME_NOTHING, COLUMN_NONE);
    p2m_pay(world->locked, debt);
    EXPECT(world, debt->count == 0 && !debt->flush);
    world->unpaid = world->p2m.unpaid; /* the host's own tracking saw each frame and page */
    EXPECT(world, memory_tables_in_use() == world->p2m.counts.tables + world->unpaid.tables);
    for (unsigned i = 0; i < paid.count; i++) {
        uint64_t from;

        if (paid.owed[i].order > ORDER_1G)
            continue;
        from = model_index(paid.owed[i].gfn);
        EXPECT(world, paid.owed[i].kind == P2M_OWED_FRAMES || !memory_is_table(paid.owed[i].table));
        world_check_around(world, paid.owed[i].gfn);
        world_check_dirty(world, from, from + order_frames(paid.owed[i].order));
    }
}

void do_settle_or_pay(struct run *run)
{
    if (is_in_mood(run, MOOD_DEBTS) && !one_in(run, 16))
        return; /* let the debts run full */
    if (one_in(run, 3))
        do_settle(run);
    else
        do_pay(run);
}
