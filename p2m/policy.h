/* SPDX-License-Identifier: MIT */
/*
 * How large to populate, and what is worth copying: the choices that are taste and not law, in one
 * place; how far a loop looks at a time stands beside the loop. Each was measured; the commit that
 * brought a number says how. Refuses to know how anything is done.
 *
 *   - A mark is populated as large as it is, and as a clean block in hand allows: also while the
 *     guest is in debt, when a whole GB is mapped as 512 x 2 MB, so that what was not used of it
 *     can be taken back unread (pod.c). POLICY_DEBT_ORDER is the order of the leaves then; 4 KB
 *     tells more, and costs a table a 2 MB.
 *   - 1 GB is never populated from a block that would have to be cleared first (pod.c).
 *   - Superpages that were never written are taken back before a superpage's mark is populated by
 *     4 KB (reclaim.c).
 *   - 4 KB holes in superpages come after every other way of finding zeroes (reclaim.c).
 *   - A GB of the machine is gathered when less than this is in the way; less while the guest is in
 *     debt, when its balloon may take it out of the way (gather.c).
 */
#ifndef P2M_POLICY_H
#define P2M_POLICY_H

#include "p2m/frame.h"

#define POLICY_DEBT_ORDER ORDER_2M

#define POLICY_GATHER_FRAMES (order_frames(ORDER_1G) / 2)

#define POLICY_GATHER_IN_DEBT (order_frames(ORDER_1G) / 8)

#endif
