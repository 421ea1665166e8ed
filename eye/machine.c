/* SPDX-License-Identifier: MIT */
/*
 * Machine addresses to file offsets, and reads by pread: a mapping would fill the holes of a
 * sparse file and die of a short one. Refuses to write.
 */
#define _POSIX_C_SOURCE 200809L

#include <unistd.h>

#include "machine.h"

bool machine_offset(const struct machine *machine, uint64_t address, uint64_t bytes,
                    uint64_t *offset)
{
    uint64_t start = address, end = machine->low_size;

    if (address >= FOUR_GB) {
        start = address - FOUR_GB + machine->low_size;
        end = machine->size;
    }
    *offset = start;
    return start <= end && bytes <= end - start;
}

bool machine_read_table(const struct machine *machine, uint64_t address, uint64_t table[ENTRIES])
{
    uint64_t offset;

    return machine_offset(machine, address, PAGE_SIZE, &offset) &&
           pread(machine->file, table, PAGE_SIZE, (off_t)offset) == PAGE_SIZE;
}
