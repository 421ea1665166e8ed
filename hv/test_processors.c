/* SPDX-License-Identifier: MIT */
/*
 * The test guests' calls that are about more than one processor; see test_processors.h.
 */
#include "test_processors.h"

#include "apic.h"
#include "cpu.h"
#include "flush.h"
#include "frames.h"
#include "hypercall_memory.h"
#include "lib.h"
#include "lock.h"
#include "processors.h"
#include "xen_abi.h"

#define STRAY_VECTOR 0x50u /* above VECTOR_KICK: it is taken first */

/* ---- a second vCPU -------------------------------------------------------------------------- */

static int64_t start(struct domain *domain, gfn_t stack, uint64_t entry)
{
    unsigned id = domain->vcpu_count;
    struct vcpu *vcpu = &domain->vcpu[id];
    struct cpu *cpu;

    if (id == VCPUS_MAX)
        return -XEN_EBUSY;
    *vcpu = (struct vcpu){ .domain = domain, .id = id };
    vcpu->registers.rip = entry;
    vcpu->registers.rbx = (stack.gfn + 1) << FRAME_SHIFT;
    cpu = processors_give(vcpu);
    if (!cpu)
        return -XEN_ENODEV;
    while (cpu->vcpu == vcpu && domain->vcpu_count == id)
        host_yield();
    return domain->vcpu_count > id ? 0 : -XEN_ENOMEM;
}

static int64_t exits(const struct vcpu *vcpu)
{
    uint64_t sum = 0;

    for (unsigned reason = 0; reason < EXIT_REASONS; reason++)
        sum += vcpu->exits[reason];
    return (int64_t)sum;
}

/* ---- a frame exchanged ---------------------------------------------------------------------- */

static int64_t take_out(struct domain *domain, gfn_t gfn, struct p2m_debt *debt)
{
    struct p2m_mapping nothing = { .mfn = INVALID_MFN, .order = 0, .type = P2M_INVALID };
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    struct p2m_entry entry = p2m_get_entry(p2m_locked_walking(locked), gfn);
    enum p2m_error error = P2M_BAD_TYPE;

    if (entry.type == P2M_RAM_RW)
        error = p2m_set_entry(locked, gfn, nothing, debt);
    p2m_unlock(locked);
    return hypercall_map_error(error);
}

/* Written before anybody can see it. */
static int64_t put_in(struct domain *domain, gfn_t gfn, mfn_t mfn, uint64_t value)
{
    struct p2m_mapping mapping = { .mfn = mfn, .order = 0, .type = P2M_RAM_RW };
    uint64_t *frame = direct_map(mfn.mfn << FRAME_SHIFT);
    struct p2m_debt none = P2M_NO_DEBT;
    struct p2m_locked locked;
    enum p2m_error error;

    memset(frame, 0, FRAME_SIZE);
    *frame = value;
    locked = p2m_lock(&domain->p2m);
    error = p2m_set_entry(locked, gfn, mapping, &none);
    if (error == P2M_OK)
        error = p2m_mark_dirty(locked, gfn);
    p2m_unlock(locked);
    return hypercall_map_error(error);
}

/* What the guest is to reach no more is in a debt, and so nobody else's until it is paid. */
static struct p2m_debt stale;

static int64_t remap(struct domain *domain, uint64_t operation, gfn_t gfn, uint64_t value)
{
    mfn_t mfn = frames_alloc(0, FRAME_RAM, domain->id);
    int64_t error;

    if (!mfn_is_valid(mfn))
        return -XEN_ENOMEM;
    error = stale.count ? -XEN_EBUSY : take_out(domain, gfn, &stale);
    if (!error && operation == TEST_REMAP)
        flush_settle(domain, &stale);
    if (!error)
        error = put_in(domain, gfn, mfn, value);
    if (error)
        frames_free(mfn, 0);
    return error;
}

void test_processors_end(struct domain *domain)
{
    flush_settle(domain, &stale);
}

static int64_t flush(struct domain *domain)
{
    struct p2m_debt nothing = { .flush = true };

    flush_settle(domain, &nothing);
    return 0;
}

/* The other processor answers it while this one, which has the host's lock, waits for it. */
static int64_t stray(const struct vcpu *vcpu)
{
    apic_send(cpus[vcpu->cpu].apic_id, STRAY_VECTOR);
    return flush(vcpu->domain);
}

/* ---- dispatch ------------------------------------------------------------------------------- */

static int64_t about_vcpu(const struct vcpu *vcpu, uint64_t operation)
{
    switch (operation) {
    case TEST_EXITS:
        return exits(vcpu);
    case TEST_KICK:
        processors_kick(vcpu->cpu);
        return 0;
    case TEST_STRAY:
        return stray(vcpu);
    case TEST_KICKS:
        return (int64_t)atomic_load(&cpus[vcpu->cpu].kicks);
    default:
        return -XEN_ENOSYS;
    }
}

int64_t test_processors_call(struct vcpu *vcpu, uint64_t operation, uint64_t number, uint64_t value)
{
    struct domain *domain = vcpu->domain;

    switch (operation) {
    case TEST_START:
        return start(domain, GFN(number), value);
    case TEST_REMAP:
    case TEST_STALE:
        return remap(domain, operation, GFN(number), value);
    case TEST_SETTLE:
        test_processors_end(domain);
        return 0;
    case TEST_FLUSH:
        return flush(domain);
    default:
        return number < domain->vcpu_count ? about_vcpu(&domain->vcpu[number], operation)
                                           : -XEN_EINVAL;
    }
}
