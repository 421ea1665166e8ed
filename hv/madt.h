/* SPDX-License-Identifier: MIT */
/*
 * The processors that the firmware lists, from ACPI's tables: root pointer, root table, MADT.
 * [ACPI "Multiple APIC Description Table"] Every length and every sum is mistrusted: from tables
 * that are damaged comes an empty list.
 * Refuses to know what becomes of a processor, and all else that ACPI says.
 */
#ifndef HV_MADT_H
#define HV_MADT_H

#include <stdint.h>

#define MADT_PROCESSORS_MAX 64u

struct madt {
    uint32_t apic_id[MADT_PROCESSORS_MAX]; /* usable, each once, in the firmware's order */
    unsigned count;
    unsigned dropped; /* more than there is room for */
};

/*
 * madt_read - fill *madt from the root pointer at this machine address; 0: look for it where a
 * firmware of the old kind leaves it.
 *   Context: once, while boot.S' map of the low 4 GB is in use; what lies above is not read.
 *   Errors:  none: an empty list when there are no tables, or none to be believed.
 */
void madt_read(uint64_t root_pointer, struct madt *madt);

#endif
