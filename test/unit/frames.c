/* SPDX-License-Identifier: MIT */
/*
 * The frame allocator and the survey of memory below it, on memory of the test's own: the direct
 * map is a stretch of address space of which only the records are ever touched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "cpu.h"
#include "frames.h"
#include "print.h"

#define MB        ((uint64_t)1 << 20)
#define GB        ((uint64_t)1 << 30)
#define MACHINE   (16 * GB)
#define GUEST     1u
#define COUNT(of) (sizeof(of) / sizeof(*(of)))

/* A panic is an answer like any other here. */
static jmp_buf panicked;
static bool panic_expected;

void panic(const char *text, ...)
{
    if (!panic_expected) {
        fprintf(stderr, "panic: %s\n", text);
        abort();
    }
    longjmp(panicked, 1);
}

#define expect_panic(call)                                                                         \
    do {                                                                                           \
        panic_expected = true;                                                                     \
        if (setjmp(panicked) == 0) {                                                               \
            call;                                                                                  \
            fail_msg("no panic: %s", #call);                                                       \
        }                                                                                          \
        panic_expected = false;                                                                    \
    } while (0)

static const struct memory_range pc_ram[] = { { 0, 0x9fc00 }, { MB, 3 * GB }, { 4 * GB, 14 * GB } };
static const struct memory_range pc_taken[] = { { 0, MB },
                                                { MB, 2 * MB },
                                                { 40 * MB, 95 * MB + 1 } };

static void audit(void)
{
    const char *what = "";

    if (frames_audit(&what) != 0)
        fail_msg("audit: %s", what);
}

static uint64_t total(void)
{
    struct frame_counts counts = frames_count();
    uint64_t sum = 0;

    for (unsigned state = 0; state < FRAME_STATES; state++)
        sum += counts.frames[state];
    return sum;
}

static uint64_t free_frames(void)
{
    return frames_count().frames[FRAME_FREE];
}

/* Fresh records for each test; what a test left in them is thrown away. */
static int map_machine(void **state)
{
    void *at = (void *)(uintptr_t)DIRECT_MAP;

    *state = mmap(at, MACHINE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    return *state == at ? 0 : -1;
}

static int unmap_machine(void **state)
{
    return munmap(*state, MACHINE);
}

static int set_up_pc(void **state)
{
    if (map_machine(state) != 0)
        return -1;
    return frames_init(pc_ram, COUNT(pc_ram), pc_taken, COUNT(pc_taken)) ? 0 : -1;
}

/* ---- the beginning -------------------------------------------------------------------------- */

static void init_counts_every_frame_of_ram_once(void **state)
{
    (void)state;
    assert_int_equal(total(), 0x9f + (3 * GB - MB) / FRAME_SIZE + 10 * GB / FRAME_SIZE);
    assert_int_equal(frames_look_up(MFN(0x9f)).state, FRAME_ABSENT);
    assert_int_equal(frames_look_up(MFN(0x100)).state, FRAME_HOST);
    assert_int_equal(frames_look_up(MFN(95 * MB / FRAME_SIZE)).state, FRAME_HOST);
    assert_int_equal(frames_look_up(MFN(2 * MB / FRAME_SIZE)).state, FRAME_FREE);
    assert_int_equal(frames_look_up(MFN(40 * MB / FRAME_SIZE - 1)).state, FRAME_FREE);
    assert_int_equal(frames_look_up(MFN(3 * GB / FRAME_SIZE)).state, FRAME_ABSENT);
    assert_int_equal(frames_look_up(MFN(14 * GB / FRAME_SIZE)).state, FRAME_ABSENT);
    assert_int_equal(frames_look_up(INVALID_MFN).state, FRAME_ABSENT);
    audit();
}

static void init_keeps_every_gb_whole_but_the_first(void **state)
{
    (void)state;
    assert_int_equal(frames_free_blocks(ORDER_1G), 2 + 10);
}

static void init_takes_a_memory_map_that_contradicts_itself(void **state)
{
    const struct memory_range ram[] = {
        { 6 * GB, 5 * GB },     { GB, GB },     { 2 * GB + 1, 3 * GB - 1 },
        { 2 * GB, 2 * GB + 5 }, { GB, 2 * GB }, { 0, GB + 5 * MB },
        { 0, 2 * MB },
    };
    const struct memory_range taken[] = {
        { 0, MB }, { 7 * MB, 6 * MB }, { MB / 2, 2 * MB }, { 9 * GB, 10 * GB }, { 3 * MB, 3 * MB },
    };

    (void)state;
    assert_true(frames_init(ram, COUNT(ram), taken, COUNT(taken)));
    assert_int_equal(total(), (3 * GB - 2 * FRAME_SIZE) / FRAME_SIZE);
    assert_int_equal(frames_free_blocks(ORDER_1G), 1);
    audit();
}

static void init_refuses_memory_without_room_for_its_records(void **state)
{
    const struct memory_range few = { 13 * GB, 13 * GB + MB };
    const struct memory_range all = { 0, GB };

    (void)state;
    assert_false(frames_init(&few, 1, NULL, 0));
    assert_false(frames_init(&all, 1, &all, 1));
    assert_false(frames_init(NULL, 0, NULL, 0));
}

static void records_cut_no_gb_where_a_broken_one_has_room(void **state)
{
    const struct memory_range ram[] = { { GB, 4 * GB }, { 5 * GB, 6 * GB + 64 * MB } };

    (void)state;
    assert_true(frames_init(ram, COUNT(ram), NULL, 0));
    assert_int_equal(frames_free_blocks(ORDER_1G), 4);
    assert_int_equal(frames_look_up(MFN((6 * GB + 63 * MB) / FRAME_SIZE)).state, FRAME_HOST);
}

static void joined_ranges_make_one_whole_gb(void **state)
{
    const struct memory_range ram[] = {
        { 0, GB }, { GB + GB / 2, 2 * GB }, { GB, GB + GB / 4 }, { GB + GB / 4, GB + GB / 2 }
    };

    (void)state;
    assert_true(frames_init(ram, COUNT(ram), NULL, 0));
    assert_int_equal(frames_free_blocks(ORDER_1G), 1);
    audit();
}

/* ---- allocation ----------------------------------------------------------------------------- */

static void alloc_is_aligned_and_counted_at_every_order(void **state)
{
    (void)state;
    for (unsigned order = 0; order <= ORDER_1G; order++) {
        uint64_t before = free_frames();
        mfn_t mfn = frames_alloc(order, FRAME_RAM, GUEST);
        struct frame_info info = frames_look_up(mfn_add(mfn, order_frames(order) - 1));

        assert_true(mfn_is_valid(mfn));
        assert_true(frame_is_aligned(mfn.mfn, order));
        assert_int_equal(info.state, FRAME_RAM);
        assert_int_equal(info.owner, GUEST);
        assert_int_equal(info.order, order);
        assert_int_equal(before - free_frames(), order_frames(order));
        audit();
    }
}

static void small_blocks_leave_whole_gbs_alone_while_they_can(void **state)
{
    uint64_t whole = frames_free_blocks(ORDER_1G);

    (void)state;
    while (free_frames() > whole * order_frames(ORDER_1G)) {
        assert_true(mfn_is_valid(frames_alloc(ORDER_4K, FRAME_TABLE, GUEST)));
        assert_int_equal(frames_free_blocks(ORDER_1G), whole);
    }
    assert_true(mfn_is_valid(frames_alloc(ORDER_4K, FRAME_TABLE, GUEST)));
    assert_int_equal(frames_free_blocks(ORDER_1G), whole - 1);
    audit();
}

static void a_gb_comes_from_the_top_and_small_blocks_from_the_bottom(void **state)
{
    (void)state;
    assert_int_equal(frames_alloc(ORDER_1G, FRAME_RAM, GUEST).mfn, 13 * GB / FRAME_SIZE);
    assert_int_equal(frames_alloc(ORDER_1G, FRAME_RAM, GUEST).mfn, 12 * GB / FRAME_SIZE);
    assert_true(frames_alloc(ORDER_4K, FRAME_TABLE, GUEST).mfn < GB / FRAME_SIZE);
    assert_true(frames_alloc(ORDER_2M, FRAME_RAM, GUEST).mfn < GB / FRAME_SIZE);
}

static void alloc_fails_cleanly_when_nothing_is_large_enough(void **state)
{
    uint64_t left;

    (void)state;
    while (mfn_is_valid(frames_alloc(ORDER_1G, FRAME_RAM, GUEST)))
        ;
    left = free_frames();
    assert_false(mfn_is_valid(frames_alloc(ORDER_1G, FRAME_RAM, GUEST)));
    assert_false(mfn_is_valid(frames_alloc(ORDER_1G + 1, FRAME_RAM, GUEST)));
    assert_int_equal(free_frames(), left);
    while (mfn_is_valid(frames_alloc(ORDER_4K, FRAME_RAM, GUEST)))
        ;
    assert_int_equal(free_frames(), 0);
    audit();
}

static void alloc_at_takes_just_that_block(void **state)
{
    mfn_t mfn = MFN(5 * GB / FRAME_SIZE + 7 * 512);

    (void)state;
    assert_true(frames_alloc_at(mfn, ORDER_2M, FRAME_RAM, GUEST));
    assert_int_equal(frames_look_up(mfn_add(mfn, 511)).state, FRAME_RAM);
    assert_int_equal(frames_look_up(mfn_add(mfn, 512)).state, FRAME_FREE);
    assert_int_equal(frames_look_up(MFN(mfn.mfn - 1)).state, FRAME_FREE);
    assert_false(frames_alloc_at(mfn, ORDER_2M, FRAME_RAM, GUEST));
    assert_false(frames_alloc_at(mfn_add(mfn, 3), ORDER_4K, FRAME_RAM, GUEST));
    assert_false(frames_alloc_at(MFN(5 * GB / FRAME_SIZE), ORDER_1G, FRAME_RAM, GUEST));
    assert_false(frames_alloc_at(mfn_add(mfn, 513), ORDER_2M, FRAME_RAM, GUEST));
    assert_false(frames_alloc_at(MFN(3 * GB / FRAME_SIZE), ORDER_4K, FRAME_RAM, GUEST));
    audit();
}

/* ---- free, set_state ------------------------------------------------------------------------ */

static void pieces_come_back_in_any_order_and_make_the_gb_whole(void **state)
{
    uint64_t before = frames_free_blocks(ORDER_1G);
    mfn_t mfn = frames_alloc(ORDER_1G, FRAME_RAM, GUEST);

    (void)state;
    for (unsigned i = 0; i < 512; i++) {
        mfn_t piece = mfn_add(mfn, (uint64_t)(i * 181 % 512) * 512);

        if (i % 2) {
            frames_free(piece, ORDER_2M);
            continue;
        }
        for (unsigned frame = 0; frame < 512; frame++)
            frames_free(mfn_add(piece, frame * 77 % 512), ORDER_4K);
    }
    assert_int_equal(frames_free_blocks(ORDER_1G), before);
    audit();
}

static void a_stretch_of_several_blocks_is_freed_as_one(void **state)
{
    uint64_t before = frames_free_blocks(ORDER_1G);
    mfn_t mfn = MFN(5 * GB / FRAME_SIZE);

    (void)state;
    for (unsigned i = 0; i < 512; i++)
        assert_true(frames_alloc_at(mfn_add(mfn, i), ORDER_4K, FRAME_RAM, GUEST));
    frames_free(mfn, ORDER_2M);
    assert_int_equal(frames_free_blocks(ORDER_1G), before);
    audit();
}

static void set_state_moves_a_piece_and_nothing_else(void **state)
{
    mfn_t mfn = frames_alloc(ORDER_1G, FRAME_RAM, GUEST);

    (void)state;
    frames_set_state(mfn_add(mfn, 1234), ORDER_4K, FRAME_OWED, GUEST);
    assert_int_equal(frames_count_of(GUEST).frames[FRAME_OWED], 1);
    assert_int_equal(frames_count_of(GUEST).frames[FRAME_RAM], order_frames(ORDER_1G) - 1);
    assert_int_equal(frames_look_up(mfn_add(mfn, 1233)).state, FRAME_RAM);
    assert_int_equal(frames_look_up(mfn_add(mfn, 1234)).state, FRAME_OWED);
    assert_int_equal(frames_look_up(mfn_add(mfn, 1235)).state, FRAME_RAM);
    audit();
    frames_set_state(mfn, ORDER_1G, FRAME_RAM, GUEST + 1);
    assert_int_equal(frames_count_of(GUEST + 1).frames[FRAME_RAM], order_frames(ORDER_1G));
    assert_int_equal(frames_count_of(GUEST).frames[FRAME_RAM], 0);
    frames_free(mfn, ORDER_1G);
    audit();
}

/* Frames that come into hand one by one; a neighbour's do not belong to them. */
static void what_is_cached_grows_into_one_block(void **state)
{
    mfn_t mfn = frames_alloc(ORDER_2M + 1, FRAME_RAM, GUEST);
    mfn_t next = mfn_add(mfn, order_frames(ORDER_2M));

    (void)state;
    frames_set_state(next, ORDER_2M, FRAME_CACHED, GUEST + 1);
    for (unsigned i = 0; i < 512; i++)
        frames_set_state(mfn_add(mfn, (i * 7) % 512), ORDER_4K, FRAME_CACHED, GUEST);
    assert_int_equal(frames_look_up(mfn_add(mfn, 300)).order, ORDER_2M);
    assert_int_equal(frames_look_up(next).owner, GUEST + 1);
    assert_int_equal(frames_count_of(GUEST).frames[FRAME_CACHED], 512);
    audit();
    frames_set_state(mfn, ORDER_2M, FRAME_RAM, GUEST);
    frames_free(mfn, ORDER_2M + 1);
    audit();
}

static void bugs_of_the_host_panic(void **state)
{
    mfn_t mfn = frames_alloc(ORDER_2M, FRAME_RAM, GUEST);

    (void)state;
    frames_free(mfn, ORDER_2M);
    expect_panic(frames_free(mfn, ORDER_2M));
    expect_panic(frames_free(MFN(3 * GB / FRAME_SIZE), ORDER_4K));
    expect_panic(frames_free(mfn_add(mfn, 1), ORDER_2M));
    expect_panic(frames_free(INVALID_MFN, ORDER_4K));
    expect_panic(frames_set_state(mfn, ORDER_4K, FRAME_OWED, GUEST));
    expect_panic((void)frames_alloc(ORDER_4K, FRAME_FREE, GUEST));
    expect_panic((void)frames_alloc(ORDER_4K, FRAME_RAM, FRAME_OWNERS));
    expect_panic((void)frames_table_info(mfn));
}

static void a_table_page_has_a_fresh_record(void **state)
{
    mfn_t mfn = frames_alloc(ORDER_4K, FRAME_TABLE, GUEST);
    struct p2m_table_info zero = { 0 };

    (void)state;
    assert_memory_equal(frames_table_info(mfn), &zero, sizeof(zero));
    memset(frames_table_info(mfn), 0xff, sizeof(zero));
    frames_free(mfn, ORDER_4K);
    assert_true(frames_alloc_at(mfn, ORDER_4K, FRAME_TABLE, GUEST));
    assert_memory_equal(frames_table_info(mfn), &zero, sizeof(zero));
    audit();
}

/* ---- fragments ------------------------------------------------------------------------------ */

static void fragment_denies_the_next_size_and_no_more(void **state)
{
    (void)state;
    assert_int_equal(frames_fragment(ORDER_1G), 0);
    assert_int_equal(frames_fragment(ORDER_2M), 12);
    assert_int_equal(frames_free_blocks(ORDER_1G), 0);
    assert_true(frames_free_blocks(ORDER_2M) >= 12 * 511);
    audit();
    assert_true(frames_fragment(ORDER_4K) >= 12 * 511);
    assert_int_equal(frames_free_blocks(ORDER_2M), 0);
    assert_true(frames_free_blocks(ORDER_4K) > 12 * 511 * 511);
    audit();
}

/* ---- the audit ------------------------------------------------------------------------------ */

/* The links of a free block: what its record begins with. A table page's record shows where. */
static uint32_t *links_of(mfn_t mfn)
{
    mfn_t table = frames_alloc(ORDER_4K, FRAME_TABLE, GUEST);
    uint8_t *record = (uint8_t *)frames_table_info(table);

    frames_free(table, ORDER_4K);
    return (uint32_t *)(record + ((int64_t)mfn.mfn - (int64_t)table.mfn) * 16);
}

static void the_audit_survives_any_link_and_reports_it(void **state)
{
    mfn_t mfn = frames_alloc(ORDER_2M, FRAME_RAM, GUEST);
    const uint32_t wrong[] = {
        UINT32_MAX, UINT32_MAX - 1,          0, (uint32_t)mfn.mfn,
        0x80000000, (uint32_t)mfn.mfn + 300, 1, (uint32_t)(GB / FRAME_SIZE)
    };
    uint32_t *links = links_of(mfn_add(mfn, 3));

    (void)state;
    for (unsigned i = 1; i < 8; i += 2)
        frames_free(mfn_add(mfn, i), ORDER_4K);
    audit();
    for (unsigned i = 0; i < COUNT(wrong) * 2; i++) {
        uint32_t before = links[i % 2];

        links[i % 2] = wrong[i / 2];
        assert_true(frames_audit(NULL) > 0);
        links[i % 2] = before;
        audit();
    }
}

static void the_audit_follows_a_list_that_leads_round(void **state)
{
    mfn_t mfn = frames_alloc(ORDER_2M, FRAME_RAM, GUEST);
    uint32_t *first = links_of(mfn_add(mfn, 1)), *third = links_of(mfn_add(mfn, 3));

    (void)state;
    frames_free(mfn_add(mfn, 1), ORDER_4K);
    frames_free(mfn_add(mfn, 3), ORDER_4K);
    audit();
    first[0] = (uint32_t)mfn.mfn + 3; /* each is the other's next and previous */
    first[1] = (uint32_t)mfn.mfn + 3;
    third[0] = (uint32_t)mfn.mfn + 1;
    third[1] = (uint32_t)mfn.mfn + 1;
    assert_true(frames_audit(NULL) > 0);
}

/* ---- at random ------------------------------------------------------------------------------ */

#define STEPS 200000
#define HELD  2000

struct held {
    mfn_t mfn;
    unsigned order;
};

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void any_sequence_keeps_the_sum_and_ends_as_it_began(void **state)
{
    static struct held held[HELD];
    struct frame_counts before = frames_count(), after;
    uint64_t whole = frames_free_blocks(ORDER_1G);
    uint64_t sum = total();
    uint64_t seed = 0x9e3779b97f4a7c15u;

    (void)state;
    memset(held, 0, sizeof(held));
    for (unsigned step = 0; step < STEPS; step++) {
        struct held *one = &held[random_next(&seed) % HELD];

        if (one->mfn.mfn && random_next(&seed) % 3 == 0) {
            frames_set_state(one->mfn, one->order, FRAME_OWED, GUEST + 1);
        } else if (one->mfn.mfn) {
            frames_free(one->mfn, one->order);
            one->mfn = MFN(0);
        } else {
            one->order = (unsigned)(random_next(&seed) % 100 < 98 ? random_next(&seed) % 12
                                                                  : random_next(&seed) % 19);
            one->mfn = frames_alloc(one->order, FRAME_RAM, GUEST);
            one->mfn = mfn_is_valid(one->mfn) ? one->mfn : MFN(0);
        }
        if (step % 20000 == 0)
            audit();
    }
    assert_int_equal(total(), sum);
    for (unsigned i = 0; i < HELD; i++)
        if (held[i].mfn.mfn)
            frames_free(held[i].mfn, held[i].order);
    after = frames_count();
    assert_memory_equal(&before, &after, sizeof(before));
    assert_int_equal(frames_free_blocks(ORDER_1G), whole);
    audit();
}

#define on_a_pc(test)  cmocka_unit_test_setup_teardown(test, set_up_pc, unmap_machine)
#define on_a_map(test) cmocka_unit_test_setup_teardown(test, map_machine, unmap_machine)

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_a_pc(init_counts_every_frame_of_ram_once),
        on_a_pc(init_keeps_every_gb_whole_but_the_first),
        on_a_map(init_takes_a_memory_map_that_contradicts_itself),
        on_a_map(init_refuses_memory_without_room_for_its_records),
        on_a_map(records_cut_no_gb_where_a_broken_one_has_room),
        on_a_map(joined_ranges_make_one_whole_gb),
        on_a_pc(alloc_is_aligned_and_counted_at_every_order),
        on_a_pc(small_blocks_leave_whole_gbs_alone_while_they_can),
        on_a_pc(a_gb_comes_from_the_top_and_small_blocks_from_the_bottom),
        on_a_pc(alloc_fails_cleanly_when_nothing_is_large_enough),
        on_a_pc(alloc_at_takes_just_that_block),
        on_a_pc(pieces_come_back_in_any_order_and_make_the_gb_whole),
        on_a_pc(a_stretch_of_several_blocks_is_freed_as_one),
        on_a_pc(set_state_moves_a_piece_and_nothing_else),
        on_a_pc(what_is_cached_grows_into_one_block),
        on_a_pc(bugs_of_the_host_panic),
        on_a_pc(a_table_page_has_a_fresh_record),
        on_a_pc(fragment_denies_the_next_size_and_no_more),
        on_a_pc(the_audit_survives_any_link_and_reports_it),
        on_a_pc(the_audit_follows_a_list_that_leads_round),
        on_a_pc(any_sequence_keeps_the_sum_and_ends_as_it_began),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
