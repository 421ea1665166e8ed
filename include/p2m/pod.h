/* SPDX-License-Identifier: MIT */
/*
 * Populate-on-demand: a guest that is promised more memory than it has. Promised frames carry a
 * mark; the first touch takes frames from the guest's own cache; its balloon driver hands back the
 * difference. In frames of 4K:
 *
 *      entries     under marks: promised, and not there
 *      cached      in hand
 *      populated   mapped as RAM
 *      granted     between the two: taken out of the cache to be cleared
 *
 * cached + granted <= entries, or nothing is in hand, whenever a verb returns; and populated +
 * cached + granted, with what is owed in between, is all that the guest has. While entries > cached
 * the guest is in debt: its balloon still owes the difference, and what leaves the map stays in
 * hand. After that it is the host's.
 *
 * cached may be more for a while where one call was not enough to give it back (pod_has_surplus).
 *
 * A frame whose D bit is clear still reads as zero, because it did when it was mapped: an embedder
 * that maps RAM which does not must mark it dirty (p2m_mark_dirty), and a processor that sets no A
 * and D bits can't have a guest that is promised more than it has.
 *
 * Refuses to know guests, their balloon drivers, who owned a frame before, how memory is cleared,
 * and how a flush is done.
 */
#ifndef P2M_POD_H
#define P2M_POD_H

#include "p2m/cache.h"

/* What happened since pod_create, by the size of the pieces. */
struct pod_events {
    uint64_t populates[ORDER_SIZES];
    uint64_t reclaimed[ORDER_SIZES]; /* found to be all zeroes, and taken back */
    uint64_t sweeps[ORDER_SIZES];    /* batches that were held and looked at */
    uint64_t bytes_read;             /* by sweeps */
    uint64_t unread;                 /* 4K frames that were taken back for their D bit alone */
    uint64_t moves[ORDER_SIZES];     /* leaves that went on in another frame */
    uint64_t taken;                  /* 4K frames that came from the host */
    uint64_t gathered;               /* GBs of the machine that came together by moving */
    uint64_t ballooned;              /* 4K frames, marks among them, that pod_decrease took away */
};

/* Where the sweep of one size goes on, and how far round it has come without a find. */
struct pod_cursor {
    gfn_t gfn;
    uint64_t looked; /* 4K frames */
};

/* How deep a sweep looks: at leaves of its order, or into larger ones, which are split for it; or
 * only at the D bits of leaves, reading nothing. */
enum pod_depth { POD_LEAVES, POD_PIECES, POD_UNWRITTEN, POD_DEPTHS };

/* A GB of the machine that is being gathered, and the slot of 1 GB that it is for, or nowhere. */
struct pod_gather {
    mfn_t block; /* INVALID_MFN: none */
    gfn_t slot;
    gfn_t cursor;
    uint64_t looked; /* 4K frames up to the cursor since something was found in the way */
};

/* What it would take to gather it, in 4K frames. */
struct pod_tally {
    uint64_t in_hand;    /* of the block */
    uint64_t in_place;   /* of the slot, at its place in the block */
    uint64_t astray;     /* of the slot, in the block, but not at its place */
    uint64_t outside;    /* of the slot, in another block */
    uint64_t in_the_way; /* in the block, of other slots */
};

/* Choosing what to gather, a part of it a call: one candidate after the other, each by a walk
 * through the map. */
struct pod_choice {
    bool is_begun;
    uint64_t changes; /* so much had happened when it began */
    mfn_t fullest;    /* the GB of which most is in hand, then */
    uint64_t next;    /* candidate, by number */
    struct pod_gather candidate;
    struct pod_tally tally;
    struct pod_gather best;
    uint64_t cost; /* of the best: so many frames to move */
};

#define POD_RECENT 32

/* Embed it beside struct p2m; its fields are the engine's alone. */
struct pod {
    struct p2m *p2m;
    unsigned max_order;  /* nothing larger is populated */
    unsigned debt_order; /* nothing larger is mapped while the guest is in debt */
    struct pod_cache cache;
    uint64_t granted;   /* 4K frames */
    uint64_t unsettled; /* the last generation in which RAM left the map by these verbs */
    bool is_sweeping;   /* between protect and finish */
    bool is_moving;     /* between begin and finish */
    bool is_trimming;   /* more is in hand than promised: pod_trim was not done with it */
    gfn_t moving;       /* where, if so; of at most 2 MB */
    struct pod_gather gather;
    struct pod_choice choice;
    struct pod_gather gather_seen; /* what was found the last time, */
    uint64_t gather_cost;          /* and how many frames it would have moved */
    uint64_t gather_looked;        /* so much had happened when nothing was found */
    struct pod_events events;
    struct pod_cursor cursor[POD_DEPTHS][ORDER_SIZES];
    /* so much had happened when no leaf of that size was unwritten */
    uint64_t unwritten_looked[ORDER_SIZES];
    gfn_t recent[POD_RECENT]; /* populated last: an instruction may not have used them yet */
    unsigned recent_next;
};

/*
 * pod_create - populate-on-demand for this map: nothing in hand, no page taken.
 *   Units:   max_order 0, 9 or 18: policy; the map's own limit holds as well.
 *   Context: after p2m_create, before anybody else can see pod. There is no pod_destroy: after
 *            pod_empty it holds no page.
 *   Errors:  none.
 *   Debts:   none.
 */
void pod_create(struct pod *pod, struct p2m *p2m, unsigned max_order);

/*
 * pod_set_debt_order - while the guest is in debt, what is populated is mapped by leaves of this
 * order, an A and a D bit each, which tell what was not used. At first 2 MB: out of a GB. With
 * 4 KB nothing larger than 2 MB is populated then, and each takes a table page.
 *   Units:   0 or 9.
 *   Context: P2M held, or before anybody else can see pod. Changes nothing that is mapped.
 *   Errors:  none.
 *   Debts:   none.
 */
void pod_set_debt_order(struct pod *pod, unsigned order);

/* ---- the account ---------------------------------------------------------------------------- */

struct pod_account {
    uint64_t entries, cached, populated, granted; /* in 4K frames */
};

/*
 * pod_account, pod_events - a copy of the counts.
 *   Units:   as in the structures.
 *   Context: exact under the lock or when no verb runs, else of some moment.
 *   Errors:  none.
 *   Debts:   none.
 */
struct pod_account pod_account(const struct pod *pod);
struct pod_events pod_events(const struct pod *pod);

/* All that the guest has, but for what is owed in between. */
static inline uint64_t pod_frames(const struct pod_account *account)
{
    return account->populated + account->cached + account->granted;
}

/* Does the guest's balloon still owe frames? */
static inline bool pod_in_debt(const struct pod_account *account)
{
    return account->entries > account->cached + account->granted;
}

/* ---- promising, and taking back ------------------------------------------------------------- */

/*
 * pod_mark - promise this range: marks as large as gfn and length allow. Marks that are there
 * already stay. Moves range->from past what is done, as p2m_set_range does.
 *   Units:   4K frames.
 *   Context: P2M held. Mark first, then raise the target: more than `entries` is never in hand.
 *   Errors:  P2M_OCCUPIED where anything but a mark is, or a move goes on in the range; else as
 *            p2m_set_range.
 *   Debts:   table pages that held nothing.
 */
enum p2m_error pod_mark(struct p2m_locked locked, struct pod *pod, struct gfn_range *range,
                        struct p2m_debt *debt) P2M_MUST_CHECK;

/*
 * pod_decrease - the guest gives this range back: marks just disappear, frames are owed, and are
 * then the cache's while the guest is in debt, else the host's (pod_accept). What is not there is
 * given back already. Moves range->from past what is done, as p2m_set_range does.
 *   Units:   4K frames.
 *   Context: P2M held.
 *   Errors:  P2M_BAD_TYPE where a page of the host's or a broken frame is, P2M_BUSY for a pin,
 *            whichever comes first; else as p2m_set_range. Nothing has changed then.
 *   Debts:   up to P2M_DEBT_MAX items.
 */
enum p2m_error pod_decrease(struct p2m_locked locked, struct pod *pod, struct gfn_range *range,
                            struct p2m_debt *debt) P2M_MUST_CHECK;

/*
 * pod_accept - frames that left the map come back (from p2m_host_put_frames): the cache takes them
 * while the guest is in debt.
 *   Units:   as in struct p2m_frames.
 *   Context: P2M held, while a settled debt is paid; pod_trim follows. May take a page for a node
 *            from the host.
 *   Errors:  false: they are the host's. So too when there is no page for a node: the guest then
 *            has less than its target, and pod_set_target makes up for it.
 *   Debts:   none.
 */
bool pod_accept(struct p2m_locked locked, struct pod *pod,
                const struct p2m_frames *frames) P2M_MUST_CHECK;

/*
 * pod_trim - cached <= entries again, after marks disappeared.
 *   Units:   none.
 *   Context: P2M held; needed after p2m_set_entry and p2m_set_range over marks, and p2m_pay; again
 *            while pod_has_surplus, for it gives config.steps blocks at most.
 *   Errors:  none.
 *   Debts:   none; surplus goes to p2m_host_free_frames.
 */
void pod_trim(struct p2m_locked locked, struct pod *pod);
bool pod_has_surplus(const struct pod *pod);

/*
 * pod_empty - all that is in hand goes back to the host.
 *   Units:   none.
 *   Context: P2M held; before the guest's end, when no grant, sweep or move is under way.
 *   Errors:  P2M_AGAIN after config.steps blocks.
 *   Debts:   none.
 */
enum p2m_error pod_empty(struct p2m_locked locked, struct pod *pod) P2M_MUST_CHECK;

/* ---- targets -------------------------------------------------------------------------------- */

#define POD_TARGET_STEPS 512 /* blocks that one call moves at most */

/*
 * pod_set_cache_target - so much is to be in hand. Up: by 1 GB, if that fails 2 MB, if that fails
 * 4 KB, which works as long as the host has a frame. Down: 1 GB while at least that much is to go,
 * then 2 MB, then 4 KB; but a block that a whole mark of its size still needs is kept as long as
 * smaller ones will do, and a block is broken only when nothing smaller is left.
 *   Units:   4K frames; more than `entries` counts as entries.
 *   Context: P2M held.
 *   Errors:  P2M_AGAIN after POD_TARGET_STEPS blocks, P2M_EMPTY when the host has no frame left,
 *            P2M_NO_MEMORY without a page for a node; what was moved stays moved.
 *   Debts:   none.
 */
enum p2m_error pod_set_cache_target(struct p2m_locked locked, struct pod *pod,
                                    uint64_t frames) P2M_MUST_CHECK;

/*
 * pod_set_target - the guest is to have this much: what is not populated of it is to be in hand.
 * Less than the guest has is left to its balloon: cutting its cache could starve it before the
 * balloon acts. More than it was promised is not given: its balloon fetches the rest itself.
 *   Units:   4K frames.
 *   Context: P2M held. Does nothing where nothing is marked.
 *   Errors:  as pod_set_cache_target.
 *   Debts:   none.
 */
enum p2m_error pod_set_target(struct p2m_locked locked, struct pod *pod,
                              uint64_t frames) P2M_MUST_CHECK;

/* ---- populating ----------------------------------------------------------------------------- */

/* A block that was taken out of the cache, to be cleared without the lock: at most 2 MB. */
struct pod_grant {
    gfn_t gfn; /* where it is to go */
    mfn_t mfn;
    unsigned order;
};

/*
 * pod_demand_populate - frames for the mark at gfn, as large as the policy and the cache allow: a
 * 1 GB mark that finds no clean 1 GB block becomes 512 x 2 MB, a 2 MB one that finds no block 512 x
 * 4 KB, and it is tried again. So it works as long as one frame is in hand.
 *   Units:   any gfn.
 *   Context: P2M held.
 *   Errors:  P2M_OK: RAM is there now, or was already. P2M_UNCLEAN: clear the granted block, then
 *            pod_finish_populate. P2M_EMPTY: nothing in hand. P2M_BAD_TYPE: neither a mark nor RAM.
 *            P2M_BUSY: it is being moved, or what was here is not settled yet: try again.
 *            P2M_NO_MEMORY: no table page; all is as it was.
 *   Debts:   none: no processor keeps what is not present.
 */
enum p2m_error pod_demand_populate(struct p2m_locked locked, struct pod *pod, gfn_t gfn,
                                   struct pod_grant *grant) P2M_MUST_CHECK;

/*
 * pod_prefers_sweep - a superpage is wanted for gfn, only smaller blocks are in hand, and there may
 * be superpages that were never written: sweep for those (pod_sweep_kinds[0]) before populating.
 *   Units:   any gfn.
 *   Context: P2M held.
 *   Errors:  none.
 *   Debts:   none.
 */
bool pod_prefers_sweep(struct p2m_locked locked, const struct pod *pod, gfn_t gfn);

/*
 * pod_finish_populate - the granted block reads as zero now: map it. If its mark has gone in the
 * meantime, it is in hand again, clean.
 *   Units:   none.
 *   Context: P2M held. Ends the grant, whatever it returns.
 *   Errors:  P2M_OK, also when there was nothing to do any more; P2M_NO_MEMORY: no table page.
 *   Debts:   none.
 */
enum p2m_error pod_finish_populate(struct p2m_locked locked, struct pod *pod,
                                   const struct pod_grant *grant) P2M_MUST_CHECK;

/*
 * p2m_gfn_to_mfn - the look-up that populates the mark that it meets, at any order. p2m_get_entry
 * never does.
 *   Units:   any gfn; *entry is what p2m_get_entry says in the end.
 *   Context: P2M held.
 *   Errors:  as pod_demand_populate, but that what is no mark is P2M_OK; *entry is then as it is.
 *   Debts:   none.
 */
enum p2m_error p2m_gfn_to_mfn(struct p2m_locked locked, struct pod *pod, gfn_t gfn,
                              struct p2m_entry *entry, struct pod_grant *grant) P2M_MUST_CHECK;

/*
 * pod_clean_begin, pod_clean_end - ahead of need: a block in hand that may not read as zero is
 * taken out, cleared by the embedder without the lock, and put back.
 *   Units:   2 MB or 4 KB; the grant's gfn means nothing.
 *   Context: P2M held.
 *   Errors:  begin: false when all is clean. end: none; without a page for its node the block
 *            is the host's, and pod_set_target makes up for it.
 *   Debts:   none.
 */
bool pod_clean_begin(struct p2m_locked locked, struct pod *pod,
                     struct pod_grant *grant) P2M_MUST_CHECK;
void pod_clean_end(struct p2m_locked locked, struct pod *pod, const struct pod_grant *grant);

/* ---- taking back what is all zeroes --------------------------------------------------------- */

#define POD_SWEEP_MAX   P2M_DEBT_MAX
#define POD_SWEEP_LOOKS 4096 /* entries that one call looks at, at most */

/* What to sweep for. */
struct pod_sweep_kind {
    unsigned order; /* 0, 9 or 18 */
    enum pod_depth depth;
};

/* The kinds in the order in which a dry cache tries them; 4 KB holes in superpages come last. */
#define POD_SWEEP_KINDS 7
extern const struct pod_sweep_kind pod_sweep_kinds[POD_SWEEP_KINDS];

/* A sweep under way: up to POD_SWEEP_MAX leaves whose writes are held off. */
struct pod_sweep {
    unsigned order;
    enum pod_depth depth;
    unsigned count;
    struct pod_swept {
        gfn_t gfn;
        mfn_t mfn;
        bool is_known; /* D was clear when it was held: zero, unless D comes late */
        bool is_zero;
    } item[POD_SWEEP_MAX];
};

/*
 * pod_sweep_protect - hold the next leaves of this order that look like zeroes (type P2M_RAM_HELD):
 * a guest that writes to one meanwhile, or a host (pod_release), ends it for that leaf.
 *   Units:   goes on where the last sweep of its kind stopped, and wraps.
 *   Context: P2M held. Then: settle the debt; pod_sweep_scan; pod_sweep_finish; settle and pay. One
 *            sweep at a time.
 *   Errors:  P2M_AGAIN: none found yet, call again. P2M_EMPTY: none in all of the map. P2M_BUSY:
 *            another sweep, or a change of type, is under way. P2M_NO_MEMORY: no table page to
 *            split with.
 *   Debts:   a flush.
 */
enum p2m_error pod_sweep_protect(struct p2m_locked locked, struct pod *pod,
                                 struct pod_sweep_kind kind, struct pod_sweep *sweep,
                                 struct p2m_debt *debt) P2M_MUST_CHECK;

/*
 * pod_sweep_scan - read what is held, up to the first byte that is not zero; each byte once.
 *   Units:   one item of the sweep; a whole one, up to 1 GB.
 *   Context: P2M not held; the debt of pod_sweep_protect is settled.
 *   Errors:  none; the result is in the item.
 *   Debts:   none.
 */
void pod_sweep_scan(struct pod *pod, struct pod_sweep *sweep, unsigned item);

/*
 * pod_sweep_finish - what is all zeroes and still held becomes a mark, its frames owed, and clean
 * when they come into hand; all others are the guest's again. Pinned frames stay.
 *   Units:   returns how many 4K frames were taken.
 *   Context: P2M held; after pod_sweep_protect always, whether anything was scanned or not.
 *   Errors:  none: what cannot be taken stays.
 *   Debts:   at most P2M_DEBT_MAX items; start from an empty debt.
 */
uint64_t pod_sweep_finish(struct p2m_locked locked, struct pod *pod, struct pod_sweep *sweep,
                          struct p2m_debt *debt);

/*
 * pod_release - somebody writes where a sweep holds writes off: the frame is the guest's again.
 *   Units:   one gfn; its whole leaf is released.
 *   Context: P2M held. Does nothing where nothing is held.
 *   Errors:  none.
 *   Debts:   none: rights only grow. A processor that has not heard of it may fault once more.
 */
void pod_release(struct p2m_locked locked, struct pod *pod, gfn_t gfn);

/* ---- moving --------------------------------------------------------------------------------- */

/* Which block the memory goes on in: any that suits, or exactly the one at place.near. */
enum pod_where { POD_ANYWHERE, POD_AT };

struct pod_move {
    enum pod_where where; /* the caller's wish */
    mfn_t from;
    struct pod_grant to;
};

/*
 * pod_move_begin - hold the leaf at place->gfn, and take a block for it out of the cache.
 *   Units:   a leaf of 2 MB or 4 KB of P2M_RAM_RW; place->gfn is its first frame.
 *   Context: P2M held. Then: settle; copy from `from` to `to.mfn`, to.order, without the lock;
 *            pod_move_unmap; settle and pay; pod_move_finish. One move at a time.
 *   Errors:  P2M_BUSY: pinned, another move, or a pending change of type; P2M_BAD_TYPE: no such
 *            leaf; P2M_BAD_RANGE: not its first frame; P2M_EMPTY: no such block in hand. Nothing
 *            has changed then.
 *   Debts:   a flush.
 */
enum p2m_error pod_move_begin(struct p2m_locked locked, struct pod *pod, struct pod_move *move,
                              const struct pod_place *place, struct p2m_debt *debt) P2M_MUST_CHECK;

/*
 * pod_move_unmap - it is copied: the old frame leaves the map.
 *   Units:   none.
 *   Context: P2M held; after pod_move_begin always.
 *   Errors:  false: somebody wrote, or the leaf is not what it was. The move is over, the guest has
 *            its frame, and nothing is owed.
 *   Debts:   one item.
 */
bool pod_move_unmap(struct p2m_locked locked, struct pod *pod, const struct pod_move *move,
                    struct p2m_debt *debt) P2M_MUST_CHECK;

/*
 * pod_move_finish - the copy is what the guest has from now on, and counts as dirty.
 *   Units:   none.
 *   Context: P2M held; the debt of pod_move_unmap is paid.
 *   Errors:  none: what the guest has given back meanwhile stays given back, and the rest is mapped
 *            in the pieces that its mark is in.
 *   Debts:   none.
 */
void pod_move_finish(struct p2m_locked locked, struct pod *pod, const struct pod_move *move);

/* ---- gathering ------------------------------------------------------------------------------ */

/*
 * pod_gather_start - is there a GB of the machine, nearly all in hand, that is worth making whole:
 * for a slot that is promised and untouched, or to complete one that is partly populated? If so it
 * is set aside: nothing is taken from it as long as there is anything else. It must have been found
 * by two calls in a row: what is in the way may be on its way out.
 *   Units:   none.
 *   Context: P2M held, when things are quiet, and not too often: to look takes O(entries of the
 *            map), when anything has changed.
 *   Errors:  P2M_OK: it is set aside, or was. P2M_AGAIN: it has looked at config.steps entries, and
 *            goes on from there. P2M_EMPTY: nothing worth it.
 *   Debts:   none.
 */
enum p2m_error pod_gather_start(struct p2m_locked locked, struct pod *pod) P2M_MUST_CHECK;

/* The slot that is being gathered for; no gfn of the map when it is for none. */
gfn_t pod_gather_slot(const struct pod *pod);

/*
 * pod_gather_next - begin the next move that this takes, as pod_move_begin does; go on with the
 * move as it says. When nothing is in the way any more, the slot becomes one leaf.
 *   Units:   a move of at most 2 MB.
 *   Context: P2M held; pod_gather_start said P2M_OK.
 *   Errors:  P2M_OK: a move was begun. P2M_AGAIN: it has looked at config.steps entries for what is
 *            in the way, and goes on from there. P2M_BUSY: what is dirty must be cleared first
 *            (pod_clean_begin), what is owed settled, or a move, a sweep, or a change of type
 *            finished. P2M_EMPTY: it is over, one way or the other.
 *   Debts:   a flush, or the table of a merge.
 */
enum p2m_error pod_gather_next(struct p2m_locked locked, struct pod *pod, struct pod_move *move,
                               struct p2m_debt *debt) P2M_MUST_CHECK;

/* ---- all of it ------------------------------------------------------------------------------ */

struct pod_audit {
    uint64_t errors;
    struct pod_cache_audit cache;
    const char *what; /* of the account; NULL: all well with it */
};

/*
 * pod_audit - the cache's audit, and the account: cached <= entries, and nothing held while no
 * sweep is under way. Reads only.
 *   Units:   report->errors is 0 when all is sound.
 *   Context: P2M held, between verbs. O(entries and nodes).
 *   Errors:  in the report.
 *   Debts:   none.
 */
void pod_audit(struct p2m_locked locked, const struct pod *pod, struct pod_audit *report);

#endif
