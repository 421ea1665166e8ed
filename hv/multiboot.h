/* SPDX-License-Identifier: MIT */
/*
 * What the boot loader left us, by either multiboot protocol, in one form. Everything is copied:
 * afterwards only the modules are still where the loader put them.
 * Trusts nothing: a loader's tables, overlapping or cut off, do no harm. Refuses to know what the
 * modules and the command line mean.
 */
#ifndef HV_MULTIBOOT_H
#define HV_MULTIBOOT_H

#include "madt.h"
#include "survey.h"

#define BOOT_RANGES_MAX  64
#define BOOT_TAKEN_MAX   32
#define BOOT_MODULES_MAX 8
#define BOOT_LINE_SIZE   4096
#define BOOT_RSDP_SIZE   36 /* ACPI's root pointer; 20 of these bytes before ACPI 2 */

/* What boot.S maps; everything that the loader hands over lies below it. */
#define BOOT_MAP_END 0x100000000ull

struct boot_info {
    const char *protocol;
    struct memory_range ram[BOOT_RANGES_MAX]; /* usable: whole frames, sorted, disjoint */
    unsigned ram_count;
    unsigned ram_dropped; /* entries of the memory map that did not fit, or made no sense */
    struct memory_range taken[BOOT_TAKEN_MAX]; /* of ram: in use already */
    unsigned taken_count;
    struct memory_range module[BOOT_MODULES_MAX];
    unsigned module_count;             /* in module[] */
    unsigned modules_given;            /* may be more */
    char command_line[BOOT_LINE_SIZE]; /* as given: some loaders put the image's name first */
    bool command_line_cut;
    uint64_t rsdp; /* machine address of a copy in here, unchecked; 0: the loader gave none */
    uint8_t rsdp_copy[BOOT_RSDP_SIZE];
    struct madt processors; /* boot.c's: what ACPI lists */
};

/*
 * multiboot_read - fill *info from what the loader passed in EAX and EBX.
 *   Units:   bytes.
 *   Context: once, while boot.S' map of the low 4 GB is in use.
 *   Errors:  NULL, or one line that says what is wrong; *info is then of no use.
 *   Debts:   none.
 */
const char *multiboot_read(uint32_t magic, uint32_t info_physical, struct boot_info *info);

/*
 * boot_take_page - the lowest free page above the first MB and below BOOT_MAP_END becomes taken.
 *   Units:   a machine address; contents are anything.
 *   Context: before frames_init.
 *   Errors:  0 when there is none.
 *   Debts:   none: what is taken here stays the host's.
 */
uint64_t boot_take_page(struct boot_info *info);

/*
 * boot_low_page - a page of RAM below 1 MB that neither the firmware nor a module uses; 0: none.
 * All of the first MB stays the host's.
 */
uint64_t boot_low_page(const struct boot_info *info);

#endif
