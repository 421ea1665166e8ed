/* SPDX-License-Identifier: MIT */
/*
 * Amounts of memory. The layout is that of QEMU's "pc" machine, and of its firmware, which keeps a
 * piece at the top of low RAM:
 *
 *      0 GB        1 GB        2 GB        3 GB        4 GB        5 GB  ...
 *      | image,    | whole     | cut by    | hole      | whole     | whole
 *      | modules   |           | firmware  |           |           |
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "memory_size.h"

#define LOW_MAX          (3 * GB)
#define LOW_MAX_IS_SPLIT (3 * GB + GB / 2) /* from this size on, "pc" moves the rest above 4 GB */
#define BOOT_SLACK       (256 * MB)        /* image, frame records, what the modules leave */

const char *memory_parse(const char *text, uint64_t *bytes)
{
    char *unit;

    if (!isdigit((unsigned char)*text))
        return "is not a number with a unit; write 3G, 3072M or 4096K";
    errno = 0;
    unsigned long long number = strtoull(text, &unit, 10);
    if (errno != 0)
        return "is more memory than any machine has";

    unsigned shift = 0;
    switch (toupper((unsigned char)*unit)) {
    case 'B':
        shift = 0;
        break;
    case 'K':
        shift = 10;
        break;
    case 'M':
        shift = 20;
        break;
    case 'G':
        shift = 30;
        break;
    default:
        return "is not a number with a unit; write 3G, 3072M or 4096K";
    }
    if (unit[1] != '\0')
        return "is not a number with a unit; write 3G, 3072M or 4096K";
    if (number > UINT64_MAX >> shift)
        return "is more memory than any machine has";

    *bytes = (uint64_t)number << shift;
    return *bytes % (4 * KB) != 0 ? "is not a multiple of 4 KB, the size of a page" : NULL;
}

void memory_format(uint64_t bytes, char text[24])
{
    if (bytes % GB == 0)
        snprintf(text, 24, "%lluG", (unsigned long long)(bytes / GB));
    else if (bytes % MB == 0)
        snprintf(text, 24, "%lluM", (unsigned long long)(bytes / MB));
    else
        snprintf(text, 24, "%lluK", (unsigned long long)(bytes / KB));
}

uint64_t memory_of_this_machine(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t memory_for_host(uint64_t guest, uint64_t modules)
{
    uint64_t guest_gbs = (guest + GB - 1) / GB;
    uint64_t boot_gbs = (modules + BOOT_SLACK + GB - 1) / GB;

    /* GBs that are not whole: those that booting uses, and the one that the firmware cuts. */
    return (guest_gbs + boot_gbs + 1) * GB;
}

uint64_t memory_below_4g(uint64_t host)
{
    return host >= LOW_MAX_IS_SPLIT ? LOW_MAX : host;
}
