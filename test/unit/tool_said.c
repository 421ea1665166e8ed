/* SPDX-License-Identifier: MIT */
/*
 * Keeps the last line. Refuses to know what is said.
 */
#include <stdarg.h>
#include <stdio.h>

#include "tool/say.h"
#include "tool_said.h"

static char line[4096];

const char *said(void)
{
    return line;
}

void said_nothing(void)
{
    line[0] = '\0';
}

void say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
}

enum outcome bad_input(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    return BAD_INPUT;
}

enum outcome failed(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    return FAILED;
}
