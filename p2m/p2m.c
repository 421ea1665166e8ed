/* SPDX-License-Identifier: MIT */
/*
 * A map's life, look-ups, splits, and what the host does to a frame itself. Refuses to know
 * hardware bits, and what the host does with a frame that comes back.
 */
#include "p2m/change.h"

#include "debt.h"
#include "table.h"

const char *p2m_error_name(enum p2m_error error)
{
    static const char *const names[] = {
        [P2M_OK] = "ok",
        [P2M_BAD_RANGE] = "bad range",
        [P2M_BAD_TYPE] = "bad type",
        [P2M_NO_MEMORY] = "no memory for tables or pins",
        [P2M_DEBT_FULL] = "debt is full",
        [P2M_BUSY] = "pinned, or not over yet",
        [P2M_OCCUPIED] = "occupied by frames",
        [P2M_UNEQUAL] = "entries not alike",
        [P2M_EMPTY] = "no frame in hand",
        [P2M_UNCLEAN] = "frame to be cleared first",
        [P2M_AGAIN] = "more to do",
    };

    return (unsigned)error < sizeof(names) / sizeof(names[0]) ? names[error] : "unknown";
}

const char *p2m_format_name(const struct pt_format *format)
{
    return format->name;
}

/* ---- lock, create, destroy ------------------------------------------------------------------ */

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
    if (!config->format || !order_is_size(config->max_order) || config->table_quota == 0 ||
        config->end.gfn == 0 || config->end.gfn > FRAMES_END || config->mfn_end.mfn == 0 ||
        config->mfn_end.mfn > (PTE_ADDRESS >> FRAME_SHIFT) + 1)
        return P2M_BAD_RANGE;
    *p2m = (struct p2m){ .config = *config, .root = INVALID_MFN, .reserve = INVALID_MFN };
    if (config->steps == 0)
        p2m->config.steps = P2M_STEPS;
    atomic_flag_clear(&p2m->lock);
    p2m->root = p2m_host_alloc_table(p2m);
    if (!mfn_is_valid(p2m->root))
        return P2M_NO_MEMORY;
    entry_fill_table(p2m, p2m->root, 0, LEVELS);
    p2m->counts.tables = 1;
    return P2M_OK;
}

/* All that the map counts leaves it: no table has to be looked at. */
void p2m_destroy(struct p2m_locked locked, struct p2m_debt *debt)
{
    struct p2m *p2m = locked.p2m;
    struct p2m_owed owed = {
        .gfn = GFN(0),
        .kind = P2M_OWED_SUBTREE,
        .order = level_order(LEVELS),
        .table = p2m->root,
        .frames.dirty = p2m->unpaid.merged > 0,
    };

    ASSERT(mfn_is_valid(p2m->root));
    debt_add(p2m, debt, &owed, &p2m->counts);
    p2m->counts = (struct p2m_counts){ .tables = 0 };
    p2m->root = INVALID_MFN;
    p2m->candidate_count = 0;
    p2m->pin_count = 0;
    p2m->pending = (struct p2m_pending){ .from = P2M_INVALID };
    p2m->log = (struct p2m_log){ P2M_LOG_OFF, ORDER_4K };
}

uint64_t p2m_root_address(const struct p2m *p2m)
{
    return p2m->root.mfn << FRAME_SHIFT;
}

uint64_t p2m_generation(const struct p2m *p2m)
{
    return atomic_load(&p2m->generation);
}

struct p2m_counts p2m_counts(const struct p2m *p2m)
{
    return p2m->counts;
}

struct p2m_events p2m_events(const struct p2m *p2m)
{
    return p2m->events;
}

struct p2m_unpaid p2m_unpaid(const struct p2m *p2m)
{
    return p2m->unpaid;
}

unsigned p2m_max_order(const struct p2m *p2m)
{
    return p2m->config.max_order;
}

bool p2m_is_changing(const struct p2m *p2m)
{
    return is_changing(p2m);
}

/* ---- look-up -------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) struct p2m_entry look_up(const struct p2m *p2m,
                                                                      gfn_t gfn)
{
    const struct pt_format *format = p2m->config.format;
    struct slot slot = table_walk(p2m, gfn, 0);
    unsigned order = level_order(slot.level);
    uint64_t entry = slot_read(slot);

    if (!(entry & format->present))
        return (struct p2m_entry){ INVALID_MFN, entry_type(entry), order, false, false };
    return (struct p2m_entry){
        .mfn = mfn_add(entry_mfn(entry), gfn.gfn & (order_frames(order) - 1)),
        .type = entry_type(entry),
        .order = order,
        .accessed = entry & format->accessed,
        .dirty = entry_is_dirty(format, entry),
    };
}

/* What a leaf will be once the pending change has come to it. Seldom is there one: other look-ups
 * save no registers for this. */
static __attribute__((cold, noinline)) struct p2m_entry look_ahead(const struct p2m *p2m, gfn_t gfn)
{
    struct p2m_entry entry = look_up(p2m, gfn);

    if (entry.type == p2m->pending.from && table_pending_level(p2m, gfn))
        entry.type = p2m->pending.to;
    return entry;
}

struct p2m_entry p2m_get_entry(struct p2m_walking walking, gfn_t gfn)
{
    if (gfn.gfn >= FRAMES_END)
        return (struct p2m_entry){ .mfn = INVALID_MFN, .type = P2M_INVALID };
    if (is_changing(walking.p2m))
        return look_ahead(walking.p2m, gfn);
    return look_up(walking.p2m, gfn);
}

/* ---- split ---------------------------------------------------------------------------------- */

enum p2m_error p2m_split(struct p2m_locked locked, gfn_t gfn, unsigned order)
{
    struct p2m *p2m = locked.p2m;
    unsigned level = order / ORDER_STEP;
    struct slot slot;

    if (!order_is_size(order) || order == ORDER_1G || gfn.gfn >= p2m->config.end.gfn)
        return P2M_BAD_RANGE;
    slot = table_find(p2m, gfn, level);
    return slot_read(slot) == 0 ? P2M_OK : table_split(locked, &slot, gfn, level);
}

/* ---- the host's own accesses ---------------------------------------------------------------- */

enum p2m_error p2m_mark_dirty(struct p2m_locked locked, gfn_t gfn)
{
    struct p2m *p2m = locked.p2m;
    const struct pt_format *format = p2m->config.format;
    struct slot slot;
    uint64_t entry;

    if (gfn.gfn >= p2m->config.end.gfn)
        return P2M_BAD_TYPE;
    slot = table_find(p2m, gfn, 0);
    entry = slot_read(slot);
    if (entry_kind(format, entry, slot.level) != ENTRY_LEAF)
        return P2M_BAD_TYPE;
    while (!entry_change(p2m, slot, &entry, entry | format->accessed | format->dirty))
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
