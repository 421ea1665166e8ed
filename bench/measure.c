/* SPDX-License-Identifier: MIT */
/*
 * Clocks, and callgrind's requests; see measure.h.
 */
#include "measure.h"

#include <stdlib.h>
#include <time.h>

#include <valgrind/callgrind.h>

static enum measure chosen;
static struct {
    double wall, thread;
} sum, since;

static double now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

void measure_choose(enum measure measure)
{
    chosen = measure;
}

void measure_open(void)
{
    if (chosen == MEASURE_COUNT) {
        CALLGRIND_START_INSTRUMENTATION;
        CALLGRIND_ZERO_STATS;
    }
}

void measure_close(const char *name)
{
    if (chosen == MEASURE_COUNT) {
        CALLGRIND_DUMP_STATS_AT(name);
        CALLGRIND_STOP_INSTRUMENTATION;
    }
}

/* The thread's clock is read by a system call: outside of what the wall's measures. */
void measure_begin(void)
{
    if (chosen == MEASURE_COUNT) {
        CALLGRIND_TOGGLE_COLLECT;
        return;
    }
    since.thread = now_ns(CLOCK_THREAD_CPUTIME_ID);
    since.wall = now_ns(CLOCK_MONOTONIC);
}

void measure_end(void)
{
    if (chosen == MEASURE_COUNT) {
        CALLGRIND_TOGGLE_COLLECT;
        return;
    }
    sum.wall += now_ns(CLOCK_MONOTONIC) - since.wall;
    sum.thread += now_ns(CLOCK_THREAD_CPUTIME_ID) - since.thread;
}

double measure_take(void)
{
    double least = sum.wall < sum.thread ? sum.wall : sum.thread;

    sum.wall = sum.thread = 0;
    return least;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

struct measure_spread measure_spread(double *sample, uint64_t count)
{
    qsort(sample, count, sizeof(*sample), compare);
    return (struct measure_spread){ sample[count / 2], sample[0], sample[count - 1] };
}
