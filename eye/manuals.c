/* SPDX-License-Identifier: MIT */
/*
 * The two formats as data, a line for each sentence in the manuals that forbids something.
 * Refuses to know where an entry was read from.
 */
#include <stddef.h>
#include <string.h>

#include "manuals.h"

#define BROKEN_RESERVED  "reserved bits are set"
#define BROKEN_ALIGNMENT "the address of a superpage is not aligned to its size"

#define NPT_PRESENT  BIT(0)
#define NPT_WRITABLE BIT(1)
#define NPT_USER     BIT(2)
#define NPT_ACCESSED BIT(5)
#define NPT_DIRTY    BIT(6)

#define EPT_READ        BIT(0)
#define EPT_WRITE       BIT(1)
#define EPT_RIGHTS      BITS(2, 0)
#define EPT_MEMORY_TYPE BITS(5, 3)
#define EPT_ACCESSED    BIT(8)
#define EPT_DIRTY       BIT(9)

#define MAPS_A_SUPERPAGE BIT(7) /* both manuals chose the same bit */

/* Bit 12 of AMD's superpages is the PAT bit, Intel's have none: there it is reserved. */
static const struct rule npt_rules[] = {
    { ANYWHERE, NPT_USER, MUST_BE, NPT_USER, "U/S is clear, and every guest access is a user's" },
    { PML4E, BITS(8, 7), MUST_BE, 0, BROKEN_RESERVED },
    { PDPTE_1G, BITS(29, 13), MUST_BE, 0, BROKEN_ALIGNMENT },
    { PDE_2M, BITS(20, 13), MUST_BE, 0, BROKEN_ALIGNMENT },
    { 0 },
};

#define WALKED_BY "types are still to change below, and the processor is not stopped"

static const struct rule npt_waiting[] = {
    { TABLES, NPT_USER, MUST_BE, 0, WALKED_BY },
    { PML4E, BITS(8, 7), MUST_BE, 0, BROKEN_RESERVED },
    { 0 },
};

static const struct rule ept_waiting[] = {
    { TABLES, EPT_MEMORY_TYPE, MUST_BE, EPT_MEMORY_TYPE, WALKED_BY },
    { 0 },
};

static const struct rule ept_rules[] = {
    { ANYWHERE, EPT_READ | EPT_WRITE, MUST_NOT_BE, EPT_WRITE, "write is allowed but not read" },
    { PML4E, BITS(7, 3), MUST_BE, 0, BROKEN_RESERVED },
    { PDPTE | PDE, BITS(6, 3), MUST_BE, 0, BROKEN_RESERVED },
    { PDPTE_1G, BITS(29, 12), MUST_BE, 0, BROKEN_ALIGNMENT },
    { PDE_2M, BITS(20, 12), MUST_BE, 0, BROKEN_ALIGNMENT },
    { LEAVES, EPT_MEMORY_TYPE, MUST_NOT_BE, 2 << 3, "memory type 2 is reserved" },
    { LEAVES, EPT_MEMORY_TYPE, MUST_NOT_BE, 3 << 3, "memory type 3 is reserved" },
    { LEAVES, EPT_MEMORY_TYPE, MUST_NOT_BE, 7 << 3, "memory type 7 is reserved" },
    { 0 },
};

static const struct format formats[] = {
    { "npt", NPT_PRESENT, NPT_WRITABLE, NPT_ACCESSED, NPT_DIRTY, npt_rules, npt_waiting },
    { "ept", EPT_RIGHTS, EPT_WRITE, EPT_ACCESSED, EPT_DIRTY, ept_rules, ept_waiting },
};

static const struct {
    const char *name;
    bool ram, frame, write;
} types[TYPE_COUNT] = {
    /* clang-format off */
    [TYPE_INVALID]    = { "invalid",    false, false, false },
    [TYPE_RAM_RW]     = { "ram_rw",     true,  true,  true  },
    [TYPE_RAM_RO]     = { "ram_ro",     true,  true,  false },
    [TYPE_MMIO]       = { "mmio",       false, true,  true  },
    [TYPE_SPECIAL]    = { "special",    false, true,  true  },
    [TYPE_POD]        = { "pod",        false, false, false },
    [TYPE_BROKEN]     = { "broken",     false, false, false },
    [TYPE_RAM_HELD]   = { "ram_held",   true,  true,  false },
    [TYPE_RAM_COPIED] = { "ram_copied", true,  true,  false },
    [TYPE_POD_MOVING] = { "pod_moving", false, false, false },
    [TYPE_RAM_LOGDIRTY] = { "ram_logdirty", true, true, false },
    /* clang-format on */
};

const struct format *format_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        if (strcmp(name, formats[i].name) == 0)
            return &formats[i];
    return NULL;
}

enum place entry_place(unsigned level, uint64_t entry)
{
    static const enum place tables[LEVELS] = { PTE_4K, PDE, PDPTE, PML4E };
    static const enum place leaves[LEVELS] = { PTE_4K, PDE_2M, PDPTE_1G, PML4E };

    return entry & MAPS_A_SUPERPAGE ? leaves[level] : tables[level];
}

uint64_t entry_address(enum place place, uint64_t entry)
{
    switch (place) {
    case PDPTE_1G:
        return entry & BITS(51, 30);
    case PDE_2M:
        return entry & BITS(51, 21);
    default:
        return entry & BITS(51, 12);
    }
}

bool rule_is_broken(const struct rule *rule, enum place place, uint64_t entry)
{
    bool equal = (entry & rule->mask) == rule->value;

    return (rule->places & place) && equal != (rule->sense == MUST_BE);
}

enum type entry_type(uint64_t entry)
{
    uint64_t number = (entry & SOFTWARE_TYPE) >> 52;

    return number < TYPE_COUNT ? (enum type)number : TYPE_COUNT;
}

const char *type_name(enum type type)
{
    return type < TYPE_COUNT ? types[type].name : "unknown";
}

bool type_is_ram(enum type type)
{
    return type < TYPE_COUNT && types[type].ram;
}

bool type_has_frame(enum type type)
{
    return type < TYPE_COUNT && types[type].frame;
}

bool type_is_written(enum type type)
{
    return type < TYPE_COUNT && types[type].write;
}
