/* SPDX-License-Identifier: MIT */
/*
 * What `podium run` was asked to do, as data.
 * Refuses to know how it is done, or whether the files exist.
 */
#ifndef TOOL_OPTIONS_H
#define TOOL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "paths.h"
#include "say.h"

enum accelerator { ACCEL_AUTO, ACCEL_TCG, ACCEL_KVM };
enum balloon { BALLOON_ON, BALLOON_OFF }; /* off: the guest is not told its target */
enum emulator { EMULATOR_QEMU, EMULATOR_BOCHS };
enum firmware { FIRMWARE_NONE, FIRMWARE_BIOS, FIRMWARE_UEFI }; /* none: it is loaded directly */
enum purpose { PURPOSE_RUN, PURPOSE_DISC };
enum eye { EYE_IF_TIMED, EYE_ALWAYS, EYE_NEVER }; /* the default: unless runs must be repeatable */

#define TIMEOUT_NONE UINT32_MAX

/* Beside this program. */
#define DEFAULT_KERNEL "kernels/6.1/vmlinuz"
#define DEFAULT_INITRD "initramfs.cpio"

struct options {
    uint64_t memory;      /* bytes that the guest has */
    uint64_t maxmem;      /* bytes that it is promised; no less */
    uint64_t raise;       /* bytes that its target is raised by when it waits; 0: never */
    uint64_t fill;        /* bytes that the default guest fills; 0: its own choice */
    uint64_t host_memory; /* bytes; 0: as much as the guest needs */
    char kernel[PATH_SIZE];
    char initrd[PATH_SIZE]; /* empty: none */
    const char *append;
    const char *name;
    const char *cpu;       /* NULL: what suits the accelerator */
    const char *out;       /* directory for report.json and logs; of a disc, the file */
    const char *fragment;  /* NULL, "2m", "4k" */
    const char *max_order; /* NULL, "1g", "2m", "4k" */
    const char *pod_max_order;
    uint32_t cpus; /* of the emulated machine */
    const char *pod_debt_order;
    uint32_t patience; /* seconds that the guest may wait for memory */
    enum balloon balloon;
    enum emulator emulator;
    enum accelerator accelerator;
    enum firmware firmware;
    enum purpose purpose; /* a disc is for a machine that we do not run */
    enum eye eye;
    bool counted;  /* --icount: time is counted instructions, two runs are alike */
    uint64_t seed; /* of the emulator's random numbers when counted */
    bool test_calls;
    bool fill_zeroes; /* the default guest writes nothing else */
    uint32_t timeout; /* seconds; 0: what suits the way we are run */
    char out_beside[PATH_SIZE];
};

/* Whether the guest is ours, which fills its memory and says when it has. */
bool options_for_default_guest(const struct options *options);

/*
 * options_parse - fill in *options from the words after "run" or "iso"; options->purpose is which.
 *   Errors: BAD_INPUT, said in one line. GOOD with *help set when only help was asked for.
 */
enum outcome options_parse(struct options *options, int count, char **words, bool *help);

#endif
