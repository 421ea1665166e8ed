/* SPDX-License-Identifier: MIT */
/*
 * lib.c's format for tests of what calls it: lib.c itself may not stand beside the C library.
 */
#include <stdarg.h>
#include <stdio.h>

#include "lib.h"

size_t vformat(char *out, size_t size, const char *text, va_list arguments)
{
    return (size_t)vsnprintf(out, size, text, arguments);
}

size_t format(char *out, size_t size, const char *text, ...)
{
    va_list arguments;
    size_t length;

    va_start(arguments, text);
    length = vformat(out, size, text, arguments);
    va_end(arguments);
    return length;
}
