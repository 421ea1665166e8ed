/* SPDX-License-Identifier: MIT */
/*
 * fragment MB COMMAND... - take so much memory by single pages, free every other of them, and run
 * the command while the rest is held: what is free then lies in pieces of 4 KB. At the end the held
 * pages must be what they were. The status is the command's, or 1.
 * Refuses to know what the command does.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pattern.h"

#define SEED 2

static bool take(uint64_t *words, uint64_t pages)
{
    if (madvise(words, pages * PAGE_BYTES, MADV_NOHUGEPAGE) != 0)
        return false;
    for (uint64_t page = 0; page < pages; page++)
        pattern_write(words + page * PAGE_WORDS, pattern_of(SEED, page));
    for (uint64_t page = 1; page < pages; page += 2) {
        if (madvise(words + page * PAGE_WORDS, PAGE_BYTES, MADV_DONTNEED) != 0)
            return false;
    }
    return true;
}

static uint64_t bad_pages(const uint64_t *words, uint64_t pages)
{
    uint64_t sum = 0, bad = 0;

    for (uint64_t page = 0; page < pages; page += 2)
        bad += !pattern_holds(words + page * PAGE_WORDS, pattern_of(SEED, page), &sum);
    return bad;
}

static int run(char **command)
{
    int status = 1;
    pid_t pid = fork();

    if (pid == 0) {
        execv(command[0], command);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return 1;
    return WEXITSTATUS(status);
}

int main(int count, char **words)
{
    uint64_t mb = count > 2 ? strtoull(words[1], NULL, 10) : 0;
    uint64_t pages = mb * MB / PAGE_BYTES;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (mb == 0) {
        fprintf(stderr, "usage: fragment MB COMMAND...\n");
        return 2;
    }
    uint64_t *memory =
        mmap(NULL, mb * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || !take(memory, pages)) {
        perror("fragment");
        return 1;
    }
    printf("fragment: every other page of %" PRIu64 " MB is held\n", mb);

    int status = run(words + 2);
    uint64_t bad = bad_pages(memory, pages);
    printf("fragment: %" PRIu64 " held pages verified, %" PRIu64 " bad pages\n", pages / 2, bad);
    return bad == 0 ? status : 1;
}
