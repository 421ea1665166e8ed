/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory map; see memory_map.h. Every page that is mapped outside of RAM when the guest
 * starts is in it: guests take for free, and map things at, what is not.
 */
#include "memory_map.h"

static struct memory_map_entry entry_of(struct gfn_range range, enum memory_map_type type)
{
    return (struct memory_map_entry){
        .address = range.from.gfn << FRAME_SHIFT,
        .size = gfn_range_frames(range) << FRAME_SHIFT,
        .type = type,
    };
}

unsigned memory_map_of(const struct domain *domain, struct memory_map_entry map[MEMORY_MAP_MAX])
{
    const struct gfn_range acpi = { GUEST_ACPI_GFN, gfn_add(GUEST_ACPI_GFN, GUEST_ACPI_FRAMES) };
    const struct gfn_range special = { GUEST_SPECIAL_GFN, gfn_add(GUEST_CONSOLE_GFN, 1) };
    unsigned count = 0;

    map[count++] = entry_of(domain->ram[0], MEMORY_MAP_RAM);
    map[count++] = entry_of(acpi, MEMORY_MAP_ACPI);
    map[count++] = entry_of(special, MEMORY_MAP_RESERVED);
    if (domain->ram_count > 1)
        map[count++] = entry_of(domain->ram[1], MEMORY_MAP_RAM);
    return count;
}
