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

#include "p2m/pod.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size)   ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

/* Present, superpage, and misaligned to both formats: nobody can take it for an entry. */
#define POISON ((uint64_t)0xa5a5a5a5a5a5a5a5)

/* The machine's memory, and four bytes a frame: its state, whether anybody may have written to it,
 * whether it came back as written, and whether its first word is POISON though that has not been
 * written yet. Mapped once, forgotten with every reset. */
static char *arena;
static uint8_t *frame_state;
static uint8_t *is_used;
static uint8_t *came_dirty;
static uint8_t *is_spoilt;

/* The blocks of one order that may be given lie in one run, above what tests map themselves; they
 * are looked for in turn. */
struct gift {
    uint64_t from, end, next;
    uint64_t blocks;
};

static const struct gift all_gifts[ORDER_SIZES] = {
    [2] = { (uint64_t)34 << 18, (uint64_t)56 << 18, (uint64_t)34 << 18, 0 },
    [1] = { (uint64_t)56 << 18, (uint64_t)60 << 18, (uint64_t)56 << 18, 0 },
    [0] = { (uint64_t)60 << 18, MEMORY_FRAMES_END, (uint64_t)60 << 18, 0 },
};

static struct {
    bool is_table[MEMORY_TABLES];
    bool is_poisoned[MEMORY_TABLES];
    struct p2m_table_info info[MEMORY_TABLES];
    uint32_t free[MEMORY_TABLES]; /* a ring */
    uint32_t free_first, free_count;
    uint64_t tables_in_use;
    uint64_t fail_in, fail_frames_in;
    struct memory_asked asked;
    bool tracking;
    struct memory_returned returned;
    struct memory_freed freed;
    struct gift gift[ORDER_SIZES];
    struct pod *pod;
} memory;

static uint64_t *page(mfn_t mfn)
{
    return (uint64_t *)(arena + (mfn.mfn << FRAME_SHIFT));
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

static void forget(void *at, size_t size)
{
    if (madvise(at, size, MADV_DONTNEED) != 0)
        fail_msg("the test's host cannot forget");
}

static void map_once(void)
{
    if (!arena) {
        arena = map(MEMORY_FRAMES_END << FRAME_SHIFT);
        frame_state = map(MEMORY_FRAMES_END);
        is_used = map(MEMORY_FRAMES_END);
        came_dirty = map(MEMORY_FRAMES_END);
        is_spoilt = map(MEMORY_FRAMES_END);
    }
}

void memory_expect_reading(void)
{
    map_once();
    (void)madvise(arena, MEMORY_FRAMES_END << FRAME_SHIFT, MADV_HUGEPAGE); /* a hint */
}

void memory_reset(void)
{
    map_once();
    ASAN_UNPOISON_MEMORY_REGION(arena, (size_t)MEMORY_TABLES * FRAME_SIZE);
    forget(arena, MEMORY_FRAMES_END << FRAME_SHIFT);
    forget(frame_state, MEMORY_FRAMES_END);
    forget(is_used, MEMORY_FRAMES_END);
    forget(came_dirty, MEMORY_FRAMES_END);
    forget(is_spoilt, MEMORY_FRAMES_END);
    memset(&memory, 0, sizeof(memory));
    memcpy(memory.gift, all_gifts, sizeof(all_gifts));
    for (uint32_t i = 1; i < MEMORY_TABLES; i++)
        memory.free[memory.free_count++] = i;
}

void *memory_direct_map(void)
{
    return arena;
}

/* ---- contents ------------------------------------------------------------------------------- */

static void expect_data(mfn_t mfn, uint64_t frames)
{
    if (mfn.mfn < MEMORY_TABLES || mfn.mfn + frames > MEMORY_FRAMES_END)
        fail_msg("frames %#lx to %#lx hold no data", mfn.mfn, mfn.mfn + frames);
}

uint64_t *memory_word(mfn_t mfn)
{
    expect_data(mfn, 1);
    if (is_spoilt[mfn.mfn])
        *page(mfn) = POISON;
    is_spoilt[mfn.mfn] = 0;
    is_used[mfn.mfn] = 1;
    return page(mfn);
}

/* A frame that does not read as zero: most go back to the host with nobody having looked, so the
 * page is touched when somebody asks for it, or has before. */
static void spoil(mfn_t mfn)
{
    if (is_used[mfn.mfn] && !is_spoilt[mfn.mfn])
        *page(mfn) = POISON;
    else
        is_used[mfn.mfn] = is_spoilt[mfn.mfn] = 1;
}

mfn_t memory_find_used(mfn_t mfn, uint64_t frames)
{
    const uint8_t *found;

    expect_data(mfn, frames);
    found = memchr(is_used + mfn.mfn, 1, frames);
    return found ? MFN((uint64_t)(found - is_used)) : INVALID_MFN;
}

/* The next used frame of a run, which `at` then names; false at its end. */
static bool next_used(mfn_t *at, uint64_t end)
{
    *at = at->mfn < end ? memory_find_used(*at, end - at->mfn) : INVALID_MFN;
    return mfn_is_valid(*at);
}

void memory_clear(mfn_t mfn, uint64_t frames)
{
    for (mfn_t at = mfn; next_used(&at, mfn.mfn + frames); at.mfn++) {
        if (!is_spoilt[at.mfn])
            memset(page(at), 0, FRAME_SIZE);
        is_used[at.mfn] = is_spoilt[at.mfn] = 0;
    }
}

bool memory_is_zero(mfn_t mfn, uint64_t frames)
{
    for (mfn_t at = mfn; next_used(&at, mfn.mfn + frames); at.mfn++) {
        const char *first = (const char *)page(at);

        if (is_spoilt[at.mfn] || first[0] != 0 || memcmp(first, first + 1, FRAME_SIZE - 1) != 0)
            return false;
    }
    return true;
}

/* ---- tables and frames ---------------------------------------------------------------------- */

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

void memory_fail_frames(uint64_t nth)
{
    memory.fail_frames_in = nth;
}

struct memory_asked memory_asked(void)
{
    return memory.asked;
}

void memory_track_frames(void)
{
    memory.tracking = true;
}

void memory_move_frames(mfn_t mfn, uint64_t frames, enum frame_state state)
{
    assert_true(mfn.mfn + frames <= MEMORY_FRAMES_END);
    memset(frame_state + mfn.mfn, state, frames);
}

enum frame_state memory_frame_state(mfn_t mfn)
{
    assert_true(mfn.mfn < MEMORY_FRAMES_END);
    return frame_state[mfn.mfn];
}

bool memory_frames_are(mfn_t mfn, uint64_t frames, enum frame_state state)
{
    const uint8_t *first = frame_state + mfn.mfn;

    assert_true(frames > 0);
    if (mfn.mfn > MEMORY_FRAMES_END - frames)
        return false; /* they are nowhere */
    return first[0] == state && memcmp(first, first + 1, frames - 1) == 0;
}

struct memory_returned memory_returned(void)
{
    return memory.returned;
}

bool memory_came_back_dirty(mfn_t mfn)
{
    assert_true(mfn.mfn < MEMORY_FRAMES_END);
    return came_dirty[mfn.mfn];
}

void memory_give_frames(unsigned order, uint64_t blocks)
{
    memory.gift[order_size(order)].blocks = blocks;
}

struct memory_freed memory_freed(void)
{
    return memory.freed;
}

void memory_set_pod(struct pod *pod)
{
    memory.pod = pod;
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
    memory.asked.tables++;
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

/* The frames go from one state to the next; a test that tracks none may use any number. */
static void move_tracked(mfn_t mfn, unsigned order, enum frame_state from, enum frame_state to)
{
    uint64_t count = order_frames(order);

    if (memory.tracking && !memory_frames_are(mfn, count, from))
        fail_msg("frames %#lx, order %u: not all of them are in state %d", mfn.mfn, order, from);
    if (mfn.mfn < MEMORY_FRAMES_END && count <= MEMORY_FRAMES_END - mfn.mfn)
        memory_move_frames(mfn, count, to);
}

void p2m_host_put_frames(struct p2m *p2m, const struct p2m_frames *frames)
{
    memory.returned.last = *frames;
    memory.returned.calls++;
    memory.returned.frames += order_frames(frames->order);
    if (frames->dirty && frames->mfn.mfn + order_frames(frames->order) <= MEMORY_FRAMES_END)
        memset(came_dirty + frames->mfn.mfn, 1, order_frames(frames->order));
    move_tracked(frames->mfn, frames->order, FRAME_OWED, FRAME_CACHED);
    if (memory.pod && pod_accept((struct p2m_locked){ p2m }, memory.pod, frames))
        return;
    memory.returned.kept += order_frames(frames->order);
    move_tracked(frames->mfn, frames->order, FRAME_CACHED, FRAME_HOME);
}

mfn_t p2m_host_alloc_frames(struct p2m *p2m, unsigned order)
{
    struct gift *gift = &memory.gift[order_size(order)];
    uint64_t step = order_frames(order), tries = (gift->end - gift->from) / step;

    (void)p2m;
    memory.asked.frames++;
    if (memory.fail_frames_in > 0 && --memory.fail_frames_in == 0)
        return INVALID_MFN;
    if (gift->blocks == 0)
        return INVALID_MFN;
    while (tries-- > 0) {
        mfn_t mfn = MFN(gift->next);

        gift->next = gift->next + step < gift->end ? gift->next + step : gift->from;
        if (!memory_frames_are(mfn, step, FRAME_HOME))
            continue;
        gift->blocks--;
        memory_move_frames(mfn, step, FRAME_CACHED);
        spoil(mfn);
        spoil(mfn_add(mfn, step - 1));
        return mfn;
    }
    return INVALID_MFN;
}

void p2m_host_free_frames(struct p2m *p2m, mfn_t mfn, unsigned order)
{
    (void)p2m;
    if (!order_is_size(order) || !frame_is_aligned(mfn.mfn, order))
        fail_msg("frames %#lx come back by order %u", mfn.mfn, order);
    memory.freed.mfn = mfn;
    memory.freed.order = order;
    memory.freed.calls++;
    memory.freed.frames += order_frames(order);
    move_tracked(mfn, order, FRAME_CACHED, FRAME_HOME);
}

struct memory_assert memory_assert;

void p2m_host_assert_failed(const char *expression, const char *file, int line)
{
    if (memory_assert.expected)
        longjmp(memory_assert.back, 1);
    fail_msg("%s:%d: the engine asserts that %s", file, line, expression);
    abort();
}
