/* SPDX-License-Identifier: MIT */
/*
 * The operations that use the map: look-ups, pins, the host's and the processor's accesses; and the
 * flushes and payments that come some time after the changes.
 */
#include "run.h"

#include <string.h>

/* ---- looking, marking, pinning -------------------------------------------------------------- */

/* What is kept may be of the past only while a flush is owed, and its frame is then the guest's. */
static void get_current(struct run *run, gfn_t gfn)
{
    struct world *world = &run->world;
    struct model_cell cell = { .mfn = INVALID_MFN };
    struct p2m_entry entry;
    struct pod_grant grant;

    aim_verb(run, VERB_CURRENT, gfn);
    if (model_knows(world->now.gfn))
        cell = model_at(&world->model, world->now.gfn);
    if (cell.type == P2M_POD)
        return; /* do_populate's */
    EXPECT(world, p2m_gfn_to_mfn_current(world->locked, &world->current, world->now.gfn, &entry,
                                         &grant) == P2M_OK);
    if (entry.mfn.mfn == cell.mfn.mfn) {
        EXPECT(world, world_is_stale(world) || type_is_ram(cell.type) || entry.type == cell.type);
        count_outcome(run, mfn_is_valid(cell.mfn) ? OUTCOME_FRAMES : OUTCOME_NOTHING,
                      mfn_is_valid(cell.mfn) ? histogram_column(entry.order) : COLUMN_NONE);
        return;
    }
    EXPECT(world, world_is_stale(world));
    EXPECT(world, memory_frame_state(entry.mfn) == FRAME_OWED);
    count_outcome(run, OUTCOME_CACHED, histogram_column(entry.order));
}

/* Now and then what was found goes, and is looked for again. */
static void look_twice(struct run *run)
{
    gfn_t gfn = choose_any_gfn(run);
    struct p2m_mapping nothing = { INVALID_MFN, ORDER_4K, P2M_INVALID };

    get_current(run, gfn);
    if (!model_knows(gfn) || !one_in(run, 8))
        return;
    if (model_at(&run->world.model, gfn).order <= ORDER_1G)
        nothing.order = model_at(&run->world.model, gfn).order;
    set_at(run, GFN(frame_align_down(gfn.gfn, nothing.order)), nothing);
    get_current(run, gfn);
}

void do_get(struct run *run)
{
    struct world *world = &run->world;
    struct p2m_entry entry;

    if (one_in(run, 2)) {
        look_twice(run);
        return;
    }
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

/* Zeroes too: a page that was written may be as good as new. */
static uint8_t choose_content(struct run *run)
{
    return one_in(run, 2) ? 0 : (uint8_t)choose(&run->choices, 256);
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

/* The host's own write; a sweep that holds the leaf hears of it. */
static void host_write(struct run *run, gfn_t gfn)
{
    struct world *world = &run->world;
    uint8_t content = choose_content(run);

    release_at(run, gfn);
    log_write_at(run, gfn);
    memory_word(model_at(&world->model, gfn).mfn)[gfn.gfn % CONTENT_WORDS] = content;
    model_write(&world->model, gfn, content);
}

void do_mark_dirty(struct run *run)
{
    struct world *world = &run->world;
    uint64_t quota = begin_verb(run, VERB_MARK_DIRTY, choose_any_gfn(run));
    enum outcome outcome = has_frame(run) ? OUTCOME_CHANGED : OUTCOME_BAD_TYPE;

    EXPECT(world, p2m_mark_dirty(world->locked, world->now.gfn) == outcome_error(outcome));
    if (outcome == OUTCOME_CHANGED)
        host_write(run, world->now.gfn);
    count_outcome(run, outcome, column_of_entry(run));
    end_verb(run, quota);
}

/* Superpages are few when pins are many: look for one. */
static gfn_t choose_superpage(struct run *run)
{
    gfn_t gfn = one_in(run, 3) ? make_gigabyte(run) : choose_gfn(run);

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

static const unsigned access_rights[VERBS] = {
    [VERB_READ] = P2M_READ, [VERB_WRITE] = P2M_WRITE, [VERB_EXECUTE] = P2M_EXECUTE
};

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
    if (one_in(run, 2))
        release_at(run, gfn);
}

/* What the access moves: a word of the guest's choice, or what it finds. */
static struct processor_translation access_word(struct run *run, enum verb verb, uint64_t *word)
{
    struct processor *processor = &run->world.processor;
    gfn_t gfn = run->world.now.gfn;
    unsigned index = gfn.gfn % CONTENT_WORDS;

    if (verb == VERB_EXECUTE)
        return processor_access(processor, gfn, ACCESS_EXECUTE);
    if (verb == VERB_READ)
        return processor_load(processor, gfn, index, word);
    *word = choose_content(run);
    return processor_store(processor, gfn, index, *word);
}

/* A translation may be of the past only while a flush is owed, and its frame never at the host, nor
 * in hand. */
static void expect_access(struct run *run, struct processor_translation seen, enum verb verb,
                          uint64_t word)
{
    struct world *world = &run->world;
    gfn_t gfn = world->now.gfn;
    struct model_cell cell = model_at(&world->model, gfn);

    if (cell.mfn.mfn != seen.mfn.mfn) {
        EXPECT(world, world_is_stale(world));
        EXPECT(world, memory_frame_state(seen.mfn) == FRAME_OWED);
        return;
    }
    EXPECT(world, world_is_stale(world) || type_rights(cell.type) & access_rights[verb]);
    if (verb == VERB_WRITE)
        model_write(&world->model, gfn, (uint8_t)word);
    else if (verb == VERB_READ)
        EXPECT(world, word == world->model.content[model_index(gfn)]);
}

void access_as_guest(struct run *run, gfn_t gfn, enum verb verb)
{
    struct world *world = &run->world;
    struct processor_translation seen;
    uint64_t word = 0;

    aim_verb(run, verb, gfn);
    if (gfn.gfn >= (uint64_t)1 << 36)
        return; /* no processor can say such an address */
    seen = access_word(run, verb, &word);
    EXPECT(world, seen.answer != ANSWER_LOST);
    if (seen.answer > ANSWER_WALKED && recalculate_at(run, gfn))
        seen = access_word(run, verb, &word);
    if (seen.answer == ANSWER_NOT_ALLOWED && verb == VERB_WRITE && log_write_at(run, gfn))
        seen = access_word(run, verb, &word);
    if (seen.answer == ANSWER_MALFORMED && world_is_stale(world)) {
        processor_flush(&world->processor); /* it was in a table that is out of the map */
        seen = access_word(run, verb, &word);
    }
    EXPECT(world, seen.answer < ANSWER_MALFORMED);
    if (seen.answer > ANSWER_WALKED) {
        expect_fault(run, seen, access_rights[verb]);
        return;
    }
    expect_access(run, seen, verb, word);
    world_check(world, world->now.gfn);
    count_outcome(run, seen.answer == ANSWER_CACHED ? OUTCOME_CACHED : OUTCOME_WALKED,
                  histogram_column(seen.order));
}

/* While a sweep is under way, what it holds is of interest. */
static gfn_t choose_accessed(struct run *run)
{
    const struct pod_sweep *sweep = &run->world.sweep;
    gfn_t gfn = choose_any_gfn(run);

    if (run->world.sweeping == SWEEP_NONE || !one_in(run, 6))
        return gfn;
    return gfn_add(sweep->item[choose(&run->choices, sweep->count)].gfn,
                   gfn.gfn & (order_frames(sweep->order) - 1));
}

void do_access(struct run *run)
{
    enum verb verb = one_in(run, 6) ? VERB_EXECUTE : one_in(run, 2) ? VERB_READ : VERB_WRITE;

    access_as_guest(run, choose_accessed(run), verb);
}

/* ---- settling and paying -------------------------------------------------------------------- */

bool is_settled(const struct run *run, const struct p2m_debt *debt)
{
    return !debt->flush || debt->generation <= run->world.p2m.settled;
}

/* Two halves with other operations between them; the flush belongs to the second. */
void do_settle(struct run *run)
{
    struct world *world = &run->world;
    bool waited = false;

    world->now.verb = VERB_SETTLE;
    if (!world->settling) {
        world->settling = p2m_begin_settle(&world->p2m);
        return;
    }
    for (unsigned i = 0; i < ALL_DEBTS; i++)
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

static void pay(struct run *run, struct p2m_debt *debt)
{
    struct world *world = &run->world;
    struct p2m_debt paid = *debt;

    if (!is_settled(run, debt)) {
        do_settle(run);
        return;
    }
    world->now.verb = VERB_PAY;
    for (unsigned i = 0; i < debt->count; i++)
        expect_payment(run, &debt->owed[i]);
    if (debt->count == 0)
        count_outcome(run, OUTCOME_NOTHING, COLUMN_NONE);
    if (one_in(run, 10))
        memory_fail_allocation(1 + choose(&run->choices, 2)); /* no page for a node */
    world->p2m.config.steps = 1 + choose(&run->choices, 600);
    pay_to_the_end(world->locked, debt);
    memory_fail_allocation(0);
    trim_to_the_end(world->locked, &world->pod);
    world->p2m.config.steps = UINT64_MAX;
    EXPECT(world, debt->count == 0 && !debt->flush);
    world->unpaid = world->p2m.unpaid; /* the host's own tracking saw each frame and page */
    EXPECT(world, memory_tables_in_use() ==
                      world->p2m.counts.tables + world->unpaid.tables + world->p2m.lent_pages);
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

void settle_all(struct run *run)
{
    if (!run->world.settling)
        do_settle(run);
    do_settle(run); /* what was added after the flush had begun needs another */
    do_settle(run);
    do_settle(run);
}

void pay_all(struct run *run)
{
    struct world *world = &run->world;

    settle_all(run);
    for (unsigned i = 0; i < ALL_DEBTS; i++)
        pay(run, &world->debt[i]);
}

void do_settle_or_pay(struct run *run)
{
    if (is_in_mood(run, MOOD_DEBTS) && !one_in(run, 16))
        return; /* let the debts run full */
    if (one_in(run, 3))
        do_settle(run);
    else
        pay(run, &run->world.debt[choose(&run->choices, ALL_DEBTS)]);
}
