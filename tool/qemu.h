/* SPDX-License-Identifier: MIT */
/*
 * The emulated machine: QEMU with the hypervisor's image in it, its two serial ports and its memory
 * held by descriptors that have no name anywhere, so that there is nothing to leave behind.
 * Refuses to know what is said on the serial ports.
 */
#ifndef TOOL_QEMU_H
#define TOOL_QEMU_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "command_line.h"
#include "options.h"
#include "serial.h"

struct machine {
    const char *emulator;    /* "qemu", "bochs" */
    const char *accelerator; /* "tcg", "kvm", "none" */
    const char *cpu;
    uint64_t memory;   /* bytes */
    uint64_t low_size; /* of them below 4 GB */
    char command_line[COMMAND_LINE_SIZE];
    int image_fd;             /* the hypervisor */
    int kernel_fd, initrd_fd; /* the modules; initrd_fd -1: none */
    int disc_fd;              /* -1: it is not started from one */
    int memory_fd;            /* all of the machine's memory */
    struct serial serial;     /* our end of COM1 and COM2 */
    pid_t pid;                /* 0: not running */
    char log[PATH_SIZE];      /* what QEMU itself has to say */
};

/*
 * qemu_choose - accelerator, processor and memory for these options. The modules are open already.
 *   Errors: BAD_INPUT, FAILED; said in one line.
 */
enum outcome qemu_choose(struct machine *machine, const struct options *options,
                         uint64_t module_bytes);

/*
 * qemu_start - make memory and serial ports, and start the emulator. It dies with this program.
 *   Errors: FAILED; said in one line. Nothing runs then.
 */
enum outcome qemu_start(struct machine *machine, const struct options *options);

#define COMPLAINT_SIZE 240

/*
 * qemu_complaint - the last line that the emulator wrote to its log, warnings apart: it explains an
 * end that nobody else did. Empty when there is none.
 */
void qemu_complaint(const struct machine *machine, char complaint[COMPLAINT_SIZE]);

/* For whoever starts the machine another way. Errors: FAILED; said in one line. */
enum outcome machine_open_image(struct machine *machine);

#endif
