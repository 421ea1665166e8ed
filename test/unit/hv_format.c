/* SPDX-License-Identifier: MIT */
/*
 * lib.c's format for tests of what calls it: lib.c itself may not stand beside the C library.
 */
#include <stdarg.h>
#include <stdio.h>

#include "lib.h"

size_t format(char *out, size_t size, const char *text, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, text);
    length = vsnprintf(out, size, text, arguments);
    va_end(arguments);
    return (size_t)length;
}
