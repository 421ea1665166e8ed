/* SPDX-License-Identifier: MIT */
/*
 * What the command says to people. Remembers one thing: whether the guest left a line unfinished.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "say.h"

static bool line_is_open;

static void say_line(FILE *to, const char *format, va_list arguments)
{
    if (line_is_open)
        fputs("\r\n", stdout);
    line_is_open = false;
    fflush(stdout);
    fputs("podium: ", to);
    vfprintf(to, format, arguments);
    fputc('\n', to);
    fflush(to);
}

void say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say_line(stdout, format, arguments);
    va_end(arguments);
}

enum outcome bad_input(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say_line(stderr, format, arguments);
    va_end(arguments);
    return BAD_INPUT;
}

enum outcome failed(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say_line(stderr, format, arguments);
    va_end(arguments);
    return FAILED;
}

void say_console(const char *bytes, size_t size)
{
    if (size == 0)
        return;
    fwrite(bytes, 1, size, stdout);
    fflush(stdout);
    line_is_open = bytes[size - 1] != '\n' && bytes[size - 1] != '\r';
}
