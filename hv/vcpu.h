/* SPDX-License-Identifier: MIT */
/*
 * A vCPU's life: run, answer the exit, repeat. Refuses to know vendors, and what each answer is:
 * it only says who gives it.
 */
#ifndef HV_VCPU_H
#define HV_VCPU_H

#include "guest.h"

/*
 * Registers, MSRs and APIC as after reset. Context: once, before vendor->vcpu_init, on the
 * processor that it is to run on.
 */
void vcpu_init(struct vcpu *vcpu, struct domain *domain, unsigned id);

/* Until domain->stop is set. Context: the host's lock held, and let go while the guest runs. */
void vcpu_run(struct vcpu *vcpu);

/* Until no processor but the caller has a vCPU of this guest's, which has been stopped. */
void vcpu_wait_for_others(const struct domain *domain);

const char *exit_reason_name(enum exit_reason reason);

#endif
