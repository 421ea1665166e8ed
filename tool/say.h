/* SPDX-License-Identifier: MIT */
/*
 * What the command says to people, and the guest's console between it. Keeps the two apart: our own
 * lines start in the first column and with "podium: ".
 * Refuses to know what is said.
 */
#ifndef TOOL_SAY_H
#define TOOL_SAY_H

#include <stdbool.h>
#include <stddef.h>

/* How the command ends; the values are its exit status, and are promised by --help. */
enum outcome { GOOD = 0, FAILED = 1, BAD_INPUT = 2 };

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line on standard error; returns BAD_INPUT or FAILED, to be returned on. */
enum outcome bad_input(const char *format, ...) __attribute__((format(printf, 1, 2)));
enum outcome failed(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Bytes of the guest's console, unchanged. */
void say_console(const char *bytes, size_t size);

/* Whether who reads standard error has read the console too: both go to the same place. */
bool say_console_was_seen(void);

/* Whether all that was said got out: the outcome, or FAILED, said in one line. */
enum outcome say_end(enum outcome outcome);

#endif
