/* SPDX-License-Identifier: MIT */
/*
 * Settling debts: no processor keeps a translation from before, and then what left the map goes
 * back to the host. By generations: each P2M counts its flushes, each vCPU remembers the last one
 * that its processor has seen, and compares after it has announced guest mode and before it enters.
 * Refuses to know what a flush is: that is the vendor's.
 */
#ifndef HV_FLUSH_H
#define HV_FLUSH_H

#include "guest.h"

/*
 * flush_settle - settle and pay this debt; it is empty afterwards, and no more in hand than is
 * promised.
 *   Context: the host's lock held, the P2M's NOT: a flush waits for other processors.
 */
void flush_settle(struct domain *domain, struct p2m_debt *debt);

/*
 * flush_concerns - this vCPU is in guest mode, and may use translations from before this
 * generation: its processor is to be kicked, and waited for.
 */
bool flush_concerns(const struct vcpu *vcpu, uint64_t generation);

/*
 * flush_merge - a quiet moment: what became alike in the map becomes superpages again, one debt's
 * worth of it.
 */
void flush_merge(struct domain *domain);

/*
 * flush_enter, flush_leave - around guest mode. After flush_enter, and until flush_leave, whoever
 * settles a debt of this guest's waits for this vCPU.
 *   Context: the host's lock NOT held: who waits has it.
 */
void flush_enter(struct vcpu *vcpu);
void flush_leave(struct vcpu *vcpu);

#endif
