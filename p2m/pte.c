/* SPDX-License-Identifier: MIT */
/*
 * Making entries, and comparing them. Refuses to know where an entry is stored.
 */
#include "pte.h"

uint64_t entry_make(const struct pt_format *format, mfn_t mfn, enum p2m_type type, unsigned level)
{
    const struct type_info *info = &type_table[type];
    uint64_t entry = (uint64_t)type << PTE_TYPE_SHIFT;

    if (!info->rights)
        return entry;
    entry |= format->leaf[info->rights] | format->memory[info->memory];
    if (level > 0)
        entry |= format->superpage;
    return entry | mfn.mfn << FRAME_SHIFT;
}

uint64_t entry_piece(const struct pt_format *format, uint64_t entry, unsigned level, unsigned index)
{
    if (entry_kind(format, entry, level) != ENTRY_LEAF)
        return entry;
    entry += (uint64_t)index << (level_order(level - 1) + FRAME_SHIFT);
    return level == 1 ? entry & ~format->superpage : entry;
}
