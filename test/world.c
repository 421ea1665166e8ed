/* SPDX-License-Identifier: MIT */
/*
 * The world of the random test: coming, going, and what must hold in it. What verbs must answer is
 * in forecast.c, and which verb comes next in verbs.c.
 */
#include "world.h"

#include <stdio.h>
#include <string.h>

#define TABLE_QUOTA 96u

void world_create(struct world *world, const struct pt_format *format)
{
    struct p2m_config config = { .format = format,
                                 .end = MODEL_END,
                                 .mfn_end = MFN((uint64_t)1 << 40),
                                 .max_order = ORDER_1G,
                                 .table_quota = TABLE_QUOTA,
                                 .steps = UINT64_MAX }; /* foretold whole: see `pay` */

    memset(world, 0, sizeof(*world));
    memory_reset();
    memory_track_frames();
    config.direct_map = memory_direct_map();
    model_create(&world->model, config.max_order);
    EXPECT(world, p2m_create(&world->p2m, &config) == P2M_OK);
    world->locked = p2m_lock(&world->p2m);
    pod_create(&world->pod, &world->p2m, ORDER_1G);
    p2m_current_create(&world->current, &world->pod);
    memory_set_pod(&world->pod);
    processor_start(&world->processor, format == &npt_format ? MAKER_AMD : MAKER_INTEL,
                    config.direct_map, p2m_root_address(&world->p2m));
}

void world_destroy(struct world *world)
{
    struct p2m_debt last = P2M_NO_DEBT;
    uint64_t generation;

    for (uint64_t i = 0, frames; i < MODEL_FRAMES; i += frames) {
        struct model_cell cell = model_at(&world->model, model_gfn(i));

        frames = order_frames(cell.order < ORDER_1G ? cell.order : ORDER_1G);
        if (mfn_is_valid(cell.mfn))
            memory_move_frames(cell.mfn, frames, FRAME_OWED);
    }
    while (world->grant_count > 0)
        pod_clean_end(world->locked, &world->pod, &world->grant[--world->grant_count].grant);
    empty_to_the_end(world->locked, &world->pod);
    EXPECT(world, pod_cache_counts(&world->pod).pages == 0);
    p2m_destroy(world->locked, &last);
    generation = p2m_begin_settle(&world->p2m);
    p2m_end_settle(&world->p2m, generation);
    pay_to_the_end(world->locked, &last);
    for (unsigned i = 0; i < ALL_DEBTS; i++)
        pay_to_the_end(world->locked, &world->debt[i]);
    p2m_unlock(world->locked);
    EXPECT(world, world->p2m.unpaid.ram == 0 && world->p2m.unpaid.tables == 0);
    EXPECT(world, memory_tables_in_use() == 0);
    EXPECT(world, memory_frames_are(MFN(0), MEMORY_FRAMES_END, FRAME_HOME));
    model_destroy(&world->model);
}

void world_fail(const struct world *world, const char *claim, int line)
{
    const struct operation *now = &world->now;

    fail_msg("operation %lu, %s %s: gfn %#lx end %#lx mfn %#lx order %u type %s, allocation %lu "
             "fails: line %d expected %s",
             now->number, p2m_format_name(world->p2m.config.format), verb_name(now->verb),
             now->gfn.gfn, now->end.gfn, now->mapping.mfn.mfn, now->mapping.order,
             p2m_type_name(now->mapping.type), now->fail_allocation, line, claim);
    for (;;)
        ;
}

/* ---- one guest frame ------------------------------------------------------------------------ */

void world_note_unsettled(struct world *world, const struct p2m_debt *debt)
{
    if (debt->flush && debt->generation > world->unsettled)
        world->unsettled = debt->generation;
}

bool world_is_stale(const struct world *world)
{
    for (unsigned i = 0; i < ALL_DEBTS; i++)
        if (world->debt[i].flush && world->debt[i].generation > world->p2m.settled)
            return true;
    return false;
}

/* The D bit of a table that a merge took out, and that has not been paid yet. */
static bool dead_table_is_dirty(const struct world *world, const struct p2m_owed *owed, gfn_t gfn,
                                mfn_t mfn)
{
    const char *page = (const char *)memory_direct_map() + (owed->table.mfn << FRAME_SHIFT);
    unsigned order = owed->order - ORDER_STEP;
    uint64_t entry;

    if (owed->kind != P2M_OWED_MERGED || gfn.gfn >> owed->order != owed->gfn.gfn >> owed->order)
        return false;
    entry = ((const _Atomic uint64_t *)page)[(gfn.gfn >> order) & 511];
    return processor_entry_is_dirty(&world->processor, entry) &&
           (entry >> FRAME_SHIFT & 0xffffffffff) == frame_align_down(mfn.mfn, order);
}

/* In a dead table that has not been paid. */
static bool has_late_bit(const struct world *world, gfn_t gfn)
{
    struct p2m_entry entry = p2m_get_entry(p2m_locked_walking(world->locked), gfn);

    for (unsigned i = 0; i < ALL_DEBTS; i++)
        for (unsigned item = 0; item < world->debt[i].count; item++)
            if (dead_table_is_dirty(world, &world->debt[i].owed[item], gfn, entry.mfn))
                return true;
    return false;
}

static bool is_dirty_somewhere(const struct world *world, gfn_t gfn)
{
    return p2m_get_entry(p2m_locked_walking(world->locked), gfn).dirty || has_late_bit(world, gfn);
}

/* A change of type has not come here yet: the processor must not get through. */
static bool is_stopped(const struct world *world, const struct processor_translation *seen)
{
    if (!p2m_is_changing(&world->p2m))
        return false;
    if (world->processor.maker == MAKER_INTEL)
        return seen->answer == ANSWER_MALFORMED;
    return seen->answer == ANSWER_WALKED && seen->rights == 0;
}

/* What the processor sees, if it gets there at all. */
static void check_seen(const struct world *world, gfn_t gfn, const struct p2m_entry *entry)
{
    struct processor_translation seen = processor_look(&world->processor, gfn);
    struct model_cell cell = model_at(&world->model, gfn);

    if (is_stopped(world, &seen))
        return;
    if (!mfn_is_valid(cell.mfn)) {
        EXPECT(world, seen.answer == ANSWER_NOT_PRESENT);
        return;
    }
    EXPECT(world, seen.answer == ANSWER_WALKED);
    EXPECT(world, seen.mfn.mfn == cell.mfn.mfn);
    EXPECT(world, seen.order == cell.order);
    EXPECT(world, seen.rights == type_rights(cell.type));
    EXPECT(world, seen.dirty == entry->dirty || (entry->dirty && world->has_cleared_d));
}

void world_check(const struct world *world, gfn_t gfn)
{
    struct p2m_entry entry = p2m_get_entry(p2m_locked_walking(world->locked), gfn);
    struct model_cell cell = model_at(&world->model, gfn);

    EXPECT(world, entry.mfn.mfn == cell.mfn.mfn);
    EXPECT(world, entry.type == cell.type);
    EXPECT(world, entry.order == cell.order);
    check_seen(world, gfn, &entry);
    if (!mfn_is_valid(cell.mfn))
        return;
    EXPECT(world, memory_frame_state(cell.mfn) == FRAME_MAPPED);
    world_check_content(world, gfn, 1);
    if (world->model.written[model_index(gfn)])
        EXPECT(world, is_dirty_somewhere(world, gfn));
}

/* A leaf at a time; only frames that somebody wrote to are looked at. */
void world_check_content(const struct world *world, gfn_t gfn, uint64_t frames)
{
    const uint8_t *content = world->model.content + model_index(gfn);

    for (uint64_t i = 0, step; i < frames; i += step) {
        struct model_cell cell = model_at(&world->model, gfn_add(gfn, i));
        unsigned order = cell.order < ORDER_1G ? cell.order : ORDER_1G;
        mfn_t used = cell.mfn, end;

        step = order_frames(order) - ((gfn.gfn + i) & (order_frames(order) - 1));
        if (step > frames - i)
            step = frames - i;
        if (!mfn_is_valid(cell.mfn))
            continue;
        end = mfn_add(cell.mfn, step);
        for (; used.mfn < end.mfn; used.mfn++) {
            uint64_t at;

            used = memory_find_used(used, end.mfn - used.mfn);
            if (!mfn_is_valid(used))
                break;
            at = i + used.mfn - cell.mfn.mfn;
            EXPECT(world, memory_word(used)[(gfn.gfn + at) % CONTENT_WORDS] == content[at]);
        }
    }
}

void world_check_around(const struct world *world, gfn_t gfn)
{
    gfn_t between = GFN(100 * SLOT_FRAMES);

    world_check(world, between);
    if (!model_knows(gfn))
        return;
    world_check(world, gfn);
    for (unsigned order = ORDER_4K; order <= ORDER_1G; order += ORDER_STEP) {
        gfn_t first = GFN(frame_align_down(gfn.gfn, order));

        if (first.gfn > 0)
            world_check(world, GFN(first.gfn - 1));
        world_check(world, first);
        world_check(world, GFN(first.gfn + order_frames(order) - 1));
        world_check(world, GFN(first.gfn + order_frames(order)));
    }
}

/* ---- all of it ------------------------------------------------------------------------------ */

void world_check_dirty(const struct world *world, uint64_t from, uint64_t end)
{
    const uint8_t *written = world->model.written;

    for (uint64_t i = from; i < end; i++) {
        const uint8_t *next = memchr(written + i, 1, end - i);

        if (!next)
            return;
        i = (uint64_t)(next - written);
        EXPECT(world, is_dirty_somewhere(world, model_gfn(i)));
    }
}

void world_check_debt(const struct world *world, const struct p2m_debt *debt,
                      const struct p2m_debt *expected)
{
    EXPECT(world, debt->flush == expected->flush);
    EXPECT(world, debt->generation == expected->generation);
    EXPECT(world, debt->count == expected->count);
    for (unsigned i = 0; i < debt->count; i++) {
        const struct p2m_owed *owed = &debt->owed[i], *wanted = &expected->owed[i];

        EXPECT(world, owed->kind == wanted->kind);
        EXPECT(world, owed->gfn.gfn == wanted->gfn.gfn);
        EXPECT(world, owed->order == wanted->order);
        if (owed->kind == P2M_OWED_FRAMES) {
            EXPECT(world, owed->frames.mfn.mfn == wanted->frames.mfn.mfn);
            EXPECT(world, owed->frames.type == wanted->frames.type);
            EXPECT(world, owed->frames.order == wanted->frames.order);
            EXPECT(world, owed->frames.became == wanted->frames.became);
            EXPECT(world, owed->frames.dirty || !wanted->frames.dirty);
        } else {
            EXPECT(world, memory_is_table(owed->table));
        }
    }
    EXPECT(world, world->p2m.unpaid.ram == world->unpaid.ram);
    EXPECT(world, world->p2m.unpaid.tables == world->unpaid.tables);
}

void world_audit(struct world *world)
{
    struct pod_audit in_hand;
    struct p2m_audit report;

    p2m_audit(world->locked, &report);
    if (report.errors)
        world_fail(world, report.detail[0].what, __LINE__);
    EXPECT(world, memory_tables_in_use() ==
                      world->p2m.counts.tables + world->unpaid.tables + world->p2m.lent_pages);
    pod_audit(world->locked, &world->pod, &in_hand);
    if (in_hand.errors)
        world_fail(world, in_hand.what ? in_hand.what : in_hand.cache.what, __LINE__);
}

void world_check_all(struct world *world)
{
    struct p2m_counts counts = model_counts(&world->model);
    gfn_t wrong = model_compare(&world->model, p2m_locked_walking(world->locked));

    world_audit(world);
    EXPECT(world, wrong.gfn == UINT64_MAX);
    EXPECT(world, memcmp(&counts, &world->p2m.counts, sizeof(counts)) == 0);
    world_check_dirty(world, 0, MODEL_FRAMES);
    for (unsigned slot = 0; slot < MODEL_SLOTS; slot++)
        world_check_content(world, model_gfn(slot * SLOT_FRAMES), SLOT_FRAMES);
}
