/* SPDX-License-Identifier: MIT */
/*
 * Guest memory by the guest's own linear addresses: what hypercall arguments are. Walks the guest's
 * page tables as they are at this instant: none, 32-bit, PAE, 4-level; 4K, 2M, 4M and 1G pages.
 * Acts with the rights of the guest's kernel, and leaves the guest's A and D bits alone: hypercall
 * buffers are the kernel's own memory. Refuses to know what the bytes mean.
 */
#ifndef HV_GUEST_LINEAR_H
#define HV_GUEST_LINEAR_H

#include "guest.h"

#include <stddef.h>

/* What the translation is for: with CR0.WP set, writing needs W on every level. */
enum linear_access { LINEAR_READ, LINEAR_WRITE };

/*
 * guest_translate - the guest-physical address of a linear one.
 *   Units:   bytes.
 *   Context: P2M not held; vcpu->control as of its last exit.
 *   Errors:  false: not canonical, not mapped, not allowed, or the tables lie outside of memory.
 *   Debts:   none.
 */
bool guest_translate(struct vcpu *vcpu, uint64_t linear, enum linear_access access,
                     uint64_t *physical);

/*
 * guest_copy_from_linear, guest_copy_to_linear - copy; the buffer may cross pages of the guest's.
 *   Units:   bytes.
 *   Context: P2M not held.
 *   Errors:  false as above; pages before the bad one have been copied.
 *   Debts:   none.
 */
bool guest_copy_from_linear(struct vcpu *vcpu, void *to, uint64_t linear, size_t size);
bool guest_copy_to_linear(struct vcpu *vcpu, uint64_t linear, const void *from, size_t size);

#endif
