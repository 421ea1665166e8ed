/* SPDX-License-Identifier: MIT */
/*
 * What the hypervisor says to people, and the end of everything. A line is marked as ours when its
 * first character comes, so that callers need not think of it.
 * Refuses to know what the lines mean.
 */
#include "print.h"

#include <stdbool.h>
#include <stdarg.h>

#include "lib.h"
#include "cpu.h"
#include "devices.h"

extern const char image_text[], image_text_end[]; /* hv.ld */
extern const char boot_stack[], boot_stack_end[]; /* boot.S */

#define STACK_LINES 24
#define GUARD_REACH 0x4000 /* how far below the stack a pointer still means the stack */

static bool in_line; /* the last character was ours, and no '\n' */

static void put(void *to, char c)
{
    (void)to;
    if (!in_line) {
        if (uart_mid_line(UART_CONSOLE)) {
            uart_put(UART_CONSOLE, '\r');
            uart_put(UART_CONSOLE, '\n');
        }
        for (const char *mark = "podium: "; *mark; mark++)
            uart_put(UART_CONSOLE, *mark);
    }
    if (c == '\n')
        uart_put(UART_CONSOLE, '\r'); /* a terminal in raw mode */
    uart_put(UART_CONSOLE, c);
    in_line = c != '\n';
}

void print(const char *text, ...)
{
    va_list arguments;

    va_start(arguments, text);
    format_each(put, NULL, text, arguments);
    va_end(arguments);
}

/* Whatever JSON does not take as it is becomes a '?'. */
static void put_in_record(void *to, char c)
{
    (void)to;
    uart_put(UART_RECORDS, c < ' ' || c > '~' || c == '"' || c == '\\' ? '?' : c);
}

static void put_record_text(const char *text)
{
    while (*text)
        uart_put(UART_RECORDS, *text++);
}

static void record_error_text(const char *title, const char *text, va_list arguments)
{
    if (uart_mid_line(UART_RECORDS))
        uart_put(UART_RECORDS, '\n');
    put_record_text("{\"record\":\"error\",\"text\":\"");
    put_record_text(title);
    format_each(put_in_record, NULL, text, arguments);
    put_record_text("\"}\n");
}

void record_error(const char *text, ...)
{
    va_list arguments;

    va_start(arguments, text);
    record_error_text("", text, arguments);
    va_end(arguments);
}

static bool in_stack(const uint64_t *at)
{
    return (const char *)at >= boot_stack && (const char *)(at + 1) <= boot_stack_end;
}

/* Not every one is a live return address, but every live one is among them. */
void print_stack(const uint64_t *from)
{
    uintptr_t bottom = (uintptr_t)boot_stack;
    unsigned lines = 0;

    if ((uintptr_t)from < bottom && (uintptr_t)from >= bottom - GUARD_REACH)
        from = (const uint64_t *)bottom; /* it ran into the guard page */
    print("return addresses on the stack, innermost first:\n");
    for (; in_stack(from) && lines < STACK_LINES; from++) {
        if (*from < (uintptr_t)image_text || *from >= (uintptr_t)image_text_end)
            continue;
        print("  %p\n", (void *)(uintptr_t)*from);
        lines++;
    }
}

void panic(const char *text, ...)
{
    static bool again;
    va_list arguments;

    cli();
    if (again)
        machine_exit(EXIT_CODE_BAD); /* the panic itself went wrong */
    again = true;
    print("panic: ");
    va_start(arguments, text);
    format_each(put, NULL, text, arguments);
    va_end(arguments);
    print("\n");
    va_start(arguments, text);
    record_error_text("panic: ", text, arguments);
    va_end(arguments);
    print_stack(__builtin_frame_address(0));
    machine_exit(EXIT_CODE_BAD);
}
