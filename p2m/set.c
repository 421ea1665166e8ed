/* SPDX-License-Identifier: MIT */
/*
 * Setting entries. Each verb plans (checks everything, counts the tables that will be needed),
 * takes those from the host, and only then commits, which cannot fail; what was displaced is added
 * to the caller's debt. Refuses to know hardware bits, and what the host does with a frame that
 * comes back.
 */
#include "p2m/change.h"

#include "debt.h"
#include "merge.h"
#include "table.h"

/* ---- plan ----------------------------------------------------------------------------------- */

static bool is_pinned(const struct p2m *p2m, gfn_t gfn, unsigned order)
{
    for (unsigned i = 0; i < p2m->pin_count; i++)
        if (frame_align_down(p2m->pin[i].gfn, order) == gfn.gfn)
            return true;
    return false;
}

static bool has_frame(enum p2m_type type)
{
    return type_table[type].rights;
}

static enum p2m_error check_mapping(const struct p2m *p2m, gfn_t gfn,
                                    const struct p2m_mapping *mapping)
{
    uint64_t end = p2m->config.end.gfn, mfn_end = p2m->config.mfn_end.mfn;
    uint64_t frames;

    if ((unsigned)mapping->type >= P2M_TYPE_COUNT)
        return P2M_BAD_TYPE;
    if (!order_is_size(mapping->order) || !frame_is_aligned(gfn.gfn, mapping->order))
        return P2M_BAD_RANGE;
    frames = order_frames(mapping->order);
    if (gfn.gfn >= end || frames > end - gfn.gfn)
        return P2M_BAD_RANGE;
    if (!has_frame(mapping->type))
        return P2M_OK;
    if (mapping->order > p2m->config.max_order || mapping->mfn.mfn >= mfn_end ||
        frames > mfn_end - mapping->mfn.mfn || !frame_is_aligned(mapping->mfn.mfn, mapping->order))
        return P2M_BAD_RANGE;
    return P2M_OK;
}

/* What p2m_set_entry would do to one aligned piece, found out before anything changes. */
struct plan {
    struct slot slot; /* as deep as there are tables */
    uint64_t entry;   /* the entry to write */
    unsigned level;   /* where */
    bool already;     /* the map says so already */
    bool owes;        /* something will leave the map */
    bool stays;       /* the frames that are there stay */
};

/* May a leaf with this type take the place of one with that type and the same frames, in one step?
 */
static bool is_same_kind(enum p2m_type a, enum p2m_type b)
{
    return type_table[a].class == type_table[b].class &&
           type_table[a].memory == type_table[b].memory;
}

static bool table_has_frames(const struct p2m *p2m, uint64_t entry, unsigned level)
{
    struct p2m_counts counts = entry_counts(p2m, entry, level);

    for (unsigned size = 0; size < ORDER_SIZES; size++)
        if (counts.ram[size] || counts.other[size])
            return true;
    return false;
}

/* Is something there that a leaf `new` would exchange for itself? `old` is the entry that stands
 * there, `piece` the part of it that the leaf would replace. */
static bool is_occupied(const struct p2m *p2m, struct slot slot, uint64_t old, uint64_t piece,
                        uint64_t new)
{
    switch (entry_kind(p2m->config.format, old, slot.level)) {
    case ENTRY_LEAF:
        return entry_mfn(piece).mfn != entry_mfn(new).mfn ||
               !is_same_kind(entry_type(piece), entry_type(new));
    case ENTRY_TABLE:
        return table_has_frames(p2m, old, slot.level);
    case ENTRY_MARK:
        return type_table[entry_type(old)].class == P2M_CLASS_OTHER;
    default:
        return false;
    }
}

static enum p2m_error plan_piece(const struct p2m *p2m, gfn_t gfn,
                                 const struct p2m_mapping *mapping, struct plan *plan)
{
    const struct pt_format *format = p2m->config.format;
    unsigned level = mapping->order / ORDER_STEP;
    struct slot slot = table_find(p2m, gfn, level);
    uint64_t old = entry_read(slot_entry(p2m, slot)), piece = old;
    enum entry_kind kind = entry_kind(format, old, slot.level);

    for (unsigned above = slot.level; above > level; above--)
        piece = entry_piece(format, piece, above, level_index(gfn, above - 1));
    *plan = (struct plan){ .slot = slot, .level = level };
    plan->entry = entry_make(format, mapping->mfn, mapping->type, level);
    plan->already = kind != ENTRY_TABLE && !((piece ^ plan->entry) & ~entry_volatile(format));
    plan->stays = kind == ENTRY_LEAF && has_frame(mapping->type);
    plan->owes = kind == ENTRY_TABLE || (kind == ENTRY_LEAF && !plan->stays);
    if (plan->already)
        return P2M_OK;
    if (has_frame(mapping->type) && is_occupied(p2m, slot, old, piece, plan->entry))
        return P2M_OCCUPIED;
    return is_pinned(p2m, gfn, mapping->order) ? P2M_BUSY : P2M_OK;
}

/* Would a processor that still uses what this debt owes see one frame, and another a new one? */
static bool is_owed(const struct p2m *p2m, const struct p2m_debt *debt, gfn_t gfn,
                    const struct p2m_mapping *mapping)
{
    return debt->count > 0 && has_frame(mapping->type) &&
           debt_holds(p2m, debt, gfn, order_frames(mapping->order));
}

/* ---- commit --------------------------------------------------------------------------------- */

/* Can't fail: all was checked, and the reserve holds the tables. */
static void commit_piece(struct p2m_locked locked, const struct plan *plan, struct p2m_debt *debt)
{
    struct p2m *p2m = locked.p2m;
    const struct pt_format *format = p2m->config.format;
    struct slot slot = table_reach(locked, plan->slot, plan->level);
    struct p2m_change change = { .old = entry_read(slot_entry(p2m, slot)) };
    bool is_logged = plan->entry & format->present && p2m->log.mode == P2M_LOG_DIRTY_BITS;
    uint64_t comes = is_logged ? format->dirty : 0; /* what is new here is to be copied */

    /* A change of type alone: the frames stay, and with them what the processor noted of them. */
    do {
        change.new = plan->entry | (plan->stays ? change.old & entry_volatile(format) : comes);
    } while (!entry_change(p2m, slot, &change.old, change.new));
    if (plan->stays)
        debt_flush(p2m, debt);
    else if (plan->owes)
        debt_add_entry(p2m, debt, slot, &change);
    merge_note(p2m, slot);
}

enum p2m_error p2m_set_entry(struct p2m_locked locked, gfn_t gfn, struct p2m_mapping mapping,
                             struct p2m_debt *debt)
{
    struct p2m *p2m = locked.p2m;
    struct plan plan;
    enum p2m_error error = check_mapping(p2m, gfn, &mapping);

    if (error == P2M_OK)
        p2m_recalculate(locked, gfn);
    if (error == P2M_OK)
        error = plan_piece(p2m, gfn, &mapping, &plan);
    if (error != P2M_OK || plan.already)
        return error;
    if (is_owed(p2m, debt, gfn, &mapping))
        return P2M_OCCUPIED;
    if (plan.owes && debt->count == P2M_DEBT_MAX)
        return P2M_DEBT_FULL;
    if (plan.slot.level > plan.level)
        error = table_reserve(locked, plan.slot.level - plan.level);
    if (error == P2M_OK)
        commit_piece(locked, &plan, debt);
    return error;
}

/* ---- ranges --------------------------------------------------------------------------------- */

/* The largest order that gfn, mfn, length and processor allow. */
static unsigned largest_order(const struct p2m *p2m, gfn_t gfn, gfn_t end,
                              const struct p2m_mapping *mapping)
{
    uint64_t bits = gfn.gfn | (has_frame(mapping->type) ? mapping->mfn.mfn : 0);
    unsigned order = has_frame(mapping->type) ? p2m->config.max_order : ORDER_1G;

    while (order > 0 && (!frame_is_aligned(bits, order) || order_frames(order) > end.gfn - gfn.gfn))
        order -= ORDER_STEP;
    return order;
}

/* The next piece of a range: as large as may be, and where leaves are there already not larger than
 * they are, for their frames may be the very ones. */
static enum p2m_error plan_next(const struct p2m *p2m, struct gfn_range range,
                                struct p2m_mapping *mapping, struct plan *plan)
{
    enum p2m_error error;

    mapping->order = largest_order(p2m, range.from, range.end, mapping);
    error = check_mapping(p2m, range.from, mapping);
    if (error != P2M_OK)
        return error;
    error = plan_piece(p2m, range.from, mapping, plan);
    while (error == P2M_OCCUPIED && plan->owes && mapping->order > 0) {
        mapping->order -= ORDER_STEP;
        error = plan_piece(p2m, range.from, mapping, plan);
    }
    return error;
}

/* The planned piece is behind us. */
static void advance(struct gfn_range *range, struct p2m_mapping *mapping)
{
    range->from = gfn_add(range->from, order_frames(mapping->order));
    mapping->mfn = mfn_add(mapping->mfn, order_frames(mapping->order));
}

#define NO_PIECE GFN(UINT64_MAX)

/* Tables that the piece at gfn lacks, without those that the piece before it brings along. */
static unsigned tables_to_add(const struct plan *plan, gfn_t gfn, gfn_t before)
{
    unsigned count = 0;

    for (unsigned level = plan->level; level < plan->slot.level; level++)
        count += level_base(gfn, level + 1).gfn != level_base(before, level + 1).gfn;
    return count;
}

/* To know that a table holds no frames, the 512 records below it were read. */
static uint64_t steps_of(const struct plan *plan, const struct p2m_mapping *mapping)
{
    return plan->owes && has_frame(mapping->type) ? TABLE_ENTRIES : 1;
}

/* What was found out about a range before anything changes. */
struct outlook {
    struct plan first; /* of its first piece */
    uint64_t tables;   /* that all pieces lack */
};

/* Up to the end of the range, or as far as the steps go: then the range ends there. What a piece
 * replaces must be what it says it is: no change of type is pending on the way to it. */
static enum p2m_error plan_range(struct p2m_locked locked, struct gfn_range *range,
                                 struct p2m_mapping mapping, const struct p2m_debt *debt,
                                 struct outlook *outlook)
{
    struct p2m *p2m = locked.p2m;
    struct gfn_range rest = *range;
    gfn_t before = NO_PIECE;
    uint64_t steps = 0;

    outlook->tables = 0;
    while (rest.from.gfn < rest.end.gfn && steps < p2m->config.steps) {
        struct plan plan;
        enum p2m_error error;

        if (p2m_recalculate(locked, rest.from))
            steps += TABLE_ENTRIES;
        error = plan_next(p2m, rest, &mapping, &plan);
        if (error == P2M_OK && !plan.already && is_owed(p2m, debt, rest.from, &mapping))
            error = P2M_OCCUPIED;
        if (error != P2M_OK)
            return error;
        if (rest.from.gfn == range->from.gfn)
            outlook->first = plan;
        if (!plan.already) {
            outlook->tables += tables_to_add(&plan, rest.from, before);
            before = rest.from;
        }
        steps += steps_of(&plan, &mapping);
        advance(&rest, &mapping);
    }
    range->end = rest.from;
    return P2M_OK;
}

static void commit_range(struct p2m_locked locked, struct gfn_range *range,
                         struct p2m_mapping *mapping, struct plan plan, struct p2m_debt *debt)
{
    for (;;) {
        enum p2m_error error;

        if (plan.owes && !plan.already && debt->count == P2M_DEBT_MAX)
            return;
        if (!plan.already)
            commit_piece(locked, &plan, debt);
        mapping->order = level_order(plan.level);
        advance(range, mapping);
        if (range->from.gfn >= range->end.gfn)
            return;
        error = plan_next(locked.p2m, *range, mapping, &plan);
        ASSERT(error == P2M_OK);
    }
}

enum p2m_error p2m_set_range(struct p2m_locked locked, struct gfn_range *range, mfn_t *mfn,
                             enum p2m_type type, struct p2m_debt *debt)
{
    struct p2m *p2m = locked.p2m;
    struct p2m_mapping mapping = { .mfn = *mfn, .type = type };
    struct gfn_range part = *range;
    struct outlook outlook;
    enum p2m_error error;

    if ((unsigned)type >= P2M_TYPE_COUNT)
        return P2M_BAD_TYPE;
    if (part.from.gfn >= part.end.gfn || part.end.gfn > p2m->config.end.gfn)
        return P2M_BAD_RANGE;
    error = plan_range(locked, &part, mapping, debt, &outlook);
    if (error == P2M_OK)
        error = table_reserve(locked, outlook.tables);
    if (error != P2M_OK)
        return error;
    commit_range(locked, &part, &mapping, outlook.first, debt);
    table_unreserve(locked); /* what the rest of the range will need when it is called again */
    if (part.from.gfn == range->from.gfn)
        return P2M_DEBT_FULL;
    range->from = part.from;
    *mfn = mapping.mfn;
    return P2M_OK;
}
