/* SPDX-License-Identifier: MIT */
/*
 * Pieces of entries. Refuses to know where an entry is stored.
 */
#include "pte.h"

uint64_t entry_piece(const struct pt_format *format, uint64_t entry, unsigned level, unsigned index)
{
    if (entry_kind(format, entry, level) != ENTRY_LEAF)
        return entry;
    entry += (uint64_t)index << (level_order(level - 1) + FRAME_SHIFT);
    return level == 1 ? entry & ~format->superpage : entry;
}
