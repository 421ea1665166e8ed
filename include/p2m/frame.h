/* SPDX-License-Identifier: MIT */
/*
 * The words that everything else is written in: guest frames, machine frames, orders, ranges,
 * types and their classes. Knows arithmetic and nothing else: no tables, no hypervisor, no rights.
 */
#ifndef P2M_FRAME_H
#define P2M_FRAME_H

#include <stdbool.h>
#include <stdint.h>

/* Structs, so that the compiler refuses a guest frame where a machine frame is meant. */
typedef struct {
    uint64_t gfn; /* guest frame number: what the guest calls physical, in 4K frames */
} gfn_t;
typedef struct {
    uint64_t mfn; /* machine frame number: what the DRAM answers to, in 4K frames */
} mfn_t;

#define GFN(n)      ((gfn_t){ (n) })
#define MFN(n)      ((mfn_t){ (n) })
#define INVALID_MFN MFN(UINT64_MAX)

#define FRAME_SHIFT 12
#define FRAME_SIZE  4096u

/* An order counts 4K frames in powers of two. A map knows three sizes; one table level is nine. */
#define ORDER_4K    0u
#define ORDER_2M    9u
#define ORDER_1G    18u
#define ORDER_STEP  9u
#define ORDER_SIZES 3u

/* Arrays "by size" have ORDER_SIZES members: [0] 4K, [1] 2M, [2] 1G. */
static inline unsigned order_size(unsigned order)
{
    return order / ORDER_STEP;
}

static inline uint64_t order_frames(unsigned order)
{
    return (uint64_t)1 << order;
}

static inline bool order_is_size(unsigned order)
{
    return order == ORDER_4K || order == ORDER_2M || order == ORDER_1G;
}

static inline bool frame_is_aligned(uint64_t frame, unsigned order)
{
    return (frame & (order_frames(order) - 1)) == 0;
}

static inline uint64_t frame_align_down(uint64_t frame, unsigned order)
{
    return frame & ~(order_frames(order) - 1);
}

static inline gfn_t gfn_add(gfn_t gfn, uint64_t frames)
{
    return GFN(gfn.gfn + frames);
}

static inline mfn_t mfn_add(mfn_t mfn, uint64_t frames)
{
    return MFN(mfn.mfn + frames);
}

static inline bool mfn_is_valid(mfn_t mfn)
{
    return mfn.mfn != UINT64_MAX;
}

/* Guest frames from `from` up to, not including, `end`. */
struct gfn_range {
    gfn_t from;
    gfn_t end;
};

static inline uint64_t gfn_range_frames(struct gfn_range range)
{
    return range.end.gfn - range.from.gfn;
}

/* What a guest frame is. Kept in four software bits of each entry; 0 must be P2M_INVALID. */
enum p2m_type {
    P2M_INVALID = 0,  /* nothing there */
    P2M_RAM_RW,       /* ordinary memory */
    P2M_RAM_RO,       /* memory that the guest may read and execute */
    P2M_MMIO,         /* a device's registers, uncached */
    P2M_SPECIAL,      /* a page of the host's that the guest shares: rings, shared_info */
    P2M_POD,          /* a mark: promised, populated by the first touch */
    P2M_BROKEN,       /* memory with a hardware error was here, and its frame is gone for good */
    P2M_RAM_HELD,     /* ordinary memory, writes held off: the host looks whether it is zero */
    P2M_RAM_COPIED,   /* ordinary memory, writes held off: the host copies it to another frame */
    P2M_POD_MOVING,   /* a mark: the frames that were here go on elsewhere in a moment */
    P2M_RAM_LOGDIRTY, /* ordinary memory, writes noted: not written since that was asked last */
    P2M_TYPE_COUNT
};

/* What a type is counted as (p2m_type_class). */
enum p2m_class {
    P2M_CLASS_NONE,   /* nothing */
    P2M_CLASS_RAM,    /* frames that count as the guest's memory */
    P2M_CLASS_MARKER, /* promised frames: no machine address */
    P2M_CLASS_OTHER,  /* everything else */
};

/* Arrays "by class" have P2M_CLASSES members, of which the first is P2M_CLASS_RAM's. */
#define P2M_CLASSES 3u

#endif
