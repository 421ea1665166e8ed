/* SPDX-License-Identifier: MIT */
/*
 * fill [MB [SEED]] - fill memory with a pattern, read all of it back, and compare. Without MB, four
 * fifths of what is available. Every word differs from its neighbours and depends on page and
 * seed, so that a page lost, swapped with another or mapped twice is seen.
 * Refuses to know how the memory is mapped, by the kernel or below it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MB         ((uint64_t)1 << 20)
#define PAGE_WORDS 512u

/* The first word of a page, and the step from word to word: a full mix of seed and page number. */
static uint64_t page_word(uint64_t seed, uint64_t page)
{
    uint64_t x = seed + (page + 1) * 0x9e3779b97f4a7c15;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

static void fill_page(uint64_t *words, uint64_t first)
{
    uint64_t step = first | 1;

    for (unsigned i = 0; i < PAGE_WORDS; i++)
        words[i] = first + i * step;
}

/* Adds the page's words to *sum; whether each is what fill_page wrote. */
static int check_page(const uint64_t *words, uint64_t first, uint64_t *sum)
{
    uint64_t step = first | 1;
    uint64_t difference = 0, total = 0;

    for (unsigned i = 0; i < PAGE_WORDS; i++) {
        difference |= words[i] ^ (first + i * step);
        total += words[i];
    }
    *sum = *sum * 31 + total;
    return difference == 0;
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

static int fill_and_check(uint64_t *words, uint64_t pages, uint64_t seed)
{
    uint64_t sum = 0, bad = 0;

    for (uint64_t page = 0; page < pages; page++) {
        say_progress("written", page, pages);
        fill_page(words + page * PAGE_WORDS, page_word(seed, page));
    }
    for (uint64_t page = 0; page < pages; page++) {
        say_progress("verified", page, pages);
        if (!check_page(words + page * PAGE_WORDS, page_word(seed, page), &sum) && bad++ < 8)
            printf("fill: page %" PRIu64 " at %p is not what was written\n", page,
                   (void *)(words + page * PAGE_WORDS));
    }
    printf("fill: %" PRIu64 " MB written and verified, checksum %016" PRIx64 ", %" PRIu64
           " bad pages\n",
           pages * PAGE_WORDS * 8 / MB, sum, bad);
    return bad == 0 ? 0 : 1;
}

int main(int count, char **words)
{
    uint64_t mb = count > 1 ? strtoull(words[1], NULL, 10) : available_mb() / 5 * 4;
    uint64_t seed = count > 2 ? strtoull(words[2], NULL, 10) : 1;

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
    printf("fill: %" PRIu64 " MB, seed %" PRIu64 "\n", mb, seed);
    return fill_and_check(memory, mb * MB / 4096, seed);
}
