/* SPDX-License-Identifier: MIT */
/*
 * A processor that forgets nothing, and what that can do to others.
 */
#include "hoard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "memory.h"

void hoard_forget(struct hoard *hoard)
{
    hoard->stretches = hoard->tables = 0;
}

/* ---- keeping -------------------------------------------------------------------------------- */

static bool has_stretch(const struct hoard *hoard, const struct stretch *stretch)
{
    for (unsigned i = 0; i < hoard->stretches; i++) {
        const struct stretch *kept = &hoard->stretch[i];

        if (kept->gfn.gfn == stretch->gfn.gfn && kept->frames == stretch->frames &&
            kept->mfn.mfn == stretch->mfn.mfn && kept->rights == stretch->rights)
            return true;
    }
    return false;
}

static bool has_table(const struct linked *table, unsigned tables, const struct linked *wanted)
{
    for (unsigned i = 0; i < tables; i++)
        if (table[i].table.mfn == wanted->table.mfn && table[i].gfn.gfn == wanted->gfn.gfn &&
            table[i].level == wanted->level)
            return true;
    return false;
}

void hoard_keep(struct hoard *hoard, const struct view *view)
{
    for (unsigned i = 0; i < view->stretches; i++) {
        if (has_stretch(hoard, &view->stretch[i]))
            continue;
        assert_in_range(hoard->stretches, 0, HOARD_STRETCHES - 1);
        hoard->stretch[hoard->stretches++] = view->stretch[i];
    }
    for (unsigned i = 0; i < view->tables; i++) {
        if (has_table(hoard->table, hoard->tables, &view->table[i]))
            continue;
        assert_in_range(hoard->tables, 0, HOARD_TABLES - 1);
        hoard->table[hoard->tables++] = view->table[i];
    }
}

/* ---- what it can do ------------------------------------------------------------------------- */

/* Frames that left the map at gfn, or a table with all below it, and that nobody has yet. */
static bool is_owed(const struct p2m_debt *owing, gfn_t gfn, enum p2m_owed_kind but)
{
    for (unsigned i = 0; owing && i < owing->count; i++) {
        const struct p2m_owed *owed = &owing->owed[i];

        if (owed->kind != but && gfn.gfn - owed->gfn.gfn < order_frames(owed->order))
            return true;
    }
    return false;
}

static const char *harm_at(const struct stretch *stretch, uint64_t at,
                           const struct processor_translation *now, const struct p2m_debt *owing)
{
    bool is_there = now->answer == ANSWER_WALKED && now->mfn.mfn == stretch->mfn.mfn + at;

    if (!is_there && !is_owed(owing, gfn_add(stretch->gfn, at), P2M_OWED_MERGED))
        return "reaches frames that are others' now";
    if (is_there && stretch->rights & ~now->rights && !(owing && owing->flush))
        return "does what is not allowed any more";
    return NULL;
}

static const char *stretch_harm(const struct stretch *stretch, const struct processor *processor,
                                const struct p2m_debt *owing)
{
    uint64_t at = 0;

    while (at < stretch->frames) {
        gfn_t gfn = gfn_add(stretch->gfn, at);
        struct processor_translation now = processor_look(processor, gfn);
        const char *harm = harm_at(stretch, at, &now, owing);

        if (harm)
            return harm;
        at += order_frames(now.order) - (gfn.gfn & (order_frames(now.order) - 1));
    }
    return NULL;
}

const char *hoard_harm(const struct hoard *hoard, const struct processor *processor,
                       const struct p2m_debt *owing)
{
    static struct view now;

    view_take(&now, processor);
    for (unsigned i = 0; i < hoard->stretches; i++) {
        const char *harm = stretch_harm(&hoard->stretch[i], processor, owing);

        if (harm)
            return harm;
    }
    for (unsigned i = 0; i < hoard->tables; i++) {
        const struct linked *table = &hoard->table[i];

        if (has_table(now.table, now.tables, table))
            continue;
        if (!memory_is_table(table->table) || !is_owed(owing, table->gfn, P2M_OWED_FRAMES))
            return "walks a page that is no table any more";
    }
    return NULL;
}

/* ---- bits that come late -------------------------------------------------------------------- */

unsigned hoard_write_late(const struct hoard *hoard, const struct processor *processor,
                          struct written *written, unsigned room)
{
    static struct view now;
    unsigned count = 0;

    view_take(&now, processor);
    for (unsigned i = 0; i < hoard->tables; i++) {
        const struct linked *table = &hoard->table[i];
        unsigned order = 9 * (table->level - 1);

        if (has_table(now.table, now.tables, table))
            continue;
        for (uint64_t index = 0; index < 512 && count < room; index++) {
            gfn_t gfn = gfn_add(table->gfn, index << order);
            struct processor_translation found =
                processor_write_below(processor, gfn, table->table, table->level);

            assert_int_not_equal(found.answer, ANSWER_MALFORMED);
            if (found.answer == ANSWER_WALKED)
                written[count++] = (struct written){ gfn, found.mfn };
        }
    }
    return count;
}
