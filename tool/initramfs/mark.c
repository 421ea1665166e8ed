/* SPDX-License-Identifier: MIT */
/*
 * mark N - tell the hypervisor that phase N of this guest's life begins, by one byte to an I/O port
 * that only Podium answers. By ioperm, since Debian's cloud kernels have no /dev/port.
 * Refuses to know what the phases mean, and whether anybody listens.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>

#define PHASE_PORT 0x604

int main(int count, char **words)
{
    char *rest = NULL;
    unsigned long phase = count == 2 ? strtoul(words[1], &rest, 10) : 0;

    if (count != 2 || *words[1] == '\0' || *rest != '\0' || phase > 255) {
        fprintf(stderr, "usage: mark 0..255\n");
        return 2;
    }
    if (ioperm(PHASE_PORT, 1, 1) != 0) {
        perror("mark: ioperm");
        return 1;
    }
    outb((unsigned char)phase, PHASE_PORT);
    return 0;
}
