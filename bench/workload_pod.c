/* SPDX-License-Identifier: MIT */
/*
 * Workloads of populate-on-demand as a guest meets it: marks, first touches, a guest that was
 * promised twice what there is, and a balloon. Blocks are clean when they are handed: what clearing
 * costs is one of the machine's limits. Refuses to know the cache's own verbs (workload_cache.c).
 */
#include "workload.h"

#include <stddef.h>

#define FAULTS 152u /* of the overcommitted guest, as in the figures of Xen's */

/* ---- marking -------------------------------------------------------------------------------- */

static void mark(struct guest *guest, uint64_t index)
{
    struct gfn_range range = { GFN(index << guest->order), GFN((index + 1) << guest->order) };

    must(pod_mark(guest->locked, &guest->pod, &range, &guest->debt));
    guest_turn(guest);
}

/* ---- the first touch ------------------------------------------------------------------------ */

/* As much in hand as was promised. */
static void prepare_fault(struct guest *guest)
{
    guest_mark(guest, guest->order);
    for (uint64_t frame = 0; frame < guest->frames; frame += order_frames(guest->order))
        guest_hand(guest, mfn_add(host_numbers(), frame), guest->order);
    guest_pick_blocks(guest, guest->order);
}

static void fault(struct guest *guest, uint64_t index)
{
    struct pod_grant grant;

    must(pod_demand_populate(guest->locked, &guest->pod, GFN(guest->pick[index]), &grant));
    guest_turn(guest);
}

/* Every other frame, so that they cannot grow together. */
static void prepare_fault_from_4k(struct guest *guest)
{
    guest_mark(guest, ORDER_2M);
    for (uint64_t frame = 0; frame < guest->frames; frame++)
        guest_hand(guest, mfn_add(host_numbers(), 2 * frame), ORDER_4K);
    guest_pick_blocks(guest, ORDER_2M);
}

/* The second frame of the region: the first touch has gone before. */
static void prepare_fault_later(struct guest *guest)
{
    prepare_fault_from_4k(guest);
    for (uint64_t index = 0; index < guest->frames >> ORDER_2M; index++) {
        fault(guest, index);
        guest->pick[index]++;
    }
}

/* ---- what is there already: the look-up of a guest that runs, lock and all ------------------- */

#define LOOKUPS 200000u

static void prepare_current(struct guest *guest)
{
    guest_map(guest, guest->order);
    p2m_current_create(&guest->current, &guest->pod);
    guest_pick_random(guest, LOOKUPS);
}

/* As many leaves as are kept, over and over. */
static void prepare_current_again(struct guest *guest)
{
    prepare_current(guest);
    for (uint64_t i = 0; i < LOOKUPS; i++)
        guest->pick[i] %= P2M_CURRENT_ITEMS << guest->order;
}

static void look_up_current(struct guest *guest, uint64_t index)
{
    struct pod_grant grant;
    struct p2m_entry entry;

    must(p2m_gfn_to_mfn_current(guest->locked, &guest->current, GFN(guest->pick[index]), &entry,
                                &grant));
    guest->sum += entry.mfn.mfn;
    guest_turn(guest);
}

/* ---- promised twice what there is ------------------------------------------------------------ */

static void prepare_overcommit(struct guest *guest)
{
    guest_mark(guest, ORDER_2M);
    for (uint64_t frame = 0; frame < guest->frames / 2; frame += FRAMES_2M)
        guest_hand(guest, mfn_add(host_memory(), frame), ORDER_2M);
    guest_pick_blocks(guest, ORDER_2M);
}

static void populate(struct guest *guest, uint64_t index)
{
    must(guest_populate(guest, GFN(guest->pick[index])));
    guest_turn(guest);
}

static void write_all(struct guest *guest, uint64_t index)
{
    for (uint64_t frame = 0; frame < FRAMES_2M; frame++)
        guest_write(guest, GFN(guest->pick[index] + frame), 0, 1);
}

static void write_one(struct guest *guest, uint64_t index)
{
    guest_write(guest, GFN(guest->pick[index]), 0, 1);
}

static void read_one(struct guest *guest, uint64_t index)
{
    guest_read(guest, GFN(guest->pick[index]));
}

/* ---- the balloon ---------------------------------------------------------------------------- */

/* One GB is there, by 1 GB, and a second is promised: so the balloon owes, and what comes back
 * stays in hand. */
static void prepare_balloon(struct guest *guest)
{
    struct gfn_range promised = { GFN(FRAMES_1G), GFN(guest->frames) };

    must(pod_mark(guest->locked, &guest->pod, &promised, &guest->debt));
    guest_map_dirty(guest, GFN(0), host_memory(), ORDER_1G);
}

static void give_back(struct guest *guest, uint64_t index)
{
    struct gfn_range range = { GFN(index), GFN(index + 1) };

    must(pod_decrease(guest->locked, &guest->pod, &range, &guest->debt));
    guest_settle(guest);
    guest_turn(guest);
}

static const struct steps mark_all_steps = { NULL, mark, NULL };
static const struct steps touch_plain_steps = { prepare_fault, fault, NULL };
static const struct steps touch_from_4k_steps = { prepare_fault_from_4k, fault, NULL };
static const struct steps touch_later_steps = { prepare_fault_later, fault, NULL };
static const struct steps current_steps = { prepare_current, look_up_current, NULL };
static const struct steps current_again_steps = { prepare_current_again, look_up_current, NULL };
static const struct steps overcommit_write_all_steps = { prepare_overcommit, populate, write_all };
static const struct steps overcommit_write_one_steps = { prepare_overcommit, populate, write_one };
static const struct steps overcommit_read_one_steps = { prepare_overcommit, populate, read_one };
static const struct steps balloon_steps = { prepare_balloon, give_back, NULL };

/* clang-format off */
static const struct workload list[] = {
    /* name, order, GB, steps, operations, parts, operations a sample */
    { "mark_4k", ORDER_4K, { 16 }, &mark_all_steps, 0, 1, 0 },
    { "mark_2m", ORDER_2M, { 1024 }, &mark_all_steps, 0, 1, 0 },
    { "mark_1g", ORDER_1G, { 1024 }, &mark_all_steps, 0, 1, 0 },
    { "pod_fault_4k", ORDER_4K, { 4 }, &touch_plain_steps, 0, 1, 0 },
    { "pod_fault_2m", ORDER_2M, { 4, 64, 1024 }, &touch_plain_steps, 0, 1, 0 },
    { "pod_fault_1g", ORDER_1G, { 4, 64, 1024 }, &touch_plain_steps, 0, 1, 0 },
    { "pod_fault_2m_from_4k", ORDER_2M, { 4 }, &touch_from_4k_steps, 0, 1, 0 },
    { "pod_fault_2m_from_4k_later", ORDER_2M, { 4 }, &touch_later_steps, 0, 1, 0 },
    { "lookup_current_4k", ORDER_4K, { 64 }, &current_steps, LOOKUPS, 1, 0 },
    { "lookup_current_2m", ORDER_2M, { 64 }, &current_steps, LOOKUPS, 1, 0 },
    { "lookup_current_2m_again", ORDER_2M, { 64 }, &current_again_steps, LOOKUPS, 1, 0 },
    { "pod_overcommit_dense", ORDER_2M, { 1 }, &overcommit_write_all_steps, FAULTS, 1, 1 },
    { "pod_overcommit_sparse", ORDER_2M, { 1 }, &overcommit_write_one_steps, FAULTS, 1, 1 },
    { "pod_overcommit_readonly", ORDER_2M, { 1 }, &overcommit_read_one_steps, FAULTS, 1, 1 },
    { "pod_overcommit_sparse_all", ORDER_2M, { 1 }, &overcommit_write_one_steps, 0, 1, 512 },
    { "pod_overcommit_readonly_all", ORDER_2M, { 1 }, &overcommit_read_one_steps, 0, 1, 512 },
    { "balloon_4k", ORDER_4K, { 2 }, &balloon_steps, 1 << ORDER_1G, 1, 0 },
};
/* clang-format on */

const struct workloads workloads_pod = WORKLOADS(list);
