/* SPDX-License-Identifier: MIT */
/*
 * What a walker can see, taken down and compared. Refuses to fail a test: it is called while one
 * instruction of the engine's is under way.
 */
#include "view.h"

#include <stddef.h>

#define FRAMES_END ((uint64_t)1 << 36)

/* ---- taking it down ------------------------------------------------------------------------- */

static void add_tables(struct view *view, gfn_t gfn, const mfn_t table[PROCESSOR_LEVELS + 1])
{
    for (unsigned level = PROCESSOR_LEVELS; level > 0; level--) {
        struct linked linked = { table[level], GFN(frame_align_down(gfn.gfn, 9 * level)), level };

        if (mfn_is_valid(table[level]) && !view_find_table(view, table[level]) &&
            view->tables < VIEW_TABLES)
            view->table[view->tables++] = linked;
    }
}

static void add_leaf(struct view *view, gfn_t gfn, struct processor_translation seen)
{
    struct stretch *last = view->stretches ? &view->stretch[view->stretches - 1] : NULL;
    uint64_t frames = order_frames(seen.order);

    if (last && last->gfn.gfn + last->frames == gfn.gfn &&
        last->mfn.mfn + last->frames == seen.mfn.mfn && last->rights == seen.rights)
        last->frames += frames;
    else if (view->stretches < VIEW_STRETCHES)
        view->stretch[view->stretches++] = (struct stretch){ gfn, frames, seen.mfn, seen.rights };
}

void view_take(struct view *view, const struct processor *processor)
{
    gfn_t gfn = GFN(0);

    view->stretches = view->tables = 0;
    view->malformed = GFN(UINT64_MAX);
    while (gfn.gfn < FRAMES_END) {
        mfn_t table[PROCESSOR_LEVELS + 1];
        struct processor_translation seen = processor_look_along(processor, gfn, table);

        if (seen.answer == ANSWER_MALFORMED) {
            view->malformed = gfn;
            return;
        }
        add_tables(view, gfn, table);
        if (seen.answer == ANSWER_WALKED)
            add_leaf(view, gfn, seen);
        gfn = gfn_add(gfn, order_frames(seen.order));
    }
}

const struct linked *view_find_table(const struct view *view, mfn_t table)
{
    for (unsigned i = 0; i < view->tables; i++)
        if (view->table[i].table.mfn == table.mfn)
            return &view->table[i];
    return NULL;
}

/* ---- comparing ------------------------------------------------------------------------------ */

bool view_is_same(const struct view *a, const struct view *b)
{
    if (a->stretches != b->stretches || a->malformed.gfn != b->malformed.gfn)
        return false;
    for (unsigned i = 0; i < a->stretches; i++) {
        const struct stretch *one = &a->stretch[i], *other = &b->stretch[i];

        if (one->gfn.gfn != other->gfn.gfn || one->frames != other->frames ||
            one->mfn.mfn != other->mfn.mfn || one->rights != other->rights)
            return false;
    }
    return true;
}

/* How a view translates one guest frame, and how many from there on likewise. */
struct reading {
    const struct view *view;
    unsigned at;  /* the stretch that is read or comes next */
    uint64_t mfn; /* UINT64_MAX: nothing */
    unsigned rights;
    uint64_t frames;
};

static void read_at(struct reading *reading, uint64_t gfn)
{
    const struct view *view = reading->view;
    const struct stretch *stretch = &view->stretch[reading->at];

    if (reading->at < view->stretches && stretch->gfn.gfn + stretch->frames <= gfn)
        stretch = &view->stretch[++reading->at];
    *reading = (struct reading){ view, reading->at, UINT64_MAX, 0, FRAMES_END - gfn };
    if (reading->at == view->stretches)
        return;
    if (stretch->gfn.gfn > gfn) {
        reading->frames = stretch->gfn.gfn - gfn;
        return;
    }
    reading->mfn = stretch->mfn.mfn + gfn - stretch->gfn.gfn;
    reading->rights = stretch->rights;
    reading->frames = stretch->gfn.gfn + stretch->frames - gfn;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static bool reads_same(const struct reading *a, const struct reading *b)
{
    return a->mfn == b->mfn && a->rights == b->rights;
}

/* Was it stopped, and is it as it was meant to be? */
static bool is_let_go(const struct reading *old, const struct reading *seen,
                      const struct reading *meant)
{
    return old->mfn != UINT64_MAX && old->rights == 0 && reads_same(seen, meant);
}

gfn_t view_find_mixture(const struct view *before, const struct view *now, const struct view *after,
                        const struct view *meant)
{
    struct reading old = { .view = before }, seen = { .view = now }, new = { .view = after };
    struct reading then = { .view = meant };
    uint64_t gfn = 0;

    if (now->malformed.gfn != UINT64_MAX)
        return now->malformed;
    while (gfn < FRAMES_END) {
        read_at(&old, gfn);
        read_at(&seen, gfn);
        read_at(&new, gfn);
        read_at(&then, gfn);
        if (!reads_same(&seen, &old) && !reads_same(&seen, &new) && !is_let_go(&old, &seen, &then))
            return GFN(gfn);
        gfn += least(least(old.frames, seen.frames), least(new.frames, then.frames));
    }
    return GFN(UINT64_MAX);
}
