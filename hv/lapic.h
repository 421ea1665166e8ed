/* SPDX-License-Identifier: MIT */
/*
 * The x2APIC that a guest sees: registers to remember, and the interrupts that it sends to itself.
 * It is in x2APIC mode from reset and stays so: a guest makes no memory-mapped access at all.
 * Refuses to know events: those have a vector of their own and pass the APIC by.
 */
#ifndef HV_LAPIC_H
#define HV_LAPIC_H

#include "guest.h"

#define LAPIC_MSR_FIRST 0x800u
#define LAPIC_MSR_LAST  0x8ffu

/* State after reset, and IA32_APIC_BASE. */
void lapic_init(struct vcpu *vcpu);

/*
 * lapic_msr_read, lapic_msr_write - MSRs LAPIC_MSR_FIRST to LAPIC_MSR_LAST.
 *   Errors:  false: the guest gets #GP.
 */
bool lapic_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
bool lapic_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);

/* The highest requested vector above the processor priority, 0 when there is none. */
uint8_t lapic_vector(const struct vcpu *vcpu);

/* The guest took this vector: requested becomes in service. */
void lapic_accept(struct vcpu *vcpu, uint8_t vector);

#endif
