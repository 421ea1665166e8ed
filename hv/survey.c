/* SPDX-License-Identifier: MIT */
/*
 * What is said of memory, as stretches of frames. The lists are short and are read once, so
 * everything here asks all entries, every time.
 * Refuses to know what becomes of the memory.
 */
#include "survey.h"

#include "p2m/frame.h"
#include "cpu.h"

/* In frames; what lies beyond the direct map is of no use to us. */
static struct memory_range ram_frames(struct memory_range bytes)
{
    uint64_t most = DIRECT_MAP_SIZE >> FRAME_SHIFT;
    uint64_t from = (bytes.from >> FRAME_SHIFT) + (bytes.from % FRAME_SIZE != 0);
    uint64_t end = bytes.end >> FRAME_SHIFT;

    return (struct memory_range){ from, end < most ? end : most };
}

static struct memory_range taken_frames(struct memory_range bytes)
{
    return (struct memory_range){ bytes.from >> FRAME_SHIFT,
                                  (bytes.end >> FRAME_SHIFT) + (bytes.end % FRAME_SIZE != 0) };
}

static bool holds(struct memory_range range, uint64_t frame)
{
    return range.from <= frame && frame < range.end;
}

static uint64_t nearer_edge(struct memory_range range, uint64_t after, uint64_t edge)
{
    if (range.from >= range.end)
        return edge;
    if (range.from > after && range.from < edge)
        edge = range.from;
    if (range.end > after && range.end < edge)
        edge = range.end;
    return edge;
}

uint64_t survey_next(const struct survey *survey, uint64_t after)
{
    uint64_t edge = nearer_edge(survey->records, after, SURVEY_END);

    for (unsigned i = 0; i < survey->ram_count; i++)
        edge = nearer_edge(ram_frames(survey->ram[i]), after, edge);
    for (unsigned i = 0; i < survey->taken_count; i++)
        edge = nearer_edge(taken_frames(survey->taken[i]), after, edge);
    return edge;
}

enum memory_use survey_use(const struct survey *survey, uint64_t frame)
{
    bool ram = false;

    for (unsigned i = 0; i < survey->ram_count && !ram; i++)
        ram = holds(ram_frames(survey->ram[i]), frame);
    if (!ram)
        return MEMORY_ABSENT;
    for (unsigned i = 0; i < survey->taken_count; i++)
        if (holds(taken_frames(survey->taken[i]), frame))
            return MEMORY_TAKEN;
    return holds(survey->records, frame) ? MEMORY_TAKEN : MEMORY_FREE;
}

uint64_t survey_end(const struct survey *survey)
{
    uint64_t end = 0;

    for (unsigned i = 0; i < survey->ram_count; i++) {
        struct memory_range range = ram_frames(survey->ram[i]);

        if (range.from < range.end && range.end > end)
            end = range.end;
    }
    return end;
}

/* How many GBs that lie whole in the free stretch would no longer be whole. */
static uint64_t cut_slots(struct memory_range stretch, struct memory_range piece)
{
    uint64_t first = (stretch.from + order_frames(ORDER_1G) - 1) >> ORDER_1G;
    uint64_t end = stretch.end >> ORDER_1G;
    uint64_t from = piece.from >> ORDER_1G;
    uint64_t last = (piece.end - 1) >> ORDER_1G;

    from = from < first ? first : from;
    last = last < end ? last + 1 : end;
    return from < last ? last - from : 0;
}

/* The next free stretch at or after `from`, its neighbours joined; empty when there is none. */
static struct memory_range next_free(const struct survey *survey, uint64_t from)
{
    struct memory_range stretch;

    while (survey_use(survey, from) != MEMORY_FREE) {
        from = survey_next(survey, from);
        if (from == SURVEY_END)
            return (struct memory_range){ SURVEY_END, SURVEY_END };
    }
    stretch = (struct memory_range){ from, survey_next(survey, from) };
    while (survey_use(survey, stretch.end) == MEMORY_FREE)
        stretch.end = survey_next(survey, stretch.end);
    return stretch;
}

bool survey_place(struct survey *survey, uint64_t size)
{
    uint64_t frames = (size + FRAME_SIZE - 1) >> FRAME_SHIFT;
    uint64_t best_cut = UINT64_MAX;
    struct memory_range best = { 0, 0 };
    struct memory_range stretch = next_free(survey, 0);

    for (; stretch.from != SURVEY_END; stretch = next_free(survey, stretch.end)) {
        struct memory_range low = { stretch.from, stretch.from + frames };
        struct memory_range high = { stretch.end - frames, stretch.end };

        if (stretch.end - stretch.from < frames)
            continue;
        if (cut_slots(stretch, low) < best_cut) {
            best_cut = cut_slots(stretch, low);
            best = low;
        }
        if (cut_slots(stretch, high) < best_cut) {
            best_cut = cut_slots(stretch, high);
            best = high;
        }
    }
    survey->records = best;
    return frames > 0 && best_cut != UINT64_MAX;
}
