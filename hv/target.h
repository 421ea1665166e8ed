/* SPDX-License-Identifier: MIT */
/*
 * What a guest is to have, while it runs: told to its balloon, and brought into hand. The host
 * command says so by a line on UART_RECORDS, `target FRAMES`; an empty line there is its answer to
 * a record that waits for one (report.h). Refuses to know why, and who waits.
 */
#ifndef HV_TARGET_H
#define HV_TARGET_H

#include "guest.h"

/*
 * target_set - the guest is to have this much.
 *   Units:   4K frames, up to domain->maxmem_frames.
 *   Context: P2M not held.
 *   Errors:  P2M_BAD_RANGE; P2M_EMPTY, P2M_NO_MEMORY when the host has not as much: the guest has
 *            what there was, and its target stands.
 */
enum p2m_error target_set(struct domain *domain, uint64_t frames) P2M_MUST_CHECK;

/* What is missing of what it is to have comes into hand; errors as those of target_set. */
enum p2m_error target_fill(struct domain *domain) P2M_MUST_CHECK;

/*
 * target_listen - do what the lines say that have come from the host command; cheap when there are
 * none. What cannot be done is said to people. Returns whether an empty line was among them.
 */
bool target_listen(struct domain *domain);

#endif
