/* SPDX-License-Identifier: MIT */
/*
 * The emulated machine's memory, as the file that the emulator keeps it in:
 *
 *     machine address   0 ......... low size   (hole: devices)   4 GB ..........
 *     file offset       0 ......... low size                     low size ...... size
 *
 * Knows addresses; refuses to know what stands in the memory.
 */
#ifndef EYE_MACHINE_H
#define EYE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "manuals.h"

#define FOUR_GB BIT(32)

struct machine {
    int file;
    uint64_t size;     /* of the file: all the memory that the machine has */
    uint64_t low_size; /* how much of it lies below 4 GB */
};

/*
 * machine_offset - where in the file [address, address + bytes) is; false if any of it is not.
 */
bool machine_offset(const struct machine *machine, uint64_t address, uint64_t bytes,
                    uint64_t *offset);

/*
 * machine_read_table - copy one page of entries; false if the address or the file refuses.
 */
bool machine_read_table(const struct machine *machine, uint64_t address, uint64_t table[ENTRIES]);

#endif
