/* SPDX-License-Identifier: MIT */
/*
 * The hypercall of the tiny test guests; see test_calls.h.
 */
#include "test_calls.h"

#include "flush.h"
#include "guest_memory.h"
#include "hypercall_memory.h"
#include "print.h"
#include "target.h"
#include "test_calls_oracle.h"
#include "test_processors.h"
#include "test_slots.h"
#include "test_types.h"
#include "xen_abi.h"

static int64_t split(struct domain *domain, gfn_t gfn, uint64_t order)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    enum p2m_error error = P2M_BAD_RANGE;

    if (order <= ORDER_1G)
        error = p2m_split(locked, gfn, (unsigned)order);
    p2m_unlock(locked);
    test_slot_note(domain, gfn);
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
    test_slot_note(domain, gfn);
    return hypercall_map_error(error);
}

static int64_t query(struct domain *domain, gfn_t gfn)
{
    struct p2m_entry entry = guest_look_up(domain, gfn);

    return (int64_t)entry.order | (int64_t)entry.type << 8 | (int64_t)entry.accessed << 16 |
           (int64_t)entry.dirty << 17;
}

static int64_t read_word(struct domain *domain, gfn_t gfn)
{
    int64_t value;

    return guest_copy_from(domain, &value, gfn.gfn << FRAME_SHIFT, sizeof(value)) ? value : -1;
}

/* ---- populate-on-demand --------------------------------------------------------------------- */

static int64_t account(const struct domain *domain, uint64_t which)
{
    struct pod_account account = pod_account(&domain->pod);
    struct pod_cache_counts cache = pod_cache_counts(&domain->pod);

    switch (which) {
    case TEST_ENTRIES:
        return (int64_t)account.entries;
    case TEST_CACHED:
        return (int64_t)account.cached;
    case TEST_POPULATED:
        return (int64_t)account.populated;
    case TEST_GRANTED:
        return (int64_t)account.granted;
    case TEST_DIRTY:
        return (int64_t)(cache.frames - cache.clean);
    default:
        return -XEN_EINVAL;
    }
}

/* One that is held while the guest runs on; count is 0 when there is none. */
static struct pod_sweep held;

static int64_t hold(struct domain *domain, uint64_t order, uint64_t depth)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked;
    enum p2m_error error;

    if (held.count || order > ORDER_1G || !order_is_size((unsigned)order) || depth >= POD_DEPTHS)
        return -XEN_EINVAL;
    do {
        struct pod_sweep_kind kind = { (unsigned)order, (enum pod_depth)depth };

        locked = p2m_lock(&domain->p2m);
        error = pod_sweep_protect(locked, &domain->pod, kind, &held, &debt);
        p2m_unlock(locked);
        flush_settle(domain, &debt);
    } while (error == P2M_AGAIN);
    for (unsigned i = 0; i < held.count; i++)
        test_slot_note(domain, held.item[i].gfn);
    return held.count;
}

static int64_t take(struct domain *domain)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked;
    uint64_t frames;

    if (!held.count)
        return 0;
    for (unsigned i = 0; i < held.count; i++)
        pod_sweep_scan(&domain->pod, &held, i);
    locked = p2m_lock(&domain->p2m);
    frames = pod_sweep_finish(locked, &domain->pod, &held, &debt);
    p2m_unlock(locked);
    flush_settle(domain, &debt);
    held.count = 0;
    return (int64_t)frames;
}

void test_calls_end(struct domain *domain)
{
    (void)take(domain);
    oracle_end(domain);
    test_processors_end(domain);
}

/* ---- dispatch ------------------------------------------------------------------------------- */

int64_t test_call(struct vcpu *vcpu, uint64_t operation, uint64_t number, uint64_t value)
{
    struct domain *domain = vcpu->domain;
    gfn_t gfn = GFN(number);

    if (!domain->test_calls)
        return -XEN_ENOSYS;
    if (operation >= TEST_EXPECT && operation <= TEST_PLANT)
        return oracle_call(vcpu, operation, number, value);
    if (operation != TEST_PRINT && number >= domain->end.gfn)
        return -XEN_EINVAL;
    if (operation >= TEST_CHANGE)
        return test_types_call(domain, operation, gfn, value);
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
    case TEST_TARGET:
        return hypercall_map_error(target_set(domain, number));
    case TEST_ACCOUNT:
        return account(domain, number);
    case TEST_HOLD:
        return hold(domain, number, value);
    case TEST_HELD:
        return number < held.count ? (int64_t)held.item[number].gfn.gfn : -XEN_EINVAL;
    case TEST_TAKE:
        return take(domain);
    default:
        return test_processors_call(vcpu, operation, number, value);
    }
}
