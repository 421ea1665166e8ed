/* SPDX-License-Identifier: MIT */
/*
 * `podium iso`. The disc is made in a directory of its own beside the file, so that it appears
 * whole or not at all.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command_line.h"
#include "disc.h"
#include "iso.h"
#include "modules.h"

#define SUFFIX ".XXXXXX"

static enum outcome write_disc(const struct machine *machine, const char *directory,
                               const char *out)
{
    char made[PATH_SIZE + sizeof SUFFIX];
    enum outcome outcome = iso_make(machine, directory);

    if (outcome != GOOD)
        return outcome;
    snprintf(made, sizeof made, "%.4000s/" ISO_NAME, directory);
    if (rename(made, out) != 0) {
        outcome = bad_input("--out: %s: %s", out, strerror(errno));
        unlink(made);
    }
    return outcome;
}

enum outcome disc(const struct options *options)
{
    struct machine machine = { .initrd_fd = -1 };
    char directory[PATH_SIZE];
    uint64_t bytes;

    if (snprintf(directory, sizeof directory, "%s" SUFFIX, options->out) >= 3900)
        return bad_input("--out: the name is too long");
    enum outcome outcome = command_line_compose(machine.command_line, options);
    if (outcome == GOOD)
        outcome = modules_open(&machine, options, &bytes);
    if (outcome == GOOD)
        outcome = machine_open_image(&machine);
    if (outcome != GOOD)
        return outcome;
    if (!mkdtemp(directory))
        return bad_input("--out: %s: %s", options->out, strerror(errno));
    outcome = write_disc(&machine, directory, options->out);
    iso_remove_directory(directory, outcome);
    if (outcome == GOOD)
        say("%s starts by BIOS and by UEFI; its console is the first serial port, 115200 8N1",
            options->out);
    return outcome;
}
