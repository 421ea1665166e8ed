/* SPDX-License-Identifier: MIT */
/*
 * memory_op: where the guest wants its shared pages, and what memory it has.
 * Refuses to know the other hypercalls.
 */
#ifndef HV_HYPERCALL_MEMORY_H
#define HV_HYPERCALL_MEMORY_H

#include "guest.h"

/*
 * hypercall_memory - one memory_op; `argument` is the guest-linear address of its structure.
 *   Context: P2M not held; settles its own debts.
 *   Errors:  a negative Xen errno, for the guest. When it sets vcpu->call_again, it is not done,
 *            and registers.rdi says how far it is.
 */
int64_t hypercall_memory(struct vcpu *vcpu, uint64_t command, uint64_t argument);

/* What an error of the map is called in Xen's interface: 0, or a negative errno. */
int64_t hypercall_map_error(enum p2m_error error);

#endif
