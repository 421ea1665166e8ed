/* SPDX-License-Identifier: MIT */
/*
 * What a guest is told of its processor: the real one, less whatever needs an MSR, a device or a
 * second thread that guests do not have here; and the leaves that make it a Xen guest.
 * Refuses to know why a leaf was asked for, and keeps no state.
 */
#ifndef HV_CPUID_H
#define HV_CPUID_H

#include "guest.h"

/* Answer the CPUID that vcpu->registers ask for, in vcpu->registers. rip is the caller's. */
void cpuid_emulate(struct vcpu *vcpu);

/* The bits that a guest may set in XCR0; 0 when it has no XSAVE. */
uint64_t cpuid_xcr0_allowed(void);

#endif
