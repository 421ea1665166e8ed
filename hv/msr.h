/* SPDX-License-Identifier: MIT */
/*
 * MSR policy: which MSRs a guest has, which are only remembered, which are constants, and which are
 * the vendor's to answer. All others are #GP: kernels expect that of an MSR that is not there.
 * Refuses to know how an MSR is switched.
 */
#ifndef HV_MSR_H
#define HV_MSR_H

#include "guest.h"

/* The MSRs kept in struct vcpu, as after reset. The APIC's are lapic_init's. */
void msr_init(struct vcpu *vcpu);

/*
 * msr_read, msr_write - RDMSR and WRMSR.
 *   Errors:  false: the guest gets #GP, and nothing has changed.
 */
bool msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
bool msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);

#endif
