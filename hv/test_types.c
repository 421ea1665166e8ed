/* SPDX-License-Identifier: MIT */
/*
 * Test calls about types; see test_types.h.
 */
#include "test_types.h"

#include "p2m/change.h"

#include "flush.h"
#include "hypercall_memory.h"
#include "slots.h"
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

static void note_slot(struct domain *domain, gfn_t gfn)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    unsigned order = p2m_get_entry(p2m_locked_walking(locked), gfn).order;

    p2m_unlock(locked);
    if (order < ORDER_1G)
        slot_note(domain, gfn, SLOT_SPLIT_BY_TEST);
}

static int64_t change_range(struct domain *domain, struct change change)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    enum p2m_error error =
        p2m_change_type_range(locked, change.range, change.from, change.to, &debt);

    p2m_unlock(locked);
    flush_settle(domain, &debt);
    note_slot(domain, change.range.from);
    note_slot(domain, GFN(change.range.end.gfn - 1));
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
    note_slot(domain, change.range.from);
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
    default:
        return -XEN_ENOSYS;
    }
}
