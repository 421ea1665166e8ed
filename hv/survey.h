/* SPDX-License-Identifier: MIT */
/*
 * What the firmware and the boot loader say of memory, as stretches of frames that are alike from
 * one edge to the next. Entries may overlap, touch, be empty or upside down: asked edge by edge,
 * none of that can confuse.
 * Refuses to know what becomes of the memory.
 */
#ifndef HV_SURVEY_H
#define HV_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

/* One stretch of memory, in bytes unless it is said otherwise. */
struct memory_range {
    uint64_t from;
    uint64_t end;
};

enum memory_use { MEMORY_ABSENT, MEMORY_FREE, MEMORY_TAKEN };

struct survey {
    const struct memory_range *ram;   /* usable; shrinks to whole frames */
    const struct memory_range *taken; /* in use; grows to whole frames; counts only inside ram */
    unsigned ram_count, taken_count;
    struct memory_range records; /* in frames: what survey_place took */
};

#define SURVEY_END UINT64_MAX

/*
 * survey_next - the first edge after this frame, or SURVEY_END: up to it, all frames are alike.
 * survey_use - what this frame is. survey_end - the end of the highest RAM.
 *   Units:   4K frames.
 */
uint64_t survey_next(const struct survey *survey, uint64_t after);
enum memory_use survey_use(const struct survey *survey, uint64_t frame);
uint64_t survey_end(const struct survey *survey);

/*
 * survey_place - find room for this many bytes where it cuts the fewest whole free GBs, lowest
 * first; it is taken from then on.
 *   Errors:  false when no stretch of free memory is long enough.
 */
bool survey_place(struct survey *survey, uint64_t size);

#endif
