/* SPDX-License-Identifier: MIT */
/*
 * tool/command_line.c: what hypervisor and guest are started with. Whether a person gets a shell is
 * said here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tool/command_line.h"
#include "tool/memory_size.h"
#include "tool/terminal.h"
#include "tool_said.h"

static bool gives_shell;

bool terminal_gives_shell(void)
{
    return gives_shell;
}

static struct options options_plain(void)
{
    return (struct options){
        .memory = 2 * GB,
        .maxmem = 4 * GB,
        .name = "linux",
        .append = "",
        .patience = 10,
        .eye = EYE_NEVER,
    };
}

static void assert_line(const struct options *options, const char *expected)
{
    char line[COMMAND_LINE_SIZE];

    assert_int_equal(command_line_compose(line, options), GOOD);
    assert_string_equal(line, expected);
}

static void a_guest_gets_debians_words_and_a_console(void **state)
{
    struct options options = options_plain();

    (void)state;
    assert_line(&options, "guest.memory=2G guest.maxmem=4G guest.name=linux pod.patience=10 -- "
                          "console=hvc0 quiet");
}

static void every_option_has_its_word(void **state)
{
    struct options options = options_plain();

    (void)state;
    options.balloon = BALLOON_OFF;
    options.pod_max_order = "2m";
    options.max_order = "1g";
    options.fragment = "4k";
    options.eye = EYE_ALWAYS;
    options.test_calls = true;
    options.fill = 7 * GB;
    options.fill_zeroes = true;
    options.append = "a b";
    gives_shell = true;
    assert_line(&options,
                "guest.memory=2G guest.maxmem=4G guest.name=linux guest.balloon=off "
                "pod.max_order=2m pod.patience=10 max_order=1g fragment=4k hold=1 test_calls=1 -- "
                "console=hvc0 quiet podium.shell podium.fill=7168 podium.zeroes a b");
    gives_shell = false;
}

static void a_disc_does_not_depend_on_who_makes_it(void **state)
{
    struct options options = options_plain();

    (void)state;
    options.purpose = PURPOSE_DISC;
    options.eye = EYE_IF_TIMED;
    gives_shell = true;
    assert_line(&options, "guest.memory=2G guest.maxmem=4G guest.name=linux pod.patience=10 -- "
                          "console=hvc0 quiet");
    gives_shell = false;
}

/* The longest text that fits beside all the other words, and one more. */
static void a_line_that_is_too_long_is_refused(void **state)
{
    static char text[COMMAND_LINE_SIZE];
    struct options options = options_plain();
    char line[COMMAND_LINE_SIZE];

    (void)state;
    assert_int_equal(command_line_compose(line, &options), GOOD);
    size_t room = COMMAND_LINE_SIZE - 1 - strlen(line) - 1;
    memset(text, 'x', room);
    options.append = text;
    assert_int_equal(command_line_compose(line, &options), GOOD);
    assert_int_equal(strlen(line), COMMAND_LINE_SIZE - 1);
    text[room] = 'x';
    said_nothing();
    assert_int_equal(command_line_compose(line, &options), BAD_INPUT);
    assert_string_equal(said(), "--append: too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_gets_debians_words_and_a_console),
        cmocka_unit_test(every_option_has_its_word),
        cmocka_unit_test(a_disc_does_not_depend_on_who_makes_it),
        cmocka_unit_test(a_line_that_is_too_long_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
