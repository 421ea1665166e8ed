/* SPDX-License-Identifier: MIT */
/*
 * Second-stage faults. Where a change of type waits, it is carried out. A mark is populated; a
 * write that a sweep holds off ends that; one to clean memory is noted; the rest is
 * either spurious (another one mended the map first), or the guest touched what it does not have.
 */
#include "fault.h"

#include "guest_memory.h"
#include "populate.h"
#include "reclaim.h"
#include "stop.h"
#include "types.h"
#include "vendor.h"

/* A processor that keeps faulting where the map allows it walks other tables than ours. */
#define SPURIOUS_MAX 1000

static const char *access_name(unsigned access)
{
    if (access & FAULT_FETCH)
        return "fetch from";
    return access & FAULT_WRITE ? "write to" : "read of";
}

static void stop_at(struct vcpu *vcpu, enum stop_reason reason, const struct p2m_entry *entry)
{
    const struct fault *fault = &vcpu->exit.fault;

    domain_stop(vcpu->domain, reason, "%s %s guest address 0x%lx (%s)%s",
                reason == STOP_HOST_BUG ? "malformed entry at the" : "the guest's",
                access_name(fault->access), fault->address, p2m_type_name(entry->type),
                fault->page_walk ? " in its page tables" : "");
}

/* Spurious: the map allows it by now, and the processor may have kept what it said before. */
static void try_again(struct vcpu *vcpu, const struct p2m_entry *entry, unsigned before)
{
    vcpu->spurious_count = vcpu->spurious_rip == vcpu->registers.rip ? before + 1 : 1;
    vcpu->spurious_rip = vcpu->registers.rip;
    if (vcpu->spurious_count > SPURIOUS_MAX)
        stop_at(vcpu, STOP_HOST_BUG, entry);
    vendor->flush(vcpu);
}

void fault_handle(struct vcpu *vcpu)
{
    const struct fault *fault = &vcpu->exit.fault;
    struct domain *domain = vcpu->domain;
    gfn_t gfn = GFN(fault->address >> FRAME_SHIFT);
    unsigned spurious = vcpu->spurious_count;
    struct p2m_entry entry;

    domain->faults++;
    vcpu->spurious_count = 0; /* any other fault ends the row */
    if (types_touch(domain, gfn))
        return;
    entry = guest_look_up(domain, gfn);
    if (fault->reserved)
        try_again(vcpu, &entry, spurious); /* another vCPU may have carried the change out here */
    else if (p2m_type_class(entry.type) == P2M_CLASS_MARKER)
        (void)populate(domain, gfn); /* what it says, domain->stop says too */
    else if (p2m_type_is_held(entry.type) && fault->access & FAULT_WRITE)
        reclaim_release(domain, gfn);
    else if (entry.type == P2M_RAM_LOGDIRTY && fault->access & FAULT_WRITE)
        types_log_write(domain, gfn);
    else if (p2m_type_rights(entry.type) & fault->access)
        try_again(vcpu, &entry, spurious);
    else
        stop_at(vcpu, STOP_BAD_ACCESS, &entry);
}
