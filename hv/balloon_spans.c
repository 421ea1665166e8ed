/* SPDX-License-Identifier: MIT */
/*
 * One span, or one run, of ballooning; see balloon_spans.h. Populating promises first and raises
 * the cache by as much afterwards.
 */
#include "balloon_spans.h"

#include "flush.h"
#include "guest_memory.h"
#include "promise.h"
#include "slots.h"

/* ---- decrease ------------------------------------------------------------------------------- */

/* The span is one piece, or no more pieces than a debt has room for: the first call does all of it,
 * or nothing. */
static enum p2m_error decrease(struct domain *domain, struct gfn_range span)
{
    enum p2m_error error = P2M_OK;

    while (error == P2M_OK && span.from.gfn < span.end.gfn) {
        struct p2m_debt debt = P2M_NO_DEBT;
        struct p2m_locked locked = p2m_lock(&domain->p2m);

        error = pod_decrease(locked, &domain->pod, &span, &debt);
        p2m_unlock(locked);
        flush_settle(domain, &debt);
    }
    return error;
}

bool balloon_decrease_span(struct domain *domain, struct gfn_range span)
{
    if (decrease(domain, span) != P2M_OK)
        return false;
    slot_note(domain, span.from, SLOT_BALLOONED);
    return true;
}

/* ---- populate ------------------------------------------------------------------------------- */

static gfn_t leading_frame(const struct run *run, uint64_t done)
{
    if (run->direction == UP)
        return gfn_add(run->range.from, done);
    return GFN(run->range.end.gfn - 1 - done);
}

/* The first `frames` of the run, as the guest counts. */
static struct gfn_range leading(const struct run *run, uint64_t frames)
{
    if (run->direction == UP)
        return (struct gfn_range){ run->range.from, gfn_add(run->range.from, frames) };
    return (struct gfn_range){ GFN(run->range.end.gfn - frames), run->range.end };
}

/* From this frame on, how many of the range are left in the run's direction? */
static uint64_t frames_ahead(const struct run *run, struct gfn_range range, gfn_t gfn)
{
    if (gfn.gfn < range.from.gfn || gfn.gfn >= range.end.gfn)
        return 0;
    return run->direction == UP ? range.end.gfn - gfn.gfn : gfn.gfn - range.from.gfn + 1;
}

/* How many frames from the leading end lie in the guest's RAM. */
static uint64_t count_ram(const struct domain *domain, const struct run *run)
{
    uint64_t frames = gfn_range_frames(run->range), ahead = 0;

    for (unsigned i = 0; i < domain->ram_count && ahead == 0; i++)
        ahead = frames_ahead(run, domain->ram[i], leading_frame(run, 0));
    return ahead < frames ? ahead : frames;
}

/* And how many of those are neither there nor promised. */
static uint64_t count_empty(struct domain *domain, const struct run *run)
{
    uint64_t frames = count_ram(domain, run), count = 0;

    while (count < frames) {
        gfn_t gfn = leading_frame(run, count), first;
        struct p2m_entry entry = guest_look_up(domain, gfn);

        if (entry.type != P2M_INVALID)
            break;
        first = GFN(frame_align_down(gfn.gfn, entry.order));
        count += frames_ahead(
            run, (struct gfn_range){ first, gfn_add(first, order_frames(entry.order)) }, gfn);
    }
    return count < frames ? count : frames;
}

/* How many frames more the guest may have: its target holds for what it takes, too. */
static uint64_t count_allowed(const struct domain *domain)
{
    struct pod_account account = pod_account(&domain->pod);
    uint64_t owed = p2m_unpaid(&domain->p2m).ram; /* may be in hand in a moment */
    uint64_t has = pod_frames(&account) + owed;

    return has < domain->memory_frames ? domain->memory_frames - has : 0;
}

/* Promised, and as much more in hand; or nothing. How much more there was. */
static uint64_t promise(struct domain *domain, struct gfn_range range)
{
    uint64_t before = pod_account(&domain->pod).cached, frames = gfn_range_frames(range), got = 0;

    if (promise_mark(domain, range) == P2M_OK)
        got = promise_in_hand(domain, before + frames) - before;
    if (got < frames) {
        promise_unmark(domain, range);
        (void)promise_in_hand(domain, before);
    }
    return got;
}

uint64_t balloon_populate_run(struct domain *domain, struct run run, unsigned order)
{
    uint64_t empty = count_empty(domain, &run), allowed = count_allowed(domain), got;
    uint64_t frames = frame_align_down(empty < allowed ? empty : allowed, order);

    while (frames > 0) {
        got = promise(domain, leading(&run, frames));
        if (got == frames)
            break;
        frames = frame_align_down(got, order);
    }
    return frames;
}
