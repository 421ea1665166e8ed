/* SPDX-License-Identifier: MIT */
/*
 * Promising memory, and taking it back: marks come and go, and RAM goes into the cache, a bounded
 * part of a range a call. Refuses to know how a mark is populated (pod.c).
 */
#include "p2m/pod.h"

#include "grant.h"
#include "set.h"
#include "table.h"
#include "walk.h"

static bool is_in_map(const struct p2m *p2m, struct gfn_range range)
{
    return range.from.gfn < range.end.gfn && range.end.gfn <= p2m->config.end.gfn;
}

/* The one mark that promises nothing. */
static bool is_moving_in(const struct pod *pod, struct gfn_range range)
{
    gfn_t end = gfn_add(pod->moving, order_frames(ORDER_2M));

    if (pod->moving.gfn >= range.end.gfn || end.gfn <= range.from.gfn)
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
    struct set_wish mark = { INVALID_MFN, P2M_POD, CLASS_BIT(P2M_CLASS_MARKER) };

    ASSERT(locked.p2m == pod->p2m);
    if (pod->is_moving && is_in_map(locked.p2m, *range) && is_moving_in(pod, *range))
        return P2M_OCCUPIED;
    return set_range_to(locked, range, &mark, debt);
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
    const struct p2m_table_info *info = p2m_host_table_info(p2m, slot_table(p2m, slot));
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

/* What is promised, and what is there of it. */
static uint64_t frames_of_guest(const struct pod *pod)
{
    const struct p2m_counts *counts = &pod->p2m->counts;

    return counts_frames(counts, P2M_CLASS_MARKER) + counts_frames(counts, P2M_CLASS_RAM);
}

enum p2m_error pod_decrease(struct p2m_locked locked, struct pod *pod, struct gfn_range *range,
                            struct p2m_debt *debt)
{
    struct set_wish nothing = { INVALID_MFN, P2M_INVALID,
                                ALL_CLASSES & ~CLASS_BIT(P2M_CLASS_OTHER) };
    uint64_t before = frames_of_guest(pod);
    gfn_t from = range->from;
    struct gfn_range wide;
    enum p2m_error error;

    ASSERT(locked.p2m == pod->p2m);
    if (!is_in_map(locked.p2m, *range))
        return P2M_BAD_RANGE;
    wide = widen(locked.p2m, *range);
    error = set_range_to(locked, &wide, &nothing, debt);
    if (error == P2M_OCCUPIED)
        return P2M_BAD_TYPE; /* a page of the host's, or what is left of a broken one */
    if (error == P2M_OK && wide.from.gfn <= from.gfn)
        error = P2M_DEBT_FULL; /* what lies before the range was empty already */
    else if (error == P2M_OK)
        range->from = wide.from.gfn < range->end.gfn ? wide.from : range->end;
    note_unsettled(pod, debt);
    pod->events.ballooned += before - frames_of_guest(pod);
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
