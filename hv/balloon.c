/* SPDX-License-Identifier: MIT */
/*
 * Ballooning; see balloon.h. Three sizes of work: a run is what follows one another in the guest's
 * list; a span is the next part of a run that one debt can hold; a frame is what is left when a
 * span can't be done as one.
 */
#include "balloon.h"

#include "balloon_spans.h"
#include "flush.h"
#include "guest_linear.h"

/* Frames in the order in which the guest named them: from one end of the range or the other. */
struct run {
    struct gfn_range range;
    enum direction direction;
};

/* ---- spans ---------------------------------------------------------------------------------- */

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

/* A whole region is one item of a debt, and any other span is as many as it has frames. What is
 * populated comes from the host as a region or as a frame. */
static struct gfn_range next_span(const struct run *run, enum balloon_verb verb)
{
    struct gfn_range span = leading(run, REGION);

    if (gfn_range_frames(span) == REGION)
        return span;
    return leading(run, verb == BALLOON_DECREASE ? P2M_DEBT_MAX : 1);
}

/* ---- runs ----------------------------------------------------------------------------------- */

static bool change_span(struct domain *domain, struct gfn_range span, enum direction direction,
                        enum balloon_verb verb)
{
    return verb == BALLOON_DECREASE ? balloon_decrease_span(domain, span)
                                    : balloon_populate_span(domain, span, direction);
}

/* The run loses what was done of it from its leading end; all of it, unless something is refused.
 */
static void change_run(struct domain *domain, struct run *run, enum balloon_verb verb)
{
    while (run->range.from.gfn < run->range.end.gfn) {
        struct gfn_range span = next_span(run, verb);

        if (!change_span(domain, span, run->direction, verb)) {
            span = leading(run, 1);
            if (!change_span(domain, span, run->direction, verb))
                return;
        }
        drop_leading(run, span);
    }
}

/* Take away again what was populated of an extent that was refused: its leading `frames`. */
static void undo(struct domain *domain, struct run whole, uint64_t from, uint64_t frames)
{
    struct gfn_range done = whole.range;
    struct run back = { .direction = UP };

    if (whole.direction == UP)
        done.from = gfn_add(done.from, from);
    else
        done.from = GFN(done.end.gfn - from - frames);
    back.range = (struct gfn_range){ done.from, gfn_add(done.from, frames) };
    change_run(domain, &back, BALLOON_DECREASE);
}

/* How many extents of the run were done whole. */
static uint64_t change_extents(struct domain *domain, const struct run *run, unsigned order,
                               enum balloon_verb verb)
{
    struct run rest = *run;
    uint64_t done, part;

    change_run(domain, &rest, verb);
    done = gfn_range_frames(run->range) - gfn_range_frames(rest.range);
    part = done & (order_frames(order) - 1);
    if (part && verb == BALLOON_POPULATE)
        undo(domain, *run, done - part, part);
    return done >> order;
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

/* As many extents as follow one another, up or down; returns how many. */
static uint64_t read_run(struct reader *reader, struct run *run)
{
    struct gfn_range extent;
    uint64_t count = 0;

    while (peek(reader, &extent)) {
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

/* What became empty, or whole, gives its table pages back. */
static void merge(struct domain *domain)
{
    while (p2m_has_candidates(&domain->p2m))
        flush_merge(domain);
}

static void note_target(struct domain *domain)
{
    if (domain->target_reached || domain->target_frames == domain->memory_frames ||
        balloon_ram_frames(domain) > domain->target_frames)
        return;
    domain->target_reached = true;
    if (domain->on_target)
        domain->on_target(domain);
}

uint64_t balloon_change(struct vcpu *vcpu, const struct balloon_list *list, enum balloon_verb verb)
{
    struct domain *domain = vcpu->domain;
    struct reader reader = { .vcpu = vcpu, .list = list };
    uint64_t total = 0, count, done;
    struct run run;

    do {
        count = read_run(&reader, &run);
        done = count ? change_extents(domain, &run, list->order, verb) : 0;
        total += done;
    } while (count && done == count);
    merge(domain);
    note_target(domain);
    return total;
}

uint64_t balloon_ram_frames(const struct domain *domain)
{
    struct p2m_counts counts = p2m_counts(&domain->p2m);

    return counts.ram[0] + (counts.ram[1] << ORDER_2M) + (counts.ram[2] << ORDER_1G);
}
