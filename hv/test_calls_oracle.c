/* SPDX-License-Identifier: MIT */
/*
 * What the oracle guests ask for; see test_calls_oracle.h.
 */
#include "test_calls_oracle.h"

#include <stdatomic.h>

#include "cpu.h"
#include "flush.h"
#include "frames.h"
#include "guest_memory.h"
#include "hypercall_memory.h"
#include "test_calls.h"
#include "xen_abi.h"

#define LEVELS       4u
#define INDEX_MASK   511u
#define ADDRESS_BITS ((uint64_t)0x000ffffffffff000)

/* An entry by the frame that it covers and its level: 0 holds 4 KB entries, 3 is the root. */
struct place {
    gfn_t gfn;
    unsigned level;
};

static struct place place_of(uint64_t number)
{
    return (struct place){ GFN(number & (((uint64_t)1 << TEST_LEVEL_SHIFT) - 1)),
                           (unsigned)(number >> TEST_LEVEL_SHIFT) };
}

static bool place_is_there(const struct domain *domain, struct place place)
{
    return place.gfn.gfn < domain->end.gfn && place.level < LEVELS;
}

/* ---- live entries --------------------------------------------------------------------------- */

/* NULL: there is no table of this level on the way. */
static _Atomic uint64_t *live_entry(struct domain *domain, struct place place)
{
    uint64_t table = p2m_root_address(&domain->p2m);

    if (!place_is_there(domain, place) ||
        guest_look_up(domain, place.gfn).order > place.level * ORDER_STEP)
        return NULL;
    for (unsigned level = LEVELS - 1;; level--) {
        _Atomic uint64_t *entries = direct_map(table & ADDRESS_BITS);
        _Atomic uint64_t *entry = &entries[place.gfn.gfn >> (level * ORDER_STEP) & INDEX_MASK];

        if (level == place.level)
            return entry;
        table = atomic_load(entry);
    }
}

/* Flips these bits, so that every processor sees it; what the entry was. */
static int64_t poke(struct domain *domain, struct place place, uint64_t mask)
{
    _Atomic uint64_t *entry = live_entry(domain, place);
    struct p2m_debt debt = P2M_NO_DEBT;
    uint64_t old;

    if (!entry)
        return -XEN_EINVAL;
    old = atomic_fetch_xor(entry, mask);
    debt.flush = mask != 0;
    flush_settle(domain, &debt);
    return (int64_t)old;
}

/* ---- faults that are awaited ---------------------------------------------------------------- */

static struct {
    struct vcpu *vcpu; /* whose; NULL: nobody's */
    uint64_t landing;
    bool came;
    struct fault fault;
    struct place wrong; /* an entry with these bits flipped, as long as the fault is awaited */
    uint64_t mask;      /* 0: none */
} awaited;

static int64_t make_wrong(struct domain *domain, struct place place, uint64_t mask)
{
    if (!live_entry(domain, place) || awaited.vcpu)
        return -XEN_EINVAL;
    awaited.wrong = place;
    awaited.mask = mask;
    return 0;
}

static int64_t await(struct vcpu *vcpu, uint64_t landing)
{
    awaited.vcpu = vcpu;
    awaited.landing = landing;
    awaited.came = false;
    if (awaited.mask)
        poke(vcpu->domain, awaited.wrong, awaited.mask);
    return 0;
}

static void stop_waiting(void)
{
    if (awaited.vcpu && awaited.mask)
        poke(awaited.vcpu->domain, awaited.wrong, awaited.mask);
    awaited.vcpu = NULL;
    awaited.mask = 0;
}

bool oracle_takes_fault(struct vcpu *vcpu)
{
    if (awaited.vcpu != vcpu)
        return false;
    awaited.came = true;
    awaited.fault = vcpu->exit.fault;
    vcpu->registers.rip = awaited.landing;
    stop_waiting();
    return true;
}

static int64_t what_came(uint64_t which)
{
    const struct fault *fault = &awaited.fault;

    stop_waiting();
    switch (which) {
    case TEST_FAULT_CAME:
        return awaited.came;
    case TEST_FAULT_ADDRESS:
        return (int64_t)fault->address;
    case TEST_FAULT_CAUSE:
        return (int64_t)fault->access | (fault->reserved ? TEST_FAULT_RESERVED : 0) |
               (fault->page_walk ? TEST_FAULT_PAGE_WALK : 0);
    case TEST_FAULT_CODE:
        return (int64_t)fault->code;
    default:
        return -XEN_EINVAL;
    }
}

/* ---- a leaf of any type --------------------------------------------------------------------- */

/*
 * Guest memory in the host's hands, while its place in the map is something else than RAM. It comes
 * back as it was: only for guests that have all of their memory, and give none away meanwhile.
 */
#define LENT_MAX 12u
static struct lent {
    gfn_t gfn;
    unsigned order;
    mfn_t mfn; /* frame 0: not in use, for no guest ever has that */
} lent[LENT_MAX];

static struct lent *find_lent(gfn_t gfn)
{
    for (unsigned i = 0; i < LENT_MAX; i++)
        if (lent[i].mfn.mfn && lent[i].gfn.gfn == gfn.gfn)
            return &lent[i];
    return NULL;
}

static struct lent *unused_lent(void)
{
    for (unsigned i = 0; i < LENT_MAX; i++)
        if (!lent[i].mfn.mfn)
            return &lent[i];
    return NULL;
}

static enum p2m_error put(struct domain *domain, const struct lent *block, enum p2m_type type)
{
    struct p2m_mapping mapping = { block->mfn, block->order, type };
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    enum p2m_error error = p2m_set_entry(locked, block->gfn, mapping, &debt);

    p2m_unlock(locked);
    flush_settle(domain, &debt);
    return error;
}

static int64_t borrow(struct domain *domain, struct lent *block)
{
    struct p2m_entry entry = guest_look_up(domain, block->gfn);
    struct lent *place = unused_lent();
    enum p2m_error error;

    if (!place || p2m_type_class(entry.type) != P2M_CLASS_RAM || entry.order < block->order)
        return -XEN_EINVAL;
    block->mfn = entry.mfn;
    error = put(domain, block, P2M_INVALID);
    if (error != P2M_OK)
        return hypercall_map_error(error);
    if (!frames_alloc_at(block->mfn, block->order, FRAME_SPECIAL, domain->id))
        return -XEN_ENOMEM;
    *place = *block;
    return 0;
}

/* Out of the map, and in again with A and D as a new leaf has them. */
static int64_t set(struct domain *domain, struct place place, uint64_t type)
{
    struct lent wanted = { .gfn = place.gfn, .order = place.level * ORDER_STEP };
    struct lent *block = find_lent(place.gfn);
    enum p2m_error error;
    int64_t result = 0;

    if (!place_is_there(domain, place) || type >= P2M_TYPE_COUNT ||
        (block && block->order != wanted.order))
        return -XEN_EINVAL;
    if (!block)
        result = borrow(domain, &wanted);
    if (result)
        return result;
    block = find_lent(place.gfn);
    error = put(domain, block, P2M_INVALID);
    if (error == P2M_OK)
        error = put(domain, block, (enum p2m_type)type);
    if (error == P2M_OK && p2m_type_class((enum p2m_type)type) == P2M_CLASS_RAM) {
        frames_set_state(block->mfn, block->order, FRAME_RAM, domain->id);
        block->mfn = MFN(0);
    }
    return hypercall_map_error(error);
}

void oracle_end(struct domain *domain)
{
    stop_waiting();
    for (unsigned i = 0; i < LENT_MAX; i++) {
        struct lent *block = &lent[i];

        if (block->mfn.mfn && put(domain, block, P2M_INVALID) == P2M_OK)
            frames_free(block->mfn, block->order); /* else it is missed when frames are counted */
        block->mfn = MFN(0);
    }
}

/* ---- dispatch ------------------------------------------------------------------------------- */

int64_t oracle_call(struct vcpu *vcpu, uint64_t operation, uint64_t number, uint64_t value)
{
    struct domain *domain = vcpu->domain;

    switch (operation) {
    case TEST_EXPECT:
        return await(vcpu, number);
    case TEST_FAULT:
        return what_came(number);
    case TEST_WRONG:
        return make_wrong(domain, place_of(number), value);
    case TEST_POKE:
        return poke(domain, place_of(number), value);
    case TEST_SET:
        return set(domain, place_of(number), value);
    case TEST_PEEK:
        return guest_copy_from(domain, &value, number, sizeof(value)) ? (int64_t)value
                                                                      : -XEN_EFAULT;
    case TEST_PLANT:
        return guest_copy_to(domain, number, &value, sizeof(value)) ? 0 : -XEN_EFAULT;
    default:
        return -XEN_ENOSYS;
    }
}
