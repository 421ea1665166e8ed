/* SPDX-License-Identifier: MIT */
/*
 * What the eye counts in sound tables, and how it answers bad input. Refuses to know broken tables:
 * those are in eye_violations.c.
 */
#include <stdio.h>
#include <string.h>

#include "eye_image.h"

/* ---- what it counts ------------------------------------------------------------------------- */

static void an_empty_root_is_one_table_page(void **state)
{
    struct result result = look_from(*state, "0x5000");

    assert_int_equal(result.code, 0);
    assert_string_equal(result.out, "{\"ram_1g\":0,\"ram_2m\":0,\"ram_4k\":0,"
                                    "\"pod_1g\":0,\"pod_2m\":0,\"pod_4k\":0,\"special\":0,"
                                    "\"broken\":0,\"untouched_frames\":0,"
                                    "\"table_pages\":1,\"runs\":0,"
                                    "\"errors\":0,\"problems\":[]}\n");
    cJSON_Delete(result.json);
}

static void leaves_are_counted_by_size(void **state)
{
    struct image *image = *state;
    struct result result;

    put_leaf(image, PDPT, 3, RAM_RW | (5 * GB));
    put_leaf(image, PDPT, 4, RAM_RW | (4 * GB));
    put_leaf(image, PD, 9, RAM_RW | (100 * MB));
    put_leaf(image, PT, 1, RAM_RW | (64 * KB));
    put_leaf(image, PT, 2, RAM_RW | (72 * KB));
    put_leaf(image, PT, 511, RAM_RW | (80 * KB));
    result = look_sound(image);
    assert_int_equal(number(&result, "ram_1g"), 2);
    assert_int_equal(number(&result, "ram_2m"), 1);
    assert_int_equal(number(&result, "ram_4k"), 3);
    assert_int_equal(number(&result, "special"), 0);
    assert_int_equal(number(&result, "table_pages"), CHAIN);
    assert_int_equal(number(&result, "runs"), 6);
    cJSON_Delete(result.json);
}

static void consecutive_leaves_of_any_size_are_one_run(void **state)
{
    struct image *image = *state;
    struct result result;

    for (unsigned i = 0; i < 512; i++)
        put_leaf(image, PT, i, RAM_RW | (6 * GB + i * 4 * KB));
    for (unsigned i = 1; i < 512; i++)
        put_leaf(image, PD, i, RAM_RW | (6 * GB + i * 2 * MB));
    put_leaf(image, PDPT, 1, RAM_RW | (7 * GB));
    result = look_sound(image);
    assert_int_equal(number(&result, "runs"), 1);
    assert_int_equal(number(&result, "ram_1g"), 1);
    assert_int_equal(number(&result, "ram_2m"), 511);
    assert_int_equal(number(&result, "ram_4k"), 512);
    cJSON_Delete(result.json);
}

static void a_hole_a_jump_and_a_change_of_type_start_a_run(void **state)
{
    struct image *image = *state;
    struct result result;

    put_leaf(image, PD, 1, RAM_RW | (100 * MB));
    put_leaf(image, PD, 3, RAM_RW | (104 * MB));
    put_leaf(image, PD, 4, RAM_RW | (200 * MB));
    put(image, PD, 5, RAM_RO | (202 * MB) | SUPERPAGE | (image->bits->leaf & ~(uint64_t)WRITABLE));
    result = look_sound(image);
    assert_int_equal(number(&result, "runs"), 4);
    assert_int_equal(number(&result, "ram_2m"), 4);
    cJSON_Delete(result.json);
}

static void marks_are_counted_by_size_and_are_no_runs(void **state)
{
    struct image *image = *state;
    struct result result;

    put(image, PDPT, 1, POD);
    put(image, PDPT, 2, POD);
    put(image, PD, 1, POD);
    put(image, PT, 1, POD);
    put(image, PT, 2, BROKEN);
    result = look_sound(image);
    assert_int_equal(number(&result, "pod_1g"), 2);
    assert_int_equal(number(&result, "pod_2m"), 1);
    assert_int_equal(number(&result, "pod_4k"), 1);
    assert_int_equal(number(&result, "broken"), 1);
    assert_int_equal(number(&result, "runs"), 0);
    cJSON_Delete(result.json);
}

static void what_waits_for_a_change_of_type_is_seen_as_it_is(void **state)
{
    struct image *image = *state;
    struct result result;

    put_leaf(image, PT, 1, RAM_RW | (64 * KB));
    put(image, PD, 0, PT | RECALCULATE | image->bits->waiting);
    put(image, ROOT, 0, PDPT | RECALCULATE | image->bits->waiting);
    result = look_sound(image);
    assert_int_equal(number(&result, "ram_4k"), 1);
    cJSON_Delete(result.json);
}

/* While a sweep reads it, it is the guest's memory as before, but that it is not written. */
static void memory_whose_writes_are_held_off_is_ram(void **state)
{
    struct image *image = *state;
    uint64_t leaf = image->bits->leaf & ~(uint64_t)WRITABLE;
    struct result result;

    put(image, PDPT, 1, RAM_HELD | (4 * GB) | SUPERPAGE | leaf);
    put(image, PD, 1, RAM_HELD | (100 * MB) | SUPERPAGE | leaf);
    put(image, PT, 1, RAM_HELD | (64 * KB) | leaf);
    result = look_sound(image);
    assert_int_equal(number(&result, "ram_1g"), 1);
    assert_int_equal(number(&result, "ram_2m"), 1);
    assert_int_equal(number(&result, "ram_4k"), 1);
    assert_int_equal(number(&result, "runs"), 3);
    cJSON_Delete(result.json);
}

static void ram_that_nobody_has_accessed_is_counted_in_frames(void **state)
{
    struct image *image = *state;
    struct result result;

    put_leaf(image, PDPT, 1, RAM_RW | (4 * GB));
    put_leaf(image, PDPT, 2, RAM_RW | (5 * GB) | image->bits->accessed_dirty);
    put_leaf(image, PD, 1, RAM_RW | (100 * MB));
    put_leaf(image, PT, 1, RAM_RW | (64 * KB));
    put_leaf(image, PT, 2, RAM_RW | (72 * KB) | image->bits->accessed_dirty);
    put_leaf(image, PT, 3, SPECIAL | (80 * KB));
    put(image, PDPT, 3, POD);
    result = look_sound(image);
    assert_int_equal(number(&result, "untouched_frames"), 262144 + 512 + 1);
    cJSON_Delete(result.json);
}

/* A device lies where no memory is; a page of the host's may be shown at two guest frames. */
static void special_pages_and_devices_are_no_ram(void **state)
{
    struct image *image = *state;
    struct result result;

    put_leaf(image, PT, 1, SPECIAL | (64 * KB));
    put_leaf(image, PT, 2, SPECIAL | (64 * KB));
    put_leaf(image, PT, 3, MMIO | (3 * GB));
    put_leaf(image, PDPT, 1, MMIO | (3 * GB));
    result = look_sound(image);
    assert_int_equal(number(&result, "special"), 4);
    assert_int_equal(number(&result, "ram_1g"), 0);
    assert_int_equal(number(&result, "ram_4k"), 0);
    assert_int_equal(number(&result, "runs"), 0);
    cJSON_Delete(result.json);
}

static void tables_above_4g_are_found(void **state)
{
    struct image *image = *state;
    struct result result;

    put_table(image, PD, 1, 8 * GB - 4 * KB);
    put(image, 8 * GB - 4 * KB, 0, RAM_RW | (7 * GB) | image->bits->leaf);
    result = look_sound(image);
    assert_int_equal(number(&result, "table_pages"), CHAIN + 1);
    assert_int_equal(number(&result, "ram_4k"), 1);
    cJSON_Delete(result.json);
}

static void the_map_lists_every_run(void **state)
{
    struct image *image = *state;
    struct result result;

    put_leaf(image, PDPT, 1, RAM_RW | (4 * GB) | image->bits->accessed_dirty);
    put_leaf(image, PDPT, 2, RAM_RW | (5 * GB));
    put(image, PDPT, 3, POD);
    result = look_sound(image);
    assert_non_null(strstr(result.error, "0x40000 -     0xc0000      0x100000 -    0x180000"));
    assert_non_null(strstr(result.error, "ram_rw        2      0        0   50.0%  50.0%"));
    assert_non_null(strstr(result.error, "pod           1"));
    cJSON_Delete(result.json);
}

/* ---- bad input ------------------------------------------------------------------------------ */

static void expect_refusal(const char *const words[9], const char *text)
{
    struct result result = run_eye((char *const *)words);

    if (result.code != 2 || strstr(result.error, text) == NULL)
        print_error("wanted '%s', code 2; saw code %d, %s", text, result.code, result.error);
    assert_int_equal(result.code, 2);
    assert_string_equal(result.out, "");
    assert_non_null(strstr(result.error, text));
    assert_ptr_equal(strchr(result.error, '\n') + 1, result.error + strlen(result.error));
}

static void bad_input_gets_one_line_and_code_2(void **state)
{
    struct image *image = *state;
    char memory[64];
    const char *good[] = { "eye",    "--memory", memory, "--low-size", "0x40000000", "--root",
                           "0x1000", "--format", "npt",  NULL,         NULL };
    static const struct {
        unsigned place;
        const char *word, *text;
    } bad[] = {
        { 2, "/nonexistent", "cannot open '/nonexistent': No such file" },
        { 2, "/dev/null", "not a file of whole 4 KB pages" },
        { 4, "1G", "'1G' is not a number" },
        { 4, "-4096", "'-4096' is not a number" },
        { 4, "0x1000000000000000000", "is not a number" },
        { 4, "1000", "not a multiple of 4096" },
        { 4, "0x200000000", "more than the file holds" },
        { 6, "0x1008", "not a multiple of 4096" },
        { 6, "0x40000000", "not inside the machine's memory" },
        { 6, "0xfffffffffffff000", "not inside the machine's memory" },
        { 8, "arm", "'arm' is neither npt nor ept" },
        { 7, NULL, "--format is missing" },
        { 1, NULL, "--memory is missing" },
        { 9, "more", "unexpected argument 'more'" },
        { 9, "--more", "unrecognized option" },
    };

    snprintf(memory, sizeof(memory), "/dev/fd/%d", image->file);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *words[sizeof(good) / sizeof(good[0])];

        memcpy(words, good, sizeof(good));
        words[bad[i].place] = bad[i].word;
        expect_refusal(words, bad[i].text);
    }
}

static const struct CMUnitTest tests[] = {
    BOTH(an_empty_root_is_one_table_page),
    BOTH(leaves_are_counted_by_size),
    BOTH(consecutive_leaves_of_any_size_are_one_run),
    BOTH(a_hole_a_jump_and_a_change_of_type_start_a_run),
    BOTH(marks_are_counted_by_size_and_are_no_runs),
    BOTH(memory_whose_writes_are_held_off_is_ram),
    BOTH(what_waits_for_a_change_of_type_is_seen_as_it_is),
    BOTH(ram_that_nobody_has_accessed_is_counted_in_frames),
    BOTH(special_pages_and_devices_are_no_ram),
    BOTH(tables_above_4g_are_found),
    BOTH(the_map_lists_every_run),
    FOR(npt, bad_input_gets_one_line_and_code_2),
};

int main(int count, char **arguments)
{
    if (!eye_is_given(count, arguments))
        return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
