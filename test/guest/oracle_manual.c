/* SPDX-License-Identifier: MIT */
/*
 * What the manuals say of entries and of faults, and which types this project has; written from
 * the manuals once more. [APM "Nested Paging", "Nested versus Guest Page Faults, Fault Ordering"],
 * [SDM "Format of an EPT Page-Table Entry", "Exit Qualification for EPT Violations"]
 */
#include "oracle.h"

/* clang-format off */
const struct type_meaning types[TYPES] = {
    [INVALID] = { "invalid",    0 },
    [RAM_RW]  = { "ram_rw",     ALL },
    [RAM_RO]  = { "ram_ro",     READ | FETCH },
    [MMIO]    = { "mmio",       READ | WRITE },
    [SPECIAL] = { "special",    READ | WRITE },
    [POD]     = { "pod",        0 },
    [BROKEN]  = { "broken",     0 },
    [HELD]    = { "ram_held",   READ | FETCH },
    [COPIED]  = { "ram_copied", READ | FETCH },
    [MOVING]  = { "pod_moving", 0 },
    [LOGDIRTY] = { "ram_logdirty", READ | FETCH },
};
/* clang-format on */

/* ---- AMD ------------------------------------------------------------------------------------ */

static uint64_t amd_leaf(const struct place *place)
{
    unsigned rights = types[place->type].rights;
    uint64_t entry = 0x5; /* P, U */

    if (!rights)
        return 0;
    if (rights & WRITE)
        entry |= 0x2;
    if (!(rights & FETCH))
        entry |= 1ull << 63;
    if (place->type == MMIO)
        entry |= 0x18; /* PCD, PWT */
    return place->order == ORDER_4K ? entry : entry | 0x80;
}

/* Every nested walk is a user's. The guest's own tables are read as if they were written. */
static uint64_t amd_code(const struct fault *fault)
{
    uint64_t code = fault->walk ? 1ull << 33 : 1ull << 32;

    code |= 0x4;
    if (fault->present)
        code |= 0x1;
    if (fault->access == WRITE)
        code |= 0x2;
    if (fault->malformed)
        code |= 0x8;
    if (fault->access == FETCH)
        code |= 0x10;
    return code;
}

static const struct manual amd = { .accessed = 1ull << 5,
                                   .dirty = 1ull << 6,
                                   .table = 0x7,   /* P, W, U */
                                   .pending = 0x3, /* no U: every nested walk is a user's */
                                   .code_mask = ~0ull,
                                   .leaf = amd_leaf,
                                   .code = amd_code };

/* ---- Intel ---------------------------------------------------------------------------------- */

/* R, W and X are bits 0 to 2, as `rights` has them; write-back is 6, uncached 0. */
static uint64_t intel_leaf(const struct place *place)
{
    unsigned rights = types[place->type].rights;
    uint64_t entry = rights | 1u << 6;

    if (!rights)
        return 0;
    if (place->type != MMIO)
        entry |= 6u << 3;
    return place->order == ORDER_4K ? entry : entry | 1u << 7;
}

/* A misconfiguration says nothing but where. With A and D on, a walk is a read and a write. */
static uint64_t intel_code(const struct fault *fault)
{
    uint64_t code = (uint64_t)fault->access | fault->rights << 3 | 1u << 7;

    if (fault->malformed)
        return 0;
    return fault->walk ? code | READ | WRITE : code | 1u << 8;
}

static const struct manual intel = { .accessed = 1ull << 8,
                                     .dirty = 1ull << 9,
                                     .table = 0x7,       /* R, W, X */
                                     .pending = 0x3f,    /* and a memory type, reserved here */
                                     .code_mask = 0x1bf, /* bit 6 is another mode's */
                                     .leaf = intel_leaf,
                                     .code = intel_code,
                                     .blind = true };

/* ---- either --------------------------------------------------------------------------------- */

const struct manual *manual(void)
{
    static const struct manual *chosen;

    if (!chosen)
        chosen = processor_is_intel() ? &intel : &amd;
    return chosen;
}

void ask_fault(const struct outcome *seen, const struct fault *fault)
{
    bool blind = fault->malformed && manual()->blind;
    uint64_t cause = blind ? READ : fault->access;

    if (fault->malformed)
        cause |= CAUSE_MALFORMED;
    if (fault->walk && !blind)
        cause |= CAUSE_WALK;
    ask("faults", true, seen->faulted);
    if (!seen->faulted)
        return;
    ask("address", fault->address, seen->address);
    ask("cause", cause, seen->cause);
    ask("code", manual()->code(fault) & manual()->code_mask, seen->code & manual()->code_mask);
}

bool ask_no_fault(const struct outcome *seen)
{
    ask("faults", false, seen->faulted);
    return !seen->faulted;
}

void ask_marks(const char *what, const struct place *place, enum marks marks)
{
    uint64_t value = entry_value(place_entry(place));
    struct view view = host_view(FRAME(place->address));
    uint64_t seen = (value & manual()->accessed ? 1 : 0) | (value & manual()->dirty ? 2 : 0);

    ask(what, marks, seen);
    ask("the map says so", marks, view.accessed | view.dirty << 1);
}
