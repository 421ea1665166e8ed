/* SPDX-License-Identifier: MIT */
/*
 * Moving: a leaf's memory goes on in another frame, and the guest does not notice. Writes are held
 * off while the embedder copies, so that one that comes meanwhile ends the move and nothing else; a
 * frame is never exchanged for another in one step, so there is a mark of its own kind in between,
 * which nobody populates, merges with others, or takes for a promise. Refuses to know why a leaf
 * should move, and how a flush is done.
 *
 *      RAM_RW --begin--> RAM_COPIED --(settle, copy)--> unmap: a mark --(settle, pay)--> finish
 *         ^                  |
 *         +---- a write -----+
 */
#include "p2m/pod.h"

#include "debt.h"
#include "grant.h"
#include "hold.h"

static enum p2m_error hold(struct p2m_locked locked, gfn_t gfn, const struct p2m_entry *entry)
{
    struct p2m_mapping held = { entry->mfn, entry->order, P2M_RAM_COPIED };
    struct p2m_debt flush = P2M_NO_DEBT; /* owed when there is a block, too */

    return p2m_set_entry(locked, gfn, held, &flush);
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
    if (pod->is_moving || p2m_is_changing(locked.p2m))
        return P2M_BUSY;
    if (entry.type != P2M_RAM_RW || entry.order > ORDER_2M)
        return P2M_BAD_TYPE;
    if (!frame_is_aligned(place->gfn.gfn, entry.order))
        return P2M_BAD_RANGE;
    error = hold(locked, place->gfn, &entry);
    if (error != P2M_OK)
        return error;
    block = take(locked, pod, entry.order, place, move->where);
    if (!mfn_is_valid(block.mfn)) {
        hold_release(locked.p2m, place->gfn, gfn_add(place->gfn, 1));
        return P2M_EMPTY;
    }
    debt_flush(locked.p2m, debt);
    grant_start(pod, &move->to, place->gfn, block.mfn, entry.order);
    move->from = entry.mfn;
    pod->is_moving = true;
    pod->moving = place->gfn;
    locked.p2m->holds++;
    return P2M_OK;
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
    struct p2m_mapping mark = { INVALID_MFN, move->to.order, P2M_POD_MOVING };

    ASSERT(pod->is_moving);
    if (is_still_held(p2m_locked_walking(locked), move) &&
        p2m_set_entry(locked, move->to.gfn, mark, debt) == P2M_OK) {
        note_unsettled(pod, debt);
        return true;
    }
    hold_release(locked.p2m, move->to.gfn, gfn_add(move->to.gfn, order_frames(move->to.order)));
    pod->is_moving = false;
    locked.p2m->holds--;
    grant_put_back(locked, pod, &move->to, POD_DIRTY);
    return false;
}

/* One piece of the copy is where its mark is, or in hand again if the guest gave that back. The
 * mark is an entry of its own, so that no table is needed. */
static void finish_piece(struct p2m_locked locked, struct pod *pod, const struct pod_grant *piece,
                         enum p2m_type mark)
{
    struct p2m_mapping mapping = { piece->mfn, piece->order, P2M_RAM_RW };
    struct p2m_debt none = P2M_NO_DEBT;
    enum p2m_error error;

    if (mark != P2M_POD_MOVING) {
        grant_put_back(locked, pod, piece, POD_DIRTY);
        return;
    }
    error = p2m_set_entry(locked, piece->gfn, mapping, &none);
    if (error == P2M_OK)
        error = p2m_mark_dirty(locked, piece->gfn);
    ASSERT(error == P2M_OK);
    grant_end(pod, piece);
}

void pod_move_finish(struct p2m_locked locked, struct pod *pod, const struct pod_move *move)
{
    uint64_t frames = order_frames(move->to.order), done = 0;

    ASSERT(pod->is_moving);
    while (done < frames) {
        struct pod_grant piece = { gfn_add(move->to.gfn, done), mfn_add(move->to.mfn, done), 0 };
        struct p2m_entry entry = p2m_get_entry(p2m_locked_walking(locked), piece.gfn);

        piece.order = entry.order < move->to.order ? entry.order : move->to.order;
        finish_piece(locked, pod, &piece, entry.type);
        pod->events.moves[order_size(piece.order)] += entry.type == P2M_POD_MOVING;
        done += order_frames(piece.order);
    }
    pod->is_moving = false;
    locked.p2m->holds--;
}
