/* SPDX-License-Identifier: MIT */
/*
 * The hypercalls of Xen's public interface that a PVH guest needs, and no others: what is not here
 * answers -ENOSYS. 64-bit callers at CPL 0 only.
 * Refuses to know how the guest got here, and leaves rip alone.
 */
#ifndef HV_HYPERCALL_H
#define HV_HYPERCALL_H

#include "guest.h"

/*
 * hypercall - do what vcpu->registers ask for; the result is in rax. May set domain->stop, or the
 * vCPU's state to VCPU_HALTED. False: it is not done, its registers say where it stands, and the
 * guest's instruction is to run again.
 *   Context: P2M not held; vcpu->control as of the exit.
 */
bool hypercall(struct vcpu *vcpu);

#endif
