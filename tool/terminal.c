/* SPDX-License-Identifier: MIT */
/*
 * The person's terminal. Signals stay on for Ctrl-C alone, so that it ends the run whatever the
 * guest does; output processing stays on, so that our own lines look right.
 */
#include <unistd.h>

#include "terminal.h"

#define ESCAPE    0x1d /* Ctrl-] */
#define INTERRUPT 0x03 /* Ctrl-C */

bool terminal_is_ours(void)
{
    return isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

bool terminal_gives_shell(void)
{
    return terminal_is_ours() && isatty(STDOUT_FILENO);
}

void terminal_open(struct terminal *terminal)
{
    *terminal = (struct terminal){ .raw = false };
    if (!terminal_is_ours() || tcgetattr(STDIN_FILENO, &terminal->before) != 0)
        return;

    struct termios raw = terminal->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
    raw.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IXON);
    raw.c_cc[VQUIT] = _POSIX_VDISABLE;
    raw.c_cc[VSUSP] = _POSIX_VDISABLE;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    terminal->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

void terminal_restore(struct terminal *terminal)
{
    if (terminal->raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal->before);
    terminal->raw = false;
}

bool terminal_filter(struct terminal *terminal, char *keys, size_t *size)
{
    size_t kept = 0;
    bool end = false;

    if (!terminal->raw)
        return false;
    for (size_t i = 0; i < *size; i++) {
        char key = keys[i];
        if (!terminal->escaped && key == ESCAPE) {
            terminal->escaped = true;
            continue;
        }
        if (terminal->escaped && key == 'c')
            key = INTERRUPT;
        else if (terminal->escaped && key == 'q')
            end = true;
        terminal->escaped = false;
        keys[kept++] = key;
    }
    *size = kept;
    return end;
}
