/* SPDX-License-Identifier: MIT */
/*
 * Test calls about types; see test_types.h.
 */
#include "test_types.h"

#include "p2m/log_dirty.h"

#include "flush.h"
#include "hypercall_memory.h"
#include "lib.h"
#include "slots.h"
#include "test_slots.h"
#include "types.h"
#include "xen_abi.h"

struct change {
    struct gfn_range range;
    enum p2m_type from, to;
};

static struct change unpack(gfn_t gfn, uint64_t value)
{
    return (struct change){ { gfn, GFN(value & ((1ull << 40) - 1)) },
                            (enum p2m_type)(value >> 40 & 0xff),
                            (enum p2m_type)(value >> 48 & 0xff) };
}

static int64_t change_range(struct domain *domain, struct change change)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    enum p2m_error error =
        p2m_change_type_range(locked, change.range, change.from, change.to, &debt);

    p2m_unlock(locked);
    flush_settle(domain, &debt);
    test_slot_note(domain, change.range.from);
    test_slot_note(domain, GFN(change.range.end.gfn - 1));
    return hypercall_map_error(error);
}

static int64_t change_one(struct domain *domain, struct change change)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    enum p2m_error error =
        p2m_change_type_one(locked, change.range.from, change.from, change.to, &debt);

    p2m_unlock(locked);
    flush_settle(domain, &debt);
    test_slot_note(domain, change.range.from);
    return hypercall_map_error(error);
}

static int64_t change_back(struct domain *domain)
{
    struct gfn_range all = { GFN(0), domain->end };
    int64_t error = change_range(domain, (struct change){ all, P2M_RAM_RW, P2M_RAM_RO });

    return error ? error : change_range(domain, (struct change){ all, P2M_RAM_RO, P2M_RAM_RW });
}

static int64_t finish(struct domain *domain)
{
    bool was_pending = p2m_is_changing(&domain->p2m);

    types_finish(domain);
    return was_pending;
}

/* ---- what is written ------------------------------------------------------------------------ */

/* One guest, of as much as there is room for. */
#define LOG_FRAMES ((uint64_t)4 << ORDER_1G)
static uint64_t log_bits[LOG_FRAMES / 64];

static int64_t log_start(struct domain *domain, uint64_t mode, uint64_t grain)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    enum p2m_error error = P2M_BAD_RANGE;

    if (mode <= P2M_LOG_DIRTY_BITS && grain <= ORDER_2M)
        error = p2m_log_dirty_start(locked, (enum p2m_log_mode)mode, (unsigned)grain, &debt);
    p2m_unlock(locked);
    flush_settle(domain, &debt);
    return hypercall_map_error(error);
}

static int64_t log_stop(struct domain *domain)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    enum p2m_error error = p2m_log_dirty_stop(locked, &debt);

    p2m_unlock(locked);
    flush_settle(domain, &debt);
    return hypercall_map_error(error);
}

/* Dirty leaves may have been split. */
static void note_slots(struct domain *domain)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);

    for (uint64_t slot = 0; slot < slot_count(domain); slot++) {
        gfn_t gfn = GFN(slot << ORDER_1G);
        struct p2m_entry entry = p2m_get_entry(p2m_locked_walking(locked), gfn);

        if (entry.order < ORDER_1G && p2m_type_class(entry.type) == P2M_CLASS_RAM)
            slot_note(domain, gfn, SLOT_LOG_DIRTY);
    }
    p2m_unlock(locked);
}

static int64_t log_collect(struct domain *domain)
{
    const struct p2m_dirty dirty = { GFN(0), log_bits };
    struct gfn_range range = { GFN(0), domain->end };
    enum p2m_error error;
    int64_t count = 0;

    memset(log_bits, 0, sizeof(log_bits));
    if (range.end.gfn > LOG_FRAMES)
        range.end = GFN(LOG_FRAMES);
    do {
        struct p2m_debt debt = P2M_NO_DEBT;
        struct p2m_locked locked = p2m_lock(&domain->p2m);

        error = p2m_log_dirty_collect(locked, &range, &dirty, &debt);
        p2m_unlock(locked);
        flush_settle(domain, &debt);
    } while (error == P2M_AGAIN);
    note_slots(domain);
    for (uint64_t i = 0; i < LOG_FRAMES / 64; i++)
        for (uint64_t word = log_bits[i]; word; word &= word - 1)
            count++;
    return error == P2M_OK ? count : hypercall_map_error(error);
}

static int64_t log_says(uint64_t index)
{
    return index < LOG_FRAMES ? (int64_t)(log_bits[index / 64] >> index % 64 & 1) : -XEN_EINVAL;
}

/* ---- dispatch ------------------------------------------------------------------------------- */

int64_t test_types_call(struct domain *domain, uint64_t operation, gfn_t gfn, uint64_t value)
{
    switch (operation) {
    case TEST_CHANGE:
        return change_range(domain, unpack(gfn, value));
    case TEST_CHANGE_ONE:
        return change_one(domain, unpack(gfn, value));
    case TEST_CHANGE_BACK:
        return change_back(domain);
    case TEST_CHANGE_FINISH:
        return finish(domain);
    case TEST_LOG_START:
        return log_start(domain, gfn.gfn, value);
    case TEST_LOG_COLLECT:
        return log_collect(domain);
    case TEST_LOG_SAYS:
        return log_says(gfn.gfn);
    case TEST_LOG_STOP:
        return log_stop(domain);
    default:
        return -XEN_ENOSYS;
    }
}
