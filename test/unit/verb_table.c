/* SPDX-License-Identifier: MIT */
/*
 * The table of cases itself: every function of include/p2m/ that looks at a map has a case, or a
 * line that says why it has none; and nothing in the table is not there any more.
 */
#include "trial.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_LENGTH 64

static bool has_case(const char *verb)
{
    for (unsigned table = 0; verb_cases[table]; table++)
        for (const struct verb_case *one = verb_cases[table]; one->verb; one++)
            if (strcmp(one->verb, verb) == 0)
                return true;
    return false;
}

static bool has_excuse(const char *verb)
{
    for (const struct verb_without *one = verbs_without; one->verb; one++)
        if (strcmp(one->verb, verb) == 0)
            return true;
    return false;
}

/* The function that this line declares, if it declares one: a declaration begins in column 1, and
 * its name is followed by a parenthesis. */
static bool find_declared(const char *line, char name[NAME_MAX_LENGTH])
{
    const char *end = strchr(line, '('), *from = end;

    if (!end || !isalpha((unsigned char)line[0]) || strncmp(line, "static", 6) == 0)
        return false;
    while (from > line && (isalnum((unsigned char)from[-1]) || from[-1] == '_'))
        from--;
    if (from == line || end - from >= NAME_MAX_LENGTH ||
        (strncmp(from, "p2m_", 4) != 0 && strncmp(from, "pod_", 4) != 0))
        return false;
    memcpy(name, from, (size_t)(end - from));
    name[end - from] = '\0';
    return true;
}

typedef void (*declared)(const char *verb, void *context);

static void for_each_declared(declared call, void *context)
{
    static const char *const headers[] = {
        P2M_HEADERS "/p2m.h",    P2M_HEADERS "/cache.h",     P2M_HEADERS "/pod.h",
        P2M_HEADERS "/change.h", P2M_HEADERS "/log_dirty.h", P2M_HEADERS "/current.h",
    };

    for (unsigned i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        char line[256], name[NAME_MAX_LENGTH];
        FILE *file = fopen(headers[i], "r");

        assert_non_null(file);
        while (fgets(line, sizeof(line), file))
            if (find_declared(line, name))
                call(name, context);
        fclose(file);
    }
}

static void count_and_expect_known(const char *verb, void *context)
{
    ++*(unsigned *)context;
    if (has_case(verb) == has_excuse(verb))
        fail_msg("%s has no case in test/verb_cases_*.c, or an excuse besides", verb);
}

static void every_verb_has_a_case_or_an_excuse(void **state)
{
    unsigned count = 0;

    (void)state;
    for_each_declared(count_and_expect_known, &count);
    assert_in_range(count, 80, 200);
}

struct wanted {
    const char *verb;
    bool is_there;
};

static void note_if_wanted(const char *verb, void *context)
{
    struct wanted *wanted = context;

    wanted->is_there = wanted->is_there || strcmp(verb, wanted->verb) == 0;
}

static void expect_declared(const char *verb)
{
    struct wanted wanted = { verb, false };

    for_each_declared(note_if_wanted, &wanted);
    if (!wanted.is_there)
        fail_msg("%s is in the table, and in no header", verb);
}

static void every_case_is_of_a_verb(void **state)
{
    (void)state;
    for (unsigned table = 0; verb_cases[table]; table++)
        for (const struct verb_case *one = verb_cases[table]; one->verb; one++)
            expect_declared(one->verb);
    for (const struct verb_without *one = verbs_without; one->verb; one++)
        expect_declared(one->verb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_verb_has_a_case_or_an_excuse),
        cmocka_unit_test(every_case_is_of_a_verb),
    };

    return cmocka_run_group_tests_name("verb_table", tests, NULL, NULL);
}
