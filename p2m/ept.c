/* SPDX-License-Identifier: MIT */
/*
 * Intel's extended page tables, as data, with accessed and dirty flags on (EPTP bit 6). Knows no
 * types and no operations.
 * [SDM "Format of an EPT Page-Table Entry that Maps a 4-KByte Page"], [SDM "EPT Memory Type"]
 */
#include "p2m/p2m.h"

#include "format.h"

#define EPT_R    ((uint64_t)1 << 0)
#define EPT_W    ((uint64_t)1 << 1)
#define EPT_X    ((uint64_t)1 << 2)
#define EPT_UC   ((uint64_t)0 << 3)
#define EPT_WB   ((uint64_t)6 << 3)
#define EPT_IPAT ((uint64_t)1 << 6) /* the guest's PAT has no say */
#define EPT_TYPE ((uint64_t)7 << 3) /* all of the memory type's bits: reserved in a table's entry */
#define EPT_PS   ((uint64_t)1 << 7)
#define EPT_A    ((uint64_t)1 << 8)
#define EPT_D    ((uint64_t)1 << 9)

/* Writable without readable is a misconfiguration, and execute-only needs a capability. */
const struct pt_format ept_format = {
    .name = "ept",
    .present = EPT_R, /* to the processor any of R, W, X; but no row and no table is without R */
    .superpage = EPT_PS,
    .table = EPT_R | EPT_W | EPT_X,
    .pending = EPT_R | EPT_W | EPT_X | EPT_TYPE, /* a misconfiguration */
    .accessed = EPT_A,
    .dirty = EPT_D,
    /* clang-format off */
    .leaf = {
        [R]         = EPT_R,
        [R | X]     = EPT_R | EPT_X,
        [R | W]     = EPT_R | EPT_W,
        [R | W | X] = EPT_R | EPT_W | EPT_X,
    },
    .memory = { [WRITE_BACK] = EPT_WB | EPT_IPAT, [UNCACHED] = EPT_UC | EPT_IPAT },
    /* clang-format on */
};

_Static_assert(!(PTE_SOFTWARE & (EPT_R | EPT_W | EPT_X | EPT_TYPE | EPT_IPAT | EPT_PS | EPT_A |
                                 EPT_D | PTE_ADDRESS)),
               "EPT owns a software bit");
