/* SPDX-License-Identifier: MIT */
/*
 * Runs workloads, and says what each costs: in time, or, under callgrind, in instructions (the
 * counts are then in callgrind's files). Refuses to know what a workload does, and to judge.
 *
 *      bench time|count|limits [NAME...]    rows whose names begin so; none: all
 *
 * "time" writes a line for each row: name, GB, format, ns (median, least, most), bytes of tables.
 * Each row is counted a second time with an operation that does nothing, to be taken away. From
 * time nothing is taken away: a processor does the loop beside the work.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"
#include "measure.h"
#include "workload.h"

#define SAMPLES_MAX  512u
#define SAMPLES      64u /* of one run; and as many as all runs should have together */
#define RUNS         5u
#define COUNTED_MOST 8192u /* operations: 16 tables of 4K leaves */

static const struct workloads *const all[] = {
    &workloads_map, &workloads_type, &workloads_pod, &workloads_cache, &workloads_sweep,
};

static struct {
    enum measure measure;
    char **names;
    int name_count;
} asked;

/* ---- one row -------------------------------------------------------------------------------- */

static void do_nothing(struct guest *guest, uint64_t index)
{
    (void)guest;
    __asm__ volatile("" : : "r"(index));
}

static uint64_t operations_of(const struct workload *workload, const struct guest *guest)
{
    uint64_t count = guest->frames >> workload->order;

    if (workload->operations)
        count = workload->operations;
    return asked.measure == MEASURE_COUNT && count > COUNTED_MOST ? COUNTED_MOST : count;
}

/* From one operation up to another, as one sample. What stands between operations is not of it. */
static void run_sample(const struct workload *workload, struct guest *guest, uint64_t from,
                       uint64_t end)
{
    if (workload->steps->between) {
        for (uint64_t index = from; index < end; index++) {
            measure_begin();
            workload->steps->operate(guest, index);
            measure_end();
            workload->steps->between(guest, index);
        }
        return;
    }
    measure_begin();
    for (uint64_t index = from; index < end; index++)
        workload->steps->operate(guest, index);
    measure_end();
}

/* All of it, from the beginning; returns the number of samples. */
static uint64_t run_once(const struct workload *workload, struct guest *guest, double *sample)
{
    uint64_t count = operations_of(workload, guest), taken = 0, each = workload->sample;

    if (each == 0)
        each = count > SAMPLES ? count / SAMPLES : 1;
    for (uint64_t from = 0; from < count; from += each) {
        uint64_t end = from + each < count ? from + each : count;

        run_sample(workload, guest, from, end);
        sample[taken++] = measure_take() / (double)(end - from);
    }
    return taken;
}

static void start(const struct workload *workload, struct guest *guest,
                  const struct pt_format *format, uint64_t gigabytes)
{
    *guest = (struct guest){ .order = workload->order };
    guest_start(guest, format, gigabytes << ORDER_1G);
    if (workload->steps->prepare)
        workload->steps->prepare(guest);
}

static const struct steps idle = { NULL, do_nothing, NULL };
static const struct steps idle_between = { NULL, do_nothing, do_nothing };

/* The same loop around nothing. */
static struct workload twin_of(const struct workload *workload)
{
    struct workload twin = *workload;

    twin.steps = workload->steps->between ? &idle_between : &idle;
    return twin;
}

/* Written under two names: the row, and what to take away from it. */
static void count(const struct workload *workload, const struct pt_format *format,
                  uint64_t gigabytes)
{
    struct workload twin = twin_of(workload);
    double sample[SAMPLES_MAX];
    struct guest guest;
    char name[128];

    start(workload, &guest, format, gigabytes);
    snprintf(name, sizeof(name), "%s %lu %s %lu", workload->name, gigabytes,
             p2m_format_name(format), operations_of(workload, &guest) * workload->parts);
    measure_open();
    run_once(workload, &guest, sample);
    measure_close(name);
    measure_open();
    run_once(&twin, &guest, sample);
    measure_close("nothing");
    guest_end(&guest);
}

static uint64_t table_bytes(const struct guest *guest)
{
    return p2m_counts(&guest->p2m).tables * FRAME_SIZE;
}

static void take_time(const struct workload *workload, const struct pt_format *format,
                      uint64_t gigabytes)
{
    double sample[SAMPLES_MAX], parts = (double)workload->parts;
    struct measure_spread ns;
    uint64_t taken = 0, bytes = 0;

    for (unsigned run = 0; run < RUNS && taken < SAMPLES; run++) {
        struct guest guest;

        start(workload, &guest, format, gigabytes);
        bytes = table_bytes(&guest);
        taken += run_once(workload, &guest, sample + taken);
        if (table_bytes(&guest) > bytes)
            bytes = table_bytes(&guest);
        guest_end(&guest);
    }
    ns = measure_spread(sample, taken);
    printf("time\t%s\t%lu\t%s\t%.1f\t%.1f\t%.1f\t%lu\n", workload->name, gigabytes,
           p2m_format_name(format), ns.median / parts, ns.min / parts, ns.max / parts, bytes);
    fflush(stdout);
}

/* ---- all rows ------------------------------------------------------------------------------- */

static void run_row(const struct workload *workload)
{
    static const struct pt_format *const formats[] = { &npt_format, &ept_format };

    for (unsigned size = 0; size < WORKLOAD_SIZES && workload->gigabytes[size]; size++)
        for (unsigned i = 0; i < 2; i++) {
            if (asked.measure == MEASURE_COUNT)
                count(workload, formats[i], workload->gigabytes[size]);
            else
                take_time(workload, formats[i], workload->gigabytes[size]);
        }
}

static bool is_asked(const char *name)
{
    for (int i = 0; i < asked.name_count; i++)
        if (strncmp(name, asked.names[i], strlen(asked.names[i])) == 0)
            return true;
    return asked.name_count == 0;
}

static int run_rows(enum measure measure)
{
    unsigned rows = 0;

    asked.measure = measure;
    measure_choose(measure);
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        for (unsigned row = 0; row < all[i]->count; row++)
            if (is_asked(all[i]->list[row].name)) {
                run_row(&all[i]->list[row]);
                rows++;
            }
    if (rows == 0)
        fprintf(stderr, "bench: there is no such row\n");
    return rows == 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    asked.names = argv + 2;
    asked.name_count = argc - 2;
    if (strcmp(what, "time") == 0)
        return run_rows(MEASURE_TIME);
    if (strcmp(what, "count") == 0)
        return run_rows(MEASURE_COUNT);
    if (strcmp(what, "limits") == 0) {
        limits_measure();
        return 0;
    }
    fprintf(stderr, "bench: time|count|limits [NAME...]\n");
    return 2;
}
