/* SPDX-License-Identifier: MIT */
/*
 * The wires between the emulated machine's two serial ports and this program. None has a name.
 * Refuses to know what goes over them.
 */
#ifndef TOOL_SERIAL_H
#define TOOL_SERIAL_H

#include <stdbool.h>

/* One end of the wires; seen from the machine, console and records go out and keys come in. */
struct serial {
    int console;
    int keys;
    int records; /* with answers: both ways */
};

enum answers { ANSWERS_NONE, ANSWERS_WANTED };

/*
 * serial_make - all wires, both ends closed on exec.
 *   Errors: false, and errno.
 */
bool serial_make(struct serial *ours, struct serial *machines, enum answers answers);

void serial_close(const struct serial *serial);

#endif
