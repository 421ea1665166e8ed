/* SPDX-License-Identifier: MIT */
/*
 * Settling debts. Whoever settles holds the host's lock, and a vCPU leaves guest mode before it
 * asks for that: so each vCPU that is waited for can come out. A kick that comes between
 * flush_enter and the entry finds interrupts off and stays pending; the processor then ends the run
 * at once. Bochs' does not for a guest that has interrupts off: its preemption timer ends that run,
 * a millisecond later.
 */
#include "flush.h"

#include "cpu.h"
#include "frames.h"
#include "processors.h"
#include "vendor.h"

/* A leaf's frames are nobody's until the flush is over; subtrees are counted by the P2M. */
static void mark_owed(const struct domain *domain, const struct p2m_debt *debt)
{
    for (unsigned i = 0; i < debt->count; i++) {
        const struct p2m_owed *owed = &debt->owed[i];
        const struct p2m_frames *frames = &owed->frames;

        if (owed->kind == P2M_OWED_FRAMES && p2m_type_class(frames->type) == P2M_CLASS_RAM)
            frames_set_state(frames->mfn, frames->order, FRAME_OWED, domain->id);
    }
}

bool flush_concerns(const struct vcpu *vcpu, uint64_t generation)
{
    return atomic_load(&vcpu->in_guest) && atomic_load(&vcpu->seen_generation) < generation;
}

/* All are told before one is waited for. */
static void shoot_down(struct domain *domain, uint64_t generation)
{
    for (unsigned i = 0; i < domain->vcpu_count; i++)
        if (flush_concerns(&domain->vcpu[i], generation))
            processors_kick(domain->vcpu[i].cpu);
    for (unsigned i = 0; i < domain->vcpu_count; i++)
        while (flush_concerns(&domain->vcpu[i], generation))
            cpu_pause();
}

void flush_settle(struct domain *domain, struct p2m_debt *debt)
{
    struct p2m_locked locked;

    if (debt->flush) {
        uint64_t generation = p2m_begin_settle(&domain->p2m);

        mark_owed(domain, debt);
        shoot_down(domain, generation);
        p2m_end_settle(&domain->p2m, generation);
    }
    locked = p2m_lock(&domain->p2m);
    p2m_pay(locked, debt);
    pod_trim(locked, &domain->pod);
    p2m_unlock(locked);
}

void flush_merge(struct domain *domain)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked;

    if (!p2m_has_candidates(&domain->p2m))
        return;
    locked = p2m_lock(&domain->p2m);
    p2m_merge_candidates(locked, &debt);
    p2m_unlock(locked);
    flush_settle(domain, &debt);
}

void flush_enter(struct vcpu *vcpu)
{
    uint64_t generation;

    atomic_store(&vcpu->in_guest, true);
    generation = p2m_generation(&vcpu->domain->p2m);
    if (atomic_load(&vcpu->seen_generation) != generation) {
        vendor->flush(vcpu);
        atomic_store(&vcpu->seen_generation, generation);
    }
}

void flush_leave(struct vcpu *vcpu)
{
    atomic_store(&vcpu->in_guest, false);
}
