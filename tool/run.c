/* SPDX-License-Identifier: MIT */
/*
 * `podium run`, step by step.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "eye.h"
#include "judge.h"
#include "kernel.h"
#include "memory_size.h"
#include "qemu.h"
#include "report.h"
#include "run.h"
#include "session.h"
#include "table.h"

#define LOG_TAIL        600
#define TIMEOUT_DEFAULT 1800u

static enum outcome open_initrd(const char *path, int *fd, uint64_t *size)
{
    struct stat status;

    *fd = -1;
    *size = 0;
    if (*path == '\0')
        return GOOD;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &status) != 0)
        return bad_input("no such initramfs: %s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return bad_input("%s: not a file; give an initramfs, or --initrd none", path);
    *size = (uint64_t)status.st_size;
    return GOOD;
}

/* The default guest fills its memory and says when it has; of others we can't expect that. */
static enum guest_kind kind_of_guest(const struct options *options)
{
    char path[PATH_SIZE];

    return path_beside(path, DEFAULT_INITRD) && strcmp(path, options->initrd) == 0 ? GUEST_DEFAULT
                                                                                   : GUEST_OTHER;
}

/* Settles what depends on where and how we are run. */
static enum outcome settle_options(struct options *options)
{
    if (options->eye == EYE_ALWAYS && !eye_exists())
        return failed("--eye: there is no program \"eye\" beside this one; `make build` makes it");
    if (options->eye == EYE_IF_TIMED)
        options->eye = !options->counted && eye_exists() ? EYE_ALWAYS : EYE_NEVER;
    if (options->timeout == 0)
        options->timeout = qemu_gives_shell() ? TIMEOUT_NONE : TIMEOUT_DEFAULT;
    if (!path_make_directory(options->out))
        return bad_input("--out: %s: %s", options->out, strerror(errno));
    return GOOD;
}

/* The end of what the emulator itself had to say: it explains an end that nobody else did. */
static void show_log(const struct machine *machine)
{
    char tail[LOG_TAIL + 1];
    int fd = open(machine->log, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    off_t size = lseek(fd, 0, SEEK_END);
    ssize_t got = pread(fd, tail, LOG_TAIL, size > LOG_TAIL ? size - LOG_TAIL : 0);
    close(fd);
    if (got <= 0)
        return;
    tail[got] = '\0';
    fprintf(stderr, "podium: the emulator said (%s):\n%s", machine->log, tail);
}

static enum outcome conclude(const struct machine *machine, const struct options *options,
                             struct report *report, const struct closing *closing)
{
    enum outcome outcome = judge(report, closing);

    if (!report->error)
        table_print(report);
    if (closing->ending == ENDED && !report->end && !report->error)
        show_log(machine);

    enum outcome written = report_write(report, options->out);
    if (outcome == GOOD)
        say("ok, in %u s; see %s/report.json", closing->seconds, options->out);
    else
        bad_input("%s", report_verdict(report));
    return outcome == GOOD ? written : outcome;
}

static enum outcome open_modules(struct machine *machine, const struct options *options,
                                 uint64_t *bytes)
{
    uint64_t kernel_size = 0, initrd_size = 0;
    enum outcome outcome = open_initrd(options->initrd, &machine->initrd_fd, &initrd_size);

    if (outcome == GOOD)
        outcome = kernel_open(options->kernel, &machine->kernel_fd, &kernel_size);
    *bytes = kernel_size + initrd_size;
    return outcome;
}

enum outcome run(struct options *options)
{
    struct machine machine = { .initrd_fd = -1 };
    struct closing closing = { .ending = ENDED, .guest = kind_of_guest(options) };
    struct report report;
    uint64_t module_bytes = 0;
    char memory[24], guest[24];

    session_hold_signals();
    enum outcome outcome = settle_options(options);
    if (outcome == GOOD)
        outcome = open_modules(&machine, options, &module_bytes);
    if (outcome == GOOD)
        outcome = qemu_choose(&machine, options, module_bytes);
    if (outcome != GOOD)
        return outcome;

    memory_format(machine.memory, memory);
    memory_format(options->memory, guest);
    say("booting QEMU (%s, %s, %s) with a guest of %s%s", machine.accelerator, machine.cpu, memory,
        guest, options->eye == EYE_ALWAYS ? ", watched from outside" : "");
    outcome = qemu_start(&machine, options);
    if (outcome != GOOD)
        return outcome;

    report_init(&report, &machine);
    outcome = session_run(&machine, options, &report, &closing);
    if (outcome == GOOD)
        outcome = conclude(&machine, options, &report, &closing);
    qemu_kill(&machine);
    cJSON_Delete(report.root);
    return outcome;
}
