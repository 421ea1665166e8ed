/* SPDX-License-Identifier: MIT */
/*
 * Leaving out, and trying again. Refuses to know operations.
 */
#include "shrink.h"

#include <string.h>

/* All but `count` operations from `at` on. */
static void leave_out(const struct shrink_input *input, size_t at, size_t count,
                      struct shrink_input *candidate)
{
    size_t end = at + count;
    size_t from = input->start[at];
    size_t gap = (end < input->operations ? input->start[end] : input->size) - from;

    memcpy(candidate->bytes, input->bytes, from);
    memcpy(candidate->bytes + from, input->bytes + from + gap, input->size - from - gap);
    memcpy(candidate->start, input->start, at * sizeof(*input->start));
    for (size_t i = end; i < input->operations; i++)
        candidate->start[i - count] = input->start[i] - gap;
    candidate->size = input->size - gap;
    candidate->operations = input->operations - count;
}

static void take_over(struct shrink_input *input, const struct shrink_input *candidate)
{
    memcpy(input->bytes, candidate->bytes, candidate->size);
    memcpy(input->start, candidate->start, candidate->operations * sizeof(*input->start));
    input->size = candidate->size;
    input->operations = candidate->operations;
}

/* Once from one end to the other, so many operations at a time; was anything left out? */
static bool sweep(struct shrink_input *input, struct shrink_input *candidate, size_t count,
                  struct shrink_judge *judge)
{
    bool is_shorter = false;
    size_t at = 0;

    while (at + count <= input->operations && count < input->operations && judge->tries > 0) {
        leave_out(input, at, count, candidate);
        judge->tries--;
        if (judge->fails(candidate, judge->context)) {
            take_over(input, candidate);
            is_shorter = true;
        } else {
            at += count;
        }
    }
    return is_shorter;
}

void shrink(struct shrink_input *input, struct shrink_input *candidate, struct shrink_judge *judge)
{
    for (size_t count = input->operations / 2; count > 1; count /= 2)
        sweep(input, candidate, count, judge);
    while (sweep(input, candidate, 1, judge))
        ;
}
