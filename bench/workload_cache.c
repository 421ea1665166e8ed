/* SPDX-License-Identifier: MIT */
/*
 * Workloads of the PoD cache: blocks come into hand and leave it, and targets move. Refuses to know
 * the map, but that as much is promised as will ever be in hand.
 */
#include "workload.h"

#include <stddef.h>

static void prepare_promise(struct guest *guest)
{
    guest_mark(guest, ORDER_1G);
}

static void add(struct guest *guest, uint64_t index)
{
    guest_hand(guest, mfn_add(host_numbers(), index << guest->order), guest->order);
    guest_turn(guest);
}

static void prepare_get(struct guest *guest)
{
    prepare_promise(guest);
    for (uint64_t index = 0; index < guest->frames >> guest->order; index++)
        add(guest, index);
}

static void get(struct guest *guest, uint64_t index)
{
    struct pod_place place = { GFN(index << guest->order), INVALID_MFN };

    guest->sum += pod_cache_get(guest->locked, &guest->pod, guest->order, place).mfn.mfn;
    guest_turn(guest);
}

/* ---- targets: a GB a call ------------------------------------------------------------------- */

static void prepare_target_up(struct guest *guest)
{
    prepare_promise(guest);
    host_give(ORDER_2M);
}

static void target_up(struct guest *guest, uint64_t index)
{
    must(pod_set_target(guest->locked, &guest->pod, (index + 1) << ORDER_1G));
    guest_turn(guest);
}

/* Every other block, so that they cannot grow together: what is given back goes by 2 MB, too. */
static void prepare_target_down(struct guest *guest)
{
    prepare_promise(guest);
    for (uint64_t frame = 0; frame < guest->frames; frame += FRAMES_2M)
        guest_hand(guest, mfn_add(host_numbers(), 2 * frame), ORDER_2M);
}

static void target_down(struct guest *guest, uint64_t index)
{
    uint64_t target = guest->frames - ((index + 1) << ORDER_1G);

    must(pod_set_cache_target(guest->locked, &guest->pod, target));
    guest_turn(guest);
}

static const struct steps come_steps = { prepare_promise, add, NULL };
static const struct steps go_steps = { prepare_get, get, NULL };
static const struct steps raise_steps = { prepare_target_up, target_up, NULL };
static const struct steps lower_steps = { prepare_target_down, target_down, NULL };

/* clang-format off */
static const struct workload list[] = {
    /* name, order, GB, steps, operations, parts, operations a sample */
    { "cache_add_4k", ORDER_4K, { 4 }, &come_steps, 0, 1, 0 },
    { "cache_add_2m", ORDER_2M, { 64 }, &come_steps, 0, 1, 0 },
    { "cache_add_1g", ORDER_1G, { 64 }, &come_steps, 0, 1, 0 },
    { "cache_get_4k", ORDER_4K, { 4 }, &go_steps, 0, 1, 0 },
    { "cache_get_2m", ORDER_2M, { 64 }, &go_steps, 0, 1, 0 },
    { "cache_get_1g", ORDER_1G, { 64 }, &go_steps, 0, 1, 0 },
    { "target_up", ORDER_2M, { 64 }, &raise_steps, 64, 512, 0 },
    { "target_down", ORDER_2M, { 64 }, &lower_steps, 64, 512, 0 },
};
/* clang-format on */

const struct workloads workloads_cache = WORKLOADS(list);
