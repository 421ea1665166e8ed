/* SPDX-License-Identifier: MIT */
/*
 * AMD's nested page tables, as data. The format is that of long-mode paging, and the processor
 * walks it as a user: every entry on the path needs U. Knows no types and no operations.
 * [APM "Nested Paging"], [APM "Page-Translation-Table Entry Fields"]
 */
#include "p2m/p2m.h"

#include "format.h"

#define NPT_P   ((uint64_t)1 << 0)
#define NPT_W   ((uint64_t)1 << 1)
#define NPT_U   ((uint64_t)1 << 2)
#define NPT_PWT ((uint64_t)1 << 3)
#define NPT_PCD ((uint64_t)1 << 4)
#define NPT_A   ((uint64_t)1 << 5)
#define NPT_D   ((uint64_t)1 << 6)
#define NPT_PS  ((uint64_t)1 << 7)
#define NPT_NX  ((uint64_t)1 << 63)

/* There is no execute-only and no write-only: whatever is present can be read. */
const struct pt_format npt_format = {
    .name = "npt",
    .present = NPT_P,
    .superpage = NPT_PS,
    .table = NPT_P | NPT_W | NPT_U,
    .pending = NPT_P | NPT_W, /* the walk is a user's */
    .accessed = NPT_A,
    .dirty = NPT_D,
    /* clang-format off */
    .leaf = {
        [R]         = NPT_P | NPT_U | NPT_NX,
        [R | X]     = NPT_P | NPT_U,
        [R | W]     = NPT_P | NPT_U | NPT_W | NPT_NX,
        [R | W | X] = NPT_P | NPT_U | NPT_W,
    },
    .memory = { [WRITE_BACK] = 0, [UNCACHED] = NPT_PCD | NPT_PWT },
    /* clang-format on */
};

_Static_assert(!(PTE_SOFTWARE & (NPT_P | NPT_W | NPT_U | NPT_PWT | NPT_PCD | NPT_A | NPT_D |
                                 NPT_PS | NPT_NX | PTE_ADDRESS)),
               "NPT owns a software bit");
