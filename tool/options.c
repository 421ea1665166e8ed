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

#include "memory_size.h"
#include "options.h"

#define NAME_MAX_LENGTH 31u /* what the hypervisor keeps */

static const char help_text[] =
    "usage: podium run [options]\n"
    "Boot a Linux kernel as a guest of the Podium hypervisor, in an emulator, and report what its\n"
    "memory looked like.\n"
    "\n"
    "the guest\n"
    "  --memory SIZE       3G, 3072M, ...: a multiple of 4K (default 3G; in bochs 1G)\n"
    "  --target SIZE       let the guest balloon itself down to this much (default: it keeps all)\n"
    "  --kernel FILE       a bzImage or an ELF vmlinux with a PVH entry (default: Debian's 6.1)\n"
    "  --initrd FILE       or \"none\" (default: a busybox that fills and verifies its memory)\n"
    "  --append WORDS      added to the guest's command line\n"
    "  --name NAME         (default linux)\n"
    "  --test-calls        let the guest use the hypercalls meant for tests\n"
    "the hypervisor\n"
    "  --max-order SIZE    1g, 2m or 4k: no larger pages than this\n"
    "  --fragment SIZE     2m or 4k: leave no larger free piece of the host's memory than this\n"
    "the machine under it\n"
    "  --emulator KIND     qemu (default): SVM; bochs: VMX, 3 GB at most, no eye and no keys\n"
    "  --accel KIND        auto (default): kvm where /dev/kvm offers nested SVM, else tcg\n"
    "  --cpu MODEL         (default EPYC under tcg, host under kvm, corei7_skylake_x in bochs)\n"
    "  --host-memory SIZE  (default: enough whole GBs for the guest)\n"
    "  --icount SEED       count instructions instead of time: two runs are alike; implies no eye\n"
    "the run\n"
    "  --out DIRECTORY     for report.json and logs (default: run/ beside this program)\n"
    "  --eye, --no-eye     compare the page tables with a reading from outside at each phase, or "
    "not\n"
    "  --timeout SECONDS   give up after this long (default 1800; none when a terminal gets a "
    "shell)\n"
    "  --help\n"
    "\n"
    "The guest's console is here; a terminal gets a shell in the default guest. There, Ctrl-C "
    "ends\n"
    "the run, Ctrl-] c sends the guest a Ctrl-C, Ctrl-] q ends the run, Ctrl-] Ctrl-] is Ctrl-].\n"
    "\n"
    "exit status: 0 all well; 1 the guest or the host failed; 2 the request makes no sense.\n";

enum {
    MEMORY = 256,
    TARGET,
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
    { "target", required_argument, NULL, TARGET },
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
    if (*text == '\0' || strlen(text) > NAME_MAX_LENGTH)
        return bad_input("--name: 1 to %u characters", NAME_MAX_LENGTH);
    *name = text;
    return GOOD;
}

/* Options whose value is one of a few words. */
static enum outcome parse_choice(struct options *options, int which, const char *text)
{
    static const char *const sizes[] = { "1g", "2m", "4k", NULL };
    static const char *const accelerators[] = { "auto", "tcg", "kvm", NULL };
    static const char *const emulators[] = { "qemu", "bochs", NULL };
    enum outcome outcome;
    unsigned index;

    switch (which) {
    case MAX_ORDER:
        outcome = parse_word("max-order", text, sizes, &index);
        options->max_order = sizes[index];
        return outcome;
    case FRAGMENT:
        outcome = parse_word("fragment", text, sizes + 1, &index);
        options->fragment = sizes[index + 1 < 3 ? index + 1 : 2];
        return outcome;
    case ACCEL:
        outcome = parse_word("accel", text, accelerators, &index);
        options->accelerator = (enum accelerator)index;
        return outcome;
    default:
        outcome = parse_word("emulator", text, emulators, &index);
        options->emulator = (enum emulator)index;
        return outcome;
    }
}

static enum outcome parse_one(struct options *options, int which, const char *text)
{
    enum outcome outcome = GOOD;
    uint64_t number = 0;

    switch (which) {
    case MEMORY:
        return parse_memory("memory", text, &options->memory);
    case TARGET:
        return parse_memory("target", text, &options->target);
    case HOST_MEMORY:
        return parse_memory("host-memory", text, &options->host_memory);
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
    case CPU:
        options->cpu = text;
        return GOOD;
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
        outcome = parse_number("timeout", text, 1000000, &number);
        if (outcome == GOOD && number == 0)
            return bad_input("--timeout: 0 seconds is no time at all");
        options->timeout = (uint32_t)number;
        return outcome;
    default:
        return parse_choice(options, which, text);
    }
}

static enum outcome set_defaults(struct options *options)
{
    *options = (struct options){
        .append = "",
        .name = "linux",
    };
    options->out = options->out_beside;
    if (!path_beside(options->kernel, DEFAULT_KERNEL) ||
        !path_beside(options->initrd, DEFAULT_INITRD) || !path_beside(options->out_beside, "run"))
        return failed("cannot tell where this program lies");
    return GOOD;
}

static enum outcome check_together(const struct options *options)
{
    char most[24];

    memory_format(MEMORY_MAX, most);
    if (options->memory > MEMORY_MAX)
        return bad_input("--memory: a guest can have %s at most", most);
    if (options->target > options->memory)
        return bad_input("--target: the guest has less --memory than that");
    if (options->counted && options->accelerator == ACCEL_KVM)
        return bad_input("--icount counts instructions, which only tcg can; leave out --accel kvm");
    if (options->counted && options->eye == EYE_ALWAYS)
        return bad_input("--icount makes two runs alike, and the eye's time differs from run to "
                         "run; leave out one of --icount and --eye");
    if (options->emulator == EMULATOR_BOCHS &&
        (options->counted || options->eye == EYE_ALWAYS || options->accelerator != ACCEL_AUTO))
        return bad_input("--emulator bochs: it has no --icount, no --eye and no --accel");
    if (options->host_memory % MB != 0)
        return bad_input("--host-memory: a multiple of 1M");
    return GOOD;
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
            fputs(help_text, stdout);
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
        options->memory = options->emulator == EMULATOR_BOCHS ? GB : 3 * GB;
    return outcome == GOOD ? check_together(options) : outcome;
}
