/* SPDX-License-Identifier: MIT */
/*
 * Workloads of the map alone: look-ups, sets, splits, merges, and the end of it all. Refuses to
 * know populate-on-demand.
 */
#include "workload.h"

#include <stddef.h>

#define LOOKUPS     200000u
#define INSIDE_A_GB 0x155u /* the frame of each GB that is touched */

/* ---- look-up -------------------------------------------------------------------------------- */

static void prepare_lookup(struct guest *guest)
{
    guest_map(guest, guest->order);
    guest_pick_random(guest, LOOKUPS);
}

static void lookup(struct guest *guest, uint64_t index)
{
    struct p2m_walking walking = p2m_locked_walking(guest->locked);

    guest->sum += p2m_get_entry(walking, GFN(guest->pick[index])).mfn.mfn;
}

/* ---- set ------------------------------------------------------------------------------------ */

static void set(struct guest *guest, uint64_t index)
{
    uint64_t gfn = index << guest->order;
    struct p2m_mapping mapping = { mfn_add(host_numbers(), gfn), guest->order, P2M_RAM_RW };

    must(p2m_set_entry(guest->locked, GFN(gfn), mapping, &guest->debt));
}

/* ---- split: one entry of another type inside a larger leaf ----------------------------------- */

static void prepare_1g(struct guest *guest)
{
    guest_map(guest, ORDER_1G);
}

static void prepare_2m(struct guest *guest)
{
    guest_map(guest, ORDER_2M);
}

static void prepare_4k(struct guest *guest)
{
    guest_map(guest, ORDER_4K);
}

static void set_inside(struct guest *guest, uint64_t index)
{
    uint64_t gfn = frame_align_down((index << ORDER_1G) + INSIDE_A_GB, guest->order);
    struct p2m_mapping mapping = { mfn_add(host_numbers(), gfn), guest->order, P2M_RAM_RO };

    must(p2m_set_entry(guest->locked, GFN(gfn), mapping, &guest->debt));
    guest_turn(guest);
}

/* ---- merge ---------------------------------------------------------------------------------- */

static void merge(struct guest *guest, uint64_t index)
{
    gfn_t gfn = GFN(index << guest->order);

    must(p2m_merge(guest->locked, gfn, guest->order, &guest->debt));
    guest_settle(guest);
    guest_turn(guest);
}

/* ---- the end -------------------------------------------------------------------------------- */

static void prepare_own(struct guest *guest)
{
    guest_map(guest, guest->order);
}

static void teardown(struct guest *guest, uint64_t index)
{
    (void)index;
    p2m_destroy(guest->locked, &guest->debt);
    guest_settle(guest);
}

static const struct steps look_up_steps = { prepare_lookup, lookup, NULL };
static const struct steps set_all_steps = { NULL, set, NULL };
static const struct steps split_1g_steps = { prepare_1g, set_inside, NULL };
static const struct steps split_2m_steps = { prepare_2m, set_inside, NULL };
static const struct steps merge_back_4k_steps = { prepare_4k, merge, NULL };
static const struct steps merge_back_2m_steps = { prepare_2m, merge, NULL };
static const struct steps tear_down_steps = { prepare_own, teardown, NULL };

/* clang-format off */
static const struct workload list[] = {
    /* name, order, GB, steps, operations, parts, operations a sample */
    { "lookup_4k", ORDER_4K, { 4, 64, 1024 }, &look_up_steps, LOOKUPS, 1, 0 },
    { "lookup_2m", ORDER_2M, { 4, 64, 1024 }, &look_up_steps, LOOKUPS, 1, 0 },
    { "lookup_1g", ORDER_1G, { 4, 64, 1024 }, &look_up_steps, LOOKUPS, 1, 0 },
    { "set_4k", ORDER_4K, { 4, 64, 1024 }, &set_all_steps, 0, 1, 0 },
    { "set_2m", ORDER_2M, { 4, 64, 1024 }, &set_all_steps, 0, 1, 0 },
    { "set_1g", ORDER_1G, { 4, 64, 1024 }, &set_all_steps, 0, 1, 0 },
    { "split_2m_in_1g", ORDER_2M, { 4 }, &split_1g_steps, 4, 1, 1 },
    { "split_4k_in_1g", ORDER_4K, { 4 }, &split_1g_steps, 4, 1, 1 },
    { "split_4k_in_2m", ORDER_4K, { 4 }, &split_2m_steps, 4, 1, 1 },
    { "merge_2m", ORDER_2M, { 4 }, &merge_back_4k_steps, 0, 1, 0 },
    { "merge_1g", ORDER_1G, { 4 }, &merge_back_2m_steps, 0, 1, 0 },
    { "teardown_4k", ORDER_4K, { 4 }, &tear_down_steps, 1, 4 << 18, 0 },
    { "teardown_2m", ORDER_2M, { 64 }, &tear_down_steps, 1, 64 << 9, 0 },
    { "teardown_1g", ORDER_1G, { 64 }, &tear_down_steps, 1, 64, 0 },
};
/* clang-format on */

const struct workloads workloads_map = WORKLOADS(list);
