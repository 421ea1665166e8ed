/* SPDX-License-Identifier: MIT */
/*
 * The person's terminal: every key to the guest, but for Ctrl-C and what follows Ctrl-].
 * Refuses to know where the keys go.
 */
#ifndef TOOL_TERMINAL_H
#define TOOL_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

struct terminal {
    bool raw;     /* changed, and to be restored */
    bool escaped; /* the last key was Ctrl-] */
    struct termios before;
};

/* Whether standard input is a terminal and we are its foreground job: others must not touch it. */
bool terminal_is_ours(void);

/* Whether a person is here to use a shell: standard input and output are a terminal, and ours. */
bool terminal_gives_shell(void);

/* Hands keys through one by one, if standard input is a terminal and ours to change. */
void terminal_open(struct terminal *terminal);
void terminal_restore(struct terminal *terminal);

/* Takes the escapes out of keys[0, *size); true when the person wants to end the run. */
bool terminal_filter(struct terminal *terminal, char *keys, size_t *size);

#endif
