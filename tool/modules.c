/* SPDX-License-Identifier: MIT */
/*
 * The boot loader's modules. An initramfs is handed on as it is: the guest's kernel unpacks it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel.h"
#include "modules.h"

static enum outcome open_initrd(const char *path, int *fd, uint64_t *size)
{
    struct stat status;

    *fd = -1;
    *size = 0;
    if (*path == '\0')
        return GOOD;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us up */
    if (*fd < 0 || fstat(*fd, &status) != 0)
        return bad_input("no such initramfs: %s: %s; give a file, or --initrd none", path,
                         strerror(errno));
    if (!S_ISREG(status.st_mode))
        return bad_input("%s: not a file; give an initramfs, or --initrd none", path);
    *size = (uint64_t)status.st_size;
    return GOOD;
}

enum outcome modules_open(struct machine *machine, const struct options *options, uint64_t *bytes)
{
    uint64_t kernel_size = 0, initrd_size = 0;
    enum outcome outcome = open_initrd(options->initrd, &machine->initrd_fd, &initrd_size);

    if (outcome == GOOD)
        outcome = kernel_open(options->kernel, &machine->kernel_fd, &kernel_size);
    *bytes = kernel_size + initrd_size;
    return outcome;
}
