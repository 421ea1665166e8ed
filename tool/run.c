/* SPDX-License-Identifier: MIT */
/*
 * `podium run`, step by step.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "bochs.h"
#include "eye.h"
#include "judge.h"
#include "memory_size.h"
#include "modules.h"
#include "process.h"
#include "qemu.h"
#include "report.h"
#include "run.h"
#include "session.h"
#include "table.h"
#include "terminal.h"

#define TIMEOUT_DEFAULT 1800u

/* The emulators differ in how a machine is made, started, and heard when it complains. */
struct emulator_verbs {
    const char *name;
    enum outcome (*choose)(struct machine *machine, const struct options *options,
                           uint64_t module_bytes);
    enum outcome (*start)(struct machine *machine, const struct options *options);
    void (*complaint)(const struct machine *machine, char complaint[COMPLAINT_SIZE]);
};

static const struct emulator_verbs emulators[] = {
    [EMULATOR_QEMU] = { "QEMU", qemu_choose, qemu_start, qemu_complaint },
    [EMULATOR_BOCHS] = { "Bochs", bochs_choose, bochs_start, bochs_complaint },
};

/* Settles what depends on where and how we are run. */
static enum outcome settle_options(struct options *options)
{
    if (options->eye == EYE_IF_TIMED)
        options->eye =
            options->counted || options->emulator == EMULATOR_BOCHS ? EYE_NEVER : EYE_ALWAYS;
    if (options->eye == EYE_ALWAYS && !eye_exists())
        return failed("there is no program \"eye\" beside this one; `make build` makes it, and "
                      "--no-eye does without");
    if (options->timeout == 0)
        options->timeout = options->emulator == EMULATOR_QEMU && terminal_gives_shell()
                               ? TIMEOUT_NONE
                               : TIMEOUT_DEFAULT;
    if (!path_make_directory(options->out))
        return bad_input("--out: %s: %s", options->out, strerror(errno));
    return report_forget(options->out);
}

static void tell_beginning(const struct machine *machine, const struct options *options)
{
    const char *emulator = emulators[options->emulator].name;
    const char *watched = options->eye == EYE_ALWAYS ? ", watched from outside" : "";
    char host[24], memory[24], maxmem[24];

    memory_format(machine->memory, host);
    memory_format(options->memory, memory);
    memory_format(options->maxmem, maxmem);
    if (options->memory == options->maxmem)
        say("booting %s (%s, %s, %s) with a guest of %s%s", emulator, machine->accelerator,
            machine->cpu, host, memory, watched);
    else
        say("booting %s (%s, %s, %s) with a guest that has %s of %s promised%s", emulator,
            machine->accelerator, machine->cpu, host, memory, maxmem, watched);
}

/* One line. What the hypervisor has said on the console of why it ended is not said again. */
static void tell_failure(const struct machine *machine, const struct options *options,
                         const struct report *report, enum outcome outcome)
{
    const char *what = report_verdict(report);

    if (report->error && say_console_was_seen())
        what = outcome == BAD_INPUT ? "refused, as said above" : "failed, as said above";
    bad_input("%s; see %s/report.json, %s", what, options->out, machine->log);
}

static enum outcome conclude(const struct machine *machine, const struct options *options,
                             struct report *report, struct closing *closing)
{
    emulators[options->emulator].complaint(machine, closing->complaint);
    if (options->emulator == EMULATOR_BOCHS && report->exit_code) /* its status says nothing */
        closing->status = W_EXITCODE(report->exit_code * 2 + 1, 0);
    enum outcome outcome = judge(report, closing);

    if (!report->error)
        table_print(report);
    enum outcome written = report_write(report, options->out);
    if (outcome != GOOD)
        tell_failure(machine, options, report, outcome);
    else if (written == GOOD)
        say("ok, in %u s; see %s/report.json", closing->seconds, options->out);
    return outcome == GOOD ? written : outcome;
}

enum outcome run(struct options *options)
{
    struct machine machine = { .initrd_fd = -1, .disc_fd = -1 };
    struct closing closing = {
        .ending = ENDED,
        .guest = options_for_default_guest(options) ? GUEST_DEFAULT : GUEST_OTHER,
        .cpu = options->cpu,
    };
    struct report report;
    uint64_t module_bytes = 0;

    session_hold_signals();
    enum outcome outcome = settle_options(options);
    if (outcome == GOOD)
        outcome = modules_open(&machine, options, &module_bytes);
    if (outcome == GOOD)
        outcome = emulators[options->emulator].choose(&machine, options, module_bytes);
    if (outcome != GOOD)
        return outcome;

    tell_beginning(&machine, options);
    outcome = emulators[options->emulator].start(&machine, options);
    if (outcome != GOOD)
        return outcome;

    closing.eye = options->eye;
    report_init(&report, &machine);
    outcome = session_run(&machine, options, &report, &closing);
    if (outcome == GOOD)
        outcome = conclude(&machine, options, &report, &closing);
    process_kill(&machine.pid);
    cJSON_Delete(report.root);
    return outcome;
}
