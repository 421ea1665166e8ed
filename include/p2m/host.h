/* SPDX-License-Identifier: MIT */
/*
 * What the engine asks of whoever embeds it: seven functions, found at link time. The engine calls
 * nothing else from outside: no libc, no printing, no locks of the host.
 * Refuses to know how the host stores its frames, or what it does with one that comes back.
 */
#ifndef P2M_HOST_H
#define P2M_HOST_H

#include "p2m/frame.h"

struct p2m;

/*
 * What the engine remembers of a table page, kept by the host beside its record of that frame
 * (found by p2m_host_table_info), so that a table page itself holds nothing but entries.
 * Only p2m/entry.c writes it, but for `candidate`, which is p2m/merge.c's. Counts are of the
 * table's own 512 entries.
 */
struct p2m_table_info {
    union {
        struct {
            uint16_t ram;     /* leaves whose type is RAM */
            uint16_t markers; /* populate-on-demand markers */
            uint16_t other;   /* leaves and marks of any other type */
        };
        uint16_t leaves[P2M_CLASSES]; /* the same, by class */
    };
    uint16_t tables;    /* entries that name a table */
    uint16_t joined;    /* neighbours that continue each other: 511 means that all are alike */
    uint16_t candidate; /* became alike by a change, not by a split: may be merged unasked */
};

/*
 * p2m_host_alloc_table - one frame for a table of this P2M.
 *   Units:   one 4K frame, inside the direct map that p2m_create was given; its contents and its
 *            record may be anything.
 *   Context: P2M lock held, before anything was changed.
 *   Errors:  INVALID_MFN when the host has none to give; the verb then fails, the map untouched.
 *   Debts:   none; the frame comes back through p2m_host_free_table.
 */
mfn_t p2m_host_alloc_table(struct p2m *p2m);

/*
 * p2m_host_free_table - a table page comes back; no processor can walk it any more.
 *   Units:   one 4K frame; its contents are anything.
 *   Context: P2M lock held, while a settled debt is paid.
 *   Errors:  none.
 *   Debts:   none.
 */
void p2m_host_free_table(struct p2m *p2m, mfn_t table);

/*
 * p2m_host_table_info - where the host keeps the record of this table page.
 *   Units:   a frame that p2m_host_alloc_table returned.
 *   Context: P2M lock held.
 *   Errors:  none; never NULL.
 *   Debts:   none.
 */
struct p2m_table_info *p2m_host_table_info(const struct p2m *p2m, mfn_t table);

/* Frames that left the map, and what is known of them. */
struct p2m_frames {
    mfn_t mfn;
    unsigned order;       /* 0, 9 or 18: 2^order frames */
    enum p2m_type type;   /* what they were mapped as; a change may have been pending */
    enum p2m_type became; /* what was put in their place; P2M_BROKEN: never use them again */
    bool accessed;        /* by the guest or by the host, since they were mapped */
    bool dirty;           /* not dirty: they hold what they held when they were mapped */
};

/*
 * p2m_host_put_frames - frames that left the map come back; no processor can reach them any more.
 *   Units:   as in struct p2m_frames.
 *   Context: P2M lock held, while a settled debt is paid.
 *   Errors:  none.
 *   Debts:   none.
 */
void p2m_host_put_frames(struct p2m *p2m, const struct p2m_frames *frames);

/*
 * p2m_host_alloc_frames - a block for this guest's PoD cache, when its target rises.
 *   Units:   order 0, 9 or 18; aligned to it; its contents may be anything.
 *   Context: P2M lock held.
 *   Errors:  INVALID_MFN when the host has none of this size to give.
 *   Debts:   none; it comes back through p2m_host_free_frames, or from the map like all others.
 */
mfn_t p2m_host_alloc_frames(struct p2m *p2m, unsigned order);

/*
 * p2m_host_free_frames - a block that the PoD cache does not need any more; nobody can reach it.
 *   Units:   order 0, 9 or 18; not always the sizes that were allocated.
 *   Context: P2M lock held.
 *   Errors:  none.
 *   Debts:   none.
 */
void p2m_host_free_frames(struct p2m *p2m, mfn_t mfn, unsigned order);

/*
 * p2m_host_assert_failed - the engine found a bug of its own or of its caller's. Never a guest's.
 */
_Noreturn void p2m_host_assert_failed(const char *expression, const char *file, int line);

#endif
