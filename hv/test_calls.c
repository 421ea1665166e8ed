/* SPDX-License-Identifier: MIT */
/*
 * The hypercall of the tiny test guests; see test_calls.h.
 */
#include "test_calls.h"

#include "flush.h"
#include "guest_memory.h"
#include "hypercall_memory.h"
#include "print.h"
#include "slots.h"
#include "xen_abi.h"

static void note_slot(struct domain *domain, gfn_t gfn)
{
    uint64_t slot = gfn.gfn >> ORDER_1G;
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    struct p2m_entry entry = p2m_get_entry(p2m_locked_walking(locked), gfn);

    p2m_unlock(locked);
    if (slot >= SLOTS_MAX)
        return;
    if (entry.order < ORDER_1G)
        slot_note(domain, gfn, SLOT_SPLIT_BY_TEST);
    if (entry.order == ORDER_1G && domain->slot_reason[slot] == SLOT_SPLIT_BY_TEST)
        domain->slot_reason[slot] = SLOT_WHOLE;
}

static int64_t split(struct domain *domain, gfn_t gfn, uint64_t order)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    enum p2m_error error = P2M_BAD_RANGE;

    if (order <= ORDER_1G)
        error = p2m_split(locked, gfn, (unsigned)order);
    p2m_unlock(locked);
    note_slot(domain, gfn);
    return hypercall_map_error(error);
}

static int64_t merge(struct domain *domain, gfn_t gfn, uint64_t order)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    enum p2m_error error = P2M_BAD_RANGE;

    if (order <= ORDER_1G)
        error = p2m_merge(locked, gfn, (unsigned)order, &debt);
    p2m_unlock(locked);
    flush_settle(domain, &debt);
    note_slot(domain, gfn);
    return hypercall_map_error(error);
}

static int64_t query(struct domain *domain, gfn_t gfn)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    struct p2m_entry entry = p2m_get_entry(p2m_locked_walking(locked), gfn);

    p2m_unlock(locked);
    return (int64_t)entry.order | (int64_t)entry.type << 8 | (int64_t)entry.accessed << 16 |
           (int64_t)entry.dirty << 17;
}

static int64_t read_word(struct domain *domain, gfn_t gfn)
{
    int64_t value;

    return guest_copy_from(domain, &value, gfn.gfn << FRAME_SHIFT, sizeof(value)) ? value : -1;
}

int64_t test_call(struct vcpu *vcpu, uint64_t operation, uint64_t number, uint64_t value)
{
    struct domain *domain = vcpu->domain;
    gfn_t gfn = GFN(number);

    if (!domain->test_calls)
        return -XEN_ENOSYS;
    if (operation != TEST_PRINT && number >= domain->end.gfn)
        return -XEN_EINVAL;
    switch (operation) {
    case TEST_SPLIT:
        return split(domain, gfn, value);
    case TEST_MERGE:
        return merge(domain, gfn, value);
    case TEST_QUERY:
        return query(domain, gfn);
    case TEST_PRINT:
        print("test guest: %llu (0x%llx)\n", (unsigned long long)number,
              (unsigned long long)number);
        return 0;
    case TEST_WRITE:
        return guest_copy_to(domain, number << FRAME_SHIFT, &value, sizeof(value)) ? 0
                                                                                   : -XEN_EFAULT;
    case TEST_READ:
        return read_word(domain, gfn);
    default:
        return -XEN_ENOSYS;
    }
}
