/* SPDX-License-Identifier: MIT */
/*
 * Types change: the frames stay where they are, and what the guest may do with them becomes
 * another. Of one frame at once; of a range, or of all that is mapped, lazily: the topmost tables
 * are marked so that no processor walks through them, and what is below is carried out where
 * somebody touches it (p2m_recalculate), and everywhere in the end (p2m_finish_type_change).
 * Look-ups say from the first moment what will be.
 *
 *      root    [ marked | .. ]      a touch      [        | .. ]
 *                  |              ---------->       |
 *      1 GB    [ rw  | table ]                   [ ro     | marked ]    leaves keep their size
 *
 * What may change: types of RAM, but those that are held. Sweeps and moves don't begin while a
 * change is pending (P2M_BUSY): finish it first.
 * Refuses to know why a type changes.
 */
#ifndef P2M_CHANGE_H
#define P2M_CHANGE_H

#include "p2m/p2m.h"

/*
 * p2m_change_type_one - if the frame at gfn is of the type `from`, it becomes `to`.
 *   Units:   one 4K frame; what is larger there is split.
 *   Context: P2M held; takes its table pages first.
 *   Errors:  P2M_UNEQUAL when it is of another type, else as p2m_set_entry; nothing has changed.
 *   Debts:   a flush.
 */
enum p2m_error p2m_change_type_one(struct p2m_locked locked, gfn_t gfn, enum p2m_type from,
                                   enum p2m_type to, struct p2m_debt *debt) P2M_MUST_CHECK;

/*
 * p2m_change_type_range, p2m_change_type_global - all that is of the type `from` becomes `to`.
 * While a change is pending another may begin only if it is the same or its very reverse, over the
 * same range: then one that is carried out, one that isn't and one that never had to be come to
 * the same. Of any two others, an entry would have to know which of them it has seen.
 *   Units:   4K frames; leaves are split at the two ends of the range, and nowhere else.
 *   Context: P2M held; takes its table pages first. O(entries at the top), whatever is mapped. Does
 *            not look at pins: who changes everything knows of his own pointers.
 *   Errors:  P2M_BAD_TYPE, P2M_BAD_RANGE, P2M_NO_MEMORY; P2M_BUSY during a sweep or a move, or
 *            until the change that is pending is finished. Nothing has changed then.
 *   Debts:   a flush.
 */
enum p2m_error p2m_change_type_range(struct p2m_locked locked, struct gfn_range range,
                                     enum p2m_type from, enum p2m_type to,
                                     struct p2m_debt *debt) P2M_MUST_CHECK;
enum p2m_error p2m_change_type_global(struct p2m_locked locked, enum p2m_type from,
                                      enum p2m_type to, struct p2m_debt *debt) P2M_MUST_CHECK;

/*
 * p2m_recalculate - carry the pending change out on the path to gfn: what made a processor fault
 * there is gone. Returns whether there was anything.
 *   Units:   any gfn. Up to 3 x 512 entries.
 *   Context: P2M held.
 *   Errors:  none.
 *   Debts:   none: whoever asked for the change owes the flush.
 */
bool p2m_recalculate(struct p2m_locked locked, gfn_t gfn);

/*
 * p2m_finish_type_change - carry out what is pending, a piece at a time.
 *   Units:   budget in entries; up to 3 x 512 more are changed.
 *   Context: P2M held.
 *   Errors:  P2M_OK: nothing is pending. P2M_AGAIN: there is more to do.
 *   Debts:   none.
 */
enum p2m_error p2m_finish_type_change(struct p2m_locked locked, uint64_t budget) P2M_MUST_CHECK;

#endif
