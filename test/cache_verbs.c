/* SPDX-License-Identifier: MIT */
/*
 * The cache's random test: blocks come into hand, are taken, and are cleared. Every block that is
 * taken must be one that the header's promises allow. Refuses to know targets.
 */
#include "cache_run.h"

#include "p2m/cache_node.h"

/* ---- adding --------------------------------------------------------------------------------- */

unsigned choose_order(struct run *run)
{
    uint64_t draw = choose(&run->choices, 64);

    if (run->mood == MOOD_LARGE || run->mood == MOOD_LARGE_DRAIN)
        return draw == 0 ? ORDER_1G : draw == 1 ? ORDER_4K : ORDER_2M;
    return draw == 0 ? ORDER_2M : ORDER_4K;
}

/* Nothing of it is in hand, nor out to be cleared. */
static bool can_add(const struct run *run, uint64_t frame, unsigned order)
{
    uint64_t out = run->is_clearing ? cache_model_frame(run->grant.mfn) : CACHE_MODEL_FRAMES;

    if (out < frame + order_frames(order) && frame < out + order_frames(run->grant.order))
        return false;
    return cache_model_lacks(run->model, frame, order);
}

/* A block that can be added, or the frames' end when this draw had no luck. */
static uint64_t choose_absent(struct run *run, unsigned order)
{
    struct cache_model *model = run->model;
    uint64_t frame = choose(&run->choices, OWN_FRAMES);
    uint64_t step = order_frames(order), tries = OWN_FRAMES / step;
    bool in_partial = order == ORDER_4K && run->mood != MOOD_SHATTER;

    /* Superpages return to the lower half, frames to the upper: else no GB would ever grow. */
    if (choose(&run->choices, 64))
        frame = frame % (OWN_FRAMES / 2) + (order == ORDER_4K ? OWN_FRAMES / 2 : 0);
    frame = frame_align_down(frame, order);
    for (; in_partial && tries > 0; tries -= 512, frame += 512) {
        unsigned in_2m = model->in_2m[frame % OWN_FRAMES / 512];

        if (in_2m % 512 != 0)
            break;
    }
    frame %= OWN_FRAMES;
    for (tries = order == ORDER_4K ? 512 : 2048; tries > 0; tries--, frame += step)
        if (can_add(run, frame % OWN_FRAMES, order))
            return frame % OWN_FRAMES;
    return OWN_FRAMES;
}

struct refusal begin_refusal(struct run *run)
{
    struct p2m *p2m = &run->fixture->p2m;
    struct refusal refusal = { p2m->config.table_quota, choose(&run->choices, 8) };

    if (refusal.draw == 0)
        memory_fail_allocation(1);
    if (refusal.draw == 1)
        p2m->config.table_quota = p2m->counts.tables + p2m->lent_pages;
    return refusal;
}

void end_refusal(struct run *run, struct refusal refusal, enum p2m_error error)
{
    memory_fail_allocation(0);
    run->fixture->p2m.config.table_quota = refusal.quota;
    if (error != P2M_NO_MEMORY)
        return;
    assert_in_range(refusal.draw, 0, 1);
    count(run, refusal.draw == 0 ? REFUSED_BY_HOST : REFUSED_BY_QUOTA);
}

static enum p2m_error reserve(struct run *run)
{
    uint64_t pages = pod_cache_counts(&pod).pages;
    struct refusal refusal = begin_refusal(run);
    enum p2m_error error;

    error = pod_cache_reserve(run->fixture->locked, &pod, 1 + choose(&run->choices, 4));
    end_refusal(run, refusal, error);
    if (error != P2M_OK) {
        assert_int_equal(error, P2M_NO_MEMORY);
        assert_int_equal(pod_cache_counts(&pod).pages, pages);
    }
    return error;
}

void do_add(struct run *run, unsigned order)
{
    uint64_t frame = choose_absent(run, order);
    enum pod_clean clean = choose_once_in(&run->choices, 64) ? POD_DIRTY : POD_CLEAN;
    unsigned grown;

    if (frame == OWN_FRAMES || reserve(run) != P2M_OK)
        return;
    pod_cache_add(run->fixture->locked, &pod, cache_model_mfn(frame), order, clean);
    cache_model_add(run->model, frame, order, clean);
    grown = cache_model_order(run->model, frame);
    count(run, ADDED_4K + order_size(order));
    if (grown > order)
        count(run, grown == ORDER_2M ? GREW_2M : GREW_1G);
    if (choose_once_in(&run->choices, 16)) {
        pod_cache_unreserve(run->fixture->locked, &pod);
        count(run, UNRESERVED);
    }
}

/* ---- taking --------------------------------------------------------------------------------- */

static struct pod_place choose_place(struct run *run, unsigned order)
{
    struct pod_place place = { GFN(choose(&run->choices, (uint64_t)1 << 30)), INVALID_MFN };
    uint64_t frame = choose(&run->choices, OWN_FRAMES + 4096);

    place.gfn.gfn = frame_align_down(place.gfn.gfn, order);
    switch (choose(&run->choices, order == ORDER_1G ? 3 : 8)) {
    case 0:
        place.near = cache_model_mfn(frame);
        break;
    case 1:
    case 2:
        place.near = cache_model_mfn(frame_align_down(frame, order));
        break;
    case 3:
    case 4:
        place.near = MFN(run->last_end);
        break;
    }
    return place;
}

/* Is no block of this order or larger in hand? Of 4K frames, any is enough. */
static bool is_dry(const struct cache_model *model, unsigned order)
{
    for (unsigned size = order_size(order); size < ORDER_SIZES; size++)
        if (model->counts.blocks[size])
            return false;
    return true;
}

static bool has_clean_1g(const struct cache_model *model)
{
    return model->counts.blocks[2] > model->dirty_blocks[2];
}

/* Must the block at `near` be taken? `free` nodes there were before. */
static bool near_is_due(const struct run *run, unsigned order, mfn_t near, uint64_t free)
{
    uint64_t frame = cache_model_frame(near);
    unsigned in_order;

    if (!mfn_is_valid(near) || !frame_is_aligned(near.mfn, order) || frame >= CACHE_MODEL_FRAMES ||
        !cache_model_holds(run->model, frame, order))
        return false;
    in_order = cache_model_order(run->model, frame);
    if (in_order == ORDER_1G && order == ORDER_1G)
        return cache_model_is_clean(run->model, frame, order) || !has_clean_1g(run->model);
    if (in_order == order)
        return true;
    if (in_order == ORDER_2M)
        return free > 0 || run->model->counts.blocks[0] == 0;
    for (unsigned size = order_size(order); size < order_size(ORDER_1G); size++)
        if (run->model->counts.blocks[size])
            return false; /* there is a smaller one than 1 GB */
    return true;
}

/* Smaller blocks first: may this one have been broken out of a block of this order? */
static void check_source(struct run *run, unsigned order, unsigned from)
{
    for (unsigned size = order_size(order); size < order_size(from); size++)
        assert_int_equal(run->model->counts.blocks[size], 0);
    if (from == ORDER_2M && order == ORDER_4K)
        count(run, BROKE_2M);
    if (from == ORDER_1G && order < ORDER_1G)
        count(run, order == ORDER_2M ? BROKE_1G_FOR_2M : BROKE_1G_FOR_4K);
}

/* In a superpage that has all its pieces, the one at the offset; clean if any such one is. */
static void check_whole(struct run *run, bool is_clean, bool is_there)
{
    assert_true(is_there);
    count(run, OFFSET_FOUND);
    if (!is_clean)
        assert_false(has_clean_1g(run->model));
}

/* Of partial superpages: at the offset sooner than elsewhere, and clean sooner than dirty. */
static void check_partial(struct run *run, unsigned order, unsigned offset, uint64_t frame)
{
    bool is_there = node_index(order + ORDER_STEP, frame) == offset;
    bool is_clean = cache_model_is_clean(run->model, frame, order);
    struct cache_model_offset found;

    if (is_there)
        count(run, OFFSET_FOUND);
    if (is_there && is_clean)
        return;
    found = cache_model_offset(run->model, order, offset, POD_CACHE_LOOKS);
    if (found.superpages > POD_CACHE_LOOKS) {
        count(run, OFFSET_TOO_MANY);
        return;
    }
    if (is_there) {
        assert_int_equal(found.clean_there, 0);
        return;
    }
    count(run, OFFSET_NOWHERE);
    assert_int_equal(found.there, 0);
    if (!is_clean)
        assert_int_equal(run->model->counts.blocks[order_size(order)],
                         run->model->dirty_blocks[order_size(order)]);
}

static void check_taken(struct run *run, unsigned order, struct pod_place place, mfn_t mfn,
                        uint64_t free)
{
    uint64_t frame = cache_model_frame(mfn), near = cache_model_frame(place.near);
    bool is_clean, near_is_1g;
    unsigned from;

    assert_true(frame < CACHE_MODEL_FRAMES && frame_is_aligned(frame, order));
    assert_true(cache_model_holds(run->model, frame, order));
    from = cache_model_order(run->model, frame);
    is_clean = cache_model_is_clean(run->model, frame, order);
    if (near_is_due(run, order, place.near, free)) {
        assert_int_equal(mfn.mfn, place.near.mfn);
        count(run, NEAR_4K + order_size(order));
        if (from == ORDER_2M && order == ORDER_4K)
            count(run, BROKE_2M_NEAR);
        return;
    }
    check_source(run, order, from);
    near_is_1g = near < CACHE_MODEL_FRAMES && cache_model_order(run->model, near) == ORDER_1G;
    if (near_is_1g)
        count(run, order == ORDER_1G ? NEAR_1G_NOT_CLEAN : NEAR_1G_KEPT);
    if (order == ORDER_1G)
        assert_true(is_clean || !has_clean_1g(run->model));
    else if (from == order)
        check_partial(run, order, node_index(order + ORDER_STEP, place.gfn.gfn), frame);
    else
        check_whole(run, is_clean || from == ORDER_2M,
                    node_index(order + ORDER_STEP, frame) ==
                        node_index(order + ORDER_STEP, place.gfn.gfn));
}

static bool is_aside(mfn_t mfn)
{
    return pod_cache_is_aside(&pod, MFN(frame_align_down(mfn.mfn, ORDER_1G)));
}

/* Where something was set aside, it is enough that nothing was taken of that, but as a whole GB. */
static void check_taken_elsewhere(struct run *run, unsigned order, mfn_t mfn)
{
    uint64_t frame = cache_model_frame(mfn);

    assert_true(frame < CACHE_MODEL_FRAMES && frame_is_aligned(frame, order));
    assert_true(order == ORDER_1G || !is_aside(mfn));
    count(run, pod_cache_is_aside(&pod, INVALID_MFN) ? NO_LONGER_ASIDE : KEPT_ASIDE);
}

/* Out of the model too; what the host gave is its own again. */
static void taken(struct run *run, struct pod_block block, unsigned order)
{
    assert_int_equal(block.clean,
                     cache_model_take(run->model, cache_model_frame(block.mfn), order));
    memory_move_frames(block.mfn, order_frames(order), FRAME_HOME);
    run->last_end = block.mfn.mfn + order_frames(order);
}

void do_get(struct run *run, unsigned order)
{
    struct pod_place place = choose_place(run, order);
    bool none_aside = pod_cache_is_aside(&pod, INVALID_MFN);
    uint64_t free = nodes_free(&pod.cache);
    struct pod_block block;

    block = pod_cache_get(run->fixture->locked, &pod, order, place);
    if (is_dry(run->model, order)) {
        assert_false(mfn_is_valid(block.mfn));
        count(run, DRY_4K + order_size(order));
        return;
    }
    assert_true(mfn_is_valid(block.mfn));
    if (none_aside)
        check_taken(run, order, place, block.mfn, free);
    else
        check_taken_elsewhere(run, order, block.mfn);
    taken(run, block, order);
    count(run, GOT_4K + order_size(order));
}

void do_get_clean_1g(struct run *run)
{
    struct pod_place place = choose_place(run, ORDER_1G);
    struct pod_block block = pod_cache_get_clean_1g(run->fixture->locked, &pod, place);

    if (pod_cache_is_aside(&pod, INVALID_MFN))
        assert_int_equal(mfn_is_valid(block.mfn), has_clean_1g(run->model));
    count(run, mfn_is_valid(block.mfn) ? GOT_CLEAN_1G : NO_CLEAN_1G);
    if (!mfn_is_valid(block.mfn))
        return;
    assert_int_equal(block.clean, POD_CLEAN);
    taken(run, block, ORDER_1G);
}

/* ---- clearing ------------------------------------------------------------------------------- */

void do_clear_begin(struct run *run)
{
    const struct cache_model *model = run->model;
    uint64_t frame;
    unsigned from;

    run->is_clearing = pod_clean_begin(run->fixture->locked, &pod, &run->grant);
    assert_int_equal(run->is_clearing, model->counts.clean < model->counts.frames);
    if (!run->is_clearing) {
        count(run, ALL_CLEAN);
        return;
    }
    frame = cache_model_frame(run->grant.mfn);
    from = cache_model_order(model, frame);
    if (!is_aside(run->grant.mfn)) /* what is dirty of that comes first */
        assert_int_equal(order_size(from), model->dirty_blocks[2]   ? 2
                                           : model->dirty_blocks[1] ? 1
                                                                    : 0);
    assert_int_equal(run->grant.order, from == ORDER_4K ? ORDER_4K : ORDER_2M);
    assert_int_equal(cache_model_take(run->model, frame, run->grant.order), POD_DIRTY);
    count(run, CLEARING_4K + order_size(from));
}

/* It is in hand again; but the host's, where its mark has gone, or there is no page for a node. */
void do_clear_end(struct run *run)
{
    uint64_t frame = cache_model_frame(run->grant.mfn);
    struct pod_account account = pod_account(&pod);
    uint64_t moved = run->moved, more = order_frames(run->grant.order);

    cache_model_add(run->model, frame, run->grant.order, POD_CLEAN);
    run->goal = account.cached + more < account.entries ? account.cached + more : account.entries;
    if (cache_model_order(run->model, frame) == ORDER_1G)
        count(run, CLEARED_1G_GREW);
    pod_clean_end(run->fixture->locked, &pod, &run->grant);
    trim_to_the_end(run->fixture->locked, &pod);
    run->is_clearing = false;
    assert_int_equal(pod.granted, 0);
    assert_int_equal(run->model->counts.frames, run->goal);
    count(run, run->moved == moved ? CLEARED : CLEARED_TOO_LATE);
}

/* ---- by name, and aside --------------------------------------------------------------------- */

/* Any block of this order, now and then one that is in hand. */
void do_take_at(struct run *run)
{
    unsigned order = choose(&run->choices, 2) ? ORDER_4K : ORDER_2M;
    uint64_t frame = frame_align_down(choose(&run->choices, OWN_FRAMES), order);
    mfn_t aside = pod.cache.aside;
    bool is_there = cache_model_holds(run->model, frame, order);
    bool breaks = is_there && order == ORDER_4K && cache_model_order(run->model, frame) > ORDER_4K;
    bool works = is_there && (!breaks || nodes_free(&pod.cache) > 0);
    struct pod_block block;

    block = pod_cache_take_at(run->fixture->locked, &pod, cache_model_mfn(frame), order);
    assert_true(pod_cache_is_aside(&pod, aside));
    assert_int_equal(block.mfn.mfn, works ? cache_model_mfn(frame).mfn : INVALID_MFN.mfn);
    count(run, !works ? NOT_TAKEN_AT : order == ORDER_4K ? TOOK_AT_4K : TOOK_AT_2M);
    if (works)
        taken(run, block, order);
}

void do_set_aside(struct run *run)
{
    uint64_t gigabyte = choose(&run->choices, CACHE_MODEL_OWN + 1);
    mfn_t block = INVALID_MFN;

    if (gigabyte < CACHE_MODEL_OWN)
        block = cache_model_mfn(gigabyte << ORDER_1G);
    pod_cache_set_aside(run->fixture->locked, &pod, block);
    assert_true(pod_cache_is_aside(&pod, block));
    count(run, SET_ASIDE);
}
