/* SPDX-License-Identifier: MIT */
/*
 * Workloads of the sweep, over real memory: what it costs to find out that a block is not zero, at
 * its beginning or at its very end, and to take one that is. All leaves were written to, as their D
 * bits say: what was never written is known to be zero, and not read. Refuses to know why memory is
 * wanted.
 */
#include "workload.h"

#include <stddef.h>

#define LAST_WORD (FRAME_SIZE / sizeof(uint64_t) - 1)

/* ---- what is in memory ---------------------------------------------------------------------- */

/* Touched, and zero. */
static void clear(struct guest *guest)
{
    uint64_t *words = host_words(host_memory());

    for (uint64_t i = 0; i < guest->frames * (FRAME_SIZE / sizeof(*words)); i++)
        words[i] = 0;
}

/* Leaves of the order, all of them written to. */
static void map_dirty(struct guest *guest, unsigned order)
{
    for (uint64_t frame = 0; frame < guest->frames; frame += order_frames(order))
        guest_map_dirty(guest, GFN(frame), mfn_add(host_memory(), frame), order);
}

static void prepare_zero(struct guest *guest)
{
    clear(guest);
    map_dirty(guest, guest->order);
}

static void prepare_early(struct guest *guest)
{
    prepare_zero(guest);
    for (uint64_t frame = 0; frame < guest->frames; frame += order_frames(guest->order))
        host_words(mfn_add(host_memory(), frame))[0] = 1;
}

static void prepare_late(struct guest *guest)
{
    prepare_zero(guest);
    for (uint64_t frame = 0; frame < guest->frames; frame += order_frames(guest->order))
        host_words(mfn_add(host_memory(), frame + order_frames(guest->order) - 1))[LAST_WORD] = 1;
}

/* ---- a whole tour of the guest --------------------------------------------------------------- */

static void tour(struct guest *guest, uint64_t index)
{
    struct pod_sweep_kind kind = { guest->order, POD_LEAVES };
    enum p2m_error error;

    (void)index;
    do
        error = guest_sweep(guest, kind);
    while (error == P2M_OK || error == P2M_AGAIN);
}

static const struct steps sweep_early_steps = { prepare_early, tour, NULL };
static const struct steps sweep_late_steps = { prepare_late, tour, NULL };
static const struct steps sweep_zero_steps = { prepare_zero, tour, NULL };

/* clang-format off */
static const struct workload list[] = {
    /* name, order, GB, steps, operations, parts, operations a sample */
    { "zero_check_early_2m", ORDER_2M, { 1 }, &sweep_early_steps, 1, 512, 0 },
    { "zero_check_late_2m", ORDER_2M, { 1 }, &sweep_late_steps, 1, 512, 0 },
    { "zero_check_zero_2m", ORDER_2M, { 1 }, &sweep_zero_steps, 1, 512, 0 },
    { "zero_check_early_1g", ORDER_1G, { 1 }, &sweep_early_steps, 1, 1, 0 },
    { "zero_check_late_1g", ORDER_1G, { 1 }, &sweep_late_steps, 1, 1, 0 },
    { "zero_check_zero_1g", ORDER_1G, { 1 }, &sweep_zero_steps, 1, 1, 0 },
    { "sweep_early_4k", ORDER_4K, { 1 }, &sweep_early_steps, 1, 1 << 18, 0 },
    { "sweep_late_4k", ORDER_4K, { 1 }, &sweep_late_steps, 1, 1 << 18, 0 },
    { "sweep_zero_4k", ORDER_4K, { 1 }, &sweep_zero_steps, 1, 1 << 18, 0 },
};
/* clang-format on */

const struct workloads workloads_sweep = WORKLOADS(list);
