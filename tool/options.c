/* SPDX-License-Identifier: MIT */
/*
 * The words after `podium run`. One table of options; each is checked where it is read, so that
 * whatever leaves this file makes sense.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/limits.h"
#include "memory_size.h"
#include "options.h"

#define PATIENCE_DEFAULT 10u

static const char help_text[] =
    "usage: podium run [options]\n"
    "       podium iso --out FILE [options]\n"
    "Boot a Linux kernel as a guest of the Podium hypervisor, in an emulator, and report what its\n"
    "memory looked like; or write a disc that does so on a real machine, started by its BIOS or\n"
    "UEFI, with the console on its first serial port (see docs/real-machines.md).\n"
    "\n"
    "the guest\n"
    "  --memory SIZE         what it has: 2048M, 2G, ... (default 2G; in bochs 1G)\n"
    "  --maxmem SIZE         what it is promised (default: what it has)\n"
    "  --kernel FILE         a bzImage or an ELF vmlinux with a PVH entry (default: Debian's 6.1)\n"
    "  --initrd FILE         or \"none\" (default: a busybox that fills and verifies its memory)\n"
    "  --append WORDS        added to the guest's command line\n"
    "  --name NAME           (default linux)\n"
    "  --test-calls          let the guest use the hypercalls meant for tests\n"
    "the default guest\n"
    "  --fill SIZE           fill this much (default: three quarters of what is available)\n"
    "  --fill-zeroes         with nothing but zeroes\n"
    "a guest that is promised more than it has\n"
    "  --balloon on|off      off: it is not told what it has, and gives nothing back (default on)\n"
    "  --pod-max-order SIZE  1g, 2m or 4k: populate no larger pieces than this (default 1g)\n"
    "  --pod-debt-order SIZE 2m or 4k: while its balloon owes, map no larger pages (default 2m)\n"
    "  --patience SECONDS    how long it may wait for memory before it is stopped (default 10)\n"
    "  --raise SIZE          when it waits, let it have this much more, each time\n"
    "the hypervisor\n"
    "  --max-order SIZE      1g, 2m or 4k: no larger pages than this\n"
    "  --fragment SIZE       2m or 4k: leave no larger free piece of the host's memory than this\n"
    "the machine under it (not for a disc)\n"
    "  --emulator KIND       qemu (default): SVM; bochs: VMX, 3 GB at most, no eye and no keys\n"
    "  --accel KIND          auto (default): kvm where it offers nested SVM or VMX, else tcg\n"
    "  --cpu MODEL           (default EPYC under tcg, host under kvm, corei7_skylake_x in bochs)\n"
    "  --firmware KIND       bios or uefi: start from a disc, as a real machine does (qemu only)\n"
    "  --cpus NUMBER         of processors, at most %u (default 1)\n"
    "  --host-memory SIZE    (default: enough whole GBs for what the guest has)\n"
    "  --icount SEED         count instructions, not time: two runs are alike; implies no eye\n"
    "the run\n"
    "  --out DIRECTORY       for report.json and logs (default: run/ beside this program)\n"
    "  --eye, --no-eye       at each phase, compare the page tables with a reading from outside,\n"
    "                        or not\n"
    "  --timeout SECONDS     give up after this long (default 1800; none when a terminal gets a\n"
    "                        shell)\n"
    "  --help\n"
    "\n"
    "The guest's console is here; a terminal gets a shell in the default guest. There, Ctrl-C\n"
    "ends the run, Ctrl-] c sends the guest a Ctrl-C, Ctrl-] q ends the run, and Ctrl-] Ctrl-]\n"
    "is Ctrl-].\n"
    "\n"
    "exit status: 0 all well; 1 the guest or the host failed; 2 the request makes no sense.\n";

enum {
    MEMORY = 256,
    MAXMEM,
    FILL,
    FILL_ZEROES,
    POD_MAX_ORDER,
    POD_DEBT_ORDER,
    BALLOON,
    PATIENCE,
    RAISE,
    KERNEL,
    INITRD,
    APPEND,
    NAME,
    TEST_CALLS,
    MAX_ORDER,
    FRAGMENT,
    EMULATOR,
    ACCEL,
    CPU,
    FIRMWARE,
    CPUS,
    HOST_MEMORY,
    ICOUNT,
    OUT,
    EYE,
    NO_EYE,
    TIMEOUT,
    HELP,
};

static const struct option table[] = {
    { "memory", required_argument, NULL, MEMORY },
    { "maxmem", required_argument, NULL, MAXMEM },
    { "fill", required_argument, NULL, FILL },
    { "fill-zeroes", no_argument, NULL, FILL_ZEROES },
    { "pod-max-order", required_argument, NULL, POD_MAX_ORDER },
    { "pod-debt-order", required_argument, NULL, POD_DEBT_ORDER },
    { "balloon", required_argument, NULL, BALLOON },
    { "patience", required_argument, NULL, PATIENCE },
    { "raise", required_argument, NULL, RAISE },
    { "kernel", required_argument, NULL, KERNEL },
    { "initrd", required_argument, NULL, INITRD },
    { "append", required_argument, NULL, APPEND },
    { "name", required_argument, NULL, NAME },
    { "test-calls", no_argument, NULL, TEST_CALLS },
    { "max-order", required_argument, NULL, MAX_ORDER },
    { "fragment", required_argument, NULL, FRAGMENT },
    { "emulator", required_argument, NULL, EMULATOR },
    { "accel", required_argument, NULL, ACCEL },
    { "cpu", required_argument, NULL, CPU },
    { "firmware", required_argument, NULL, FIRMWARE },
    { "cpus", required_argument, NULL, CPUS },
    { "host-memory", required_argument, NULL, HOST_MEMORY },
    { "icount", required_argument, NULL, ICOUNT },
    { "out", required_argument, NULL, OUT },
    { "eye", no_argument, NULL, EYE },
    { "no-eye", no_argument, NULL, NO_EYE },
    { "timeout", required_argument, NULL, TIMEOUT },
    { "help", no_argument, NULL, HELP },
    { NULL, 0, NULL, 0 },
};

static enum outcome parse_memory(const char *option, const char *text, uint64_t *bytes)
{
    const char *wrong = memory_parse(text, bytes);

    if (!wrong && *bytes == 0)
        wrong = "is no memory at all";
    return wrong ? bad_input("--%s: %s %s", option, text, wrong) : GOOD;
}

static enum outcome parse_number(const char *option, const char *text, uint64_t max,
                                 uint64_t *value)
{
    char *end;

    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end != '\0' || errno != 0 || number > max)
        return bad_input("--%s: %s is not a number from 0 to %llu", option, text,
                         (unsigned long long)max);
    *value = number;
    return GOOD;
}

/* One word out of a list that ends with NULL. */
static enum outcome parse_word(const char *option, const char *text, const char *const *words,
                               unsigned *index)
{
    char choice[64] = "";

    for (*index = 0; words[*index]; ++*index) {
        if (strcmp(text, words[*index]) == 0)
            return GOOD;
    }
    for (unsigned i = 0; words[i]; i++) {
        strncat(choice, i ? ", " : "", sizeof choice - strlen(choice) - 1);
        strncat(choice, words[i], sizeof choice - strlen(choice) - 1);
    }
    return bad_input("--%s: %s is none of: %s", option, text, choice);
}

static enum outcome parse_path(const char *option, const char *text, char path[PATH_SIZE])
{
    if (snprintf(path, PATH_SIZE, "%s", text) >= PATH_SIZE)
        return bad_input("--%s: the name is too long", option);
    return GOOD;
}

static enum outcome parse_name(const char *text, const char **name)
{
    for (const char *c = text; *c; c++) {
        if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
            return bad_input("--name: %s: only letters, digits, '.', '_' and '-'", text);
    }
    if (*text == '\0' || strlen(text) > NAME_LENGTH_MAX)
        return bad_input("--name: 1 to %u characters", NAME_LENGTH_MAX);
    *name = text;
    return GOOD;
}

/* Options whose value is one of a few words. */
static enum outcome parse_choice(struct options *options, int which, const char *text)
{
    static const char *const sizes[] = { "1g", "2m", "4k", NULL };
    static const char *const accelerators[] = { "auto", "tcg", "kvm", NULL };
    static const char *const debt_sizes[] = { "2m", "4k", NULL };
    static const char *const emulators[] = { "qemu", "bochs", NULL };
    static const char *const firmwares[] = { "bios", "uefi", NULL };
    static const char *const switches[] = { "on", "off", NULL };
    enum outcome outcome;
    unsigned index;

    switch (which) {
    case MAX_ORDER:
        outcome = parse_word("max-order", text, sizes, &index);
        options->max_order = sizes[index];
        return outcome;
    case POD_MAX_ORDER:
        outcome = parse_word("pod-max-order", text, sizes, &index);
        options->pod_max_order = sizes[index];
        return outcome;
    case POD_DEBT_ORDER:
        outcome = parse_word("pod-debt-order", text, debt_sizes, &index);
        options->pod_debt_order = debt_sizes[index];
        return outcome;
    case BALLOON:
        outcome = parse_word("balloon", text, switches, &index);
        options->balloon = (enum balloon)index;
        return outcome;
    case FRAGMENT:
        outcome = parse_word("fragment", text, sizes + 1, &index);
        options->fragment = sizes[index + 1 < 3 ? index + 1 : 2];
        return outcome;
    case ACCEL:
        outcome = parse_word("accel", text, accelerators, &index);
        options->accelerator = (enum accelerator)index;
        return outcome;
    case FIRMWARE:
        outcome = parse_word("firmware", text, firmwares, &index);
        options->firmware = (enum firmware)(FIRMWARE_BIOS + index);
        return outcome;
    default:
        outcome = parse_word("emulator", text, emulators, &index);
        options->emulator = (enum emulator)index;
        return outcome;
    }
}

/* Options whose value is an amount of memory. */
static enum outcome parse_amount(struct options *options, int which, const char *text)
{
    switch (which) {
    case MEMORY:
        return parse_memory("memory", text, &options->memory);
    case MAXMEM:
        return parse_memory("maxmem", text, &options->maxmem);
    case RAISE:
        return parse_memory("raise", text, &options->raise);
    case FILL:
        return parse_memory("fill", text, &options->fill);
    case HOST_MEMORY:
        return parse_memory("host-memory", text, &options->host_memory);
    default:
        return parse_choice(options, which, text);
    }
}

static enum outcome parse_seconds(const char *option, const char *text, uint64_t max,
                                  uint32_t *seconds)
{
    uint64_t number = 0;
    enum outcome outcome = parse_number(option, text, max, &number);

    if (outcome == GOOD && number == 0)
        return bad_input("--%s: 0 seconds is no time at all", option);
    *seconds = (uint32_t)number;
    return outcome;
}

static enum outcome parse_cpus(const char *text, uint32_t *cpus)
{
    uint64_t number = 0;
    enum outcome outcome = parse_number("cpus", text, CPUS_MAX, &number);

    if (outcome == GOOD && number == 0)
        return bad_input("--cpus: 0 processors are no machine at all");
    *cpus = (uint32_t)number;
    return outcome;
}

static enum outcome parse_one(struct options *options, int which, const char *text)
{
    switch (which) {
    case KERNEL:
        return parse_path("kernel", text, options->kernel);
    case INITRD:
        return parse_path("initrd", strcmp(text, "none") == 0 ? "" : text, options->initrd);
    case APPEND:
        options->append = text;
        return GOOD;
    case NAME:
        return parse_name(text, &options->name);
    case TEST_CALLS:
        options->test_calls = true;
        return GOOD;
    case FILL_ZEROES:
        options->fill_zeroes = true;
        return GOOD;
    case CPU:
        options->cpu = text;
        return GOOD;
    case CPUS:
        return parse_cpus(text, &options->cpus);
    case ICOUNT:
        options->counted = true;
        return parse_number("icount", text, INT64_MAX, &options->seed);
    case OUT:
        options->out = text;
        return GOOD;
    case EYE:
        options->eye = EYE_ALWAYS;
        return GOOD;
    case NO_EYE:
        options->eye = EYE_NEVER;
        return GOOD;
    case TIMEOUT:
        return parse_seconds("timeout", text, 1000000, &options->timeout);
    case PATIENCE:
        return parse_seconds("patience", text, PATIENCE_MAX, &options->patience);
    default:
        return parse_amount(options, which, text);
    }
}

static enum outcome set_defaults(struct options *options)
{
    *options = (struct options){
        .purpose = options->purpose,
        .cpus = 1,
        .patience = PATIENCE_DEFAULT,
        .append = "",
        .name = "linux",
    };
    options->out = options->out_beside;
    if (!path_beside(options->kernel, DEFAULT_KERNEL) ||
        !path_beside(options->initrd, DEFAULT_INITRD) || !path_beside(options->out_beside, "run"))
        return failed("cannot tell where this program lies");
    return GOOD;
}

bool options_for_default_guest(const struct options *options)
{
    char path[PATH_SIZE];

    return path_beside(path, DEFAULT_INITRD) && strcmp(path, options->initrd) == 0;
}

static enum outcome check_amounts(const struct options *options)
{
    char memory[24], maxmem[24], most[24];

    memory_format(options->memory, memory);
    memory_format(options->maxmem, maxmem);
    memory_format(MEMORY_MAX, most);
    if (options->memory > options->maxmem)
        return bad_input("--memory %s is more than the guest is promised: --maxmem %s", memory,
                         maxmem);
    if (options->maxmem > MEMORY_MAX)
        return bad_input("--%s: a guest can have %s at most",
                         options->memory > MEMORY_MAX ? "memory" : "maxmem", most);
    if (options->raise && options->memory == options->maxmem)
        return bad_input("--raise: the guest has all that it is promised (%s) and never waits; "
                         "give more --maxmem",
                         maxmem);
    if (options->raise > options->maxmem - options->memory)
        return bad_input("--raise: with --memory %s, that is beyond --maxmem %s", memory, maxmem);
    if (options->fill > options->maxmem)
        return bad_input("--fill: the guest is promised less than that: %s", maxmem);
    if (options->fill % MB != 0)
        return bad_input("--fill: a multiple of 1M");
    if (options->host_memory % MB != 0)
        return bad_input("--host-memory: a multiple of 1M");
    return GOOD;
}

static bool names_machine(const struct options *options)
{
    return options->emulator != EMULATOR_QEMU || options->accelerator != ACCEL_AUTO ||
           options->cpu || options->cpus != 1 || options->firmware || options->host_memory ||
           options->counted || options->eye != EYE_IF_TIMED || options->raise || options->timeout;
}

static enum outcome check_together(const struct options *options)
{
    if ((options->fill || options->fill_zeroes) && !options_for_default_guest(options))
        return bad_input("--fill and --fill-zeroes are for the default guest; leave out --initrd");
    if (options->counted && options->accelerator == ACCEL_KVM)
        return bad_input("--icount counts instructions, which only tcg can; leave out --accel kvm");
    if (options->counted && options->eye == EYE_ALWAYS)
        return bad_input("--icount makes two runs alike, and the eye's time differs from run to "
                         "run; leave out one of --icount and --eye");
    if (options->counted && options->raise)
        return bad_input("--icount makes two runs alike, and the time of an answer differs from "
                         "run to run; leave out one of --icount and --raise");
    if (options->emulator == EMULATOR_BOCHS &&
        (options->counted || options->eye == EYE_ALWAYS || options->raise ||
         options->accelerator != ACCEL_AUTO || options->firmware))
        return bad_input("--emulator bochs: it has no --icount, no --eye, no --raise, no --accel, "
                         "no --firmware");
    if (options->purpose == PURPOSE_DISC && names_machine(options))
        return bad_input("podium iso: a disc is for any machine; leave out what is about the "
                         "machine or the run (podium iso --help)");
    if (options->purpose == PURPOSE_DISC && options->out == options->out_beside)
        return bad_input("podium iso: to which file? --out FILE");
    return check_amounts(options);
}

enum outcome options_parse(struct options *options, int count, char **words, bool *help)
{
    enum outcome outcome = set_defaults(options);
    int which;

    *help = false;
    opterr = 0;
    while (outcome == GOOD && (which = getopt_long(count, words, ":", table, NULL)) != -1) {
        if (which == HELP) {
            *help = true;
            printf(help_text, CPUS_MAX);
            return GOOD;
        }
        if (which == '?')
            return bad_input("no such option: %s (podium run --help lists them)",
                             words[optind - 1]);
        if (which == ':')
            return bad_input("%s needs a value (podium run --help)", words[optind - 1]);
        outcome = parse_one(options, which, optarg);
    }
    if (outcome == GOOD && optind < count)
        return bad_input("%s: not an option (podium run --help)", words[optind]);
    if (options->memory == 0)
        options->memory = options->emulator == EMULATOR_BOCHS ? GB : 2 * GB;
    if (options->maxmem == 0)
        options->maxmem = options->memory;
    return outcome == GOOD ? check_together(options) : outcome;
}
