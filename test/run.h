/* SPDX-License-Identifier: MIT */
/*
 * One run of the random test: a world, choices, and the operations by name. Each operation is
 * chosen, foretold, done, and checked along the path that it touched.
 */
#ifndef TEST_RUN_H
#define TEST_RUN_H

#include "choices.h"
#include "world.h"

/* A mood holds for some thousands of operations, and comes back. */
enum mood {
    MOOD_NONE,
    MOOD_DEBTS, /* debts run full */
    MOOD_EMPTY, /* superpages come and go, and the tables above them with them */
    MOOD_LARGE, /* superpages */
    MOOD_PINS,  /* pins run full, over superpages too */
    MOODS
};

struct run {
    struct world world;
    struct choices choices;
    enum mood mood;
    struct histogram *histogram;
    struct p2m_debt *debt; /* of this operation */
    struct p2m_debt before;
    uint64_t populates; /* of 1 GB, before this operation */
    bool sweeps_gigabyte;
};

/* ---- choosing.c ----------------------------------------------------------------------------- */

bool one_in(struct run *run, uint64_t times);

bool is_in_mood(const struct run *run, enum mood mood);

gfn_t choose_gfn(struct run *run);
gfn_t choose_any_gfn(struct run *run); /* now and then one that no verb may accept */
gfn_t choose_end(struct run *run, gfn_t from, mfn_t mfn);
enum p2m_type choose_type(struct run *run);
unsigned choose_order(struct run *run);
mfn_t choose_mfn(struct run *run, gfn_t gfn);

/* Say what is being done. A verb that may change something is given a debt to add to, a quota and
 * an allocation that fails besides; the quota that begin returns is for end to restore. */
void aim_verb(struct run *run, enum verb verb, gfn_t gfn);
uint64_t begin_verb(struct run *run, enum verb verb, gfn_t gfn);
void end_verb(struct run *run, uint64_t quota);

void count_outcome(struct run *run, enum outcome outcome, enum column column);

/* A column for an order that somebody asked for: leaves and marks end at 1 GB. */
enum column asked_column(unsigned order);

/* ---- verbs_map.c: what changes the map ------------------------------------------------------ */

void do_set(struct run *run);
void set_at(struct run *run, gfn_t gfn, struct p2m_mapping mapping);
void do_set_range(struct run *run);
void do_split(struct run *run);
void do_merge(struct run *run);
void do_candidates(struct run *run);
void split_at(struct run *run, gfn_t gfn, unsigned order);
void merge_at(struct run *run, gfn_t gfn, unsigned order);

/* What a verb did not change when it failed. */
struct unmoved {
    struct p2m_counts counts;
    struct p2m_events events;
    struct pod_account account;
    struct pod_cache_counts cache;
};
struct unmoved remember(const struct world *world);
void expect_unmoved(const struct world *world, struct unmoved before);

/* Carry the range of world.now out in the model; returns where the engine must have stopped. */
gfn_t apply_range(struct run *run);

/* ---- verbs_pod.c, verbs_sweep.c: populate-on-demand ----------------------------------------- */

void do_pod_mark(struct run *run);
void do_pod_decrease(struct run *run);
void do_populate(struct run *run);
void do_grant(struct run *run);
void do_target(struct run *run);
void do_sweep(struct run *run);
void release_at(struct run *run, gfn_t gfn);

/* ---- verbs_change.c: types ------------------------------------------------------------------ */

void do_change(struct run *run);
bool recalculate_at(struct run *run, gfn_t gfn); /* was anything pending there? */

/* The model's half of a change over world.now's range. */
void apply_change(struct run *run, enum p2m_type from, enum p2m_type to);

/* ---- verbs_log.c: what was written ---------------------------------------------------------- */

void do_log(struct run *run);
bool log_write_at(struct run *run, gfn_t gfn); /* was it clean, and stopped the writer? */

/* Tries to map a fresh leaf of 1 GB somewhere, and returns where; whatever stood there is gone. */
gfn_t make_gigabyte(struct run *run);

/* ---- verbs_use.c: what uses it, and what settles -------------------------------------------- */

void do_get(struct run *run);
void do_mark_dirty(struct run *run);
void do_pin(struct run *run);
void do_unpin(struct run *run);
void do_access(struct run *run);
void access_as_guest(struct run *run, gfn_t gfn, enum verb verb);
void do_settle(struct run *run);
void do_settle_or_pay(struct run *run);
void settle_all(struct run *run);
void pay_all(struct run *run);
bool is_settled(const struct run *run, const struct p2m_debt *debt);

#endif
