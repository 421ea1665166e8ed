/* SPDX-License-Identifier: MIT */
/*
 * One run of the cache's random test: a cache, its naive model, choices, and the operations by
 * name. Each operation is chosen, done, and checked against what the header promises.
 */
#ifndef TEST_CACHE_RUN_H
#define TEST_CACHE_RUN_H

#include "cache_fixture.h"

#include "cache_model.h"
#include "choices.h"

#define OWN_FRAMES ((uint64_t)CACHE_MODEL_OWN << ORDER_1G)

/* A mood holds for some thousands of operations. */
enum mood {
    MOOD_FILL,    /* more comes than goes, where there is something already */
    MOOD_DRAIN,   /* more goes than comes */
    MOOD_SHATTER, /* single frames come anywhere */
    MOOD_LARGE,   /* superpages come */
    MOOD_LARGE_DRAIN,
    MOODS
};

enum event {
    ADDED_4K,
    ADDED_2M,
    ADDED_1G,
    GREW_2M,
    GREW_1G,
    REFUSED_BY_HOST,
    REFUSED_BY_QUOTA,
    UNRESERVED,
    GOT_4K,
    GOT_2M,
    GOT_1G,
    DRY_4K,
    DRY_2M,
    DRY_1G,
    BROKE_2M,
    BROKE_2M_NEAR,
    BROKE_1G_FOR_2M,
    BROKE_1G_FOR_4K,
    NEAR_4K,
    NEAR_2M,
    NEAR_1G,
    NEAR_1G_KEPT,
    NEAR_1G_NOT_CLEAN,
    OFFSET_FOUND,
    OFFSET_NOWHERE,
    OFFSET_TOO_MANY,
    GOT_CLEAN_1G,
    NO_CLEAN_1G,
    CLEARING_4K,
    CLEARING_2M,
    CLEARING_OF_1G,
    ALL_CLEAN,
    CLEARED,
    CLEARED_1G_GREW,
    CLEARED_TOO_LATE,
    TOOK_AT_4K,
    TOOK_AT_2M,
    NOT_TAKEN_AT,
    SET_ASIDE,
    KEPT_ASIDE,
    NO_LONGER_ASIDE, /* there was nothing else */
    MARKED,
    UNMARKED,
    GAVE_4K,
    GAVE_2M,
    GAVE_1G,
    GAVE_SMALLER, /* a mark needs the block that would fit */
    GAVE_NEEDED,  /* it goes all the same: smaller ones are not enough */
    GAVE_PIECE_OF_2M,
    GAVE_PIECE_OF_1G,
    CAME_4K,
    CAME_2M,
    CAME_1G,
    TARGET_MET,
    TARGET_LEFT, /* to the balloon, or because nothing is marked */
    TARGET_AGAIN,
    TARGET_HOST_DRY,
    TARGET_NO_PAGE,
    TRIMMED,
    EMPTIED,
    EVENTS
};

struct run {
    struct fixture *fixture;
    struct choices choices;
    struct cache_model *model;
    enum mood mood;
    uint64_t last_end;      /* behind the block that was taken last */
    struct pod_grant grant; /* a block that is out to be cleared */
    bool is_clearing;
    uint64_t goal;    /* what is to be in hand when the running verb is done */
    uint64_t moved;   /* blocks that it has moved */
    unsigned refused; /* what the host has just refused: a bit a size */
    uint64_t event[EVENTS];
};

static inline void count(struct run *run, enum event event)
{
    run->event[event]++;
}

/* ---- cache_verbs.c: what comes into hand and what is taken ---------------------------------- */

/* An order that suits the mood. */
unsigned choose_order(struct run *run);

/* Now and then the host or the quota refuses a page; how often is the number's 1 / 4. */
struct refusal {
    uint64_t quota;
    uint64_t draw;
};
struct refusal begin_refusal(struct run *run);
void end_refusal(struct run *run, struct refusal refusal, enum p2m_error error);

void do_add(struct run *run, unsigned order);
void do_get(struct run *run, unsigned order);
void do_get_clean_1g(struct run *run);
void do_clear_begin(struct run *run);
void do_clear_end(struct run *run);
void do_take_at(struct run *run);
void do_set_aside(struct run *run);

/* ---- cache_verbs_target.c: what marks and targets move -------------------------------------- */

/* What is freed and allocated from here on is checked against this run's model. */
void watch_host(struct run *run);

void do_mark(struct run *run);
void do_give_back(struct run *run);
void do_cache_target(struct run *run);
void do_guest_target(struct run *run);
void do_trim(struct run *run);
void do_empty(struct run *run);

#endif
