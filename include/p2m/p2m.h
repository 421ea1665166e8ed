/* SPDX-License-Identifier: MIT */
/*
 * The map from guest frames to machine frames, kept in the format that a processor walks.
 * This is the whole public face of the engine: types, create, set, get, split, merge, debts, audit.
 *
 * Two rules shape every verb. A verb that returns an error has changed nothing. And a verb settles
 * nothing in passing: what it took out of the map is added to a `struct p2m_debt`, which the caller
 * settles (every processor forgets its old translations) and then pays with p2m_pay.
 *
 * Refuses to know: processors, flushes, guests, who owns a frame.
 */
#ifndef P2M_P2M_H
#define P2M_P2M_H

#include <stdatomic.h>

#include "p2m/frame.h"
#include "p2m/host.h"

#define P2M_MUST_CHECK __attribute__((warn_unused_result))

struct pt_format;
extern const struct pt_format npt_format;                    /* AMD, nested page tables */
extern const struct pt_format ept_format;                    /* Intel, extended page tables */
const char *p2m_format_name(const struct pt_format *format); /* "npt", "ept" */

/* ---- types ---------------------------------------------------------------------------------- */

/* What the guest may do with memory of a type; the processor is told the same. */
enum p2m_rights { P2M_READ = 1, P2M_WRITE = 2, P2M_EXECUTE = 4 };

/*
 * p2m_type_name, p2m_type_class, p2m_type_rights - the name that reports use, the class, and the
 * rights, a sum of enum p2m_rights.
 */
const char *p2m_type_name(enum p2m_type type);
enum p2m_class p2m_type_class(enum p2m_type type);
unsigned p2m_type_rights(enum p2m_type type);

/* Memory of the guest's that the host has made read-only for a while; pod_release gives it back. */
bool p2m_type_is_held(enum p2m_type type);

/* ---- errors --------------------------------------------------------------------------------- */

enum p2m_error {
    P2M_OK = 0,
    /* the caller's */
    P2M_BAD_RANGE, /* misaligned, empty, beyond an end, or an order that is none */
    P2M_BAD_TYPE,  /* not a type, or there is nothing of the type that this verb needs */
    /* resources' */
    P2M_NO_MEMORY, /* no table page from the host or within the quota; or all pins are used */
    P2M_DEBT_FULL, /* the debt holds P2M_DEBT_MAX items: settle and pay it, then call again */
    /* the moment's */
    P2M_BUSY,     /* a pin of the host's is in the range; or something else must be over first: a
                   * sweep, a move, a change of type, a debt */
    P2M_OCCUPIED, /* frames are mapped there: set P2M_INVALID, settle, pay, then map */
    P2M_UNEQUAL,  /* nothing to merge: no table, or its entries are not all alike */
    P2M_EMPTY,    /* no frame in hand, or none to be had: sweep, raise the target, or wait */
    P2M_UNCLEAN,  /* a frame was granted that must be cleared first, without the lock */
    P2M_AGAIN,    /* stopped at its budget, all sound: call again for the rest */
};

const char *p2m_error_name(enum p2m_error error);

/* ---- debts ---------------------------------------------------------------------------------- */

/*
 * Something that left the map and that a processor may still reach through a cached translation:
 * frames of one leaf; a subtree that was cut off whole; the table of a merge, whose A and D bits
 * are read once more when the flush is over.
 */
enum p2m_owed_kind { P2M_OWED_FRAMES, P2M_OWED_SUBTREE, P2M_OWED_MERGED };

struct p2m_owed {
    gfn_t gfn; /* where it was mapped */
    enum p2m_owed_kind kind;
    unsigned order;           /* how much of the guest it covered; 27 and 36 for high tables */
    mfn_t table;              /* SUBTREE, MERGED: the table page */
    struct p2m_frames frames; /* FRAMES; of a SUBTREE `became` and `dirty`, for all in it */
};

#define P2M_DEBT_MAX 16

/* Where a payment has come to: the entry that was seen last of the item that is being paid. */
struct p2m_place {
    gfn_t gfn;
    unsigned order;
    bool is_begun;
};

/*
 * What the caller owes after a verb. Start from P2M_NO_DEBT; several verbs may add to one debt.
 * When `flush` is set, no processor may enter the guest with a translation from before: settle it
 * (p2m_begin_settle, p2m_end_settle), then p2m_pay. Without `flush` there is nothing to wait for,
 * and nothing owed.
 */
struct p2m_debt {
    uint64_t generation; /* settled once the P2M's settled generation has reached this */
    unsigned count;
    bool flush;
    unsigned paid; /* so many items are; nothing may be added before all of them are */
    struct p2m_place place;
    struct p2m_owed owed[P2M_DEBT_MAX];
};

#define P2M_NO_DEBT ((struct p2m_debt){ 0 })

/* ---- the map -------------------------------------------------------------------------------- */

/* Counts of live entries, by size (4K, 2M, 1G); each is exact whenever no verb runs. */
struct p2m_counts {
    union {
        struct {
            uint64_t ram[ORDER_SIZES];
            uint64_t markers[ORDER_SIZES];
            uint64_t other[ORDER_SIZES];
        };
        uint64_t leaves[P2M_CLASSES][ORDER_SIZES]; /* the same, by class */
    };
    uint64_t tables; /* live table pages, the root among them */
};

/* What happened since p2m_create, by the size that was split or that came out of the merge. */
struct p2m_events {
    uint64_t splits[ORDER_SIZES];
    uint64_t merges[ORDER_SIZES];
};

/* What is owed and not yet paid; part of "every frame is in exactly one state". */
struct p2m_unpaid {
    uint64_t ram;    /* 4K frames that were mapped as RAM */
    uint64_t tables; /* table pages */
    uint64_t merged; /* those among them in which A and D bits may still have come late */
};

struct p2m_config {
    const struct pt_format *format;
    void *direct_map; /* where the host sees machine address 0; table pages must lie in it */
    gfn_t end;        /* no guest frame at or above this is ever mapped */
    mfn_t mfn_end;    /* no machine frame at or above this exists: the processor's address width */
    unsigned max_order;   /* largest leaf that processor and policy allow: 0, 9 or 18 */
    uint64_t table_quota; /* most table pages that this guest may hold: the root, its PoD cache's */
    uint64_t steps;       /* most entries or blocks that one call goes through; 0: P2M_STEPS */
};

/* What steps does not bound: the 512 entries, or the records of 512 tables, that one entry of a
 * verb may take; one merge, or one touch of a pending change (3 x 512); a change of type or a log
 * that starts (the entries at the top); a round of the log, a sweep and a target, which have bounds
 * of their own; the audits. */

/* So few that nobody waits long for the lock; each verb that stops there says how it goes on. */
#define P2M_STEPS 4096

#define P2M_PINS_MAX       32
#define P2M_CANDIDATES_MAX 8

struct p2m_candidate {
    gfn_t gfn;
    unsigned order; /* 0: more tables became alike than could be noted; look at all from gfn on */
};

/* A change of type that has not been carried out everywhere yet (p2m/change.h). */
struct p2m_pending {
    enum p2m_type from, to; /* equal: there is none */
    struct gfn_range range;
    gfn_t cursor; /* before this, all is done */
};

/* How writes are noted, if they are, and what is told apart (p2m/log_dirty.h). */
enum p2m_log_mode { P2M_LOG_OFF, P2M_LOG_WRITES, P2M_LOG_DIRTY_BITS };

struct p2m_log {
    enum p2m_log_mode mode;
    unsigned grain;
};

/* Embed it; its fields are the engine's alone. What may be read has a function, further below. */
struct p2m {
    struct p2m_config config;
    mfn_t root;
    atomic_flag lock;
    _Atomic uint64_t generation; /* rises when a flush begins */
    _Atomic uint64_t settled;    /* every debt up to this one may be paid */
    mfn_t reserve;               /* table pages taken for the running verb, linked through word 0 */
    uint64_t reserve_count;
    uint64_t lent_pages; /* charged to the quota, but hold no table: nodes of the PoD cache */
    struct p2m_counts counts;
    struct p2m_events events;
    struct p2m_unpaid unpaid;
    struct p2m_candidate candidate[P2M_CANDIDATES_MAX];
    unsigned candidate_count;
    gfn_t pin[P2M_PINS_MAX];
    unsigned pin_count;
    struct p2m_pending pending;
    uint64_t changes; /* so many changes of ranges have begun */
    struct p2m_log log;
    unsigned holds; /* sweeps and moves under way: no change of type until they are over */
};

/*
 * Tokens. A function that takes one can't be called without the lock: the compiler says so.
 * Today a walker's token is the same lock; it is a type of its own because look-ups will do
 * without (see ARCHITECTURE.md, "Locks").
 */
struct p2m_locked {
    struct p2m *p2m;
};
struct p2m_walking {
    const struct p2m *p2m;
};

/*
 * p2m_lock, p2m_unlock - the one lock of a map. It spins: a handler of interrupts that takes it
 * must find them off wherever else it is taken. Nothing that waits for other processors may be done
 * under it, a flush least of all.
 */
struct p2m_locked p2m_lock(struct p2m *p2m);
void p2m_unlock(struct p2m_locked locked);
static inline struct p2m_walking p2m_locked_walking(struct p2m_locked locked)
{
    return (struct p2m_walking){ locked.p2m };
}

/*
 * p2m_create - an empty map: one root table, nothing mapped.
 *   Units:   config.end in 4K frames, at most 2^36; mfn_end at most 2^40; max_order 0, 9 or 18.
 *   Context: before anybody else can see p2m.
 *   Errors:  P2M_BAD_RANGE for a config that makes no sense, P2M_NO_MEMORY without a root.
 *   Debts:   none.
 */
enum p2m_error p2m_create(struct p2m *p2m, const struct p2m_config *config) P2M_MUST_CHECK;

/*
 * p2m_destroy - take the whole map away; the root and all below become one owed subtree.
 *   Units:   none.
 *   Context: P2M held; the debt has room; no processor will enter this guest again. Pins end here.
 *            Of the verbs, only p2m_pay may follow.
 *   Errors:  none.
 *   Debts:   adds the whole tree; settle, then pay: that takes many calls.
 */
void p2m_destroy(struct p2m_locked locked, struct p2m_debt *debt);

/* What one entry says. mfn is the frame of the very gfn asked for, INVALID_MFN where there is none.
 */
struct p2m_entry {
    mfn_t mfn;
    enum p2m_type type;
    unsigned order; /* what the entry covers, aligned; 27 only where nothing is mapped */
    bool accessed;
    bool dirty;
};

/*
 * p2m_get_entry - what is mapped at gfn. Never populates, never splits.
 *   Units:   any gfn; beyond the end of the map it reads as P2M_INVALID.
 *   Context: a walker's token.
 *   Errors:  none.
 *   Debts:   none.
 */
struct p2m_entry p2m_get_entry(struct p2m_walking walking, gfn_t gfn);

/* What to put there. mfn is ignored for types that carry no address. */
struct p2m_mapping {
    mfn_t mfn;
    unsigned order;
    enum p2m_type type;
};

/*
 * p2m_set_entry - let [gfn, gfn + 2^order) name [mfn, mfn + 2^order) with this type. A frame is
 * never exchanged for another in one step: two processors could then see one each. Take the old
 * one out first (P2M_INVALID or P2M_POD), settle, pay, then map; what this very debt still owes
 * is refused, what other callers' debts owe is theirs to know. Only a change between types of
 * one class that are cached alike is one step, and only for a leaf of this size or larger.
 *   Units:   4K frames; gfn and mfn aligned to order; order 0, 9 or 18, leaves up to max_order.
 *   Context: P2M held; takes the table pages that it needs before it changes anything.
 *   Errors:  the caller's and the resources', P2M_BUSY, P2M_OCCUPIED; the map is then untouched.
 *   Debts:   what was mapped there before; at most one item. [APM "TLB Management"]
 */
enum p2m_error p2m_set_entry(struct p2m_locked locked, gfn_t gfn, struct p2m_mapping mapping,
                             struct p2m_debt *debt) P2M_MUST_CHECK;

/*
 * p2m_set_range - p2m_set_entry over a range, each piece in the largest order that gfn, mfn,
 * length and processor allow (a change of type keeps the sizes that are there). Moves
 * range->from past what is done: when P2M_OK comes back and the range is not empty, the debt is
 * full, or config.steps pieces are done; settle and pay, then call again.
 *   Units:   4K frames; mfn is that of range->from, and moves with it.
 *   Context: P2M held; looks at so many pieces, and takes all their table pages, first. A piece
 *            for which a table must be looked into counts as its 512. What lies beyond is not
 *            looked at: an error there is the next call's.
 *   Errors:  as p2m_set_entry; this call then changed nothing.
 *   Debts:   up to P2M_DEBT_MAX items.
 */
enum p2m_error p2m_set_range(struct p2m_locked locked, struct gfn_range *range, mfn_t *mfn,
                             enum p2m_type type, struct p2m_debt *debt) P2M_MUST_CHECK;

/*
 * p2m_split - let no entry on the path to gfn be larger than order; its neighbours keep their size.
 * Where nothing is mapped, nothing is split.
 *   Units:   order 0 or 9.
 *   Context: P2M held; takes its table pages first. Nothing is translated differently afterwards.
 *   Errors:  P2M_BAD_RANGE, P2M_NO_MEMORY; the map is then untouched.
 *   Debts:   none: old and new translations are the same. [APM "Nested Paging"]
 */
enum p2m_error p2m_split(struct p2m_locked locked, gfn_t gfn, unsigned order) P2M_MUST_CHECK;

/*
 * p2m_merge - turn the table that covers gfn at this order into one entry, if its 512 entries are
 * all empty, all one kind of mark, or one contiguous run alike.
 *   Units:   order 9 or 18 (27 for a table of nothing at all).
 *   Context: P2M held.
 *   Errors:  P2M_BAD_RANGE, P2M_UNEQUAL, P2M_DEBT_FULL; the map is then untouched.
 *   Debts:   the table, whose A and D bits are read once more when it is paid. [SDM "Invalidation
 *            of Guest-Physical Mappings"]
 */
enum p2m_error p2m_merge(struct p2m_locked locked, gfn_t gfn, unsigned order,
                         struct p2m_debt *debt) P2M_MUST_CHECK;

/*
 * p2m_merge_candidates - merge the tables that became alike since the last call. What p2m_split
 * made alike stays split: somebody wanted it so.
 *   Units:   returns how many were merged. One merge may make the next table up a candidate.
 *   Context: P2M held. Call it when things are quiet: a table that was changed again is left
 *            alone.
 *   Errors:  none; stops early when the debt is full, or config.steps entries were looked at: call
 *            it again while p2m_has_candidates.
 *   Debts:   a table a merge.
 */
unsigned p2m_merge_candidates(struct p2m_locked locked, struct p2m_debt *debt);

/*
 * p2m_mark_dirty - the host wrote to this frame: set A and D of its leaf, as the processor would.
 * Where writes are held off (p2m_type_is_held), pod_release goes before the host's write; where
 * they are logged by write protection, p2m_log_dirty_write does.
 *   Units:   one 4K frame; a superpage has one pair of bits for all of it.
 *   Context: P2M held.
 *   Errors:  P2M_BAD_TYPE where gfn is not backed by a frame.
 *   Debts:   none.
 */
enum p2m_error p2m_mark_dirty(struct p2m_locked locked, gfn_t gfn) P2M_MUST_CHECK;

/*
 * p2m_pin, p2m_unpin - the host keeps a pointer to this frame: until the unpin, whatever would
 * take the frame away or change its type fails with P2M_BUSY. Splits and merges go on.
 *   Units:   one 4K frame; pins of one gfn count.
 *   Context: P2M held.
 *   Errors:  P2M_BAD_TYPE where gfn has no frame, P2M_NO_MEMORY after P2M_PINS_MAX pins.
 *   Debts:   none.
 */
enum p2m_error p2m_pin(struct p2m_locked locked, gfn_t gfn) P2M_MUST_CHECK;
void p2m_unpin(struct p2m_locked locked, gfn_t gfn);

/* ---- settling debts ------------------------------------------------------------------------- */

/*
 * p2m_begin_settle, p2m_end_settle - the embedder's flush stands between the two: begin returns a
 * generation; once no processor can hold a translation from before it, end makes it known.
 *   Units:   generations.
 *   Context: P2M need not be held: a flush waits for other processors.
 *   Errors:  none.
 *   Debts:   every debt with a generation up to this one may now be paid.
 */
uint64_t p2m_begin_settle(struct p2m *p2m);
void p2m_end_settle(struct p2m *p2m, uint64_t generation);

/*
 * p2m_pay - give back what a settled debt holds: frames to p2m_host_put_frames, tables to
 * p2m_host_free_table; the late A and D bits of merged tables go to the entries that replaced them.
 *   Units:   none; the debt is empty after P2M_OK.
 *   Context: P2M held. Asserts that the debt was settled.
 *   Errors:  P2M_AGAIN: config.steps entries are paid, and not all; the lock may be free before the
 *            next call.
 *   Debts:   pays them.
 */
enum p2m_error p2m_pay(struct p2m_locked locked, struct p2m_debt *debt) P2M_MUST_CHECK;

/* ---- what it looks like --------------------------------------------------------------------- */

/*
 * p2m_root_address - the value for the processor: nCR3, or the address bits of EPTP.
 *   Units:   bytes.
 *   Context: any, until p2m_destroy.
 *   Errors:  none.
 *   Debts:   none.
 */
uint64_t p2m_root_address(const struct p2m *p2m);

/*
 * p2m_generation - what a processor compares before it enters the guest: it must have flushed since
 * this last changed. p2m_debt_is_settled - may this debt be paid?
 *   Units:   generations, from 0.
 *   Context: any.
 *   Errors:  none.
 *   Debts:   none.
 */
uint64_t p2m_generation(const struct p2m *p2m);
bool p2m_debt_is_settled(const struct p2m *p2m, const struct p2m_debt *debt);

/*
 * p2m_counts, p2m_events, p2m_unpaid, p2m_max_order - a copy of the map's counts.
 * p2m_has_candidates, p2m_is_changing - would p2m_merge_candidates, or p2m_finish_type_change
 * (p2m/change.h), have something to do?
 *   Units:   as in the structures; orders.
 *   Context: exact under the lock or when no verb runs, else of some moment.
 *   Errors:  none.
 *   Debts:   none.
 */
struct p2m_counts p2m_counts(const struct p2m *p2m);
struct p2m_events p2m_events(const struct p2m *p2m);
struct p2m_unpaid p2m_unpaid(const struct p2m *p2m);
unsigned p2m_max_order(const struct p2m *p2m);
bool p2m_has_candidates(const struct p2m *p2m);
bool p2m_is_changing(const struct p2m *p2m);

#define P2M_AUDIT_DETAILS 4

struct p2m_audit_error {
    gfn_t gfn;
    unsigned order;
    const char *what;
};

struct p2m_audit {
    uint64_t errors;
    struct p2m_counts recounted;
    struct p2m_audit_error detail[P2M_AUDIT_DETAILS]; /* the first few */
};

/*
 * p2m_audit - check every invariant of the tree and recount every count. Reads only, prints
 * nothing.
 *   Units:   report->errors is 0 for a sound map.
 *   Context: P2M held, between verbs. O(tables).
 *   Errors:  in the report.
 *   Debts:   none.
 */
void p2m_audit(struct p2m_locked locked, struct p2m_audit *report);

#endif
