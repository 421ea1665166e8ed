/* SPDX-License-Identifier: MIT */
/*
 * What a table format is: bits, as data. One instance per format, in npt.c and ept.c, and nobody
 * else names a hardware bit. Knows no operation on entries: that is pte.h.
 *
 *      63      57 56   55    52 51                        12 11          0
 *     +----------+---+--------+----------------------------+-------------+
 *     | hardware | R | type   | machine address            | hardware    |
 *     +----------+---+--------+----------------------------+-------------+
 *
 * Type and R are software's: neither format, and no IOMMU that can share the tables, gives bits 52
 * to 56 a meaning. R says of a table that a change of type is pending below, and of a leaf that it
 * was written since it was mapped, though its D bit has been cleared since.
 * [APM "Page-Translation-Table Entry Fields"], [SDM "Format of an EPT Page-Table Entry"]
 */
#ifndef P2M_FORMAT_H
#define P2M_FORMAT_H

#include <stdint.h>

#include "p2m/p2m.h"

#define PTE_TYPE_SHIFT  52
#define PTE_TYPE        ((uint64_t)0xf << PTE_TYPE_SHIFT)
#define PTE_RECALCULATE ((uint64_t)1 << 56) /* a table's */
#define PTE_WRITTEN     PTE_RECALCULATE     /* a leaf's */
#define PTE_ADDRESS     ((uint64_t)0x000ffffffffff000)
#define PTE_SOFTWARE    (PTE_TYPE | PTE_RECALCULATE)

#define TABLE_ENTRIES 512u

/* Rights are an index: R | W | X. */
enum { R = P2M_READ, W = P2M_WRITE, X = P2M_EXECUTE, RIGHTS = 8 };

/* How a leaf's memory is cached, whatever the format calls it. */
enum memory { WRITE_BACK, UNCACHED, MEMORIES };

/*
 * A table entry that is pending is known by PTE_RECALCULATE; the rest of `pending` only makes every
 * access through it fault. A rights value of 0 in `leaf` says that this format can't express it
 * (write without read).
 */
struct pt_format {
    const char *name;
    uint64_t present;         /* an entry with none of these bits names nothing */
    uint64_t superpage;       /* set in a leaf above the lowest level */
    uint64_t table;           /* what an entry that names a table holds beside the address */
    uint64_t pending;         /* the same, of one that no processor may walk through for now */
    uint64_t accessed, dirty; /* set by the processor at any instant */
    uint64_t leaf[RIGHTS];
    uint64_t memory[MEMORIES];
};

#endif
