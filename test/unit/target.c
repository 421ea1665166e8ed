/* SPDX-License-Identifier: MIT */
/*
 * Lines from the host command, and what a guest's target becomes: target.c, with a serial port that
 * says what the test says, and an engine that answers as the test wants.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "devices.h"
#include "print.h"
#include "target.h"
#include "xenstore.h"

#define PROMISED 1048576u

static struct domain domain;
static const char *sent;
static char said[512];
static uint64_t told;            /* the last target that the guest's balloon was told */
static unsigned asked;           /* how often the engine was asked */
static enum p2m_error answer[4]; /* what it says each time */

int uart_get(enum uart uart)
{
    assert_int_equal(uart, UART_RECORDS);
    return *sent ? *sent++ : -1;
}

void print(const char *text, ...)
{
    va_list arguments;

    va_start(arguments, text);
    vsnprintf(said, sizeof(said), text, arguments);
    va_end(arguments);
}

void xenstore_set_target(struct domain *of, uint64_t frames)
{
    assert_ptr_equal(of, &domain);
    told = frames;
    of->memory_frames = frames;
}

struct p2m_locked p2m_lock(struct p2m *p2m)
{
    return (struct p2m_locked){ p2m };
}

void p2m_unlock(struct p2m_locked locked)
{
    assert_ptr_equal(locked.p2m, &domain.p2m);
}

const char *p2m_error_name(enum p2m_error error)
{
    return error == P2M_EMPTY ? "nothing left" : "other";
}

enum p2m_error pod_set_target(struct p2m_locked locked, struct pod *pod, uint64_t frames)
{
    assert_ptr_equal(locked.p2m, &domain.p2m);
    assert_ptr_equal(pod, &domain.pod);
    assert_int_equal(frames, domain.memory_frames);
    assert_true(asked < 4);
    return answer[asked++];
}

static int set_up(void **state)
{
    (void)state;
    memset(&domain, 0, sizeof(domain));
    domain.maxmem_frames = PROMISED;
    domain.memory_frames = 4096;
    sent = "\n"; /* ends what the test before may have begun */
    (void)target_listen(&domain);
    said[0] = '\0';
    told = asked = 0;
    memset(answer, 0, sizeof(answer));
    return 0;
}

static bool listen_to(const char *text)
{
    sent = text;
    return target_listen(&domain);
}

static void a_line_sets_the_target(void **state)
{
    (void)state;
    assert_false(listen_to("target 524288\n"));
    assert_int_equal(told, 524288);
    assert_int_equal(asked, 1);
    assert_non_null(strstr(said, "2048 MB"));
}

static void an_empty_line_is_an_answer(void **state)
{
    (void)state;
    assert_false(listen_to(""));
    assert_true(listen_to("\n"));
    assert_false(listen_to(""));
    assert_true(listen_to("\n\n\n"));
    assert_int_equal(asked, 0);
}

static void an_answer_and_a_line_may_come_at_once(void **state)
{
    (void)state;
    assert_true(listen_to("target 1000\n\ntarget 2000\n"));
    assert_int_equal(told, 2000);
    assert_int_equal(asked, 2);
}

static void a_line_may_come_in_pieces(void **state)
{
    (void)state;
    for (const char *piece = "target 777\n"; *piece; piece++) {
        char one[2] = { *piece, '\0' };

        assert_int_equal(told, 0);
        assert_false(listen_to(one));
    }
    assert_int_equal(told, 777);
}

static void nonsense_is_said_and_changes_nothing(void **state)
{
    static const char *const lines[] = {
        "target\n",
        "target \n",
        "target -1\n",
        "target 5 \n",
        "target 0x10\n",
        "targets 5\n",
        "Target 5\n",
        "target 18446744073709551616\n",
        "\r\n",
        "hello, guest\n",
        " target 5\n",
        "a line that is longer than any line that means something, and much longer than that\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        said[0] = '\0';
        assert_false(listen_to(lines[i]));
        assert_non_null(strstr(said, "not known"));
    }
    assert_int_equal(told, 0);
    assert_int_equal(asked, 0);
    assert_false(listen_to("target 5\n"));
    assert_int_equal(told, 5);
}

/* Cut where the buffer ends, it would be a target of its own. */
static void the_beginning_of_a_long_line_is_no_line(void **state)
{
    (void)state;
    assert_false(listen_to("target 0000000000000000000000050000000000000\n"));
    assert_int_equal(told, 0);
}

static void more_than_is_promised_is_refused(void **state)
{
    (void)state;
    assert_int_equal(target_set(&domain, PROMISED + 1), P2M_BAD_RANGE);
    assert_int_equal(target_set(&domain, 0), P2M_BAD_RANGE);
    assert_false(listen_to("target 1048577\n"));
    assert_non_null(strstr(said, "promised 1048576"));
    assert_int_equal(told, 0);
    assert_int_equal(asked, 0);
    assert_int_equal(target_set(&domain, PROMISED), P2M_OK);
    assert_int_equal(told, PROMISED);
}

static void the_rest_is_asked_for_until_it_is_done(void **state)
{
    (void)state;
    answer[0] = answer[1] = P2M_AGAIN;
    assert_int_equal(target_set(&domain, 5000), P2M_OK);
    assert_int_equal(asked, 3);
}

static void what_the_machine_does_not_have_is_said(void **state)
{
    (void)state;
    answer[0] = P2M_AGAIN;
    answer[1] = P2M_EMPTY;
    assert_false(listen_to("target 524288\n"));
    assert_int_equal(told, 524288);
    assert_non_null(strstr(said, "not as much (nothing left)"));
}

#define CLAIM(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_line_sets_the_target),
        CLAIM(an_empty_line_is_an_answer),
        CLAIM(an_answer_and_a_line_may_come_at_once),
        CLAIM(a_line_may_come_in_pieces),
        CLAIM(nonsense_is_said_and_changes_nothing),
        CLAIM(the_beginning_of_a_long_line_is_no_line),
        CLAIM(more_than_is_promised_is_refused),
        CLAIM(the_rest_is_asked_for_until_it_is_done),
        CLAIM(what_the_machine_does_not_have_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
