/* SPDX-License-Identifier: MIT */
/*
 * The memory map that a guest is told, in the words of E820: once in start_info, and again for
 * those who ask by hypercall. Refuses to know both forms.
 */
#ifndef HV_MEMORY_MAP_H
#define HV_MEMORY_MAP_H

#include "guest.h"

#define MEMORY_MAP_MAX 4

enum memory_map_type { MEMORY_MAP_RAM = 1, MEMORY_MAP_RESERVED = 2, MEMORY_MAP_ACPI = 3 };

struct memory_map_entry {
    uint64_t address; /* bytes */
    uint64_t size;
    enum memory_map_type type;
};

/* Fill in the entries, in order of address, and return how many there are. */
unsigned memory_map_of(const struct domain *domain, struct memory_map_entry map[MEMORY_MAP_MAX]);

#endif
