/* SPDX-License-Identifier: MIT */
/*
 * Setting entries. Each verb plans (checks everything, counts the tables that will be needed),
 * takes those from the host, and only then commits, which cannot fail; what was displaced is added
 * to the caller's debt. Refuses to know hardware bits, and what the host does with a frame that
 * comes back.
 */
#include "set.h"

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

static inline bool has_frame(enum p2m_type type)
{
    return type_table[type].rights;
}

static inline enum p2m_error check_mapping(const struct p2m *p2m, gfn_t gfn,
                                           struct p2m_mapping mapping)
{
    uint64_t end = p2m->config.end.gfn, mfn_end = p2m->config.mfn_end.mfn;
    uint64_t frames;

    if ((unsigned)mapping.type >= P2M_TYPE_COUNT)
        return P2M_BAD_TYPE;
    if (!order_is_size(mapping.order) || !frame_is_aligned(gfn.gfn, mapping.order))
        return P2M_BAD_RANGE;
    frames = order_frames(mapping.order);
    if (gfn.gfn >= end || frames > end - gfn.gfn)
        return P2M_BAD_RANGE;
    if (!has_frame(mapping.type))
        return P2M_OK;
    if (mapping.order > p2m->config.max_order || mapping.mfn.mfn >= mfn_end ||
        frames > mfn_end - mapping.mfn.mfn || !frame_is_aligned(mapping.mfn.mfn, mapping.order))
        return P2M_BAD_RANGE;
    return P2M_OK;
}

/* What a verb would do to one aligned piece, found out before anything changes. */
struct plan {
    struct slot slot; /* as deep as there are tables */
    uint64_t old;     /* what is there */
    uint64_t entry;   /* the entry to write */
    unsigned level;   /* where */
    bool already;     /* the map says so already */
    bool owes;        /* something will leave the map */
    bool stays;       /* the frames that are there stay */
    bool counted;     /* to know what is there, the records of a table's tables were read */
};

/* May a leaf with this type take the place of one with that type and the same frames, in one step?
 */
static bool is_same_kind(enum p2m_type a, enum p2m_type b)
{
    return type_table[a].class == type_table[b].class &&
           type_table[a].memory == type_table[b].memory;
}

/* The classes of all that is below a table. */
static unsigned table_classes(const struct p2m *p2m, uint64_t entry, unsigned level)
{
    struct p2m_counts counts = entry_counts(p2m, entry, level);
    unsigned classes = 0;

    for (unsigned i = 0; i < P2M_CLASSES; i++)
        for (unsigned size = 0; size < ORDER_SIZES; size++)
            if (counts.leaves[i][size])
                classes |= CLASS_BIT(P2M_CLASS_RAM + i);
    return classes;
}

/* The part of the old entry that the new one would replace. */
static uint64_t old_piece(const struct p2m *p2m, const struct plan *plan, gfn_t gfn)
{
    uint64_t piece = plan->old;

    for (unsigned above = plan->slot.level; above > plan->level; above--)
        piece = entry_piece(p2m->config.format, piece, above, level_index(gfn, above - 1));
    return piece;
}

/* Is all that a table leads to of these classes? */
static bool table_is_of(const struct p2m *p2m, struct plan *plan, unsigned classes)
{
    if (classes == ALL_CLASSES)
        return true;
    plan->counted = true;
    return !(table_classes(p2m, plan->old, plan->slot.level) & ~classes);
}

/* A leaf takes the place of a leaf when all that differs is the type. */
static bool may_displace(const struct p2m *p2m, gfn_t gfn, unsigned displaces, struct plan *plan)
{
    uint64_t piece;

    if (plan->entry & p2m->config.format->present)
        displaces &= CLASS_BIT(P2M_CLASS_MARKER);
    if (entry_kind(p2m->config.format, plan->old, plan->slot.level) == ENTRY_TABLE)
        return table_is_of(p2m, plan, displaces);
    if (!plan->stays)
        return displaces & CLASS_BIT(entry_class(plan->old));
    piece = old_piece(p2m, plan, gfn);
    return entry_mfn(piece).mfn == entry_mfn(plan->entry).mfn &&
           is_same_kind(entry_type(piece), entry_type(plan->entry));
}

/* Something is there already. */
static enum p2m_error plan_over(const struct p2m *p2m, gfn_t gfn, unsigned displaces,
                                struct plan *plan)
{
    const struct pt_format *format = p2m->config.format;
    enum entry_kind kind = entry_kind(format, plan->old, plan->slot.level);

    plan->already =
        kind != ENTRY_TABLE && entry_equals(format, old_piece(p2m, plan, gfn), plan->entry);
    plan->stays = kind == ENTRY_LEAF && plan->entry & format->present;
    plan->owes = kind == ENTRY_TABLE || (kind == ENTRY_LEAF && !plan->stays);
    if (plan->already)
        return P2M_OK;
    if (!may_displace(p2m, gfn, displaces, plan))
        return P2M_OCCUPIED;
    return is_pinned(p2m, gfn, level_order(plan->level)) ? P2M_BUSY : P2M_OK;
}

static inline __attribute__((always_inline)) enum p2m_error
plan_piece(const struct p2m *p2m, gfn_t gfn, struct p2m_mapping mapping, unsigned displaces,
           struct plan *plan)
{
    unsigned level = mapping.order / ORDER_STEP;
    struct slot slot = table_walk(p2m, gfn, level);

    *plan = (struct plan){ .slot = slot, .old = slot_read(slot), .level = level };
    plan->entry = entry_make(p2m->config.format, mapping.mfn, mapping.type, level);
    if (plan->old)
        return plan_over(p2m, gfn, displaces, plan);
    plan->already = plan->entry == 0;
    return P2M_OK;
}

/* Would a processor that still uses what this debt owes see one frame, and another a new one? */
static inline bool is_owed(const struct p2m *p2m, const struct p2m_debt *debt, gfn_t gfn,
                           const struct plan *plan)
{
    return debt->count > 0 && plan->entry & p2m->config.format->present &&
           debt_holds(p2m, debt, gfn, order_frames(level_order(plan->level)));
}

/* ---- commit --------------------------------------------------------------------------------- */

/* What comes here is to be copied, if D bits say what is. */
static inline uint64_t entry_as_logged(const struct p2m *p2m, uint64_t entry)
{
    const struct pt_format *format = p2m->config.format;
    bool is_logged = p2m->log.mode == P2M_LOG_DIRTY_BITS && entry & format->present;

    return is_logged ? entry | format->dirty : entry;
}

/* Nothing is displaced, and no table is missing. What was not present is in no processor. */
static inline void commit_over_nothing(struct p2m *p2m, struct slot slot, gfn_t gfn, uint64_t entry)
{
    entry_exchange(p2m, slot, entry_as_logged(p2m, entry));
    merge_note(p2m, slot, gfn);
}

static void commit_over_something(struct p2m_locked locked, gfn_t gfn, const struct plan *plan,
                                  struct p2m_debt *debt)
{
    struct p2m *p2m = locked.p2m;
    const struct pt_format *format = p2m->config.format;
    struct slot slot = table_reach(locked, plan->slot, gfn, plan->level);
    struct p2m_change change = { .level = plan->level, .old = slot_read(slot) };

    /* A change of type alone: the frames stay, and with them what the processor noted of them. */
    do {
        change.new = plan->stays ? plan->entry | (change.old & entry_volatile(format))
                                 : entry_as_logged(p2m, plan->entry);
    } while (!entry_change(p2m, slot, &change.old, change.new));
    if (plan->stays)
        debt_flush(p2m, debt);
    else if (plan->owes)
        debt_add_entry(p2m, debt, gfn, &change);
    merge_note(p2m, slot, gfn);
}

/* Can't fail: all was checked, and the reserve holds the tables. */
static inline void commit_piece(struct p2m_locked locked, gfn_t gfn, const struct plan *plan,
                                struct p2m_debt *debt)
{
    if (plan->old == 0 && plan->slot.level == plan->level)
        commit_over_nothing(locked.p2m, plan->slot, gfn, plan->entry);
    else
        commit_over_something(locked, gfn, plan, debt);
}

void set_over_mark(struct p2m *p2m, struct slot slot, gfn_t gfn, mfn_t mfn)
{
    commit_over_nothing(p2m, slot, gfn,
                        entry_make(p2m->config.format, mfn, P2M_RAM_RW, slot.level));
}

enum p2m_error p2m_set_entry(struct p2m_locked locked, gfn_t gfn, struct p2m_mapping mapping,
                             struct p2m_debt *debt)
{
    struct p2m *p2m = locked.p2m;
    struct plan plan;
    enum p2m_error error = check_mapping(p2m, gfn, mapping);

    if (error != P2M_OK)
        return error;
    carry_out_changes(locked, gfn);
    error = plan_piece(p2m, gfn, mapping, ALL_CLASSES, &plan);
    if (error != P2M_OK || plan.already)
        return error;
    if (is_owed(p2m, debt, gfn, &plan))
        return P2M_OCCUPIED;
    if (plan.owes && debt->count == P2M_DEBT_MAX)
        return P2M_DEBT_FULL;
    if (plan.slot.level > plan.level)
        error = table_reserve(locked, plan.slot.level - plan.level);
    if (error == P2M_OK)
        commit_piece(locked, gfn, &plan, debt);
    return error;
}

/* ---- ranges --------------------------------------------------------------------------------- */

/* The largest order that gfn, mfn, length and processor allow. */
static unsigned largest_order(const struct p2m *p2m, struct gfn_range range,
                              const struct set_wish *wish)
{
    uint64_t bits = range.from.gfn | (has_frame(wish->type) ? wish->mfn.mfn : 0);
    unsigned order = has_frame(wish->type) ? p2m->config.max_order : ORDER_1G;

    while (order > 0 &&
           (!frame_is_aligned(bits, order) || order_frames(order) > gfn_range_frames(range)))
        order -= ORDER_STEP;
    return order;
}

/* The next piece of a range: as large as may be, and where leaves are there already not larger than
 * they are, for their frames may be the very ones. */
static enum p2m_error plan_next(const struct p2m *p2m, struct gfn_range range,
                                const struct set_wish *wish, struct plan *plan)
{
    struct p2m_mapping mapping = { wish->mfn, largest_order(p2m, range, wish), wish->type };
    enum p2m_error error = check_mapping(p2m, range.from, mapping);

    if (error != P2M_OK)
        return error;
    error = plan_piece(p2m, range.from, mapping, wish->displaces, plan);
    while (error == P2M_OCCUPIED && plan->owes && has_frame(wish->type) && mapping.order > 0) {
        mapping.order -= ORDER_STEP;
        error = plan_piece(p2m, range.from, mapping, wish->displaces, plan);
    }
    return error;
}

/* The planned piece is behind us. */
static inline void advance(struct gfn_range *range, struct set_wish *wish, const struct plan *plan)
{
    uint64_t frames = order_frames(level_order(plan->level));

    range->from = gfn_add(range->from, frames);
    wish->mfn = mfn_add(wish->mfn, frames);
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

/* What was found out about a range before anything changes. */
struct outlook {
    struct plan first; /* of its first piece */
    uint64_t tables;   /* that all pieces lack */
};

/* Up to the end of the range, or as far as the steps and the room in the debt go: then the range
 * ends there. What a piece replaces must be what it says it is: no change of type is pending on the
 * way to it. */
static enum p2m_error plan_range(struct p2m_locked locked, struct gfn_range *range,
                                 struct set_wish wish, const struct p2m_debt *debt,
                                 struct outlook *outlook)
{
    struct p2m *p2m = locked.p2m;
    struct gfn_range rest = *range;
    struct plan other, *plan = &outlook->first;
    unsigned room = P2M_DEBT_MAX - debt->count;
    gfn_t before = NO_PIECE;
    uint64_t steps = 0;

    outlook->tables = 0;
    for (; rest.from.gfn < rest.end.gfn && steps < p2m->config.steps; plan = &other) {
        enum p2m_error error;

        if (carry_out_changes(locked, rest.from))
            steps += TABLE_ENTRIES;
        error = plan_next(p2m, rest, &wish, plan);
        if (error == P2M_OK && !plan->already && is_owed(p2m, debt, rest.from, plan))
            error = P2M_OCCUPIED;
        if (error != P2M_OK)
            return error;
        if (plan->owes && !plan->already && room-- == 0)
            break;
        if (!plan->already) {
            outlook->tables += tables_to_add(plan, rest.from, before);
            before = rest.from;
        }
        steps += plan->counted ? TABLE_ENTRIES : 1;
        advance(&rest, &wish, plan);
    }
    range->end = rest.from;
    return P2M_OK;
}

/* From the piece that is planned already. */
static void commit_range(struct p2m_locked locked, struct gfn_range *range, struct set_wish *wish,
                         struct plan *plan, struct p2m_debt *debt)
{
    for (;;) {
        enum p2m_error error;

        if (!plan->already)
            commit_piece(locked, range->from, plan, debt);
        advance(range, wish, plan);
        if (range->from.gfn >= range->end.gfn)
            return;
        error = plan_next(locked.p2m, *range, wish, plan);
        ASSERT(error == P2M_OK);
    }
}

enum p2m_error set_range_to(struct p2m_locked locked, struct gfn_range *range,
                            struct set_wish *wish, struct p2m_debt *debt)
{
    struct p2m *p2m = locked.p2m;
    struct gfn_range part = *range;
    struct outlook outlook;
    enum p2m_error error;

    if ((unsigned)wish->type >= P2M_TYPE_COUNT)
        return P2M_BAD_TYPE;
    if (part.from.gfn >= part.end.gfn || part.end.gfn > p2m->config.end.gfn)
        return P2M_BAD_RANGE;
    error = plan_range(locked, &part, *wish, debt, &outlook);
    if (error == P2M_OK && part.from.gfn == part.end.gfn)
        error = P2M_DEBT_FULL;
    if (error == P2M_OK && outlook.tables > 0)
        error = table_reserve(locked, outlook.tables);
    if (error != P2M_OK)
        return error;
    commit_range(locked, &part, wish, &outlook.first, debt);
    ASSERT(p2m->reserve_count == 0);
    range->from = part.from;
    return P2M_OK;
}

enum p2m_error p2m_set_range(struct p2m_locked locked, struct gfn_range *range, mfn_t *mfn,
                             enum p2m_type type, struct p2m_debt *debt)
{
    struct set_wish wish = { *mfn, type, ALL_CLASSES };
    enum p2m_error error = set_range_to(locked, range, &wish, debt);

    *mfn = wish.mfn;
    return error;
}
