/* SPDX-License-Identifier: MIT */
/*
 * Ballooning; see balloon.h. A run is what follows one another in the guest's list. It is populated
 * as one; it is given back by spans, each of which goes all in one, and frame by frame where
 * something is refused.
 */
#include "balloon.h"

#include "balloon_spans.h"
#include "guest_linear.h"
#include "upkeep.h"

/* ---- runs ----------------------------------------------------------------------------------- */

/* Up to `most` frames from the leading end, none of them in another region than the first. */
static struct gfn_range leading(const struct run *run, uint64_t most)
{
    struct gfn_range span = run->range;
    uint64_t edge;

    if (run->direction == UP) {
        edge = frame_align_down(span.from.gfn, ORDER_2M) + REGION;
        if (span.end.gfn > edge)
            span.end = GFN(edge);
        if (gfn_range_frames(span) > most)
            span.end = gfn_add(span.from, most);
    } else {
        edge = frame_align_down(span.end.gfn - 1, ORDER_2M);
        if (span.from.gfn < edge)
            span.from = GFN(edge);
        if (gfn_range_frames(span) > most)
            span.from = GFN(span.end.gfn - most);
    }
    return span;
}

static void drop_leading(struct run *run, struct gfn_range span)
{
    if (run->direction == UP)
        run->range.from = span.end;
    else
        run->range.end = span.from;
}

/* A region of 2 MB, or as many frames as a debt has room for: it goes all in one, or not at all. */
static struct gfn_range leading_span(const struct run *run)
{
    struct gfn_range region = leading(run, REGION);

    return gfn_range_frames(region) == REGION ? region : leading(run, P2M_DEBT_MAX);
}

/* How many frames, from the leading end; all of the run, unless something is refused. */
static uint64_t decrease_run(struct domain *domain, struct run run)
{
    uint64_t frames = gfn_range_frames(run.range);

    while (run.range.from.gfn < run.range.end.gfn) {
        struct gfn_range span = leading_span(&run);

        if (!balloon_decrease_span(domain, span)) {
            span = leading(&run, 1);
            if (!balloon_decrease_span(domain, span))
                break;
        }
        drop_leading(&run, span);
    }
    return frames - gfn_range_frames(run.range);
}

/* How many extents of the run were done whole. */
static uint64_t change_run(struct domain *domain, struct run run, unsigned order,
                           enum balloon_verb verb)
{
    uint64_t frames = verb == BALLOON_DECREASE ? decrease_run(domain, run)
                                               : balloon_populate_run(domain, run, order);

    return frames >> order;
}

/* ---- the guest's list ----------------------------------------------------------------------- */

#define LIST_PIECE 64u

/* The list as it is read, a piece at a time: each word of it once. */
struct reader {
    struct vcpu *vcpu;
    const struct balloon_list *list;
    uint64_t next; /* the extent that `peek` looks at */
    uint64_t piece_from, piece_end;
    uint64_t piece[LIST_PIECE];
};

/* The next extent; false at the end of the list, and where it can't be read or makes no sense. */
static bool peek(struct reader *reader, struct gfn_range *extent)
{
    const struct balloon_list *list = reader->list;
    uint64_t left = list->count - reader->next, gfn;

    if (left == 0)
        return false;
    if (reader->next >= reader->piece_end) {
        uint64_t count = left < LIST_PIECE ? left : LIST_PIECE;

        if (!guest_copy_from_linear(reader->vcpu, reader->piece,
                                    list->linear + reader->next * sizeof(uint64_t),
                                    count * sizeof(uint64_t)))
            return false;
        reader->piece_from = reader->next;
        reader->piece_end = reader->next + count;
    }
    gfn = reader->piece[reader->next - reader->piece_from];
    if (gfn >= reader->vcpu->domain->end.gfn)
        return false;
    *extent = (struct gfn_range){ GFN(gfn), gfn_add(GFN(gfn), order_frames(list->order)) };
    return true;
}

/* So that no call takes long: frames that are done at once, and spans. */
#define RUN_MOST   order_frames(ORDER_1G)
#define SPANS_MOST 512u

/* As many extents as follow one another, up or down; returns how many. */
static uint64_t read_run(struct reader *reader, struct run *run)
{
    struct gfn_range extent;
    uint64_t count = 0;

    while (count << reader->list->order < RUN_MOST && peek(reader, &extent)) {
        bool above = count && extent.from.gfn == run->range.end.gfn;
        bool below = count && extent.end.gfn == run->range.from.gfn;

        if (count == 0)
            *run = (struct run){ extent, UP };
        else if (above && (count == 1 || run->direction == UP))
            *run = (struct run){ { run->range.from, extent.end }, UP };
        else if (below && (count == 1 || run->direction == DOWN))
            *run = (struct run){ { extent.from, run->range.end }, DOWN };
        else
            break;
        reader->next++;
        count++;
    }
    return count;
}

/* ---- when a call is over -------------------------------------------------------------------- */

#define TIDY_MOST REGION /* so that no call takes long */

/* The guest has given back all that it is to give back. */
static void note_target(struct domain *domain)
{
    struct pod_account account = pod_account(&domain->pod);

    if (domain->ballooned || domain->memory_frames == domain->maxmem_frames ||
        account.entries + account.populated > domain->memory_frames)
        return;
    domain->ballooned = true;
    if (domain->on_target)
        domain->on_target(domain);
}

/* Tables go, and as much is cleared as came into hand: the next populate finds it ready. */
static void tidy_up(struct domain *domain, uint64_t cached_before)
{
    uint64_t cached = pod_account(&domain->pod).cached;
    uint64_t came = cached > cached_before ? cached - cached_before : 0;

    upkeep_merge(domain);
    upkeep_clear(domain, came < TIDY_MOST ? came : TIDY_MOST);
    upkeep_merge_slots(domain);
    upkeep_gather(domain, TIDY_MOST);
}

bool balloon_change(struct vcpu *vcpu, struct balloon_list *list, enum balloon_verb verb)
{
    struct domain *domain = vcpu->domain;
    struct reader reader = { .vcpu = vcpu, .list = list, .next = list->next };
    uint64_t cached_before = pod_account(&domain->pod).cached, count, done, spans = 0;
    struct run run = { 0 };

    do {
        count = read_run(&reader, &run);
        done = count ? change_run(domain, run, list->order, verb) : 0;
        list->next += done;
        spans += 1 + gfn_range_frames(run.range) / REGION;
    } while (count && done == count && spans < SPANS_MOST);
    tidy_up(domain, cached_before);
    note_target(domain);
    return count && done == count && list->next < list->count;
}

uint64_t balloon_frames(const struct domain *domain)
{
    struct pod_account account = pod_account(&domain->pod);

    return pod_frames(&account);
}
