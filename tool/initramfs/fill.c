/* SPDX-License-Identifier: MIT */
/*
 * fill [--zeroes] [MB] - fill memory with a pattern, or with nothing but zeroes, read all of it
 * back, and compare. Without MB, three quarters of what is available.
 * Refuses to know how the memory is mapped, by the kernel or below it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pattern.h"

#define SEED 1

typedef struct pattern (*pattern_maker)(uint64_t seed, uint64_t page);

static struct pattern zeroes(uint64_t seed, uint64_t page)
{
    (void)seed;
    (void)page;
    return (struct pattern){ 0, 0 };
}

static uint64_t available_mb(void)
{
    FILE *file = fopen("/proc/meminfo", "r");
    char line[128];
    uint64_t kb = 0;

    if (!file)
        return 0;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "MemAvailable: %" SCNu64, &kb) == 1)
            break;
    }
    fclose(file);
    return kb / 1024;
}

static void say_progress(const char *doing, uint64_t page, uint64_t pages)
{
    if (page % (pages / 4) == 0 && page != 0 && page / (pages / 4) <= 4)
        printf("fill: %s, %" PRIu64 " %%\n", doing, page / (pages / 4) * 25);
}

static int fill_and_check(uint64_t *words, uint64_t pages, pattern_maker make)
{
    uint64_t sum = 0, bad = 0;

    for (uint64_t page = 0; page < pages; page++) {
        say_progress("written", page, pages);
        pattern_write(words + page * PAGE_WORDS, make(SEED, page));
    }
    for (uint64_t page = 0; page < pages; page++) {
        say_progress("verified", page, pages);
        if (!pattern_holds(words + page * PAGE_WORDS, make(SEED, page), &sum) && bad++ < 8)
            printf("fill: page %" PRIu64 " at %p is not what was written\n", page,
                   (void *)(words + page * PAGE_WORDS));
    }
    printf("fill: %" PRIu64 " MB written and verified, checksum %016" PRIx64 ", %" PRIu64
           " bad pages\n",
           pages * PAGE_BYTES / MB, sum, bad);
    return bad == 0 ? 0 : 1;
}

int main(int count, char **words)
{
    bool is_zeroes = count > 1 && strcmp(words[1], "--zeroes") == 0;
    const char *size = words[is_zeroes ? 2 : 1];
    uint64_t mb = size ? strtoull(size, NULL, 10) : available_mb() / 4 * 3;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (mb == 0) {
        printf("fill: nothing to fill\n");
        return 0;
    }

    uint64_t *memory =
        mmap(NULL, mb * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        perror("fill: mmap");
        return 1;
    }
    madvise(memory, mb * MB, MADV_HUGEPAGE); /* faster where there are any; as good without */
    printf("fill: %" PRIu64 " MB%s\n", mb, is_zeroes ? " of zeroes" : "");
    return fill_and_check(memory, mb * MB / PAGE_BYTES, is_zeroes ? zeroes : pattern_of);
}
