/* SPDX-License-Identifier: MIT */
/*
 * Workloads of types that change: of all that is mapped, of a range, and carrying it out. Refuses
 * to know why a type changes, and what a fault does about it.
 */
#include "workload.h"

#include <stddef.h>

#include "p2m/change.h"

#define OFF_A_GB   0x38007u /* where in each GB a range begins, and how long it is */
#define RANGE_SIZE 4096u

static void prepare(struct guest *guest)
{
    guest_map(guest, guest->order);
}

/* There and back, in turns. */
static void change(struct guest *guest, uint64_t index, struct gfn_range range)
{
    enum p2m_type from = index % 2 ? P2M_RAM_LOGDIRTY : P2M_RAM_RW;
    enum p2m_type to = index % 2 ? P2M_RAM_RW : P2M_RAM_LOGDIRTY;

    must(p2m_change_type_range(guest->locked, range, from, to, &guest->debt));
    guest_turn(guest);
}

static void change_all(struct guest *guest, uint64_t index)
{
    change(guest, index, (struct gfn_range){ GFN(0), GFN(guest->frames) });
}

static void change_half(struct guest *guest, uint64_t index)
{
    change(guest, index, (struct gfn_range){ GFN(0), GFN(guest->frames / 2) });
}

/* Another GB each time: its leaf is cut at both ends. */
static void change_inside(struct guest *guest, uint64_t index)
{
    gfn_t from = GFN((index << ORDER_1G) + OFF_A_GB);

    change(guest, 0, (struct gfn_range){ from, gfn_add(from, RANGE_SIZE) });
}

/* As a hypervisor does: so many entries, then whoever waits for the lock gets it. */
static void finish(struct guest *guest, uint64_t index)
{
    (void)index;
    while (p2m_finish_type_change(guest->locked, P2M_STEPS) == P2M_AGAIN)
        guest_turn(guest);
}

static void prepare_finish(struct guest *guest)
{
    guest_map(guest, guest->order);
    change_all(guest, 0);
}

static void change_again(struct guest *guest, uint64_t index)
{
    change_all(guest, index + 1);
}

static const struct steps all_steps = { prepare, change_all, finish };
static const struct steps half_steps = { prepare, change_half, finish };
static const struct steps inside_steps = { prepare, change_inside, finish };
static const struct steps finish_steps = { prepare_finish, finish, change_again };

/* clang-format off */
static const struct workload list[] = {
    /* name, order, GB, steps, operations, parts, operations a sample */
    { "type_global", ORDER_1G, { 64, 1024 }, &all_steps, 64, 1, 1 },
    { "type_range_half", ORDER_1G, { 64, 1024 }, &half_steps, 64, 1, 1 },
    { "type_range_16m_in_1g", ORDER_1G, { 64 }, &inside_steps, 64, 1, 1 },
    { "type_finish_4k", ORDER_4K, { 4 }, &finish_steps, 4, 1, 1 },
    { "type_finish_2m", ORDER_2M, { 64 }, &finish_steps, 16, 1, 1 },
    { "type_finish_1g", ORDER_1G, { 64, 1024 }, &finish_steps, 64, 1, 1 },
};
/* clang-format on */

const struct workloads workloads_type = WORKLOADS(list);
