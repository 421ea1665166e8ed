/* SPDX-License-Identifier: MIT */
/*
 * The cache's random test: marks and targets. Each block that goes to the host or comes from it is
 * checked at that moment, against the rule as pod.h has it: these two calls of the engine's end up
 * here first (the linker wraps them). Refuses to know how blocks are taken for a guest.
 */
#include "cache_run.h"

mfn_t __real_p2m_host_alloc_frames(struct p2m *p2m, unsigned order);
mfn_t __wrap_p2m_host_alloc_frames(struct p2m *p2m, unsigned order);
void __real_p2m_host_free_frames(struct p2m *p2m, mfn_t mfn, unsigned order);
void __wrap_p2m_host_free_frames(struct p2m *p2m, mfn_t mfn, unsigned order);

static struct run *watched;

void watch_host(struct run *run)
{
    watched = run;
}

/* ---- what goes ------------------------------------------------------------------------------ */

/* The size of the block that is to go whole, or ORDER_SIZES: each is larger than what is to go. */
static unsigned size_that_goes(struct run *run, uint64_t frames)
{
    const uint64_t *blocks = run->model->counts.blocks;
    uint64_t smaller[ORDER_SIZES] = { 0, blocks[0], blocks[0] + blocks[1] * FRAMES_2M };
    bool was_kept = false;

    for (unsigned size = ORDER_SIZES; size-- > 0;) {
        bool is_needed = p2m_counts(&run->fixture->p2m).markers[size] >= blocks[size];

        if (blocks[size] == 0 || order_frames(size * ORDER_STEP) > frames)
            continue;
        if (is_needed && smaller[size] >= frames) {
            was_kept = true;
            continue;
        }
        if (was_kept)
            count(run, GAVE_SMALLER);
        if (is_needed && size > 0)
            count(run, GAVE_NEEDED);
        return size;
    }
    return ORDER_SIZES;
}

/* May this block go, when so many frames are to? Then it leaves the model. */
static void check_given(struct run *run, struct pod_block block, unsigned order, uint64_t frames)
{
    const struct cache_model *model = run->model;
    unsigned size = size_that_goes(run, frames), from;
    uint64_t frame = cache_model_frame(block.mfn);

    assert_in_range(frame, 0, CACHE_MODEL_FRAMES - 1);
    from = order_size(cache_model_order(model, frame));
    if (size < ORDER_SIZES) {
        assert_int_equal(order_size(order), size);
        assert_int_equal(from, size);
    } else {
        assert_int_equal(order, frames < FRAMES_2M ? ORDER_4K : ORDER_2M);
        assert_int_equal(from, model->counts.blocks[1] ? 1 : 2);
        count(run, from == 1 ? GAVE_PIECE_OF_2M : GAVE_PIECE_OF_1G);
    }
    if (model->dirty_blocks[from] > 0)
        assert_false(cache_model_is_clean(model, frame, from == 1 ? ORDER_2M : order));
    count(run, GAVE_4K + order_size(order));
    cache_model_take(run->model, frame, order);
}

void __wrap_p2m_host_free_frames(struct p2m *p2m, mfn_t mfn, unsigned order)
{
    struct pod_block block = { mfn, POD_DIRTY };

    assert_true(watched->model->counts.frames > watched->goal);
    check_given(watched, block, order, watched->model->counts.frames - watched->goal);
    watched->moved++;
    __real_p2m_host_free_frames(p2m, mfn, order);
}

/* ---- what comes ----------------------------------------------------------------------------- */

/* The sizes, a bit each, of which that much is missing at least. */
static unsigned sizes_within(uint64_t frames)
{
    return frames >= FRAMES_1G ? 7 : frames >= FRAMES_2M ? 3 : 1;
}

mfn_t __wrap_p2m_host_alloc_frames(struct p2m *p2m, unsigned order)
{
    struct run *run = watched;
    unsigned size = order_size(order);
    mfn_t mfn = __real_p2m_host_alloc_frames(p2m, order);
    unsigned larger;

    assert_true(run->goal > run->model->counts.frames);
    larger = sizes_within(run->goal - run->model->counts.frames) & ~((1u << size) - 1);
    assert_true(larger >> size & 1);
    assert_int_equal(run->refused, larger & ~(1u << size)); /* it was asked for those before */
    if (!mfn_is_valid(mfn)) {
        run->refused |= 1u << size;
        return mfn;
    }
    run->refused = 0;
    run->moved++;
    cache_model_add(run->model, cache_model_frame(mfn), order, POD_DIRTY);
    count(run, CAME_4K + size);
    return mfn;
}

/* ---- targets -------------------------------------------------------------------------------- */

static uint64_t cache_limit(void)
{
    struct pod_account account = pod_account(&pod);

    return account.entries > account.granted ? account.entries - account.granted : 0;
}

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Around what is there, a little or a lot. */
static uint64_t choose_target(struct run *run)
{
    static const uint64_t most[] = { 2000, FRAMES_1G / 4, 2 * FRAMES_1G };
    uint64_t target = run->model->counts.frames;
    uint64_t change = choose(&run->choices, most[choose(&run->choices, 3)]);

    if (choose(&run->choices, 2))
        return target + change;
    return target - min(target, change);
}

static void supply_host(struct run *run)
{
    for (unsigned order = 0; order <= ORDER_1G; order += ORDER_STEP)
        memory_give_frames(order, choose(&run->choices, 2) ? PLENTY : choose(&run->choices, 40));
}

static void expect_outcome(struct run *run, enum p2m_error error)
{
    uint64_t frames = run->model->counts.frames;

    assert_in_range(run->moved, 0, POD_TARGET_STEPS);
    switch (error) {
    case P2M_OK:
        assert_int_equal(frames, run->goal);
        count(run, TARGET_MET);
        return;
    case P2M_AGAIN:
        assert_int_not_equal(frames, run->goal);
        assert_int_equal(run->moved, POD_TARGET_STEPS);
        count(run, TARGET_AGAIN);
        return;
    case P2M_EMPTY:
        assert_true(frames < run->goal);
        assert_int_equal(run->refused, sizes_within(run->goal - frames));
        count(run, TARGET_HOST_DRY);
        return;
    default:
        assert_int_equal(error, P2M_NO_MEMORY);
        assert_true(frames < run->goal);
        count(run, TARGET_NO_PAGE);
    }
}

static void begin_moving(struct run *run, uint64_t goal)
{
    run->goal = goal;
    run->moved = 0;
    run->refused = 0;
}

void do_cache_target(struct run *run)
{
    uint64_t target = choose_target(run);
    struct refusal refusal;
    enum p2m_error error;

    supply_host(run);
    begin_moving(run, min(target, cache_limit()));
    refusal = begin_refusal(run);
    error = pod_set_cache_target(run->fixture->locked, &pod, target);
    end_refusal(run, refusal, error);
    expect_outcome(run, error);
}

/* Nothing is populated here: all that the guest has is in hand or granted. */
void do_guest_target(struct run *run)
{
    struct pod_account account = pod_account(&pod);
    uint64_t target = choose_target(run) + choose(&run->choices, 2) * account.granted;
    bool is_left = account.entries == 0 || target < account.cached + account.granted;
    struct refusal refusal;
    enum p2m_error error;

    supply_host(run);
    begin_moving(run, is_left ? account.cached : min(target - account.granted, cache_limit()));
    refusal = begin_refusal(run);
    error = pod_set_target(run->fixture->locked, &pod, target);
    end_refusal(run, refusal, error);
    expect_outcome(run, error);
    if (is_left)
        count(run, TARGET_LEFT);
}

void do_trim(struct run *run)
{
    begin_moving(run, min(run->model->counts.frames, cache_limit()));
    trim_to_the_end(run->fixture->locked, &pod);
    assert_int_equal(run->model->counts.frames, run->goal);
    if (run->moved > 0)
        count(run, TRIMMED);
}

/* The largest first, and nothing breaks: so it takes as many calls as there are blocks. */
void do_empty(struct run *run)
{
    const uint64_t *blocks = run->model->counts.blocks;
    uint64_t calls = blocks[0] + blocks[1] + blocks[2];

    begin_moving(run, 0);
    empty_to_the_end(run->fixture->locked, &pod);
    assert_int_equal(run->moved, calls);
    assert_int_equal(run->model->counts.frames, 0);
    assert_int_equal(pod_cache_counts(&pod).pages, 0);
    count(run, EMPTIED);
}

void do_give_back(struct run *run)
{
    static const uint64_t most[] = { 1000, 4 * FRAMES_2M, 2 * FRAMES_1G };
    uint64_t frames = 1 + choose(&run->choices, most[choose(&run->choices, 3)]);
    bool is_dry = run->model->counts.frames == 0;
    unsigned order = 0;
    struct pod_block block = pod_cache_give_back(run->fixture->locked, &pod, frames, &order);

    assert_int_equal(mfn_is_valid(block.mfn), !is_dry);
    if (is_dry)
        return;
    check_given(run, block, order, frames);
    memory_move_frames(block.mfn, order_frames(order), FRAME_HOME);
}

/* ---- marks ---------------------------------------------------------------------------------- */

/* More come than go, and large ones are the rule: then more can be in hand than is not. */
void do_mark(struct run *run)
{
    unsigned order = (unsigned)choose(&run->choices, ORDER_SIZES) * ORDER_STEP;
    uint64_t n = choose(&run->choices, 4 * FRAMES_1G >> order);
    bool goes = choose_once_in(&run->choices, 4);

    must(set(run->fixture, GFN(n << order), INVALID_MFN, order, goes ? P2M_INVALID : P2M_POD));
    fixture_settle(run->fixture);
    count(run, goes ? UNMARKED : MARKED);
}
