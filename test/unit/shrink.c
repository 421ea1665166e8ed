/* SPDX-License-Identifier: MIT */
/*
 * Shrinking, on failures that are made up: bytes that must be together, and real operations out of
 * a seeded run. Refuses to know how a long run goes about it.
 */
#include "../shrink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "p2m/p2m.h"

#include "../input.h"
#include "../verbs.h"

#define BYTES      4096u
#define OPERATIONS 3000u
#define ROOM       ((size_t)1 << 20)

static struct shrink_input make_input(size_t room)
{
    struct shrink_input input = { .bytes = calloc(1, room + 1),
                                  .start = calloc(room, sizeof(size_t)) };

    assert_true(input.bytes && input.start);
    input.bytes++; /* a byte before says which format */
    return input;
}

static void free_input(struct shrink_input *input)
{
    free(input->bytes - 1);
    free(input->start);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static unsigned calls;

/* A bug that takes an 'a', later a 'b', and one more 'a' at last. */
static bool has_aba(struct shrink_input *input, void *context)
{
    const char *wanted = context;

    calls++;
    for (size_t i = 0; i < input->operations && *wanted; i++)
        wanted += input->bytes[input->start[i]] == (uint8_t)*wanted;
    return *wanted == '\0';
}

/* Operations of one to three bytes. */
static void fill(struct shrink_input *input)
{
    size_t at = 0;

    memset(input->bytes, '.', BYTES);
    while (at < BYTES - 3) {
        input->start[input->operations] = at;
        at += 1 + input->operations++ % 3;
    }
    input->size = at;
    input->bytes[input->start[17]] = 'a';
    input->bytes[input->start[901]] = 'b';
    input->bytes[input->start[1500]] = 'a';
}

static void a_shrunk_input_is_what_the_failure_takes_and_nothing_more(void **state)
{
    struct shrink_input input = make_input(BYTES), candidate = make_input(BYTES);
    struct shrink_judge judge = { has_aba, "aba", 100000 };

    (void)state;
    fill(&input);
    shrink(&input, &candidate, &judge);
    assert_int_equal(input.operations, 3);
    assert_in_range(input.size, 3, 9);
    assert_true(has_aba(&input, "aba"));
    free_input(&input);
    free_input(&candidate);
}

static void shrinking_ends_when_its_tries_are_used_up_and_the_rest_still_fails(void **state)
{
    struct shrink_input input = make_input(BYTES), candidate = make_input(BYTES);
    struct shrink_judge judge = { has_aba, "aba", 20 };

    (void)state;
    fill(&input);
    calls = 0;
    shrink(&input, &candidate, &judge);
    assert_int_equal(calls, 20);
    assert_int_equal(judge.tries, 0);
    assert_in_range(input.operations, 4, 2000);
    assert_true(has_aba(&input, "aba"));
    free_input(&input);
    free_input(&candidate);
}

/* ---- operations ----------------------------------------------------------------------------- */

/* "Fails" when marks are merged into a 1 GB mark: that takes a promise, a split, and the merge. */
static bool merges_marks(struct shrink_input *input, void *context)
{
    struct choices_record *record = context;
    static struct histogram histogram;

    histogram = (struct histogram){ 0 };
    record->count = record->start_count = 0;
    input_run(input->bytes - 1, input->size + 1, &histogram, record);
    if (histogram.count[VERB_MERGE][OUTCOME_MARKS][COLUMN_1G] == 0)
        return false;
    memcpy(input->bytes, record->bytes, record->count);
    memcpy(input->start, record->start, record->start_count * sizeof(size_t));
    input->size = record->count;
    input->operations = record->start_count;
    return true;
}

static void shrink_run(const struct pt_format *format)
{
    struct shrink_input input = make_input(ROOM), candidate = make_input(ROOM);
    struct choices_record first = { input.bytes, input.start, ROOM, 0, ROOM, 0 };
    struct choices_record record = { .room = ROOM, .start_room = ROOM };
    struct shrink_judge judge = { merges_marks, &record, 300 };
    struct verbs_plan plan = { .format = format,
                               .choices = { .seed = 3, .record = &first },
                               .operations = OPERATIONS,
                               .check_every = OPERATIONS };
    static struct histogram histogram;

    record.bytes = malloc(ROOM);
    record.start = malloc(ROOM * sizeof(size_t));
    assert_true(record.bytes && record.start);
    input.bytes[-1] = candidate.bytes[-1] = input_first_byte(format);
    verbs_run(&plan, &histogram);
    input.size = first.count;
    input.operations = first.start_count;
    assert_int_equal(input.operations, OPERATIONS);
    assert_true(merges_marks(&input, &record));
    shrink(&input, &candidate, &judge);
    print_message("# %zu operations, %zu bytes; %zu tries\n", input.operations, input.size,
                  300 - judge.tries);
    assert_in_range(input.operations, 1, 8);
    assert_true(merges_marks(&input, &record));
    free(record.bytes);
    free(record.start);
    free_input(&input);
    free_input(&candidate);
}

static void a_seeded_run_of_npt_is_recorded_replayed_and_shrunk_to_a_few_operations(void **state)
{
    (void)state;
    shrink_run(&npt_format);
}

static void a_seeded_run_of_ept_is_recorded_replayed_and_shrunk_to_a_few_operations(void **state)
{
    (void)state;
    shrink_run(&ept_format);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shrunk_input_is_what_the_failure_takes_and_nothing_more),
        cmocka_unit_test(shrinking_ends_when_its_tries_are_used_up_and_the_rest_still_fails),
        cmocka_unit_test(a_seeded_run_of_npt_is_recorded_replayed_and_shrunk_to_a_few_operations),
        cmocka_unit_test(a_seeded_run_of_ept_is_recorded_replayed_and_shrunk_to_a_few_operations),
    };

    return cmocka_run_group_tests_name("shrink", tests, NULL, NULL);
}
