/* SPDX-License-Identifier: MIT */
/*
 * The walker: every entry below one table, in order of guest frames, iterative and at most four
 * deep. A table's own entry is seen after all that hangs below it, so that whoever frees tables
 * frees them in the order that they come. Reads only; knows no types.
 */
#ifndef P2M_WALK_H
#define P2M_WALK_H

#include "pte.h"

struct walk {
    const struct p2m *p2m;
    gfn_t gfn;      /* the first guest frame of the entry seen now */
    unsigned level; /* of that entry */
    uint64_t entry; /* a snapshot of it */
    gfn_t end;      /* stops at the first entry that begins here or later */
    unsigned top;   /* the level of the table that it started in */
    unsigned floor; /* tables below entries of this level are seen, and not entered */
    bool started;
    mfn_t table[LEVELS];
    uint64_t parent[LEVELS];
};

static inline enum entry_kind walk_kind(const struct walk *walk)
{
    return entry_kind(walk->p2m->config.format, walk->entry, walk->level);
}

/* The whole of one table whose first guest frame is `base`, tables and all. */
static inline struct walk walk_table(const struct p2m *p2m, mfn_t table, unsigned level, gfn_t base)
{
    struct walk walk = { .p2m = p2m, .gfn = base, .level = level, .top = level };

    walk.end = GFN(UINT64_MAX);
    walk.table[level] = table;
    return walk;
}

static inline void walk_descend(struct walk *walk)
{
    const struct p2m *p2m = walk->p2m;

    for (;;) {
        unsigned index = level_index(walk->gfn, walk->level);

        walk->entry = entry_read(&table_entries(p2m, walk->table[walk->level])[index]);
        if (walk_kind(walk) != ENTRY_TABLE || walk->level <= walk->floor)
            break;
        walk->parent[walk->level] = walk->entry;
        walk->level--;
        walk->table[walk->level] = entry_mfn(walk->entry);
    }
    walk->gfn = level_base(walk->gfn, walk->level);
}

/* Where the entry is that is seen now; not of a table's own entry above the top. */
static inline struct slot walk_slot(const struct walk *walk)
{
    return table_slot(walk->p2m, walk->table[walk->level], walk->level, walk->gfn);
}

/* The next entry of any kind; false at the end. */
static inline bool walk_step(struct walk *walk)
{
    if (walk->started) {
        if (level_index(walk->gfn, walk->level) == TABLE_ENTRIES - 1) {
            if (walk->level == walk->top)
                return false;
            walk->level++;
            walk->gfn = level_base(walk->gfn, walk->level);
            walk->entry = walk->parent[walk->level];
            return true;
        }
        walk->gfn = gfn_add(walk->gfn, order_frames(level_order(walk->level)));
    }
    walk->started = true;
    if (walk->gfn.gfn >= walk->end.gfn)
        return false;
    walk_descend(walk);
    return true;
}

/* The next entry that is not a table. */
static inline bool walk_next(struct walk *walk)
{
    do {
        if (!walk_step(walk))
            return false;
    } while (walk_kind(walk) == ENTRY_TABLE);
    return true;
}

/* As if the entry of this level at gfn had just been seen; the tables above it are still there. */
static inline void walk_resume(struct walk *walk, gfn_t gfn, unsigned level)
{
    walk->gfn = gfn;
    walk->started = true;
    while (walk->level > level) {
        pte_t *entries = table_entries(walk->p2m, walk->table[walk->level]);

        walk->entry = entry_read(&entries[level_index(gfn, walk->level)]);
        walk->parent[walk->level] = walk->entry;
        walk->level--;
        walk->table[walk->level] = entry_mfn(walk->entry);
    }
}

static inline struct walk walk_range(const struct p2m *p2m, gfn_t from, gfn_t end)
{
    struct walk walk = walk_table(p2m, p2m->root, ROOT_LEVEL, from);

    walk.end = end;
    return walk;
}

/* Every entry, empty ones too, that covers any of [from, end); w.gfn may lie before `from`. */
#define for_each_p2m_entry(w, p2m, from, end)                                                      \
    for (struct walk w = walk_range(p2m, from, end); walk_next(&w);)

#endif
