/* SPDX-License-Identifier: MIT */
/*
 * Event channels in the two-level form, the virtual interrupts bound to them, and the one-shot
 * timer of each vCPU. An event is a bit in the guest's shared_info and an upcall: one vector,
 * offered for as long as the guest's upcall_pending byte is set. Refuses to know who is at the
 * other end of a port: the caller of events_op looks after that.
 */
#ifndef HV_EVENTS_H
#define HV_EVENTS_H

#include "guest.h"
#include "guest_clock.h"

/*
 * events_init - shared_info as a new guest finds it (all ports masked, the clock running), and the
 * ports that it is born with.
 *   Context: domain->shared_info.host and domain->tsc_offset are set; the guest has not run.
 */
void events_init(struct domain *domain);

/* The vCPU of that number, NULL when there is none. */
struct vcpu *events_vcpu(struct domain *domain, uint64_t id);

/*
 * events_send - set this port pending for the guest, whatever kind it is of; a port that is not in
 * use is left alone.
 *   Context: any; the guest may run.
 */
void events_send(struct domain *domain, unsigned port);

/* Set the port pending to which this VIRQ of the vCPU's is bound, if it is. */
void events_raise_virq(struct vcpu *vcpu, unsigned virq);

/* The vector to offer now, 0 when there is none. Ask before every entry: it is a level. */
uint8_t events_vector(struct vcpu *vcpu);

/*
 * events_op - one event_channel_op; `argument` is the guest-linear address of its structure.
 *   Context: P2M not held.
 *   Errors:  a negative Xen errno, for the guest.
 */
int64_t events_op(struct vcpu *vcpu, unsigned command, uint64_t argument);

/*
 * events_register_info - from now on the vCPU's vcpu_info is at this place in guest memory; every
 * event is signalled once more there, and the clock is valid when this returns.
 *   Units:   offset in bytes into the frame.
 *   Errors:  -EINVAL when it is registered already or the place is no good.
 *   Debts:   pins the frame for the rest of the guest's life.
 */
int64_t events_register_info(struct vcpu *vcpu, gfn_t gfn, uint32_t offset);

/* ---- timers --------------------------------------------------------------------------------- */

/*
 * events_set_timer - raise VIRQ_TIMER at this guest time; replaces the time set before.
 *   Units:   guest ns, 0 turns the timer off; flags as in VCPUOP_set_singleshot_timer.
 *   Errors:  -ETIME for a time in the past when the flags ask for a future one. Otherwise a time in
 *            the past is due at once.
 */
int64_t events_set_timer(struct vcpu *vcpu, uint64_t ns, uint32_t flags);

/* Raise what is due at guest time `ns`. */
void events_run_timers(struct vcpu *vcpu, uint64_t ns);

#endif
