/* SPDX-License-Identifier: MIT */
/*
 * The test's host. Free table pages wait in a queue, so that a page that came back rests poisoned
 * for as long as possible, and the poison is checked when it is handed out again: whoever writes to
 * a dead table is found. Under AddressSanitizer, whoever reads one is found too.
 */
#define _GNU_SOURCE
#include "memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size)   ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

/* Present, superpage, and misaligned to both formats: nobody can take it for an entry. */
#define POISON ((uint64_t)0xa5a5a5a5a5a5a5a5)

static struct {
    char *arena;
    bool is_table[MEMORY_TABLES];
    bool is_poisoned[MEMORY_TABLES];
    struct p2m_table_info info[MEMORY_TABLES];
    uint32_t free[MEMORY_TABLES]; /* a ring */
    uint32_t free_first, free_count;
    uint64_t tables_in_use;
    uint64_t fail_in;
    uint8_t *frame_state;
    bool tracking;
    struct memory_returned returned;
} memory;

static uint64_t *page(mfn_t mfn)
{
    return (uint64_t *)(memory.arena + (mfn.mfn << FRAME_SHIFT));
}

/* Zeroes, with a page on either side that nobody can touch. */
static void *map(size_t size)
{
    char *at = mmap(NULL, size + 2 * FRAME_SIZE, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at == MAP_FAILED || mprotect(at + FRAME_SIZE, size, PROT_READ | PROT_WRITE) != 0)
        fail_msg("no memory for the test's host");
    return at + FRAME_SIZE;
}

static void unmap(void *at, size_t size)
{
    munmap((char *)at - FRAME_SIZE, size + 2 * FRAME_SIZE);
}

void memory_reset(void)
{
    size_t arena = (size_t)MEMORY_TABLES * FRAME_SIZE;

    if (memory.arena) {
        ASAN_UNPOISON_MEMORY_REGION(memory.arena, arena);
        unmap(memory.arena, arena);
        unmap(memory.frame_state, MEMORY_FRAMES_END);
    }
    memset(&memory, 0, sizeof(memory));
    memory.arena = map(arena);
    memory.frame_state = map(MEMORY_FRAMES_END);
    for (uint32_t i = 1; i < MEMORY_TABLES; i++)
        memory.free[memory.free_count++] = i;
}

void *memory_direct_map(void)
{
    return memory.arena;
}

bool memory_is_table(mfn_t mfn)
{
    return mfn.mfn < MEMORY_TABLES && memory.is_table[mfn.mfn];
}

uint64_t memory_tables_in_use(void)
{
    return memory.tables_in_use;
}

void memory_fail_allocation(uint64_t nth)
{
    memory.fail_in = nth;
}

void memory_track_frames(void)
{
    memory.tracking = true;
}

void memory_move_frames(mfn_t mfn, uint64_t frames, enum frame_state state)
{
    assert_true(mfn.mfn + frames <= MEMORY_FRAMES_END);
    memset(memory.frame_state + mfn.mfn, state, frames);
}

enum frame_state memory_frame_state(mfn_t mfn)
{
    assert_true(mfn.mfn < MEMORY_FRAMES_END);
    return memory.frame_state[mfn.mfn];
}

bool memory_frames_are(mfn_t mfn, uint64_t frames, enum frame_state state)
{
    const uint8_t *first = memory.frame_state + mfn.mfn;

    assert_true(frames > 0 && mfn.mfn + frames <= MEMORY_FRAMES_END);
    return first[0] == state && memcmp(first, first + 1, frames - 1) == 0;
}

struct memory_returned memory_returned(void)
{
    return memory.returned;
}

/* ---- what the engine calls ------------------------------------------------------------------ */

static void check_poison(mfn_t mfn)
{
    for (unsigned i = 0; i < FRAME_SIZE / sizeof(uint64_t); i++)
        if (page(mfn)[i] != POISON)
            fail_msg("somebody wrote to table page %#lx after it was freed", mfn.mfn);
}

mfn_t p2m_host_alloc_table(struct p2m *p2m)
{
    mfn_t table;

    (void)p2m;
    if (memory.fail_in > 0 && --memory.fail_in == 0)
        return INVALID_MFN;
    if (memory.free_count == 0)
        return INVALID_MFN;
    table = MFN(memory.free[memory.free_first]);
    memory.free_first = (memory.free_first + 1) % MEMORY_TABLES;
    memory.free_count--;
    ASAN_UNPOISON_MEMORY_REGION(page(table), FRAME_SIZE);
    if (memory.is_poisoned[table.mfn])
        check_poison(table);
    for (unsigned i = 0; i < FRAME_SIZE / sizeof(uint64_t); i++)
        page(table)[i] = POISON; /* the engine may expect nothing of it */
    memset(&memory.info[table.mfn], 0xa5, sizeof(memory.info[table.mfn]));
    memory.is_table[table.mfn] = true;
    memory.tables_in_use++;
    return table;
}

void p2m_host_free_table(struct p2m *p2m, mfn_t table)
{
    (void)p2m;
    if (!memory_is_table(table))
        fail_msg("frame %#lx comes back as a table, and is none", table.mfn);
    for (unsigned i = 0; i < FRAME_SIZE / sizeof(uint64_t); i++)
        page(table)[i] = POISON;
    ASAN_POISON_MEMORY_REGION(page(table), FRAME_SIZE);
    memset(&memory.info[table.mfn], 0xa5, sizeof(memory.info[table.mfn]));
    memory.is_table[table.mfn] = false;
    memory.is_poisoned[table.mfn] = true;
    memory.tables_in_use--;
    memory.free[(memory.free_first + memory.free_count++) % MEMORY_TABLES] = (uint32_t)table.mfn;
}

struct p2m_table_info *p2m_host_table_info(const struct p2m *p2m, mfn_t table)
{
    (void)p2m;
    if (!memory_is_table(table))
        fail_msg("the engine asks for the record of frame %#lx, which is no table", table.mfn);
    return &memory.info[table.mfn];
}

void p2m_host_put_frames(struct p2m *p2m, const struct p2m_frames *frames)
{
    uint64_t count = order_frames(frames->order);

    (void)p2m;
    memory.returned.last = *frames;
    memory.returned.calls++;
    memory.returned.frames += count;
    if (!memory.tracking)
        return;
    if (!memory_frames_are(frames->mfn, count, FRAME_OWED))
        fail_msg("frames %#lx, order %u come back, and are not all owed", frames->mfn.mfn,
                 frames->order);
    memory_move_frames(frames->mfn, count, FRAME_HOME);
}

struct memory_assert memory_assert;

void p2m_host_assert_failed(const char *expression, const char *file, int line)
{
    if (memory_assert.expected)
        longjmp(memory_assert.back, 1);
    fail_msg("%s:%d: the engine asserts that %s", file, line, expression);
    abort();
}
