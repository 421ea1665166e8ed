/* SPDX-License-Identifier: MIT */
/*
 * Promising memory, and taking it back: marks come and go, and RAM goes into the cache, a bounded
 * part of a range a call. Refuses to know how a mark is populated (pod.c).
 */
#include "p2m/pod.h"

#include "grant.h"
#include "table.h"
#include "walk.h"

static bool is_in_map(const struct p2m *p2m, struct gfn_range range)
{
    return range.from.gfn < range.end.gfn && range.end.gfn <= p2m->config.end.gfn;
}

/* The largest piece that begins at gfn and does not go beyond `end`. */
static unsigned piece_level(gfn_t gfn, gfn_t end)
{
    unsigned order = ORDER_1G;

    while (!frame_is_aligned(gfn.gfn, order) || gfn.gfn + order_frames(order) > end.gfn)
        order -= ORDER_STEP;
    return order / ORDER_STEP;
}

/* What is in the range, by the pieces that p2m_set_range would make of it and, where a piece is a
 * table, by the records; as far as the steps go: then the range ends there. */
static struct p2m_counts count_range(const struct p2m *p2m, struct gfn_range *range)
{
    struct p2m_counts counts = { .tables = 0 };
    gfn_t gfn = range->from;
    uint64_t steps = 0;

    while (gfn.gfn < range->end.gfn && steps < p2m->config.steps) {
        struct slot slot = table_find(p2m, gfn, piece_level(gfn, range->end));
        uint64_t entry = entry_read(slot_entry(p2m, slot));
        struct p2m_counts more = entry_counts(p2m, entry, slot.level);

        for (unsigned size = 0; size < ORDER_SIZES; size++) {
            counts.ram[size] += more.ram[size];
            counts.other[size] += more.other[size];
        }
        steps += more.tables > 0 ? TABLE_ENTRIES : 1;
        gfn = gfn_add(level_base(gfn, slot.level), order_frames(level_order(slot.level)));
    }
    if (gfn.gfn < range->end.gfn)
        range->end = gfn;
    return counts;
}

static bool has_any(const uint64_t leaves[ORDER_SIZES])
{
    return leaves[0] || leaves[1] || leaves[2];
}

/* The one mark that promises nothing. */
static bool is_moving_in(const struct pod *pod, struct gfn_range range)
{
    gfn_t end = gfn_add(pod->moving, order_frames(ORDER_2M));

    if (!pod->is_moving || pod->moving.gfn >= range.end.gfn || end.gfn <= range.from.gfn)
        return false;
    if (pod->moving.gfn > range.from.gfn)
        range.from = pod->moving;
    if (end.gfn < range.end.gfn)
        range.end = end;
    for_each_p2m_entry (w, pod->p2m, range.from, range.end)
        if (entry_type(w.entry) == P2M_POD_MOVING)
            return true;
    return false;
}

enum p2m_error pod_mark(struct p2m_locked locked, struct pod *pod, struct gfn_range *range,
                        struct p2m_debt *debt)
{
    struct gfn_range part = *range;
    mfn_t none = INVALID_MFN;
    struct p2m_counts counts;
    enum p2m_error error;

    ASSERT(locked.p2m == pod->p2m);
    if (!is_in_map(locked.p2m, *range))
        return P2M_BAD_RANGE;
    counts = count_range(locked.p2m, &part);
    if (has_any(counts.ram) || has_any(counts.other) || is_moving_in(pod, part))
        return P2M_OCCUPIED;
    error = p2m_set_range(locked, &part, &none, P2M_POD, debt);
    range->from = part.from;
    return error;
}

static bool is_empty(const struct p2m *p2m, gfn_t from, gfn_t end)
{
    for_each_p2m_entry (w, p2m, from, end)
        if (walk_kind(&w) != ENTRY_EMPTY)
            return false;
    return true;
}

/* Does the record of the region's own table say that more is there than so many frames? */
static bool holds_more(const struct p2m *p2m, gfn_t region, uint64_t frames)
{
    struct slot slot = table_find(p2m, region, 0);
    const struct p2m_table_info *info = p2m_host_table_info(p2m, slot.table);
    uint64_t entries = (uint64_t)info->ram + info->markers + info->other;

    return slot.level == 0 && entries > frames;
}

/* Would nothing be left of this region of 2 MB? */
static bool goes_whole(const struct p2m *p2m, gfn_t region, struct gfn_range range)
{
    gfn_t end = gfn_add(region, order_frames(ORDER_2M));
    gfn_t from = range.from.gfn > region.gfn ? range.from : region;
    gfn_t to = range.end.gfn < end.gfn ? range.end : end;

    return end.gfn <= p2m->config.end.gfn && !holds_more(p2m, region, to.gfn - from.gfn) &&
           is_empty(p2m, region, from) && is_empty(p2m, to, end);
}

/* A region of 2 MB of which nothing would be left goes as a whole: as one item of the debt. */
static struct gfn_range widen(const struct p2m *p2m, struct gfn_range range)
{
    gfn_t first = GFN(frame_align_down(range.from.gfn, ORDER_2M));
    gfn_t last = GFN(frame_align_down(range.end.gfn - 1, ORDER_2M));

    if (goes_whole(p2m, first, range))
        range.from = first;
    if (goes_whole(p2m, last, range))
        range.end = gfn_add(last, order_frames(ORDER_2M));
    return range;
}

enum p2m_error pod_decrease(struct p2m_locked locked, struct pod *pod, struct gfn_range *range,
                            struct p2m_debt *debt)
{
    struct pod_account before = pod_account(pod), after;
    struct gfn_range part = *range, wide;
    gfn_t from = range->from;
    mfn_t none = INVALID_MFN;
    struct p2m_counts counts;
    enum p2m_error error;

    ASSERT(locked.p2m == pod->p2m);
    if (!is_in_map(locked.p2m, *range))
        return P2M_BAD_RANGE;
    counts = count_range(locked.p2m, &part);
    if (has_any(counts.other)) /* a page of the host's, or what is left of a broken one */
        return P2M_BAD_TYPE;
    wide = widen(locked.p2m, part);
    error = p2m_set_range(locked, &wide, &none, P2M_INVALID, debt);
    if (error == P2M_OK && wide.from.gfn <= from.gfn)
        error = P2M_DEBT_FULL; /* what lies before the range was empty already */
    else if (error == P2M_OK)
        range->from = wide.from.gfn < part.end.gfn ? wide.from : part.end;
    after = pod_account(pod);
    note_unsettled(pod, debt);
    pod->events.ballooned += before.entries + before.populated - after.entries - after.populated;
    pod_trim(locked, pod);
    return error;
}

bool pod_accept(struct p2m_locked locked, struct pod *pod, const struct p2m_frames *frames)
{
    struct pod_account account = pod_account(pod);

    ASSERT(locked.p2m == pod->p2m);
    if (p2m_type_class(frames->type) != P2M_CLASS_RAM || frames->became == P2M_BROKEN ||
        !pod_in_debt(&account) || pod_cache_reserve(locked, pod, 1) != P2M_OK)
        return false;
    pod_cache_add(locked, pod, frames->mfn, frames->order, frames->dirty ? POD_DIRTY : POD_CLEAN);
    return true;
}
