/* SPDX-License-Identifier: MIT */
/*
 * What the two manuals say of a second-stage table entry, and what software writes into the bits
 * that they leave to it. Written from the manuals a second time, on purpose: the eye shares no
 * source with the engine that it watches. Knows single entries; refuses to know memory and walks.
 *
 *      63     57  56   55   52 51                          12 11         0
 *     +---------+----+--------+------------------------------+------------+
 *     | manual  | R  | type   | machine address              | manual     |
 *     +---------+----+--------+------------------------------+------------+
 *
 * [APM "4-Kbyte Page Translation", "1-Gbyte Page Translation", "Nested Paging"],
 * [SDM "EPT Translation Mechanism", "EPT Misconfigurations"]
 */
#ifndef EYE_MANUALS_H
#define EYE_MANUALS_H

#include <stdbool.h>
#include <stdint.h>

/* As the manuals write them: bit n, and bits high:low. */
#define BIT(n)          ((uint64_t)1 << (n))
#define BITS(high, low) ((BIT((high) - (low) + 1) - 1) << (low))

#define PAGE_SIZE 4096u
#define ENTRIES   512u
#define LEVELS    4u /* level 0 holds PTEs, level 3 PML4Es */
#define SIZES     3u /* a leaf at level 0 maps 4K, at level 1 2M, at level 2 1G */

/* Where an entry stands; those with a size in the name map memory, the others name a table. */
enum place {
    PTE_4K = 1,
    PDE_2M = 2,
    PDPTE_1G = 4,
    PDE = 8,
    PDPTE = 16,
    PML4E = 32,
    LEAVES = PTE_4K | PDE_2M | PDPTE_1G,
    TABLES = PDE | PDPTE | PML4E,
    ANYWHERE = LEAVES | TABLES,
};

enum sense { MUST_BE, MUST_NOT_BE };

/* In these places, the bits under the mask must be, or must not be, this value. */
struct rule {
    unsigned places;
    uint64_t mask;
    enum sense sense;
    uint64_t value;
    const char *broken; /* what to say of an entry that breaks it */
};

struct format {
    const char *name;
    uint64_t present; /* with none of these bits, the processor ignores all others */
    uint64_t writable, accessed, dirty;
    const struct rule *rules;   /* the last one has no places */
    const struct rule *waiting; /* the same, for a table below which types are still to change */
};

/* Software's own bits: in every leaf, and in entries that are not present. */
enum type {
    TYPE_INVALID,
    TYPE_RAM_RW,
    TYPE_RAM_RO,
    TYPE_MMIO,
    TYPE_SPECIAL,
    TYPE_POD, /* populate on demand: frames promised, none there */
    TYPE_BROKEN,
    TYPE_RAM_HELD,     /* RAM whose writes are held off while somebody reads it */
    TYPE_RAM_COPIED,   /* RAM whose writes are held off while somebody copies it */
    TYPE_POD_MOVING,   /* promised, and on its way to other frames */
    TYPE_RAM_LOGDIRTY, /* RAM whose first write is to be noted */
    TYPE_COUNT
};

#define SOFTWARE_TYPE        BITS(55, 52)
#define SOFTWARE_RECALCULATE BIT(56)

/* format_by_name - "npt" or "ept"; NULL for any other name. */
const struct format *format_by_name(const char *name);

/* entry_place - where a present entry of this level stands. */
enum place entry_place(unsigned level, uint64_t entry);

/* entry_address - the machine address that an entry in this place names. */
uint64_t entry_address(enum place place, uint64_t entry);

/* rule_is_broken - whether an entry in this place violates the rule. */
bool rule_is_broken(const struct rule *rule, enum place place, uint64_t entry);

/* entry_type - software's type; TYPE_COUNT for a number that is none. */
enum type entry_type(uint64_t entry);

/* type_name - what listings call it. */
const char *type_name(enum type type);

/* type_is_ram - whether it is a guest's memory. type_has_frame - whether there is an address.
 * type_is_written - whether the guest may write there. */
bool type_is_ram(enum type type);
bool type_has_frame(enum type type);
bool type_is_written(enum type type);

#endif
