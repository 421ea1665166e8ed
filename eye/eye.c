/* SPDX-License-Identifier: MIT */
/*
 * eye - an independent look at a guest's second-stage tables. Reads them out of the emulated
 * machine's memory file, counts and checks, and prints one JSON object, which the caller compares
 * with what the hypervisor says of itself. Here: options and output.
 * Refuses to know the hypervisor: shares no source with it and believes nothing it reports.
 */
#define _POSIX_C_SOURCE 200809L

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "look.h"
#include "machine.h"
#include "manuals.h"

enum exit_code { GOOD = 0, VIOLATIONS = 1, BAD_INPUT = 2 };

struct options {
    const char *memory, *low_size, *root, *format;
    bool map;
};

static const char help[] =
    "usage: eye --memory PATH --low-size BYTES --root ADDRESS --format npt|ept [--map]\n"
    "\n"
    "Reads a guest's second-stage page tables out of an emulated machine's memory and\n"
    "prints what they are made of, and what is wrong with them, as one JSON object.\n"
    "\n"
    "  --memory PATH     the file that the emulator keeps the machine's memory in;\n"
    "                    /proc/self/fd/N for one that is open already\n"
    "  --low-size BYTES  how much of it lies below 4 GB; the rest starts at 4 GB\n"
    "  --root ADDRESS    machine address of the top table\n"
    "  --format FORMAT   npt (AMD) or ept (Intel)\n"
    "  --map             also list, on standard error, the runs of guest frames\n"
    "\n"
    "Numbers are decimal, or hexadecimal after 0x.\n"
    "Exit code: 0 the tables are sound, 1 violations were found, 2 bad input.\n";

/* ---- options -------------------------------------------------------------------------------- */

static struct options parse_options(int count, char **arguments)
{
    static const struct option known[] = {
        { "memory", required_argument, NULL, 'm' },
        { "low-size", required_argument, NULL, 'l' },
        { "root", required_argument, NULL, 'r' },
        { "format", required_argument, NULL, 'f' },
        { "map", no_argument, NULL, 'p' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct options options = { 0 };
    const char **value[] = {
        ['m'] = &options.memory,
        ['l'] = &options.low_size,
        ['r'] = &options.root,
        ['f'] = &options.format,
    };
    int option;

    while ((option = getopt_long(count, arguments, "", known, NULL)) != -1) {
        if (option == '?')
            exit(BAD_INPUT); /* getopt_long has said why */
        if (option == 'h')
            exit(fputs(help, stdout) < 0 ? BAD_INPUT : GOOD);
        if (option == 'p')
            options.map = true;
        else
            *value[option] = optarg;
    }
    if (optind < count)
        errx(BAD_INPUT, "unexpected argument '%s'; see eye --help", arguments[optind]);
    return options;
}

static const char *require(const char *value, const char *option)
{
    if (value == NULL)
        errx(BAD_INPUT, "%s is missing; see eye --help", option);
    return value;
}

/* strtoull takes signs and leading blanks; nobody who means a number writes them. */
static uint64_t parse_page_multiple(const char *text, const char *option)
{
    char *end;
    uint64_t number;

    require(text, option);
    errno = 0;
    number = strtoull(text, &end, 0);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
        errx(BAD_INPUT, "%s: '%s' is not a number", option, text);
    if (number % PAGE_SIZE != 0)
        errx(BAD_INPUT, "%s: %s is not a multiple of 4096", option, text);
    return number;
}

static struct machine open_machine(const struct options *options)
{
    const char *path = require(options->memory, "--memory");
    struct machine machine = { .low_size = parse_page_multiple(options->low_size, "--low-size") };
    struct stat status;

    machine.file = open(path, O_RDONLY | O_CLOEXEC);
    if (machine.file < 0 || fstat(machine.file, &status) != 0)
        err(BAD_INPUT, "--memory: cannot open '%s'", path);
    if (!S_ISREG(status.st_mode) || status.st_size <= 0 || status.st_size % PAGE_SIZE != 0)
        errx(BAD_INPUT, "--memory: '%s' is not a file of whole 4 KB pages", path);
    machine.size = (uint64_t)status.st_size;
    if (machine.low_size > FOUR_GB || machine.low_size > machine.size)
        errx(BAD_INPUT, "--low-size: %" PRIu64 " is more than the file holds, or than 4 GB",
             machine.low_size);
    return machine;
}

static uint64_t parse_root(const struct options *options, const struct machine *machine)
{
    uint64_t root = parse_page_multiple(options->root, "--root");
    uint64_t offset;

    if (!machine_offset(machine, root, PAGE_SIZE, &offset))
        errx(BAD_INPUT, "--root: 0x%" PRIx64 " is not inside the machine's memory", root);
    return root;
}

static const struct format *parse_format(const struct options *options)
{
    const char *name = require(options->format, "--format");
    const struct format *format = format_by_name(name);

    if (format == NULL)
        errx(BAD_INPUT, "--format: '%s' is neither npt nor ept", name);
    return format;
}

/* ---- output --------------------------------------------------------------------------------- */

static void print_run(const struct run *run)
{
    uint64_t entries = run->entries[0] + run->entries[1] + run->entries[2];

    fprintf(stderr, "%#12" PRIx64 " - %#11" PRIx64, run->gfn, run->gfn + run->frames);
    if (type_has_frame(run->type))
        fprintf(stderr, "  %#12" PRIx64 " - %#11" PRIx64, run->mfn, run->mfn + run->frames);
    else
        fprintf(stderr, "  %26s ", "none");
    fprintf(stderr, "  %-8s %6" PRIu64 " %6" PRIu64 " %8" PRIu64 "  %5.1f%% %5.1f%%\n",
            type_name(run->type), run->entries[2], run->entries[1], run->entries[0],
            100.0 * (double)run->accessed / (double)entries,
            100.0 * (double)run->dirty / (double)entries);
}

static void print_map(const struct sight *sight)
{
    fprintf(stderr, "%26s  %27s  %-8s %6s %6s %8s  %6s %6s\n", "guest frames", "machine frames ",
            "type", "1G", "2M", "4K", "A", "D");
    for (size_t i = 0; i < sight->run_count; i++)
        print_run(&sight->run[i]);
}

/* Every problem is text of our own: nothing in it needs a JSON escape. */
static void print_problems(const struct sight *sight)
{
    uint64_t count = sight->errors < PROBLEMS_MAX ? sight->errors : PROBLEMS_MAX;

    printf("\"errors\":%" PRIu64 ",\"problems\":[", sight->errors);
    for (uint64_t i = 0; i < count; i++)
        printf("%s\"%s\"", i ? "," : "", sight->problem[i]);
    printf("]");
}

static void print_json(const struct sight *sight)
{
    printf("{\"ram_1g\":%" PRIu64 ",\"ram_2m\":%" PRIu64 ",\"ram_4k\":%" PRIu64 ",", sight->ram[2],
           sight->ram[1], sight->ram[0]);
    printf("\"pod_1g\":%" PRIu64 ",\"pod_2m\":%" PRIu64 ",\"pod_4k\":%" PRIu64 ",",
           sight->marked[2], sight->marked[1], sight->marked[0]);
    printf("\"special\":%" PRIu64 ",\"broken\":%" PRIu64 ",\"untouched_frames\":%" PRIu64 ",",
           sight->special, sight->broken, sight->untouched);
    printf("\"table_pages\":%" PRIu64 ",\"runs\":%" PRIu64 ",", sight->table_pages,
           sight->ram_runs);
    print_problems(sight);
    printf("}\n");
}

int main(int count, char **arguments)
{
    struct options options = parse_options(count, arguments);
    struct machine machine = open_machine(&options);
    uint64_t root = parse_root(&options, &machine);
    const struct format *format = parse_format(&options);
    struct sight sight;
    enum exit_code code;

    look(&machine, format, root, &sight);
    if (options.map)
        print_map(&sight);
    print_json(&sight);
    if (fflush(stdout) != 0 || ferror(stdout))
        err(BAD_INPUT, "cannot write to standard output");
    code = sight.errors == 0 ? GOOD : VIOLATIONS;
    sight_forget(&sight);
    return code;
}
