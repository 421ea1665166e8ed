/* SPDX-License-Identifier: MIT */
/*
 * tool/waiting.c: what people are told of a guest that waits for memory, and what the hypervisor is
 * answered. Frames are of 4 KB: 256 to the MB.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tool/memory_size.h"
#include "tool/waiting.h"
#include "tool_said.h"

#define WAITING                                                                                    \
    "{\"record\":\"waiting\",\"guest\":1,\"entries\":131072,\"cached\":0,\"ns\":4000000000}"
#define RESUMED "{\"record\":\"resumed\",\"guest\":1,\"ns\":4250000000}"

static struct options options_with(uint64_t raise)
{
    return (struct options){
        .name = "linux",
        .memory = 256 * MB,
        .maxmem = 512 * MB,
        .patience = 10,
        .raise = raise,
    };
}

/* The answer to this record; empty: none. */
static const char *answer_to(struct waiting *waiting, const char *text)
{
    static char answer[WAITING_ANSWER_SIZE];
    cJSON *record = cJSON_Parse(text);

    said_nothing();
    if (!waiting_take(waiting, record, answer))
        answer[0] = '\0';
    cJSON_Delete(record);
    return answer;
}

static void a_wait_is_answered_with_a_higher_target(void **state)
{
    struct options options = options_with(64 * MB);
    struct waiting waiting;

    (void)state;
    waiting_init(&waiting, &options);
    assert_string_equal(answer_to(&waiting, WAITING), "target 81920\n");
    assert_string_equal(said(),
                        "guest linux waits for memory: its target is raised to 320M (--raise)");
    assert_string_equal(answer_to(&waiting, WAITING), "target 98304\n");
}

static void a_target_is_raised_to_what_was_promised_and_no_further(void **state)
{
    struct options options = options_with(192 * MB);
    struct waiting waiting;

    (void)state;
    waiting_init(&waiting, &options);
    assert_string_equal(answer_to(&waiting, WAITING), "target 114688\n");
    assert_string_equal(answer_to(&waiting, WAITING), "target 131072\n");
    assert_string_equal(answer_to(&waiting, WAITING), "");
    assert_string_equal(
        said(),
        "guest linux waits for memory: its target is 512M already, all that it was promised");
}

static void without_a_raise_people_are_told_what_will_happen(void **state)
{
    struct options options = options_with(0);
    struct waiting waiting;

    (void)state;
    waiting_init(&waiting, &options);
    assert_string_equal(answer_to(&waiting, WAITING), "");
    assert_non_null(strstr(said(), "stopped after 10 s (--patience)"));
    assert_non_null(strstr(said(), "--raise SIZE"));
}

static void how_long_it_waited_is_told_when_it_goes_on(void **state)
{
    struct options options = options_with(64 * MB);
    struct waiting waiting;

    (void)state;
    waiting_init(&waiting, &options);
    answer_to(&waiting, WAITING);
    assert_string_equal(answer_to(&waiting, RESUMED), "");
    assert_string_equal(said(), "guest linux goes on, after 0.25 s");
}

static void other_records_are_no_business_of_it(void **state)
{
    struct options options = options_with(64 * MB);
    struct waiting waiting;

    (void)state;
    waiting_init(&waiting, &options);
    assert_string_equal(answer_to(&waiting, "{\"record\":\"phase\",\"entries\":5}"), "");
    assert_string_equal(said(), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_is_answered_with_a_higher_target),
        cmocka_unit_test(a_target_is_raised_to_what_was_promised_and_no_further),
        cmocka_unit_test(without_a_raise_people_are_told_what_will_happen),
        cmocka_unit_test(how_long_it_waited_is_told_when_it_goes_on),
        cmocka_unit_test(other_records_are_no_business_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
