/* SPDX-License-Identifier: MIT */
/*
 * Verbs, each as a case that can be tried again and again: what goes before, the verb, and what is
 * claimed of it. Three tests read one table: every store is seen (unit/every_store.c), every debt
 * is dropped once (unit/dropped_debts.c), every allocation fails once (unit/every_allocation.c);
 * and unit/verb_table.c wants each verb of include/p2m/ in it. Refuses to know how any of it is
 * tested.
 */
#ifndef TEST_TRIAL_H
#define TEST_TRIAL_H

#include "p2m/current.h"
#include "p2m/log_dirty.h"

#include "move_fixture.h"
#include "watch.h"

/* What a case is tried with, anew each time. */
struct trial {
    struct fixture *f;
    unsigned order; /* one of the case's */
    struct pod_grant grant;
    struct pod_sweep sweep;
    struct pod_move move;
    struct p2m_current current;
};

/* Does the case make a debt, and what comes of not settling it? */
enum owes {
    OWES_NOTHING, /* there is none: no processor keeps anything that could do harm */
    OWES,         /* something does harm */
    OWES_IN_VAIN, /* a flush is asked for; without it a processor does nothing that it may not */
};

/* What a failed allocation comes to. */
enum want {
    WANTS_ALL,  /* the verb fails, and nothing has changed */
    WANTS_LESS, /* the verb does something else, or stops where it is: all is sound all the same */
};

/* The orders that it is tried with. */
enum orders { ORDERS_ONE, ORDERS_SIZES, ORDERS_ALL };

struct verb_case {
    const char *verb;
    const char *what;
    void (*prepare)(struct trial *trial);
    enum p2m_error (*act)(struct trial *trial);
    enum orders orders;
    enum owes owes;
    enum want want;
    unsigned changes; /* so many may a walker see, one after the other */
};

#define CHANGES_MANY 600u
#define ONE_TABLE    512u /* entries */

/* NULL ends it. */
extern const struct verb_case *const verb_cases[];

/* A verb that has no case, and why not. */
struct verb_without {
    const char *verb, *because;
};
extern const struct verb_without verbs_without[]; /* a verb NULL ends it */

/* Each case with each of its orders, one after the other; ORDERS_SIZES stand for ORDERS_ALL where
 * not all of them are wanted. */
struct trials {
    const struct verb_case *now;
    struct trial trial;
    unsigned at, order;
    enum orders most;
};
struct trials trials_of(struct fixture *fixture, enum orders most);
bool trials_next(struct trials *trials);

/* Begin again, prepare it, settle what that left. */
void trial_begin(struct trials *trials);

/* A change of type that waits, waits no more. */
void trial_carry_out(const struct trials *trials);

/* A test, once for each format. */
int trial_teardown(void **state);
#define TRIAL_FOR_BOTH_FORMATS(test)                                                               \
    { "npt: " #test, test, pod_setup_npt, trial_teardown, NULL },                                  \
    {                                                                                              \
        "ept: " #test, test, pod_setup_ept, trial_teardown, NULL                                   \
    }

/* What of the map says that it was written; how many leaves. */
unsigned trial_find_written(const struct trials *trials, struct written *written, unsigned room);

/* What was written is said to be dirty where it is mapped, or came back so. */
void trial_expect_dirty(const struct trials *trials, const struct written *written, unsigned count);

/* A message that says which. */
#define TRIAL_FAIL(trials, format, ...)                                                            \
    fail_msg("%s, %s, order %u: " format, (trials)->now->verb, (trials)->now->what,                \
             (trials)->trial.order, __VA_ARGS__)

#endif
