/* SPDX-License-Identifier: MIT */
/*
 * The benches' host; see host.h. The two functions of the test's host that the model processor asks
 * (test/memory.h) are here as well.
 */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "test/memory.h"

#define TABLES_MAX ((uint64_t)640 << 10) /* a TiB in 4K leaves, and some */
#define MEMORY_AT  ((uint64_t)3 << ORDER_1G)
#define ARENA      (MEMORY_AT + HOST_MEMORY)
#define NUMBERS_AT ((uint64_t)64 << ORDER_1G)

static struct {
    char *arena;
    struct p2m_table_info *info;
    uint32_t *free; /* a stack */
    uint64_t free_count;
    uint64_t tables; /* frames 1 to this are table pages */
    unsigned gift;
    uint64_t next_gift;
    struct pod *pod;
} host;

_Noreturn void give_up(const char *why)
{
    fprintf(stderr, "bench: %s\n", why);
    exit(1);
}

void must(enum p2m_error error)
{
    if (error != P2M_OK)
        give_up(p2m_error_name(error));
}

static void *map(uint64_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);

    if (at == MAP_FAILED)
        give_up("no room for the host's memory");
    return at;
}

/* A hypervisor sees memory through large pages; so do the benches, where the kernel has some. */
static void map_all(void)
{
    uint64_t huge = order_frames(ORDER_2M) << FRAME_SHIFT;
    char *at = map((ARENA << FRAME_SHIFT) + huge);

    host.arena = at + (huge - (uintptr_t)at % huge) % huge;
    host.info = map(TABLES_MAX * sizeof(*host.info));
    host.free = map(TABLES_MAX * sizeof(*host.free));
    madvise(host.arena, ARENA << FRAME_SHIFT, MADV_HUGEPAGE);
}

static void forget(void *at, uint64_t size)
{
    if (madvise(at, size, MADV_DONTNEED) != 0)
        give_up("the host cannot forget");
}

void host_start(uint64_t table_pages)
{
    if (table_pages >= TABLES_MAX)
        give_up("more tables than there is room for");
    if (!host.arena)
        map_all();
    if (table_pages < host.tables)
        forget(host.arena, MEMORY_AT << FRAME_SHIFT);
    forget(host_words(host_memory()), HOST_MEMORY << FRAME_SHIFT);
    host.tables = table_pages;
    host.free_count = 0;
    host.next_gift = NUMBERS_AT;
    host.pod = NULL;
    for (uint64_t i = table_pages; i > 0; i--) { /* handed out in order of address */
        *host_words(MFN(i)) = 0;
        host.info[i] = (struct p2m_table_info){ 0 };
        host.free[host.free_count++] = (uint32_t)i;
    }
}

void *host_direct_map(void)
{
    return host.arena;
}

mfn_t host_memory(void)
{
    return MFN(MEMORY_AT);
}

mfn_t host_numbers(void)
{
    return MFN(NUMBERS_AT);
}

uint64_t *host_words(mfn_t mfn)
{
    return (uint64_t *)(host.arena + (mfn.mfn << FRAME_SHIFT));
}

void host_give(unsigned order)
{
    host.gift = order;
}

void host_set_pod(struct pod *pod)
{
    host.pod = pod;
}

/* ---- what the engine calls ------------------------------------------------------------------ */

mfn_t p2m_host_alloc_table(struct p2m *p2m)
{
    (void)p2m;
    return host.free_count > 0 ? MFN(host.free[--host.free_count]) : INVALID_MFN;
}

void p2m_host_free_table(struct p2m *p2m, mfn_t table)
{
    (void)p2m;
    host.free[host.free_count++] = (uint32_t)table.mfn;
}

struct p2m_table_info *p2m_host_table_info(const struct p2m *p2m, mfn_t table)
{
    (void)p2m;
    return &host.info[table.mfn];
}

void p2m_host_put_frames(struct p2m *p2m, const struct p2m_frames *frames)
{
    if (host.pod && !pod_accept((struct p2m_locked){ p2m }, host.pod, frames))
        p2m_host_free_frames(p2m, frames->mfn, frames->order);
}

mfn_t p2m_host_alloc_frames(struct p2m *p2m, unsigned order)
{
    mfn_t mfn = MFN(host.next_gift);

    (void)p2m;
    if (order != host.gift)
        return INVALID_MFN;
    host.next_gift += order_frames(order);
    return mfn;
}

void p2m_host_free_frames(struct p2m *p2m, mfn_t mfn, unsigned order)
{
    (void)p2m;
    (void)mfn;
    (void)order;
}

_Noreturn void p2m_host_assert_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "%s:%d: ", file, line);
    give_up(expression);
}

/* ---- what the model processor calls --------------------------------------------------------- */

bool memory_is_table(mfn_t mfn)
{
    return mfn.mfn > 0 && mfn.mfn <= host.tables;
}

uint64_t *memory_word(mfn_t mfn)
{
    if (mfn.mfn < MEMORY_AT || mfn.mfn >= MEMORY_AT + HOST_MEMORY)
        give_up("the guest was given a frame without memory");
    return host_words(mfn);
}
