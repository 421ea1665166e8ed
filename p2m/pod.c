/* SPDX-License-Identifier: MIT */
/*
 * Populate-on-demand: marks become RAM from the cache; and the account. How large to populate is
 * policy.h's; populate_order and take_block do it. Refuses to know which block of the cache is
 * taken (cache.c), and how zeroes are found (reclaim.c).
 */
#include "p2m/pod.h"

#include <stddef.h>

#include "grant.h"
#include "policy.h"
#include "set.h"
#include "table.h"
#include "walk.h"

void pod_create(struct pod *pod, struct p2m *p2m, unsigned max_order)
{
    *pod = (struct pod){ .p2m = p2m, .max_order = max_order, .debt_order = POLICY_DEBT_ORDER };
    pod->cache.aside = INVALID_MFN;
    pod->gather.slot = GFN(UINT64_MAX);
    pod->gather.block = pod->gather_seen.block = INVALID_MFN;
    pod->gather_looked = UINT64_MAX;
    for (unsigned i = 0; i < POD_RECENT; i++)
        pod->recent[i] = GFN(UINT64_MAX);
}

void pod_set_debt_order(struct pod *pod, unsigned order)
{
    ASSERT(order <= ORDER_2M && order_is_size(order));
    pod->debt_order = order;
}

/* ---- the account ---------------------------------------------------------------------------- */

struct pod_account pod_account(const struct pod *pod)
{
    const struct p2m_counts *counts = &pod->p2m->counts;

    return (struct pod_account){
        .entries = counts_frames(counts, P2M_CLASS_MARKER),
        .cached = pod->cache.counts.frames,
        .granted = pod->granted,
        .populated = counts_frames(counts, P2M_CLASS_RAM),
    };
}

struct pod_events pod_events(const struct pod *pod)
{
    return pod->events;
}

/* pod_in_debt, of what is needed for it alone. */
static bool is_in_debt(const struct pod *pod)
{
    return counts_frames(&pod->p2m->counts, P2M_CLASS_MARKER) >
           pod->cache.counts.frames + pod->granted;
}

/* ---- clearing ahead ------------------------------------------------------------------------- */

bool pod_clean_begin(struct p2m_locked locked, struct pod *pod, struct pod_grant *grant)
{
    unsigned order;
    struct pod_block block = pod_cache_take_dirty(locked, pod, &order);

    if (!mfn_is_valid(block.mfn))
        return false;
    grant_start(pod, grant, GFN(0), block.mfn, order);
    return true;
}

void pod_clean_end(struct p2m_locked locked, struct pod *pod, const struct pod_grant *grant)
{
    grant_put_back(locked, pod, grant, POD_CLEAN);
}

/* ---- populating ----------------------------------------------------------------------------- */

/* One table is all that a populate in debt fills. */
static unsigned populate_order(const struct pod *pod, unsigned mark_order)
{
    unsigned limit = p2m_max_order(pod->p2m);

    if (pod->max_order < limit)
        limit = pod->max_order;
    if (is_in_debt(pod) && pod->debt_order + ORDER_STEP < limit)
        limit = pod->debt_order + ORDER_STEP;
    return mark_order < limit ? mark_order : limit;
}

/* What maps the first frame that this entry of a table at `level` covers. */
static uint64_t first_leaf(const struct p2m *p2m, uint64_t entry, unsigned level)
{
    for (; entry_kind(p2m->config.format, entry, level) == ENTRY_TABLE; level--)
        entry = entry_read(entry_table(p2m, entry));
    return entry;
}

/* The frame that continues what is mapped beside this mark within the same table, or none. */
static mfn_t near_frame(const struct p2m *p2m, struct slot slot)
{
    uint64_t frames = order_frames(level_order(slot.level));
    unsigned index = slot_index(p2m, slot);
    uint64_t beside;

    if (index > 0) {
        beside = first_leaf(p2m, entry_read(slot.entry - 1), slot.level);
        if (entry_class(beside) == P2M_CLASS_RAM)
            return mfn_add(entry_mfn(beside), frames);
    }
    if (index < TABLE_ENTRIES - 1) {
        beside = first_leaf(p2m, entry_read(slot.entry + 1), slot.level);
        if (entry_class(beside) == P2M_CLASS_RAM && entry_mfn(beside).mfn >= frames)
            return MFN(entry_mfn(beside).mfn - frames);
    }
    return INVALID_MFN;
}

/* What is gathered for this very slot goes to its place. */
static struct pod_block take_piece(struct p2m_locked locked, struct pod *pod, struct slot slot,
                                   gfn_t gfn)
{
    unsigned order = level_order(slot.level);
    struct pod_place place = { .gfn = gfn };

    if (frame_align_down(gfn.gfn, ORDER_1G) == pod->gather.slot.gfn) {
        mfn_t own = mfn_add(pod->gather.block, gfn.gfn - pod->gather.slot.gfn);
        struct pod_block block = pod_cache_take_at(locked, pod, own, order);

        if (mfn_is_valid(block.mfn))
            return block;
    }
    place.near = near_frame(locked.p2m, slot);
    return pod_cache_get(locked, pod, order, place);
}

/* Below 1 GB: the largest size up to this one that the cache has a piece of. */
static unsigned piece_order(const struct pod *pod, unsigned order)
{
    const uint64_t *blocks = pod->cache.counts.blocks;
    bool has_2m = blocks[order_size(ORDER_2M)] > 0 || blocks[order_size(ORDER_1G)] > 0;

    return order > ORDER_4K && has_2m ? ORDER_2M : ORDER_4K;
}

/*
 * Nobody waits for a whole GB to be cleared: it is clean already, or 2 MB of it are taken. The mark
 * is remapped before a block leaves the cache: after that nothing can fail for want of a table
 * page, and no block has to find its way back. The slot is then that of a mark of the block's size.
 */
static enum p2m_error take_block(struct p2m_locked locked, struct pod *pod, struct slot *slot,
                                 gfn_t gfn, struct pod_grant *grant)
{
    unsigned order = populate_order(pod, level_order(slot->level));
    struct pod_block block = { INVALID_MFN, POD_CLEAN };
    gfn_t first = GFN(frame_align_down(gfn.gfn, order));
    enum p2m_error error;

    if (order == ORDER_1G)
        block = pod_cache_get_clean_1g(locked, pod, (struct pod_place){ first, INVALID_MFN });
    if (!mfn_is_valid(block.mfn)) {
        order = piece_order(pod, order);
        first = GFN(frame_align_down(gfn.gfn, order));
        error = table_split(locked, slot, gfn, order / ORDER_STEP);
        if (error != P2M_OK)
            return error;
        block = take_piece(locked, pod, *slot, first);
    }
    ASSERT(mfn_is_valid(block.mfn));
    grant_start(pod, grant, first, block.mfn, order);
    return block.clean == POD_CLEAN ? P2M_OK : P2M_UNCLEAN;
}

static void note_recent(struct pod *pod, gfn_t gfn)
{
    pod->recent[pod->recent_next] = gfn;
    pod->recent_next = (pod->recent_next + 1) % POD_RECENT;
}

/*
 * While the guest is in debt, most of what it touches will be given back, or is wanted for another:
 * 512 smaller leaves have an A and a D bit each, which tell what was not used. Without a page for
 * their table it is one leaf: nothing is lost but that knowledge.
 */
static void map_block(struct p2m_locked locked, struct pod *pod, struct slot slot,
                      const struct pod_grant *grant)
{
    bool in_debt = is_in_debt(pod);

    set_over_mark(locked.p2m, slot, grant->gfn, grant->mfn);
    pod->events.populates[order_size(grant->order)]++;
    grant_end(pod, grant);
    if (in_debt && grant->order > pod->debt_order &&
        table_split(locked, &slot, grant->gfn, slot.level - 1) != P2M_OK)
        return;
}

/* May a mark become RAM now? P2M_BAD_TYPE: there is none. */
static enum p2m_error check_mark(const struct pod *pod, struct slot slot)
{
    switch (entry_type(slot_read(slot))) {
    case P2M_POD:
        return is_settled(pod) ? P2M_OK : P2M_BUSY;
    case P2M_POD_MOVING:
        return P2M_BUSY;
    default:
        return P2M_BAD_TYPE;
    }
}

/* What is mapped now is not what a change that waits is about. */
static struct slot find_mark(struct p2m_locked locked, gfn_t gfn)
{
    carry_out_changes(locked, gfn);
    return table_walk(locked.p2m, gfn, 0);
}

enum p2m_error pod_demand_populate(struct p2m_locked locked, struct pod *pod, gfn_t gfn,
                                   struct pod_grant *grant)
{
    enum p2m_error error;
    struct slot slot;

    ASSERT(locked.p2m == pod->p2m);
    if (gfn.gfn >= locked.p2m->config.end.gfn)
        return P2M_BAD_TYPE;
    slot = find_mark(locked, gfn);
    if (entry_class(slot_read(slot)) == P2M_CLASS_RAM)
        return P2M_OK;
    error = check_mark(pod, slot);
    if (error != P2M_OK)
        return error;
    if (pod->cache.counts.frames == 0)
        return P2M_EMPTY;
    note_recent(pod, gfn);
    error = take_block(locked, pod, &slot, gfn, grant);
    if (error == P2M_OK)
        map_block(locked, pod, slot, grant);
    return error;
}

enum p2m_error pod_finish_populate(struct p2m_locked locked, struct pod *pod,
                                   const struct pod_grant *grant)
{
    enum p2m_error error;
    struct slot slot;
    bool is_there;

    ASSERT(locked.p2m == pod->p2m);
    slot = find_mark(locked, grant->gfn);
    error = check_mark(pod, slot);
    is_there = error == P2M_OK && level_order(slot.level) >= grant->order;
    if (is_there)
        error = table_split(locked, &slot, grant->gfn, grant->order / ORDER_STEP);
    if (is_there && error == P2M_OK) {
        map_block(locked, pod, slot, grant);
        return P2M_OK;
    }
    grant_put_back(locked, pod, grant, POD_CLEAN);
    return is_there ? error : P2M_OK;
}

enum p2m_error p2m_gfn_to_mfn(struct p2m_locked locked, struct pod *pod, gfn_t gfn,
                              struct p2m_entry *entry, struct pod_grant *grant)
{
    enum p2m_error error = P2M_OK;

    *entry = p2m_get_entry(p2m_locked_walking(locked), gfn);
    if (entry->type != P2M_POD)
        return P2M_OK;
    error = pod_demand_populate(locked, pod, gfn, grant);
    *entry = p2m_get_entry(p2m_locked_walking(locked), gfn);
    return error;
}

/* ---- audit ---------------------------------------------------------------------------------- */

/* Held, or on its way: between the calls of a sweep or of a move. */
static bool has_unfinished(const struct p2m *p2m)
{
    for_each_p2m_entry (w, p2m, GFN(0), p2m->config.end)
        if (p2m_type_is_held(entry_type(w.entry)) || entry_type(w.entry) == P2M_POD_MOVING)
            return true;
    return false;
}

void pod_audit(struct p2m_locked locked, const struct pod *pod, struct pod_audit *report)
{
    *report = (struct pod_audit){ .what = NULL };
    pod_cache_audit(locked, pod, &report->cache);
    if (pod_has_surplus(pod) && !pod->is_trimming)
        report->what = "more frames in hand than were promised";
    else if (!pod->is_sweeping && !pod->is_moving && has_unfinished(locked.p2m))
        report->what = "something is held or moving, and no sweep or move is under way";
    else if (locked.p2m->holds != (unsigned)pod->is_sweeping + pod->is_moving)
        report->what = "the map counts other sweeps and moves than are under way";
    report->errors = report->cache.errors + (report->what != NULL);
}
