/* SPDX-License-Identifier: MIT */
/*
 * The only way to touch a guest's memory, by guest-physical address. Each frame is looked up and
 * copied under the P2M's lock, one frame at a time; a promised one is populated first; what the
 * host writes is marked dirty, as the processor would have done.
 * Refuses to know the guest's own page tables: that is guest_linear.c.
 */
#ifndef HV_GUEST_MEMORY_H
#define HV_GUEST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest.h"

/*
 * guest_look_up - what the map says of this frame; nothing is populated for it.
 *   Context: P2M not held; it may be something else a moment later.
 */
static inline struct p2m_entry guest_look_up(struct domain *domain, gfn_t gfn)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    struct p2m_entry entry = p2m_get_entry(p2m_locked_walking(locked), gfn);

    p2m_unlock(locked);
    return entry;
}

/*
 * guest_copy_from, guest_copy_to, guest_clear - copy out of, into, or clear guest memory.
 *   Units:   bytes; any alignment, any length; ranges may cross frames.
 *   Context: P2M not held (it is taken for each frame). May wait for memory, as populate does.
 *   Errors:  false when a byte of the range is neither RAM nor a page shared with the host, when it
 *            may not be written, or when a promised one has no memory (domain->stop is set then).
 *            Frames before that one have been copied.
 *   Debts:   none.
 */
bool guest_copy_from(struct domain *domain, void *to, uint64_t physical, size_t size);
bool guest_copy_to(struct domain *domain, uint64_t physical, const void *from, size_t size);
bool guest_clear(struct domain *domain, uint64_t physical, size_t size);

/*
 * guest_pin - a pointer to one frame of the guest's, to read and to write; the frame stays where it
 * is until guest_unpin. A pinned frame counts as dirty from the first.
 *   Units:   one 4K frame of writable RAM, or a page shared with the host.
 *   Context: P2M not held. The guest can write to the frame at any instant.
 *   Errors:  false when there is no such frame, no memory for it, or no pin is left; *pointer is
 *            then unset.
 *   Debts:   none; ends with guest_unpin, which may be given an unset pointer.
 */
bool guest_pin(struct domain *domain, gfn_t gfn, struct guest_pointer *pointer);
void guest_unpin(struct domain *domain, struct guest_pointer *pointer);

#endif
