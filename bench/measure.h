/* SPDX-License-Identifier: MIT */
/*
 * What code costs, in one of two ways: in time, or, under callgrind, in instructions, which are
 * counted one by one and so are the same in every run. Refuses to know what is measured.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdint.h>

enum measure { MEASURE_TIME, MEASURE_COUNT };

/* Which of the two; before anything else. */
void measure_choose(enum measure measure);

/* Counting begins now, from zero; and ends, and what was counted is written under that name. */
void measure_open(void);
void measure_close(const char *name);

/* The code that is measured stands between these two. */
void measure_begin(void);
void measure_end(void);

/*
 * Nanoseconds measured since the last call: of the wall clock or of this thread, whichever is less.
 * The one takes no time to read, the other does not run while somebody else has the processor.
 */
double measure_take(void);

/* Median, least and most of so many samples, which are sorted. */
struct measure_spread {
    double median, min, max;
};
struct measure_spread measure_spread(double *sample, uint64_t count);

#endif
