/* SPDX-License-Identifier: MIT */
/*
 * The cases of cache.h: frames in hand come and go, and no walker ever sees anything of it. Refuses
 * to know how they are tried.
 */
#include "verb_cases.h"

static const struct pod_place anywhere = { { 0 }, { UINT64_MAX } };

static enum p2m_error found(struct pod_block block)
{
    return mfn_is_valid(block.mfn) ? P2M_OK : P2M_EMPTY;
}

/* ---- what goes before ----------------------------------------------------------------------- */

/* All is promised, nothing in hand, and a leaf for walkers to see. */
static void promise(struct trial *t)
{
    must(mark(t->f, PROMISED, FRAMES_1G));
    map(t->f, HERE, RAM, ORDER_2M);
}

static void block_in_hand(struct trial *t)
{
    promise(t);
    hand(t->f, IN_HAND, t->order, POD_CLEAN);
}

static void gigabyte_in_hand(struct trial *t)
{
    promise(t);
    hand(t->f, IN_HAND, ORDER_1G, POD_CLEAN);
}

static void dirty_gigabyte_in_hand(struct trial *t)
{
    promise(t);
    hand(t->f, IN_HAND, ORDER_1G, POD_DIRTY);
}

static void reserved(struct trial *t)
{
    promise(t);
    must(pod_cache_reserve(t->f->locked, &t->f->pod, 1));
}

/* ---- verbs ---------------------------------------------------------------------------------- */

static enum p2m_error reserve_many(struct trial *t)
{
    enum p2m_error error = pod_cache_reserve(t->f->locked, &t->f->pod, 100);

    pod_cache_unreserve(t->f->locked, &t->f->pod);
    return error;
}

static enum p2m_error unreserve(struct trial *t)
{
    pod_cache_unreserve(t->f->locked, &t->f->pod);
    return P2M_OK;
}

static enum p2m_error add_block(struct trial *t)
{
    enum p2m_error error = pod_cache_reserve(t->f->locked, &t->f->pod, 1);

    if (error == P2M_OK)
        pod_cache_add(t->f->locked, &t->f->pod, IN_HAND, t->order, POD_DIRTY);
    pod_cache_unreserve(t->f->locked, &t->f->pod);
    return error;
}

static enum p2m_error get_block(struct trial *t)
{
    return found(pod_cache_get(t->f->locked, &t->f->pod, t->order, anywhere));
}

static enum p2m_error get_frame(struct trial *t)
{
    return found(pod_cache_get(t->f->locked, &t->f->pod, ORDER_4K, anywhere));
}

static enum p2m_error get_open(struct trial *t)
{
    return found(pod_cache_get_open(t->f->locked, &t->f->pod, t->order, anywhere));
}

static enum p2m_error get_clean_1g(struct trial *t)
{
    return found(pod_cache_get_clean_1g(t->f->locked, &t->f->pod, anywhere));
}

static enum p2m_error give_back(struct trial *t)
{
    unsigned order;

    return found(pod_cache_give_back(t->f->locked, &t->f->pod, 1, &order));
}

static enum p2m_error take_dirty(struct trial *t)
{
    unsigned order;

    return found(pod_cache_take_dirty(t->f->locked, &t->f->pod, &order));
}

static enum p2m_error take_at(struct trial *t)
{
    mfn_t mfn = mfn_add(IN_HAND, 5 * FRAMES_2M);

    return found(pod_cache_take_at(t->f->locked, &t->f->pod, mfn, ORDER_2M));
}

static enum p2m_error set_aside(struct trial *t)
{
    pod_cache_set_aside(t->f->locked, &t->f->pod, IN_HAND);
    return P2M_OK;
}

/* clang-format off */
#define ONE   ORDERS_ONE
#define SIZES ORDERS_SIZES

const struct verb_case verb_cases_cache[] = {
    { "pod_cache_reserve", "many nodes", promise, reserve_many, ONE, OWES_NOTHING, WANTS_ALL, 0 },
    { "pod_cache_unreserve", "one node", reserved, unreserve, ONE, OWES_NOTHING, WANTS_ALL, 0 },
    { "pod_cache_add", "a block", promise, add_block, SIZES, OWES_NOTHING, WANTS_ALL, 0 },
    { "pod_cache_get", "a block", block_in_hand, get_block, SIZES, OWES_NOTHING, WANTS_ALL, 0 },
    { "pod_cache_get", "a frame of 1 GB",
      gigabyte_in_hand, get_frame, ONE, OWES_NOTHING, WANTS_ALL, 0 },
    { "pod_cache_get_open", "a block", block_in_hand, get_open, SIZES, OWES_NOTHING, WANTS_ALL, 0 },
    { "pod_cache_get_clean_1g", "1 GB",
      gigabyte_in_hand, get_clean_1g, ONE, OWES_NOTHING, WANTS_ALL, 0 },
    { "pod_cache_give_back", "a frame of 1 GB",
      gigabyte_in_hand, give_back, ONE, OWES_NOTHING, WANTS_ALL, 0 },
    { "pod_cache_take_dirty", "2 MB of 1 GB",
      dirty_gigabyte_in_hand, take_dirty, ONE, OWES_NOTHING, WANTS_ALL, 0 },
    { "pod_cache_take_at", "2 MB of 1 GB",
      gigabyte_in_hand, take_at, ONE, OWES_NOTHING, WANTS_ALL, 0 },
    { "pod_cache_set_aside", "1 GB", gigabyte_in_hand, set_aside, ONE, OWES_NOTHING, WANTS_ALL, 0 },
    { NULL, NULL, NULL, NULL, ONE, OWES_NOTHING, WANTS_ALL, 0 },
};
/* clang-format on */
