/* SPDX-License-Identifier: MIT */
/*
 * The sweep: memory that holds nothing but zeroes is as good as memory that was never touched, and
 * a dry cache takes it back. Writes are held off before a byte is believed, so that what the guest
 * writes meanwhile ends the sweep of that leaf and nothing else. Refuses to know how a flush is
 * done, and why the cache is dry.
 *
 *      RAM_RW --protect--> RAM_HELD --(settle, scan)--> finish --zeroes--> mark, frames owed
 *         ^                   |                           |
 *         +---- a write ------+------ not zeroes ---------+
 */
#include "p2m/pod.h"

#include "grant.h"
#include "hold.h"
#include "merge.h"
#include "table.h"

/* Leaves first: what has to be split for it comes when nothing else is left. */
const struct pod_sweep_kind pod_sweep_kinds[POD_SWEEP_KINDS] = {
    { ORDER_2M, POD_UNWRITTEN }, { ORDER_4K, POD_UNWRITTEN }, { ORDER_1G, POD_LEAVES },
    { ORDER_2M, POD_LEAVES },    { ORDER_4K, POD_LEAVES },    { ORDER_2M, POD_PIECES },
    { ORDER_4K, POD_PIECES },
};

/* ---- reading -------------------------------------------------------------------------------- */

#define LINE_WORDS 8u
#define SAMPLES    16u

static const uint64_t *frame_words(const struct p2m *p2m, mfn_t mfn)
{
    return (const uint64_t *)((const char *)p2m->config.direct_map + (mfn.mfn << FRAME_SHIFT));
}

static uint64_t line_bits(const uint64_t *words)
{
    return words[0] | words[1] | words[2] | words[3] | words[4] | words[5] | words[6] | words[7];
}

/* A few words, spread over the block and over the offsets in its frames: most of what is not zero
 * shows here, and need not be held. */
static bool looks_zero(struct pod *pod, mfn_t mfn, unsigned order)
{
    const uint64_t *words = frame_words(pod->p2m, mfn);
    uint64_t count = FRAME_SIZE / sizeof(*words) << order, stride = count / SAMPLES + 1;
    uint64_t bits = 0;

    for (uint64_t at = 0; at < count; at += stride)
        bits |= words[at];
    pod->events.bytes_read += (count + stride - 1) / stride * sizeof(*words);
    return bits == 0;
}

void pod_sweep_scan(struct pod *pod, struct pod_sweep *sweep, unsigned item)
{
    struct pod_swept *swept = &sweep->item[item];
    const uint64_t *words = frame_words(pod->p2m, swept->mfn);
    uint64_t count = FRAME_SIZE / sizeof(*words) << sweep->order, at = 0;

    if (swept->is_known)
        return;
    while (at < count && line_bits(&words[at]) == 0)
        at += LINE_WORDS;
    swept->is_zero = at == count;
    pod->events.bytes_read += (at < count ? at + LINE_WORDS : count) * sizeof(*words);
}

/* ---- holding -------------------------------------------------------------------------------- */

/* Populated so lately that the instruction which touched it may not have run yet: taking it back
 * could go on for ever. */
static bool is_recent(const struct pod *pod, gfn_t gfn, unsigned order)
{
    for (unsigned i = 0; i < POD_RECENT; i++)
        if (frame_align_down(pod->recent[i].gfn, order) == gfn.gfn)
            return true;
    return false;
}

static bool is_worth_holding(struct pod *pod, gfn_t gfn, const struct p2m_entry *entry,
                             struct pod_sweep_kind kind)
{
    bool has_order =
        kind.depth == POD_PIECES ? entry->order >= kind.order : entry->order == kind.order;
    bool may_read = kind.depth != POD_UNWRITTEN;

    return entry->type == P2M_RAM_RW && has_order && !is_recent(pod, gfn, kind.order) &&
           (!entry->dirty || (may_read && looks_zero(pod, entry->mfn, kind.order)));
}

/* P2M_OK, too, for one that somebody else keeps where it is. A merged table that was not paid for
 * yet may hold a D bit of any leaf: then none is known to be clear. */
static enum p2m_error hold(struct p2m_locked locked, struct pod_sweep *sweep, gfn_t gfn,
                           const struct p2m_entry *entry, struct p2m_debt *debt)
{
    struct p2m_mapping mapping = { entry->mfn, sweep->order, P2M_RAM_HELD };
    bool is_known = !entry->dirty && locked.p2m->unpaid.merged == 0;
    enum p2m_error error = p2m_set_entry(locked, gfn, mapping, debt);

    if (error == P2M_OK)
        sweep->item[sweep->count++] = (struct pod_swept){
            .gfn = gfn,
            .mfn = entry->mfn,
            .is_known = is_known,
            .is_zero = is_known,
        };
    return error == P2M_NO_MEMORY ? error : P2M_OK;
}

/* What the cursor stands at, from its beginning: a merge may have grown a leaf around it. */
static struct p2m_entry entry_at(struct p2m_walking walking, gfn_t *gfn, unsigned order)
{
    struct p2m_entry entry = p2m_get_entry(walking, *gfn);

    if (entry.order < order)
        return entry;
    *gfn = GFN(frame_align_down(gfn->gfn, order));
    return p2m_get_entry(walking, *gfn);
}

/* Past this entry, or past one piece of it. */
static void cursor_step(const struct pod *pod, struct pod_cursor *cursor,
                        const struct p2m_entry *entry, struct pod_sweep_kind kind)
{
    bool by_piece = kind.depth == POD_PIECES && entry->type == P2M_RAM_RW;
    unsigned order = by_piece && entry->order > kind.order ? kind.order : entry->order;
    uint64_t next = frame_align_down(cursor->gfn.gfn, order) + order_frames(order);
    uint64_t end = pod->p2m->config.end.gfn;

    cursor->looked += next - cursor->gfn.gfn;
    cursor->gfn = GFN(next < end ? next : 0);
}

/* Unless this has risen, there is no unwritten leaf where there was none before: superpages that
 * were populated, and changes of types, of which only one is swept. */
static uint64_t unwritten_changes(const struct pod *pod)
{
    const uint64_t *populates = pod->events.populates;

    return populates[order_size(ORDER_2M)] + populates[order_size(ORDER_1G)] + pod->p2m->changes;
}

bool pod_prefers_sweep(struct p2m_locked locked, const struct pod *pod, gfn_t gfn)
{
    struct p2m_entry mark = p2m_get_entry(p2m_locked_walking(locked), gfn);
    const uint64_t *blocks = pod->cache.counts.blocks;

    ASSERT(locked.p2m == pod->p2m);
    return mark.type == P2M_POD && mark.order >= ORDER_2M && pod->max_order >= ORDER_2M &&
           blocks[order_size(ORDER_2M)] == 0 && blocks[order_size(ORDER_1G)] == 0 &&
           pod->unwritten_looked[order_size(ORDER_2M)] != unwritten_changes(pod);
}

/* A whole GB is enough to read at once. */
static unsigned batch_size(unsigned order)
{
    return order == ORDER_1G ? 1 : POD_SWEEP_MAX;
}

/* The counts alone may say that there is none. */
static bool is_worth_a_tour(const struct pod *pod, struct pod_sweep_kind kind)
{
    const uint64_t *leaves = pod->p2m->counts.ram;
    unsigned size = order_size(kind.order);

    if (kind.depth == POD_UNWRITTEN)
        return leaves[size] > 0 && pod->unwritten_looked[size] != unwritten_changes(pod);
    if (kind.depth == POD_PIECES)
        while (++size < ORDER_SIZES && leaves[size] == 0)
            ;
    return size < ORDER_SIZES && leaves[size] > 0;
}

static enum p2m_error hold_next(struct p2m_locked locked, struct pod *pod,
                                struct pod_sweep_kind kind, struct pod_sweep *sweep,
                                struct p2m_debt *debt)
{
    struct pod_cursor *cursor = &pod->cursor[kind.depth][order_size(kind.order)];
    uint64_t end = pod->p2m->config.end.gfn;
    enum p2m_error error = P2M_OK;

    for (unsigned looks = 0; looks < POD_SWEEP_LOOKS && cursor->looked < end; looks++) {
        gfn_t gfn = cursor->gfn;
        struct p2m_entry entry;

        if (sweep->count == batch_size(kind.order))
            break;
        entry = entry_at(p2m_locked_walking(locked), &gfn, kind.order);
        if (is_worth_holding(pod, gfn, &entry, kind))
            error = hold(locked, sweep, gfn, &entry, debt);
        if (error != P2M_OK)
            return error;
        cursor_step(pod, cursor, &entry, kind);
    }
    if (cursor->looked < end || sweep->count > 0)
        return P2M_AGAIN; /* what is held may prove to be no zeroes: then the tour is over */
    cursor->looked = 0;
    if (kind.depth == POD_UNWRITTEN)
        pod->unwritten_looked[order_size(kind.order)] = unwritten_changes(pod);
    return P2M_EMPTY;
}

enum p2m_error pod_sweep_protect(struct p2m_locked locked, struct pod *pod,
                                 struct pod_sweep_kind kind, struct pod_sweep *sweep,
                                 struct p2m_debt *debt)
{
    enum p2m_error error;

    ASSERT(locked.p2m == pod->p2m);
    if (pod->is_sweeping || p2m_is_changing(locked.p2m))
        return P2M_BUSY; /* it may be this very one */
    *sweep = (struct pod_sweep){ .order = kind.order, .depth = kind.depth };
    if (!is_worth_a_tour(pod, kind))
        return P2M_EMPTY;
    error = hold_next(locked, pod, kind, sweep, debt);
    if (sweep->count == 0)
        return error;
    pod->is_sweeping = true;
    locked.p2m->holds++;
    pod->events.sweeps[order_size(kind.order)]++;
    return P2M_OK;
}

/* ---- taking --------------------------------------------------------------------------------- */

/* What was split to look into it may be one leaf again. */
static void note_pieces(struct p2m *p2m, const struct pod_sweep *sweep)
{
    for (unsigned i = 0; i < sweep->count && sweep->depth == POD_PIECES; i++)
        merge_note(p2m, table_find(p2m, sweep->item[i].gfn, order_size(sweep->order)),
                   sweep->item[i].gfn);
}

/* Still as it was when it was held, and nothing but zeroes: no D bit came late. */
static bool may_be_taken(struct p2m_walking walking, const struct pod_sweep *sweep,
                         const struct pod_swept *item)
{
    struct p2m_entry entry = p2m_get_entry(walking, item->gfn);

    return item->is_zero && entry.type == P2M_RAM_HELD && entry.order == sweep->order &&
           entry.mfn.mfn == item->mfn.mfn && !(item->is_known && entry.dirty);
}

static bool take(struct p2m_locked locked, const struct pod_sweep *sweep,
                 const struct pod_swept *item, struct p2m_debt *debt)
{
    struct p2m_mapping mark = { INVALID_MFN, sweep->order, P2M_POD };

    if (!may_be_taken(p2m_locked_walking(locked), sweep, item) ||
        p2m_set_entry(locked, item->gfn, mark, debt) != P2M_OK)
        return false;
    debt->owed[debt->count - 1].frames.dirty = false; /* whatever D says: all zeroes */
    return true;
}

uint64_t pod_sweep_finish(struct p2m_locked locked, struct pod *pod, struct pod_sweep *sweep,
                          struct p2m_debt *debt)
{
    uint64_t taken = 0;

    ASSERT(pod->is_sweeping);
    for (unsigned i = 0; i < sweep->count; i++) {
        const struct pod_swept *item = &sweep->item[i];

        if (take(locked, sweep, item, debt)) {
            pod->events.reclaimed[order_size(sweep->order)]++;
            taken += order_frames(sweep->order);
            pod->events.unread += item->is_known ? order_frames(sweep->order) : 0;
        } else {
            hold_release(locked.p2m, item->gfn, gfn_add(item->gfn, order_frames(sweep->order)));
        }
    }
    if (taken)
        pod->cursor[sweep->depth][order_size(sweep->order)].looked = 0;
    note_unsettled(pod, debt);
    note_pieces(locked.p2m, sweep);
    pod->is_sweeping = false;
    locked.p2m->holds--;
    sweep->count = 0;
    return taken;
}
