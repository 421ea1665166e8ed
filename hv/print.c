/* SPDX-License-Identifier: MIT */
/*
 * What the hypervisor says to people, and the end of everything. A line is marked as ours when its
 * first character comes, so that callers need not think of it.
 * Refuses to know what the lines mean.
 */
#include "print.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "lib.h"
#include "cpu.h"
#include "this_cpu.h"
#include "apic.h"
#include "devices.h"

extern const char image_text[], image_text_end[]; /* hv.ld */

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

/* Not every one is a live return address, but every live one is among them. */
void print_stack(const uint64_t *from)
{
    uintptr_t bottom = (uintptr_t)&boot_stacks[cpu_number()][STACK_GUARD];
    uintptr_t top = bottom + STACK_SIZE;
    unsigned lines = 0;

    if ((uintptr_t)from < bottom && (uintptr_t)from >= bottom - GUARD_REACH)
        from = (const uint64_t *)bottom; /* it ran into the guard page */
    print("return addresses on the stack, innermost first:\n");
    for (; (uintptr_t)from >= bottom && (uintptr_t)(from + 1) <= top && lines < STACK_LINES;
         from++) {
        if (*from < (uintptr_t)image_text || *from >= (uintptr_t)image_text_end)
            continue;
        print("  %p\n", (void *)(uintptr_t)*from);
        lines++;
    }
}

/* One more than the number of the processor whose last words these are. */
static _Atomic unsigned last_speaker;

void last_words(void)
{
    unsigned speaker = 0, self = cpu_number() + 1;

    cli();
    if (atomic_compare_exchange_strong(&last_speaker, &speaker, self)) {
        apic_send_others(APIC_NMI);
        return;
    }
    if (speaker == self)
        machine_exit(EXIT_CODE_BAD); /* what was said of the end went wrong itself */
    cpu_halt();
}

void panic(const char *text, ...)
{
    va_list arguments;

    last_words();
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
