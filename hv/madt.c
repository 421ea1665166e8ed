/* SPDX-License-Identifier: MIT */
/*
 * The processors that the firmware lists. Nothing is read before it is known to lie in what is
 * mapped, and no table before its sum is right.
 * Refuses to know what becomes of a processor.
 */
#include "madt.h"

#include <stdbool.h>
#include <stddef.h>

#include "lib.h"
#include "cpu.h"

#define MAPPED_END      0x100000000ull /* of boot.S' map */
#define TABLE_SIZE_MOST 0x100000u

/* Where the old firmware leaves the root pointer. [ACPI "Finding the RSDP on IA-PC Systems"] */
#define EBDA_SEGMENT 0x40eu
#define EBDA_SEARCH  0x400u
#define ROM_FROM     0xe0000u
#define ROM_END      0x100000u
#define POINTER_STEP 16u

#define OLD_POINTER_SIZE 20u /* and what its first sum covers */

struct __attribute__((packed)) root_pointer {
    char signature[8];
    uint8_t sum;
    char maker[6];
    uint8_t revision;
    uint32_t old_root;
    uint32_t size; /* from here on: revision 2 */
    uint64_t root;
    uint8_t whole_sum;
    uint8_t reserved[3];
};

struct __attribute__((packed)) table_head {
    char signature[4];
    uint32_t size; /* of all of it */
    uint8_t revision, sum;
    char maker[14];
    uint32_t revisions[3];
};
_Static_assert(sizeof(struct root_pointer) == 36 && sizeof(struct table_head) == 36, "ACPI");

/* What follows the MADT's head, before its entries. */
#define MADT_ENTRIES (sizeof(struct table_head) + 8)

enum { ENTRY_APIC = 0, ENTRY_X2APIC = 9 };
#define ENTRY_ENABLED 1u

struct __attribute__((packed)) entry {
    uint8_t type, size;
    union {
        struct __attribute__((packed)) {
            uint8_t processor, apic_id;
            uint32_t flags;
        } apic;
        struct __attribute__((packed)) {
            uint16_t reserved;
            uint32_t apic_id, flags, processor;
        } x2apic;
    };
};

static bool is_mapped(uint64_t from, uint64_t size)
{
    return from != 0 && from < MAPPED_END && size <= MAPPED_END - from;
}

static bool sums_to_zero(const uint8_t *bytes, size_t size)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return sum == 0;
}

/* ---- tables --------------------------------------------------------------------------------- */

/* The table at this address, if all of it is there and sums up; else NULL. */
static const struct table_head *table_at(uint64_t address, const char *signature)
{
    const struct table_head *table = direct_map(address);

    if (!is_mapped(address, sizeof(*table)) || memcmp(table->signature, signature, 4) != 0)
        return NULL;
    if (table->size < sizeof(*table) || table->size > TABLE_SIZE_MOST ||
        !is_mapped(address, table->size) || !sums_to_zero((const uint8_t *)table, table->size))
        return NULL;
    return table;
}

static const struct root_pointer *root_pointer_at(uint64_t address)
{
    const struct root_pointer *pointer = direct_map(address);

    if (!is_mapped(address, sizeof(*pointer)) || memcmp(pointer->signature, "RSD PTR ", 8) != 0 ||
        !sums_to_zero((const uint8_t *)pointer, OLD_POINTER_SIZE))
        return NULL;
    return pointer;
}

static const struct root_pointer *search(uint64_t from, uint64_t end)
{
    const struct root_pointer *found = NULL;

    for (; from < end && !found; from += POINTER_STEP)
        found = root_pointer_at(from);
    return found;
}

static const struct root_pointer *find_root_pointer(void)
{
    const struct root_pointer *found = NULL;
    uint16_t segment;
    uint64_t ebda;

    memcpy(&segment, direct_map(EBDA_SEGMENT), sizeof(segment));
    ebda = (uint64_t)segment << 4;
    if (ebda > EBDA_SEGMENT && ebda < ROM_FROM)
        found = search(ebda, ebda + EBDA_SEARCH);
    return found ? found : search(ROM_FROM, ROM_END);
}

/* Of a list of addresses, 4 or 8 bytes each, the table that it is about. */
static const struct table_head *find_in(const struct table_head *root, size_t width)
{
    const uint8_t *at = (const uint8_t *)(root + 1), *end = (const uint8_t *)root + root->size;
    const struct table_head *found = NULL;

    for (; (size_t)(end - at) >= width && !found; at += width) {
        uint64_t address = 0;

        memcpy(&address, at, width);
        found = table_at(address, "APIC");
    }
    return found;
}

/* The new list where there is one to be believed, else the old one. */
static const struct table_head *find_madt(const struct root_pointer *pointer)
{
    const struct table_head *root = NULL, *found = NULL;

    if (pointer->revision >= 2 && pointer->size == sizeof(*pointer) &&
        sums_to_zero((const uint8_t *)pointer, sizeof(*pointer)))
        root = table_at(pointer->root, "XSDT");
    if (root)
        found = find_in(root, sizeof(uint64_t));
    if (found)
        return found;
    root = table_at(pointer->old_root, "RSDT");
    return root ? find_in(root, sizeof(uint32_t)) : NULL;
}

/* ---- processors ----------------------------------------------------------------------------- */

static void add(struct madt *madt, uint32_t apic_id)
{
    for (unsigned i = 0; i < madt->count; i++)
        if (madt->apic_id[i] == apic_id)
            return;
    if (madt->count == MADT_PROCESSORS_MAX)
        madt->dropped++;
    else
        madt->apic_id[madt->count++] = apic_id;
}

static void read_entry(struct madt *madt, const struct entry *entry)
{
    if (entry->type == ENTRY_APIC && entry->size >= 2 + sizeof(entry->apic) &&
        entry->apic.flags & ENTRY_ENABLED)
        add(madt, entry->apic.apic_id);
    if (entry->type == ENTRY_X2APIC && entry->size >= 2 + sizeof(entry->x2apic) &&
        entry->x2apic.flags & ENTRY_ENABLED)
        add(madt, entry->x2apic.apic_id);
}

void madt_read(uint64_t address, struct madt *madt)
{
    const struct root_pointer *pointer = address ? root_pointer_at(address) : find_root_pointer();
    const struct table_head *table = pointer ? find_madt(pointer) : NULL;
    uint64_t at = MADT_ENTRIES;

    *madt = (struct madt){ .count = 0 };
    while (table && at + 2 <= table->size) {
        const struct entry *entry = (const struct entry *)((const uint8_t *)table + at);

        if (entry->size < 2 || entry->size > table->size - at)
            break;
        read_entry(madt, entry);
        at += entry->size;
    }
}
