/* SPDX-License-Identifier: MIT */
/*
 * The last words: what a panic leaves on the two serial ports. The file under test is included, so
 * that its one instruction of ring 0 can be exchanged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cpu.h"
#include "this_cpu.h"
#include "apic.h"
#include "devices.h"

static unsigned number; /* of the processor that runs */
static unsigned stopped;
static jmp_buf ended;

#define cli()        ((void)0)
#define cpu_number() number
#define cpu_halt()   longjmp(ended, 2)
#include "../../hv/print.c"

const char image_text[1], image_text_end[1];
char boot_stacks[CPUS_MAX][STACK_GUARD + STACK_SIZE];

static char sent[UARTS][4096];
static size_t sent_size[UARTS];
static unsigned exit_code;
static bool panic_within;

size_t format_each(void (*to_put)(void *to, char c), void *to, const char *text, va_list arguments)
{
    char line[256];
    int size = vsnprintf(line, sizeof(line), text, arguments);

    for (int i = 0; i < size; i++)
        to_put(to, line[i]);
    return (size_t)size;
}

void uart_put(enum uart uart, char c)
{
    if (panic_within) {
        panic_within = false;
        panic("within");
    }
    if (sent_size[uart] + 1 < sizeof(sent[uart]))
        sent[uart][sent_size[uart]++] = c;
}

bool uart_mid_line(enum uart uart)
{
    return sent_size[uart] && sent[uart][sent_size[uart] - 1] != '\n';
}

void apic_send_others(uint32_t what)
{
    assert_int_equal(what, APIC_NMI);
    stopped++;
}

void machine_exit(uint8_t code)
{
    exit_code = code;
    longjmp(ended, 1);
}

static int set_up(void **state)
{
    (void)state;
    memset(sent, 0, sizeof(sent));
    memset(sent_size, 0, sizeof(sent_size));
    exit_code = 0;
    in_line = false;
    last_speaker = 0;
    number = 0;
    stopped = 0;
    return 0;
}

static void an_error_ends_the_record_that_was_begun(void **state)
{
    (void)state;
    for (const char *c = "{\"record\":\"ph"; *c; c++)
        uart_put(UART_RECORDS, *c);
    record_error("frame 0x%x: \"%s\\\n", 16u, "odd");
    assert_string_equal(
        sent[UART_RECORDS],
        "{\"record\":\"ph\n{\"record\":\"error\",\"text\":\"frame 0x10: ?odd??\"}\n");
}

static void a_panic_is_said_to_people_and_in_a_record(void **state)
{
    (void)state;
    if (setjmp(ended) == 0)
        panic("frame %u", 7u);
    assert_int_equal(exit_code, EXIT_CODE_BAD);
    assert_non_null(strstr(sent[UART_CONSOLE], "podium: panic: frame 7\r\n"));
    assert_string_equal(sent[UART_RECORDS], "{\"record\":\"error\",\"text\":\"panic: frame 7\"}\n");
    assert_int_equal(stopped, 1);
}

static void a_panic_within_a_panic_just_ends(void **state)
{
    (void)state;
    panic_within = true;
    if (setjmp(ended) == 0)
        panic("without");
    assert_int_equal(exit_code, EXIT_CODE_BAD);
    assert_string_equal(sent[UART_RECORDS], "");
}

/* The same when it is told to stop by the other's NMI. */
static void of_two_processors_that_panic_one_speaks(void **state)
{
    (void)state;
    number = 1;
    last_words();
    number = 0;
    assert_int_equal(exit_code, 0);
    if (setjmp(ended) == 0)
        panic("too late");
    else
        number = 1; /* it was halted */
    assert_int_equal(number, 1);
    assert_int_equal(exit_code, 0);
    assert_int_equal(stopped, 1);
    assert_string_equal(sent[UART_CONSOLE], "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_error_ends_the_record_that_was_begun, set_up),
        cmocka_unit_test_setup(a_panic_is_said_to_people_and_in_a_record, set_up),
        cmocka_unit_test_setup(a_panic_within_a_panic_just_ends, set_up),
        cmocka_unit_test_setup(of_two_processors_that_panic_one_speaks, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
