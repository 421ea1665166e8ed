/* SPDX-License-Identifier: MIT */
/*
 * What a C library would give: memory, strings, formatted text. There is none under this program,
 * and the compiler itself calls the first four.
 * Refuses to know where text goes: it writes into memory, or calls back with each character.
 */
#ifndef HV_LIB_H
#define HV_LIB_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* As in every C library. */
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);
size_t strnlen(const char *text, size_t size);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t size);
char *strchr(const char *text, int c);

/*
 * format, vformat - printf into memory: %s %c %d %i %u %x %X %p %% with l, ll, z; width, `*`, `.`
 * precision for %s, and the flags 0 and -. Always ends in NUL when size > 0.
 *   Units:   returns the length of the whole text, which may be more than what fitted.
 *   Context: any.
 *   Errors:  none; a conversion that it does not know is written as it stands.
 */
size_t format(char *out, size_t size, const char *text, ...) __attribute__((format(printf, 3, 4)));
size_t vformat(char *out, size_t size, const char *text, va_list arguments)
    __attribute__((format(printf, 3, 0)));

/*
 * format_each - the same, a character at a time: put(to, c) for each; no NUL.
 */
size_t format_each(void (*put)(void *to, char c), void *to, const char *text, va_list arguments)
    __attribute__((format(printf, 3, 0)));

#endif
