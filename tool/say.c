/* SPDX-License-Identifier: MIT */
/*
 * What the command says to people. Remembers one thing: whether the guest left a line unfinished.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

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

bool say_console_was_seen(void)
{
    struct stat console, errors;

    return fstat(STDOUT_FILENO, &console) == 0 && fstat(STDERR_FILENO, &errors) == 0 &&
           console.st_dev == errors.st_dev && console.st_ino == errors.st_ino;
}

enum outcome say_end(enum outcome outcome)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return outcome;
    enum outcome unsaid = failed("not all of this could be written to standard output");
    return outcome == GOOD ? unsaid : outcome;
}
