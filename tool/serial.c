/* SPDX-License-Identifier: MIT */
/*
 * The wires. Pipes where one direction will do: the emulator sends byte by byte, and a socket is
 * full after a few hundred such messages, a pipe after as many bytes as it holds. A full wire makes
 * the machine wait in our time instead of its own, and two counted runs would differ.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serial.h"

#define PIPE_SIZE (1 << 20)

static bool make_pipe(int *from, int *to)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE); /* refused: then it has its usual 64 KB */
    *from = ends[0];
    *to = ends[1];
    return true;
}

static bool make_socket(int *one, int *other)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    *one = ends[0];
    *other = ends[1];
    return true;
}

bool serial_make(struct serial *ours, struct serial *machines, enum answers answers)
{
    return make_pipe(&ours->console, &machines->console) &&
           make_pipe(&machines->keys, &ours->keys) &&
           (answers == ANSWERS_WANTED ? make_socket(&ours->records, &machines->records)
                                      : make_pipe(&ours->records, &machines->records));
}

void serial_close(const struct serial *serial)
{
    close(serial->console);
    close(serial->keys);
    close(serial->records);
}
