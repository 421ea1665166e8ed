/* SPDX-License-Identifier: MIT */
/*
 * The machine's limits; see limits.h. The vector loop is the widest that the compiler makes for any
 * x86-64 with AVX2; the plain one reads a word a step, as a zero check without thought would.
 */
#include "limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "measure.h"

#define SAMPLES 7u
#define CHASE   ((uint64_t)1 << 30)
#define STREAM  ((uint64_t)512 << 20)
#define STEPS   1000000u /* of a chase */
#define LINE    64u

typedef uint64_t vector __attribute__((vector_size(32)));

static void *map(uint64_t size, int advice)
{
    char *at =
        mmap(NULL, size + (2 << 20), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED || madvise(at, size + (2 << 20), advice) != 0) {
        fprintf(stderr, "bench: no memory to measure the machine with\n");
        exit(1);
    }
    at += (2 << 20) - (uintptr_t)at % (2 << 20);
    memset(at, 1, size);
    return at;
}

/* ---- one access after the other ------------------------------------------------------------- */

/* A cycle through all lines, in an order that no prefetcher guesses. */
static void lay_chase(char *memory, uint64_t lines)
{
    uint32_t *order = calloc(lines, sizeof(*order));
    uint64_t state = 88172645463325252u;

    if (!order)
        exit(1);
    for (uint64_t i = 0; i < lines; i++)
        order[i] = (uint32_t)i;
    for (uint64_t i = lines - 1; i > 0; i--) { /* one cycle: never with itself */
        uint64_t other;
        uint32_t here = order[i];

        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        other = (uint64_t)((unsigned __int128)state * i >> 64);
        order[i] = order[other];
        order[other] = here;
    }
    for (uint64_t i = 0; i < lines; i++)
        *(void **)(memory + i * LINE) = memory + (uint64_t)order[i] * LINE;
    free(order);
}

static void *volatile chased;

static void chase(char *memory)
{
    void *at = memory;

    for (unsigned i = 0; i < STEPS; i++)
        at = *(void **)at;
    chased = at;
}

/* ---- streams -------------------------------------------------------------------------------- */

static volatile uint64_t read_bits;

static void read_plain(char *memory)
{
    const uint64_t *words = (const uint64_t *)memory;
    uint64_t at = 0;

    while (at < STREAM / sizeof(*words) && words[at] != 0)
        at++;
    read_bits = at;
}

__attribute__((target("avx2"))) static void read_vector(char *memory)
{
    const vector *line = (const vector *)memory;
    vector bits = { 0 };

    for (uint64_t i = 0; i < STREAM / sizeof(*line); i += 8)
        bits |= line[i] | line[i + 1] | line[i + 2] | line[i + 3] | line[i + 4] | line[i + 5] |
                line[i + 6] | line[i + 7];
    read_bits = bits[0] | bits[1] | bits[2] | bits[3];
}

static void clear_by_string(char *memory)
{
    uint64_t count = STREAM;

    __asm__ volatile("rep stosb" : "+D"(memory), "+c"(count) : "a"(0) : "memory");
}

static void clear_past_cache(char *memory)
{
    long long *words = (long long *)memory;

    for (uint64_t i = 0; i < STREAM / sizeof(*words); i++)
        __builtin_ia32_movnti64(&words[i], 0);
    __builtin_ia32_sfence();
}

/* ---- reports -------------------------------------------------------------------------------- */

static struct measure_spread repeat(void (*work)(char *), char *memory)
{
    double sample[SAMPLES];

    for (unsigned i = 0; i < SAMPLES; i++) {
        measure_begin();
        work(memory);
        measure_end();
        sample[i] = measure_take();
    }
    return measure_spread(sample, SAMPLES);
}

static void report_latency(const char *name, uint64_t size, int advice)
{
    char *memory = map(size, advice);
    struct measure_spread ns;

    lay_chase(memory, size / LINE);
    ns = repeat(chase, memory);
    printf("limit\t%s\t%.1f\t%.1f\t%.1f\tns\n", name, ns.median / STEPS, ns.min / STEPS,
           ns.max / STEPS);
    munmap(memory, size);
}

static void report_stream(const char *name, void (*work)(char *), char *memory)
{
    struct measure_spread ns = repeat(work, memory);
    double bytes = (double)STREAM;

    printf("limit\t%s\t%.2f\t%.2f\t%.2f\tGB/s\n", name, bytes / ns.median, bytes / ns.max,
           bytes / ns.min);
}

void limits_measure(void)
{
    char *memory;

    report_latency("chase_1gib_2m_pages", CHASE, MADV_HUGEPAGE);
    report_latency("chase_1gib_4k_pages", CHASE, MADV_NOHUGEPAGE);
    memory = map(STREAM, MADV_HUGEPAGE);
    report_stream("read_plain", read_plain, memory);
    if (__builtin_cpu_supports("avx2"))
        report_stream("read_vector", read_vector, memory);
    report_stream("clear_rep_stosb", clear_by_string, memory);
    report_stream("clear_movnti", clear_past_cache, memory);
    munmap(memory, STREAM);
}
