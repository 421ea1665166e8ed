/* SPDX-License-Identifier: MIT */
/*
 * The public verbs. Each one checks, reserves the table pages that it will need, and only then
 * changes the map; what it displaced is added to the caller's debt. Refuses to know hardware bits,
 * and what the host does with a frame that comes back.
 */
#include "p2m/p2m.h"

#include "debt.h"
#include "merge.h"
#include "table.h"

#define FRAMES_END ((uint64_t)1 << 36) /* four levels of 512 entries */

const char *p2m_error_name(enum p2m_error error)
{
    static const char *const names[] = {
        [P2M_OK] = "ok",
        [P2M_BAD_RANGE] = "bad range",
        [P2M_BAD_TYPE] = "bad type",
        [P2M_NO_MEMORY] = "no memory for tables",
        [P2M_BUSY] = "busy",
        [P2M_OCCUPIED] = "occupied by other frames",
        [P2M_UNEQUAL] = "entries not alike",
    };

    return (unsigned)error < sizeof(names) / sizeof(names[0]) ? names[error] : "unknown";
}

const char *p2m_format_name(const struct pt_format *format)
{
    return format->name;
}

/* ---- lock, create, destroy --------------------------------------------------------------------
 */

struct p2m_locked p2m_lock(struct p2m *p2m)
{
    while (atomic_flag_test_and_set_explicit(&p2m->lock, memory_order_acquire))
        ;
    return (struct p2m_locked){ p2m };
}

void p2m_unlock(struct p2m_locked locked)
{
    ASSERT(locked.p2m->reserve_count == 0);
    atomic_flag_clear_explicit(&locked.p2m->lock, memory_order_release);
}

enum p2m_error p2m_create(struct p2m *p2m, const struct p2m_config *config)
{
    if (!order_is_size(config->max_order) || config->end.gfn == 0 || config->end.gfn > FRAMES_END)
        return P2M_BAD_RANGE;
    *p2m = (struct p2m){ .config = *config, .root = INVALID_MFN, .reserve = INVALID_MFN };
    atomic_flag_clear(&p2m->lock);
    if (config->table_quota == 0)
        return P2M_NO_MEMORY;
    p2m->root = p2m_host_alloc_table(p2m);
    if (!mfn_is_valid(p2m->root))
        return P2M_NO_MEMORY;
    entry_fill_table(p2m, p2m->root, 0, LEVELS);
    p2m->counts.tables = 1;
    return P2M_OK;
}

void p2m_destroy(struct p2m_locked locked, struct p2m_debt *debt)
{
    struct p2m *p2m = locked.p2m;
    uint64_t root = entry_make_table(p2m->config.format, p2m->root);
    struct slot above = { .level = LEVELS, .gfn = GFN(0) };

    debt_add_entry(p2m, debt, above, root);
    p2m->counts = (struct p2m_counts){ .tables = 0 };
    p2m->root = INVALID_MFN;
    p2m->candidate_count = 0;
    p2m->pin_count = 0;
}

uint64_t p2m_root_address(const struct p2m *p2m)
{
    return p2m->root.mfn << FRAME_SHIFT;
}

uint64_t p2m_generation(const struct p2m *p2m)
{
    return atomic_load(&p2m->generation);
}

/* ---- look-up ----------------------------------------------------------------------------------
 */

struct p2m_entry p2m_get_entry(struct p2m_walking walking, gfn_t gfn)
{
    const struct p2m *p2m = walking.p2m;
    const struct pt_format *format = p2m->config.format;
    struct p2m_entry result = { .gfn = gfn, .mfn = INVALID_MFN, .type = P2M_INVALID };
    struct slot slot;
    uint64_t entry;

    if (gfn.gfn >= FRAMES_END)
        return result;
    slot = table_find(p2m, gfn, 0);
    entry = entry_read(slot_entry(p2m, slot));
    result.order = level_order(slot.level);
    result.type = entry_type(entry);
    if (entry_kind(format, entry, slot.level) == ENTRY_LEAF) {
        result.mfn = mfn_add(entry_mfn(entry), gfn.gfn - level_base(gfn, slot.level).gfn);
        result.accessed = entry & format->accessed;
        result.dirty = entry & format->dirty;
    }
    return result;
}

/* ---- set --------------------------------------------------------------------------------------
 */

static bool is_pinned(const struct p2m *p2m, gfn_t gfn, unsigned order)
{
    for (unsigned i = 0; i < p2m->pin_count; i++)
        if (frame_align_down(p2m->pin[i].gfn, order) == gfn.gfn)
            return true;
    return false;
}

static enum p2m_error check_mapping(const struct p2m *p2m, gfn_t gfn,
                                    const struct p2m_mapping *mapping)
{
    uint64_t end = p2m->config.end.gfn;

    if ((unsigned)mapping->type >= P2M_TYPE_COUNT)
        return P2M_BAD_TYPE;
    if (!order_is_size(mapping->order) || !frame_is_aligned(gfn.gfn, mapping->order))
        return P2M_BAD_RANGE;
    if (gfn.gfn >= end || order_frames(mapping->order) > end - gfn.gfn)
        return P2M_BAD_RANGE;
    if (!type_table[mapping->type].rights)
        return P2M_OK;
    if (mapping->order > p2m->config.max_order || mapping->mfn.mfn > PTE_ADDRESS >> FRAME_SHIFT ||
        !frame_is_aligned(mapping->mfn.mfn, mapping->order))
        return P2M_BAD_RANGE;
    return P2M_OK;
}

/* Frames are mapped there that a leaf with `new`'s frames would exchange for others. */
static bool is_occupied(const struct p2m *p2m, struct slot slot, uint64_t old, uint64_t piece,
                        uint64_t new)
{
    const struct pt_format *format = p2m->config.format;
    struct p2m_counts counts;

    if (!(new & format->present))
        return false;
    switch (entry_kind(format, old, slot.level)) {
    case ENTRY_LEAF:
        return entry_mfn(piece).mfn != entry_mfn(new).mfn;
    case ENTRY_TABLE:
        counts = entry_counts(p2m, old, slot.level);
        for (unsigned size = 0; size < ORDER_SIZES; size++)
            if (counts.ram[size] || counts.other[size])
                return true;
        return false;
    default:
        return false;
    }
}

/* What p2m_set_entry would do to one aligned piece, found out before anything changes. */
struct plan {
    uint64_t entry; /* the entry to write */
    unsigned level;
    unsigned missing; /* tables that the path lacks */
    bool already;     /* the map says so already */
};

static enum p2m_error plan_piece(const struct p2m *p2m, gfn_t gfn,
                                 const struct p2m_mapping *mapping, struct plan *plan)
{
    const struct pt_format *format = p2m->config.format;
    unsigned level = mapping->order / ORDER_STEP;
    struct slot slot = table_find(p2m, gfn, level);
    uint64_t old = entry_read(slot_entry(p2m, slot)), piece = old;

    for (unsigned above = slot.level; above > level; above--)
        piece = entry_piece(format, piece, above, level_index(gfn, above - 1));
    *plan = (struct plan){ .level = level, .missing = slot.level - level };
    plan->entry = entry_make(format, mapping->mfn, mapping->type, level);
    plan->already = entry_kind(format, old, slot.level) != ENTRY_TABLE &&
                    !((piece ^ plan->entry) & ~entry_volatile(format));
    if (plan->already)
        return P2M_OK;
    if (is_occupied(p2m, slot, old, piece, plan->entry))
        return P2M_OCCUPIED;
    if (is_pinned(p2m, gfn, mapping->order))
        return P2M_BUSY;
    return P2M_OK;
}

/* Can't fail: all was checked, and the reserve holds the tables. */
static void commit_piece(struct p2m_locked locked, gfn_t gfn, const struct plan *plan,
                         struct p2m_debt *debt)
{
    struct p2m *p2m = locked.p2m;
    const struct pt_format *format = p2m->config.format;
    struct slot slot = table_reach(locked, gfn, plan->level);
    uint64_t old = entry_read(slot_entry(p2m, slot)), new;

    /* A change of type alone: the frames stay, and with them what the processor noted of them. */
    do {
        bool stays =
            entry_kind(format, old, slot.level) == ENTRY_LEAF && (plan->entry & format->present);

        new = stays ? plan->entry | (old & entry_volatile(format)) : plan->entry;
    } while (!entry_change(p2m, slot, &old, new));
    if (new & format->present && entry_kind(format, old, slot.level) == ENTRY_LEAF)
        debt_flush(p2m, debt);
    else
        debt_add_entry(p2m, debt, slot, old);
    merge_note(p2m, slot);
}

enum p2m_error p2m_set_entry(struct p2m_locked locked, gfn_t gfn, struct p2m_mapping mapping,
                             struct p2m_debt *debt)
{
    struct plan plan;
    enum p2m_error error = check_mapping(locked.p2m, gfn, &mapping);

    if (error == P2M_OK)
        error = plan_piece(locked.p2m, gfn, &mapping, &plan);
    if (error != P2M_OK || plan.already)
        return error;
    if (debt->count == P2M_DEBT_MAX)
        return P2M_BUSY;
    error = table_reserve(locked, plan.missing);
    if (error == P2M_OK)
        commit_piece(locked, gfn, &plan, debt);
    return error;
}

/* ---- ranges -----------------------------------------------------------------------------------
 */

/* The largest order that gfn, mfn, length and processor allow. */
static unsigned largest_order(const struct p2m *p2m, gfn_t gfn, gfn_t end,
                              const struct p2m_mapping *mapping)
{
    bool has_frame = type_table[mapping->type].rights;
    uint64_t bits = gfn.gfn | (has_frame ? mapping->mfn.mfn : 0);
    unsigned order = has_frame ? p2m->config.max_order : ORDER_1G;

    while (order > 0 && (!frame_is_aligned(bits, order) || order_frames(order) > end.gfn - gfn.gfn))
        order -= ORDER_STEP;
    return order;
}

/* Tables that this piece lacks, without those that the piece before it brings along. */
static unsigned tables_to_add(const struct plan *plan, gfn_t gfn, gfn_t before, bool first)
{
    unsigned count = 0;

    for (unsigned level = plan->level; level < plan->level + plan->missing; level++)
        count += first || level_base(gfn, level + 1).gfn != level_base(before, level + 1).gfn;
    return count;
}

static enum p2m_error plan_range(const struct p2m *p2m, struct gfn_range range,
                                 struct p2m_mapping mapping, uint64_t *tables)
{
    gfn_t gfn = range.from, before = range.from;

    *tables = 0;
    while (gfn.gfn < range.end.gfn) {
        enum p2m_error error;
        struct plan plan;

        mapping.order = largest_order(p2m, gfn, range.end, &mapping);
        error = check_mapping(p2m, gfn, &mapping);
        if (error == P2M_OK)
            error = plan_piece(p2m, gfn, &mapping, &plan);
        if (error != P2M_OK)
            return error;
        if (!plan.already) {
            *tables += tables_to_add(&plan, gfn, before, *tables == 0);
            before = gfn;
        }
        gfn = gfn_add(gfn, order_frames(mapping.order));
        mapping.mfn = mfn_add(mapping.mfn, order_frames(mapping.order));
    }
    return P2M_OK;
}

enum p2m_error p2m_set_range(struct p2m_locked locked, struct gfn_range *range, mfn_t *mfn,
                             enum p2m_type type, struct p2m_debt *debt)
{
    struct p2m *p2m = locked.p2m;
    struct p2m_mapping mapping = { .mfn = *mfn, .type = type };
    enum p2m_error error;
    uint64_t tables;

    if ((unsigned)type >= P2M_TYPE_COUNT)
        return P2M_BAD_TYPE;
    if (range->from.gfn >= range->end.gfn || range->end.gfn > p2m->config.end.gfn)
        return P2M_BAD_RANGE;
    error = plan_range(p2m, *range, mapping, &tables);
    if (error == P2M_OK && debt->count == P2M_DEBT_MAX)
        error = P2M_BUSY;
    if (error == P2M_OK)
        error = table_reserve(locked, tables);
    if (error != P2M_OK)
        return error;

    while (range->from.gfn < range->end.gfn && debt->count < P2M_DEBT_MAX) {
        struct plan plan;

        mapping.mfn = *mfn;
        mapping.order = largest_order(p2m, range->from, range->end, &mapping);
        error = plan_piece(p2m, range->from, &mapping, &plan);
        ASSERT(error == P2M_OK);
        if (!plan.already)
            commit_piece(locked, range->from, &plan, debt);
        range->from = gfn_add(range->from, order_frames(mapping.order));
        *mfn = mfn_add(*mfn, order_frames(mapping.order));
    }
    table_unreserve(locked); /* what the rest of the range will need when it is called again */
    return P2M_OK;
}

/* ---- split ------------------------------------------------------------------------------------
 */

enum p2m_error p2m_split(struct p2m_locked locked, gfn_t gfn, unsigned order)
{
    struct p2m *p2m = locked.p2m;
    unsigned level = order / ORDER_STEP;
    enum p2m_error error;
    struct slot slot;

    if (!order_is_size(order) || order == ORDER_1G || gfn.gfn >= p2m->config.end.gfn)
        return P2M_BAD_RANGE;
    slot = table_find(p2m, gfn, level);
    if (slot.level == level || entry_read(slot_entry(p2m, slot)) == 0)
        return P2M_OK;
    error = table_reserve(locked, slot.level - level);
    if (error == P2M_OK)
        table_reach(locked, gfn, level);
    return error;
}

/* ---- the host's own accesses ------------------------------------------------------------------
 */

enum p2m_error p2m_mark_dirty(struct p2m_locked locked, gfn_t gfn)
{
    struct p2m *p2m = locked.p2m;
    struct slot slot;
    uint64_t entry;

    if (gfn.gfn >= p2m->config.end.gfn)
        return P2M_BAD_TYPE;
    slot = table_find(p2m, gfn, 0);
    entry = entry_read(slot_entry(p2m, slot));
    if (entry_kind(p2m->config.format, entry, slot.level) != ENTRY_LEAF)
        return P2M_BAD_TYPE;
    while (!entry_change(p2m, slot, &entry, entry | entry_volatile(p2m->config.format)))
        ;
    return P2M_OK;
}

enum p2m_error p2m_pin(struct p2m_locked locked, gfn_t gfn)
{
    struct p2m *p2m = locked.p2m;

    if (!mfn_is_valid(p2m_get_entry(p2m_locked_walking(locked), gfn).mfn))
        return P2M_BAD_TYPE;
    if (p2m->pin_count == P2M_PINS_MAX)
        return P2M_NO_MEMORY;
    p2m->pin[p2m->pin_count++] = gfn;
    return P2M_OK;
}

void p2m_unpin(struct p2m_locked locked, gfn_t gfn)
{
    struct p2m *p2m = locked.p2m;
    unsigned i = 0;

    while (i < p2m->pin_count && p2m->pin[i].gfn != gfn.gfn)
        i++;
    ASSERT(i < p2m->pin_count);
    p2m->pin[i] = p2m->pin[--p2m->pin_count];
}
