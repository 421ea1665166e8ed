/* SPDX-License-Identifier: MIT */
/*
 * One test for each thing that can be wrong in a table, each seen by the eye exactly once.
 */
#include <string.h>

#include "eye_image.h"

/* ---- what it refuses, in either format ------------------------------------------------------ */

static void a_table_reached_twice_is_seen(void **state)
{
    put_table(*state, PDPT, 1, PD);
    expect_problem(*state, "gfn 0x40000, PDPTE");
}

static void a_table_that_names_itself_ends_the_walk(void **state)
{
    put_table(*state, ROOT, 1, ROOT);
    expect_problem(*state, "reached before");
}

static void a_frame_mapped_twice_is_seen(void **state)
{
    put_leaf(*state, PDPT, 1, RAM_RW | (4 * GB));
    put_leaf(*state, PT, 7, RAM_RW | (4 * GB + 12 * KB));
    expect_problem(*state, "mfn 0x100003 is mapped twice");
}

static void ram_that_is_also_a_special_page_is_seen(void **state)
{
    put_leaf(*state, PT, 6, SPECIAL | (64 * KB));
    put_leaf(*state, PT, 7, RAM_RW | (64 * KB));
    expect_problem(*state, "mfn 0x10 is mapped twice");
}

static void a_table_page_in_the_guests_memory_is_seen(void **state)
{
    put_leaf(*state, PT, 7, RAM_RW | PD);
    expect_problem(*state, "gfn 0x7 maps mfn 0x3, a table page");
}

static void a_misaligned_1g_address_is_seen(void **state)
{
    put_leaf(*state, PDPT, 1, RAM_RW | (4 * GB + 2 * MB));
    expect_problem(*state, "not aligned");
}

static void a_misaligned_2m_address_is_seen(void **state)
{
    put_leaf(*state, PD, 1, RAM_RW | (100 * MB + 8 * KB));
    expect_problem(*state, "not aligned");
}

static void a_leaf_beyond_the_memory_is_seen(void **state)
{
    put_leaf(*state, PDPT, 1, RAM_RW | (8 * GB));
    expect_problem(*state, "the leaf is not inside the machine's memory");
}

static void a_leaf_in_the_hole_below_4g_is_seen(void **state)
{
    put_leaf(*state, PT, 1, RAM_RW | LOW_SIZE);
    expect_problem(*state, "the leaf is not inside the machine's memory");
}

static void a_special_page_beyond_the_memory_is_seen(void **state)
{
    put_leaf(*state, PT, 1, SPECIAL | (uint64_t)1 << 51);
    expect_problem(*state, "the leaf is not inside the machine's memory");
}

static void a_table_beyond_the_memory_is_seen(void **state)
{
    put_table(*state, PD, 1, 8 * GB);
    expect_problem(*state, "the table is not inside the machine's memory");
}

static void reserved_bits_in_the_top_table_are_seen(void **state)
{
    put_table(*state, ROOT, 0, PDPT | SUPERPAGE);
    expect_problem(*state, "gfn 0x0, PML4E 0x0000000000002087: reserved bits");
}

static void a_leaf_without_a_type_is_seen(void **state)
{
    put_leaf(*state, PT, 1, 64 * KB);
    expect_problem(*state, "its type has no frame");
}

static void a_leaf_of_an_unknown_type_is_seen(void **state)
{
    put_leaf(*state, PT, 1, TYPE(15) | (64 * KB));
    expect_problem(*state, "its type has no frame");
}

static void writable_read_only_memory_is_seen(void **state)
{
    put_leaf(*state, PT, 1, RAM_RO | (64 * KB));
    expect_problem(*state, "memory that must not be written is writable");
}

static void a_table_that_waits_for_a_change_of_type_and_stops_nobody_is_seen(void **state)
{
    put_table(*state, PD, 0, PT | RECALCULATE);
    expect_problem(*state, "types are still to change below, and the processor is not stopped");
}

static void a_mark_that_waits_for_anything_is_seen(void **state)
{
    put(*state, PT, 1, POD | RECALCULATE);
    expect_problem(*state, "not present, but more than a mark is left in it");
}

static void writable_memory_whose_writes_are_held_off_is_seen(void **state)
{
    put_leaf(*state, PT, 1, RAM_HELD | (64 * KB));
    expect_problem(*state, "memory that must not be written is writable");
    put_leaf(*state, PT, 1, RAM_COPIED | (64 * KB));
    expect_problem(*state, "memory that must not be written is writable");
}

/* The eye looks while the machine holds still: nothing can be on its way. */
static void a_mark_that_is_moving_is_seen(void **state)
{
    put(*state, PT, 1, POD_MOVING);
    expect_problem(*state, "no mark that may stand here");
}

static void an_address_left_in_a_mark_is_seen(void **state)
{
    put(*state, PT, 1, POD | (64 * KB));
    expect_problem(*state, "more than a mark");
}

static void a_frames_type_without_a_frame_is_seen(void **state)
{
    put(*state, PT, 1, RAM_RW);
    expect_problem(*state, "no mark that may stand here");
}

static void a_mark_in_the_top_table_is_seen(void **state)
{
    put(*state, ROOT, 1, POD);
    expect_problem(*state, "no mark that may stand here");
}

static void all_errors_are_counted_and_eight_told(void **state)
{
    struct result result;

    for (unsigned i = 0; i < 20; i++)
        put(*state, PT, i, RAM_RW);
    result = look_from(*state, "0x1000");
    assert_int_equal(result.code, 1);
    assert_int_equal(number(&result, "errors"), 20);
    assert_non_null(strstr(problem(&result, 7), "gfn 0x7,"));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(result.json, "problems")),
                     8);
    cJSON_Delete(result.json);
}

/* ---- what one manual alone forbids or allows ------------------------------------------------ */

static void npt_needs_the_user_bit_at_every_level(void **state)
{
    struct image *image = *state;
    static const struct {
        uint64_t table, entry;
    } place[] = {
        { ROOT, PDPT | 3 },
        { PDPT, PD | 3 },
        { PD, PT | 3 },
        { PT, RAM_RW | (64 * KB) | 3 },
    };

    for (unsigned i = 0; i < 4; i++) {
        put(image, place[i].table, 0, place[i].entry);
        expect_problem(image, "U/S is clear");
        put(image, place[i].table, 0, place[i].entry | 4);
    }
    put(image, PDPT, 1, RAM_RW | (4 * GB) | 3 | SUPERPAGE);
    expect_problem(image, "U/S is clear");
}

static void npt_reserves_bit_8_in_the_top_table(void **state)
{
    put_table(*state, ROOT, 0, PDPT | 0x100);
    expect_problem(*state, "reserved bits");
}

static void npt_keeps_pat_in_bit_12_of_a_superpage(void **state)
{
    struct result result;

    put_leaf(*state, PDPT, 1, RAM_RW | (4 * GB) | 0x1000);
    put_leaf(*state, PDPT, 2, RAM_RW | (5 * GB));
    result = look_sound(*state);
    assert_int_equal(number(&result, "runs"), 1);
    cJSON_Delete(result.json);
}

static void ept_reserves_bit_12_of_a_superpage(void **state)
{
    put_leaf(*state, PD, 1, RAM_RW | (100 * MB) | 0x1000);
    expect_problem(*state, "not aligned");
}

static void ept_reserves_bits_6_to_3_of_a_table_entry(void **state)
{
    struct image *image = *state;

    put_table(image, PD, 0, PT | 0x08);
    expect_problem(image, "reserved bits");
    put_table(image, PD, 0, PT);
    put_table(image, PDPT, 0, PD | 0x40);
    expect_problem(image, "reserved bits");
}

static void ept_reserves_memory_types_2_3_and_7(void **state)
{
    static const char *const text[8] = {
        [2] = "memory type 2", [3] = "memory type 3", [7] = "memory type 7"
    };
    struct result result;

    for (uint64_t type = 0; type < 8; type++) {
        put(*state, PD, 1, RAM_RW | (100 * MB) | SUPERPAGE | type << 3 | 7);
        if (text[type] != NULL) {
            expect_problem(*state, text[type]);
            continue;
        }
        result = look_sound(*state);
        cJSON_Delete(result.json);
    }
}

static void ept_refuses_write_without_read(void **state)
{
    put(*state, PT, 1, RAM_RW | (64 * KB) | 0x32);
    expect_problem(*state, "write is allowed but not read");
    put(*state, PT, 1, RAM_RW | (64 * KB) | 0x36);
    expect_problem(*state, "write is allowed but not read");
}

static void ept_takes_an_execute_only_leaf_as_present(void **state)
{
    struct result result;

    put(*state, PT, 1, RAM_RO | (64 * KB) | 0x34);
    result = look_sound(*state);
    assert_int_equal(number(&result, "ram_4k"), 1);
    cJSON_Delete(result.json);
}

static const struct CMUnitTest tests[] = {
    BOTH(a_table_reached_twice_is_seen),
    BOTH(a_table_that_names_itself_ends_the_walk),
    BOTH(a_frame_mapped_twice_is_seen),
    BOTH(ram_that_is_also_a_special_page_is_seen),
    BOTH(a_table_page_in_the_guests_memory_is_seen),
    BOTH(a_misaligned_1g_address_is_seen),
    BOTH(a_misaligned_2m_address_is_seen),
    BOTH(a_leaf_beyond_the_memory_is_seen),
    BOTH(a_leaf_in_the_hole_below_4g_is_seen),
    BOTH(a_special_page_beyond_the_memory_is_seen),
    BOTH(a_table_beyond_the_memory_is_seen),
    BOTH(reserved_bits_in_the_top_table_are_seen),
    BOTH(a_leaf_without_a_type_is_seen),
    BOTH(a_leaf_of_an_unknown_type_is_seen),
    BOTH(writable_read_only_memory_is_seen),
    BOTH(a_table_that_waits_for_a_change_of_type_and_stops_nobody_is_seen),
    BOTH(a_mark_that_waits_for_anything_is_seen),
    BOTH(writable_memory_whose_writes_are_held_off_is_seen),
    BOTH(a_mark_that_is_moving_is_seen),
    BOTH(an_address_left_in_a_mark_is_seen),
    BOTH(a_frames_type_without_a_frame_is_seen),
    BOTH(a_mark_in_the_top_table_is_seen),
    BOTH(all_errors_are_counted_and_eight_told),
    FOR(npt, npt_needs_the_user_bit_at_every_level),
    FOR(npt, npt_reserves_bit_8_in_the_top_table),
    FOR(npt, npt_keeps_pat_in_bit_12_of_a_superpage),
    FOR(ept, ept_reserves_bit_12_of_a_superpage),
    FOR(ept, ept_reserves_bits_6_to_3_of_a_table_entry),
    FOR(ept, ept_reserves_memory_types_2_3_and_7),
    FOR(ept, ept_refuses_write_without_read),
    FOR(ept, ept_takes_an_execute_only_leaf_as_present),
};

int main(int count, char **arguments)
{
    if (!eye_is_given(count, arguments))
        return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
