/* SPDX-License-Identifier: MIT */
/*
 * Which memory was written since it was asked last, for whoever copies a guest that runs. The map
 * itself is the log; there is no bitmap beside it:
 *
 *   P2M_LOG_WRITES      what is clean is of the type ram_logdirty, and can't be written. A write
 *                       makes its piece ram_rw (p2m_log_dirty_write), and that means dirty.
 *   P2M_LOG_DIRTY_BITS  the processor's D bits say it. Nobody is stopped, but dirty are leaves:
 *                       those larger than the grain are split a size each time they are dirty.
 *
 * What comes into the map meanwhile is dirty. What leaves it is not said: in the end the caller
 * compares what is nothing, and what is a mark, which he can do by whole entries. Of other changes
 * of type the log knows nothing: none from or to ram_rw should be asked for.
 * Refuses to know what is copied, and where to.
 */
#ifndef P2M_LOG_DIRTY_H
#define P2M_LOG_DIRTY_H

#include "p2m/change.h"

/*
 * p2m_log_dirty_start - from now on. Either way the first round is all that the caller has: he
 * copies every frame once. With P2M_LOG_WRITES all memory is clean then; with D bits, what was
 * written since it was mapped is dirty, but for what an earlier log has collected.
 *   Units:   grain is the order that is told apart: 0 or 9.
 *   Context: P2M held. With P2M_LOG_WRITES O(entries at the top), else O(1). Until the stop, tables
 *            that become alike are not merged unasked.
 *   Errors:  P2M_BAD_RANGE for another grain, P2M_BUSY when it is on already; and as
 *            p2m_change_type_global.
 *   Debts:   a flush: what is written before it is settled may not be said.
 */
enum p2m_error p2m_log_dirty_start(struct p2m_locked locked, enum p2m_log_mode mode, unsigned grain,
                                   struct p2m_debt *debt) P2M_MUST_CHECK;

/*
 * p2m_log_dirty_write - somebody is about to write to gfn: its piece is dirty, and may be written.
 * False when it was not ram_logdirty.
 *   Units:   any gfn.
 *   Context: P2M held. Without a page for tables, the piece is the whole leaf.
 *   Errors:  none.
 *   Debts:   none: more is allowed than before.
 */
bool p2m_log_dirty_write(struct p2m_locked locked, gfn_t gfn);

/* Bit n stands for the 2^grain frames at from + (n << grain). */
struct p2m_dirty {
    gfn_t from;
    uint64_t *bits;
};

/*
 * p2m_log_dirty_collect - set the bits of what is dirty in the range, which is clean then. Moves
 * range->from past what is done. Pinned frames, which the host itself may write, are always dirty;
 * and a leaf that reaches beyond the range, and can't be split, stays so.
 *   Units:   range->from and dirty->from aligned to the grain; bits are only ever set.
 *   Context: P2M held.
 *   Errors:  P2M_BAD_RANGE, P2M_BAD_TYPE when nothing is logged; P2M_BUSY during a sweep or a move
 *            and, by D bits, until the merges' debts are paid: what that may hide would be lost
 *            if this were the last round. P2M_AGAIN: call for the rest.
 *   Debts:   a flush. Settle it BEFORE the memory is read: until then a processor may write what no
 *            later round says.
 */
enum p2m_error p2m_log_dirty_collect(struct p2m_locked locked, struct gfn_range *range,
                                     const struct p2m_dirty *dirty,
                                     struct p2m_debt *debt) P2M_MUST_CHECK;

/*
 * p2m_log_dirty_stop - no longer. Everything may be written, and what was split for this is merged
 * again (p2m_merge_candidates).
 *   Units:   none.
 *   Context: P2M held. As for the start.
 *   Errors:  P2M_BAD_TYPE when nothing is logged; and as p2m_change_type_global: it goes on then.
 *   Debts:   a flush.
 */
enum p2m_error p2m_log_dirty_stop(struct p2m_locked locked, struct p2m_debt *debt) P2M_MUST_CHECK;

#endif
