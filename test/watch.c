/* SPDX-License-Identifier: MIT */
/*
 * The pages of linked tables may be read and not written: a store faults, is allowed for one
 * instruction, and stops again behind it. Pages that nobody can reach are left alone, until the
 * store that links them. Refuses to fail a test from within a signal.
 */
#include "watch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cmocka.h>

#include "memory.h"

#define SINGLE_STEP 0x100 /* the trap flag */

static struct {
    bool is_watching;
    const struct processor *processor;
    enum meddling meddling;
    unsigned stores, views, writes;
    struct view *view[WATCH_VIEWS]; /* made as they are needed, kept for the next time */
    struct view now;
    struct written write[WATCH_WRITES];
} watch;

static char *pages(void)
{
    return memory_direct_map();
}

/* In a signal handler there is nobody to tell but the one who reads the end of the process. */
static void allow(char *from, size_t size, int rights)
{
    if (mprotect(from, size, rights) != 0)
        abort();
}

static void allow_all(void)
{
    allow(pages(), (size_t)MEMORY_TABLES * FRAME_SIZE, PROT_READ | PROT_WRITE);
}

static void forbid_linked(void)
{
    for (unsigned i = 0; i < watch.now.tables; i++)
        allow(pages() + (watch.now.table[i].table.mfn << FRAME_SHIFT), FRAME_SIZE, PROT_READ);
}

/* ---- before a store ------------------------------------------------------------------------- */

/* The guest frame that the entry at this address covers first. */
static bool find_entry(const char *address, gfn_t *gfn)
{
    uint64_t offset = (uint64_t)(address - pages());
    const struct linked *linked = view_find_table(&watch.now, MFN(offset >> FRAME_SHIFT));
    uint64_t index = offset % FRAME_SIZE / sizeof(uint64_t);

    if (!linked)
        return false;
    *gfn = gfn_add(linked->gfn, index << 9 * (linked->level - 1));
    return true;
}

static void write_as_guest(gfn_t gfn)
{
    struct processor_translation found = processor_write_below(
        watch.processor, gfn, MFN(watch.processor->root >> FRAME_SHIFT), PROCESSOR_LEVELS);

    if (found.answer == ANSWER_WALKED && watch.writes < WATCH_WRITES)
        watch.write[watch.writes++] = (struct written){ gfn, found.mfn };
}

static void before_store(int signal, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;
    gfn_t gfn;

    (void)signal;
    if (!watch.is_watching || !find_entry(info->si_addr, &gfn)) {
        struct sigaction usual = { .sa_handler = SIG_DFL };

        sigaction(SIGSEGV, &usual, NULL); /* an error of somebody else's: it happens again */
        return;
    }
    allow_all();
    if (watch.meddling == WATCH_AND_WRITE)
        write_as_guest(gfn);
    interrupted->uc_mcontext.gregs[REG_EFL] |= SINGLE_STEP;
}

/* ---- after it ------------------------------------------------------------------------------- */

static void keep_view(void)
{
    if (watch.views == WATCH_VIEWS)
        abort();
    if (!watch.view[watch.views])
        watch.view[watch.views] = mmap(NULL, sizeof(struct view), PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (watch.view[watch.views] == MAP_FAILED)
        abort();
    *watch.view[watch.views++] = watch.now;
}

static void after_store(int signal, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;

    (void)signal;
    (void)info;
    interrupted->uc_mcontext.gregs[REG_EFL] &= ~SINGLE_STEP;
    watch.stores++;
    view_take(&watch.now, watch.processor);
    if (!view_is_same(&watch.now, watch.view[watch.views - 1]))
        keep_view();
    forbid_linked();
}

/* ---- from here to there --------------------------------------------------------------------- */

static void on_signal(int signal, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER };

    assert_int_equal(sigaction(signal, &action, NULL), 0);
}

void watch_begin(const struct processor *processor, enum meddling meddling)
{
    watch.processor = processor;
    watch.meddling = meddling;
    watch.stores = watch.views = watch.writes = 0;
    view_take(&watch.now, processor);
    keep_view();
    on_signal(SIGSEGV, before_store);
    on_signal(SIGTRAP, after_store);
    watch.is_watching = true;
    forbid_linked();
}

struct watched watch_end(void)
{
    watch.is_watching = false;
    allow_all();
    return (struct watched){ watch.stores, watch.views, (const struct view **)watch.view,
                             watch.writes, watch.write };
}
