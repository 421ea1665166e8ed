/* SPDX-License-Identifier: MIT */
/*
 * Every machine frame, and the one state that each of them is in. Blocks of 2^order frames, order 0
 * to 18; a block costs the same few stores whatever its order. Whole 1 GB blocks are kept whole for
 * as long as something smaller will do. Implements the table half of p2m/host.h.
 * Refuses to know what a guest is (an owner is a number), and never touches a frame's contents.
 */
#ifndef HV_FRAMES_H
#define HV_FRAMES_H

#include "p2m/frame.h"
#include "p2m/host.h"
#include "survey.h"

/* Each frame is in exactly one state; the sum over all states never changes after frames_init. */
enum frame_state {
    FRAME_ABSENT = 0, /* no RAM there; not counted */
    FRAME_HOST,       /* this program, its modules, its tables, what the firmware keeps */
    FRAME_TABLE,      /* a page of a P2M */
    FRAME_SPECIAL,    /* shared with a guest, owned by the host: rings, shared_info, ACPI */
    FRAME_RAM,        /* a guest's memory, mapped once */
    FRAME_CACHED,     /* a guest's PoD cache */
    FRAME_OWED,       /* left a map; a processor may still reach it */
    FRAME_BROKEN,     /* bad memory */
    FRAME_FREE,
    FRAME_STATES
};

#define FRAME_OWNER_HOST 0u  /* guests count from 1 */
#define FRAME_OWNERS     64u /* the host and 63 guests */

struct frame_counts {
    uint64_t frames[FRAME_STATES]; /* in 4K frames */
};

/*
 * frames_init - take over all RAM. `ram` is what the firmware calls usable, `taken` what of it is
 * in use (this image, its modules, the boot loader's tables): those become FRAME_HOST.
 *   Units:   bytes; partial frames at the ends of RAM are left out, of taken stretches counted in.
 *   Context: once, with the direct map up; carves its own records out of RAM.
 *   Errors:  false when there is no room for the records.
 *   Debts:   none.
 */
bool frames_init(const struct memory_range *ram, unsigned ram_count,
                 const struct memory_range *taken, unsigned taken_count);

/*
 * frames_alloc - a block of 2^order frames in this state. Less than 1 GB comes, as long as there is
 * any, from GBs that can never be whole, then from the smallest free block that is large enough;
 * 1 GB comes from the upper end of memory.
 *   Units:   order 0 to 18; the block is aligned to its order.
 *   Context: any; contents are whatever was there.
 *   Errors:  INVALID_MFN when no free block is large enough.
 *   Debts:   none.
 */
mfn_t frames_alloc(unsigned order, enum frame_state state, unsigned owner);

/*
 * frames_alloc_at - exactly this block, if all of it is free.
 *   Errors:  false; nothing changed.
 */
bool frames_alloc_at(mfn_t mfn, unsigned order, enum frame_state state, unsigned owner);

/*
 * frames_free - an aligned stretch becomes free and joins its free neighbours. It may be a block as
 * it was allocated, a piece of a larger one, or several smaller ones side by side.
 *   Units:   order 0 to 18; mfn aligned to it.
 *   Context: the caller owns it; its contents may be anything.
 *   Errors:  none; freeing what is not allocated is a bug of the host's and panics.
 *   Debts:   none.
 */
void frames_free(mfn_t mfn, unsigned order);

/*
 * frames_set_state - an aligned stretch of what is allocated changes state and owner (RAM to OWED,
 * ...). As with frames_free, it may be a piece or several blocks.
 *   Units:   order 0 to 18; mfn aligned to it.
 *   Errors:  none; a stretch that is not all allocated is a bug of the host's and panics.
 */
void frames_set_state(mfn_t mfn, unsigned order, enum frame_state state, unsigned owner);

/*
 * frames_table_info - what the engine remembers of a table page; all zero after frames_alloc.
 *   Units:   a frame in state FRAME_TABLE, or FRAME_OWED since; anything else panics.
 */
struct p2m_table_info *frames_table_info(mfn_t mfn);

/* The state and owner of one frame, and the order of the block that it lies in. */
struct frame_info {
    enum frame_state state;
    unsigned owner;
    unsigned order;
};
struct frame_info frames_look_up(mfn_t mfn);

struct frame_counts frames_count(void);              /* of all frames */
struct frame_counts frames_count_of(unsigned owner); /* of one owner */
uint64_t frames_free_blocks(unsigned order); /* how many blocks of 2^order could be allocated */

/*
 * frames_audit - walk all records: blocks aligned, not overlapping, counts as recounted, buddies
 * that are both free joined; and all lists: of free blocks only, and of all of them. Returns the
 * number of errors, and says the first through *what.
 */
uint64_t frames_audit(const char **what);

/*
 * frames_fragment - for tests: hold a single frame of every free block of the next larger size, so
 * that nothing larger than max_order can be had: 9 leaves no free 1 GB, 0 no free 2 MB, 18 changes
 * nothing. Held frames count as FRAME_HOST, for good. Returns how many are held.
 */
uint64_t frames_fragment(unsigned max_order);

#endif
