/* SPDX-License-Identifier: MIT */
/*
 * The PVH boot protocol: a kernel with an entry-point note, loaded where its segments say, started
 * in 32-bit mode with a pointer to a structure that tells it about memory, modules and ACPI.
 * Refuses to know how the guest got its memory, and touches it through guest_memory.c alone.
 */
#ifndef HV_PVH_H
#define HV_PVH_H

#include "guest.h"
#include "vendor.h"

#include <stddef.h>

struct pvh_image {
    const void *kernel; /* ELF32 or ELF64, uncompressed */
    size_t kernel_size;
    const void *initrd; /* NULL: none */
    size_t initrd_size;
    const char *command_line; /* NULL: empty */
};

/*
 * pvh_check - can this image be started at all? Asks nothing of a domain.
 *   Errors:  NULL when it can, else one line for people.
 */
const char *pvh_check(const struct pvh_image *image);

/*
 * pvh_load - put kernel, modules, command line and start_info into the domain's memory, fill its
 * ACPI pages, and say how to enter it.
 *   Context: the domain has its memory, and its ACPI pages are mapped; it has not run.
 *   Errors:  NULL when all is well, else one line for people; the domain is then fit for
 *            destruction only.
 */
const char *pvh_load(struct domain *domain, const struct pvh_image *image,
                     struct entry_state *entry);

#endif
