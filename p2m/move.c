/* SPDX-License-Identifier: MIT */
/*
 * Moving: a leaf's memory goes on in another frame, and the guest does not notice. Writes are held
 * off while the embedder copies, so that one that comes meanwhile ends the move and nothing else; a
 * frame is never exchanged for another in one step, so there is a mark in between, which nobody
 * populates. Refuses to know why a leaf should move, and how a flush is done.
 *
 *      RAM_RW --begin--> RAM_COPIED --(settle, copy)--> unmap: a mark --(settle, pay)--> finish
 *         ^                  |
 *         +---- a write -----+
 */
#include "p2m/pod.h"

#include "assert.h"
#include "grant.h"
#include "hold.h"

static enum p2m_error hold(struct p2m_locked locked, const struct p2m_entry *entry,
                           struct p2m_debt *debt)
{
    struct p2m_mapping held = { entry->mfn, entry->order, P2M_RAM_COPIED };

    return p2m_set_entry(locked, entry->gfn, held, debt);
}

static struct pod_block take(struct p2m_locked locked, struct pod *pod, unsigned order,
                             const struct pod_place *place, enum pod_where where)
{
    if (where == POD_AT)
        return pod_cache_take_at(locked, pod, place->near, order);
    return pod_cache_get_open(locked, pod, order, *place);
}

enum p2m_error pod_move_begin(struct p2m_locked locked, struct pod *pod, struct pod_move *move,
                              const struct pod_place *place, struct p2m_debt *debt)
{
    struct p2m_entry entry = p2m_get_entry(p2m_locked_walking(locked), place->gfn);
    struct pod_block block;
    enum p2m_error error;

    ASSERT(locked.p2m == pod->p2m);
    if (pod->is_moving)
        return P2M_BUSY;
    if (entry.type != P2M_RAM_RW || entry.order > ORDER_2M)
        return P2M_BAD_TYPE;
    if (!frame_is_aligned(place->gfn.gfn, entry.order))
        return P2M_BAD_RANGE;
    block = take(locked, pod, entry.order, place, move->where);
    if (!mfn_is_valid(block.mfn))
        return P2M_EMPTY;
    grant_start(pod, &move->to, place->gfn, block.mfn, entry.order);
    error = hold(locked, &entry, debt);
    if (error != P2M_OK) {
        grant_put_back(locked, pod, &move->to, block.clean);
        return error;
    }
    move->from = entry.mfn;
    pod->is_moving = true;
    pod->moving = place->gfn;
    pod->moving_order = entry.order;
    return P2M_OK;
}

static void move_over(struct pod *pod)
{
    pod->is_moving = false;
    pod->moving = NOT_MOVING;
}

static bool is_still_held(struct p2m_walking walking, const struct pod_move *move)
{
    struct p2m_entry entry = p2m_get_entry(walking, move->to.gfn);

    return entry.type == P2M_RAM_COPIED && entry.order == move->to.order &&
           entry.mfn.mfn == move->from.mfn;
}

bool pod_move_unmap(struct p2m_locked locked, struct pod *pod, const struct pod_move *move,
                    struct p2m_debt *debt)
{
    struct p2m_mapping mark = { INVALID_MFN, move->to.order, P2M_POD };

    ASSERT(pod->is_moving);
    if (is_still_held(p2m_locked_walking(locked), move) &&
        p2m_set_entry(locked, move->to.gfn, mark, debt) == P2M_OK)
        return true;
    hold_release(locked.p2m, move->to.gfn, gfn_add(move->to.gfn, order_frames(move->to.order)));
    move_over(pod);
    grant_put_back(locked, pod, &move->to, POD_DIRTY);
    return false;
}

/* The guest may have given the mark back in the meantime; then nothing is lost with the copy. */
void pod_move_finish(struct p2m_locked locked, struct pod *pod, const struct pod_move *move)
{
    struct p2m_mapping mapping = { move->to.mfn, move->to.order, P2M_RAM_RW };
    struct p2m_entry mark = p2m_get_entry(p2m_locked_walking(locked), move->to.gfn);
    struct p2m_debt none = P2M_NO_DEBT;
    bool is_mapped = pod->moving.gfn == move->to.gfn.gfn && mark.type == P2M_POD &&
                     mark.order == move->to.order &&
                     p2m_set_entry(locked, move->to.gfn, mapping, &none) == P2M_OK;

    ASSERT(pod->is_moving);
    move_over(pod);
    if (!is_mapped) {
        grant_put_back(locked, pod, &move->to, POD_DIRTY);
        return;
    }
    grant_end(pod, &move->to);
    pod->events.moves[order_size(move->to.order)]++;
    if (p2m_mark_dirty(locked, move->to.gfn) != P2M_OK)
        ASSERT(false); /* it was mapped above */
}
