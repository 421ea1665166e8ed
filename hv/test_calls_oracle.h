/* SPDX-License-Identifier: MIT */
/*
 * What the oracle guest asks for: a second-stage fault that is told instead of acted on, an entry
 * that is wrong for a moment, a leaf of any type. This is the only place outside p2m/ that stores
 * to a live entry, and it does so behind the engine's back on purpose.
 * Refuses to know what the answers should be, and what any bit of an entry means.
 */
#ifndef HV_TEST_CALLS_ORACLE_H
#define HV_TEST_CALLS_ORACLE_H

#include "guest.h"

/*
 * oracle_call - one of TEST_EXPECT to TEST_PLANT; what it returns goes to the guest.
 *   Units:   as enum test_call says.
 *   Context: P2M not held; only for a domain with test_calls.
 *   Errors:  -EINVAL, -ENOMEM, -EBUSY as the map says, -EFAULT.
 *   Debts:   none; what it flushes is settled before it returns.
 */
int64_t oracle_call(struct vcpu *vcpu, uint64_t operation, uint64_t number, uint64_t value);

/* Was vcpu->exit.fault awaited? Then it is kept for the guest, which goes on at its landing. */
bool oracle_takes_fault(struct vcpu *vcpu);

/* No vCPU runs any more: nothing is awaited, and what was lent goes back to the host. */
void oracle_end(struct domain *domain);

#endif
