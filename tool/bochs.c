/* SPDX-License-Identifier: MIT */
/*
 * Bochs. All that it reads and writes under a name is in one directory, where it works: its
 * configuration file has no way to write a name with a comma in it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bochs.h"
#include "iso.h"
#include "memory_size.h"
#include "process.h"

#define EMULATOR      "bochs-bin"
#define DIRECTORY     "bochs" /* in --out */
#define LOG           "bochs.log"
#define CPU_DEFAULT   "corei7_skylake_x"
#define MEMORY_MOST   (3 * GB) /* what it has above is out of this machine's reach */
#define RESIDENT_MOST (2 * GB) /* it keeps the rest in a file */

enum outcome bochs_choose(struct machine *machine, const struct options *options,
                          uint64_t module_bytes)
{
    uint64_t wanted = memory_for_host(options->memory, module_bytes);

    machine->emulator = "bochs";
    machine->accelerator = "none";
    machine->cpu = options->cpu ? options->cpu : CPU_DEFAULT;
    if (options->host_memory > MEMORY_MOST)
        return bad_input("--host-memory: Bochs' machine has 3G at most");
    if (!options->host_memory && options->memory + module_bytes + 256 * MB > MEMORY_MOST)
        return bad_input("--memory: Bochs' machine has 3G at most, for the hypervisor too; "
                         "give less");
    machine->memory = wanted < MEMORY_MOST ? wanted : MEMORY_MOST;
    if (options->host_memory)
        machine->memory = options->host_memory;
    machine->low_size = machine->memory;
    return command_line_compose(machine->command_line, options);
}

/*
 * The display is one that nobody looks at and that waits for nobody; and no sound: a computer
 * without a sound card ends Debian's Bochs with a buffer overflow of its own. An instruction counts
 * as 20 ns, about what it takes: the guest's clock and ours are then not far apart.
 */
static void write_settings(FILE *file, const struct machine *machine, const struct options *options,
                           const struct serial *serial)
{
    uint64_t resident = machine->memory < RESIDENT_MOST ? machine->memory : RESIDENT_MOST;

    fprintf(file,
            "config_interface: textconfig\n"
            "display_library: rfb, options=\"timeout=0\"\n"
            "cpu: model=%s, count=%u, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs=1\n"
            "memory: guest=%llu, host=%llu\n"
            "romimage: file=/usr/share/bochs/BIOS-bochs-latest\n"
            "vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest\n"
            "ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14\n"
            "ata0-master: type=cdrom, path=" ISO_NAME ", status=inserted\n"
            "boot: cdrom\n"
            "com1: enabled=1, mode=file, dev=/proc/self/fd/%d\n"
            "com2: enabled=1, mode=file, dev=/proc/self/fd/%d\n"
            "sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy\n"
            "clock: sync=none, time0=utc\n"
            "log: " LOG "\n"
            "panic: action=fatal\n"
            "error: action=report\n",
            machine->cpu, options->cpus, (unsigned long long)(machine->memory / MB),
            (unsigned long long)(resident / MB), serial->console, serial->records);
}

/* Debian's Bochs is a debugger first: it is told to go on. */
static enum outcome write_files(const struct machine *machine, const struct options *options,
                                const char *directory, const struct serial *serial)
{
    char name[PATH_SIZE + 16];

    snprintf(name, sizeof name, "%s/bochsrc", directory);
    FILE *file = fopen(name, "we");
    if (!file)
        return failed("%s: %s", name, strerror(errno));
    write_settings(file, machine, options, serial);
    if (fclose(file) != 0)
        return failed("%s: %s", name, strerror(errno));

    snprintf(name, sizeof name, "%s/go", directory);
    file = fopen(name, "we");
    if (!file)
        return failed("%s: %s", name, strerror(errno));
    fputs("continue\n", file);
    return fclose(file) == 0 ? GOOD : failed("%s: %s", name, strerror(errno));
}

static enum outcome start_process(struct machine *machine, const char *directory,
                                  const struct serial *serial)
{
    static const char *const words[] = { EMULATOR, "-q", "-f", "bochsrc", "-rc", "go", NULL };
    char output[PATH_SIZE + 16];
    struct process process = {
        .words = words,
        .package = "bochs, with bochsbios and vgabios",
        .directory = directory,
        .log = output,
        .in = -1,
        .out = -1,
    };

    snprintf(output, sizeof output, "%s/output.log", directory);
    process_keep(&process, serial->console);
    process_keep(&process, serial->records);
    return process_start(&process, &machine->pid);
}

enum outcome bochs_start(struct machine *machine, const struct options *options)
{
    struct serial machines;
    char directory[PATH_SIZE];

    snprintf(directory, sizeof directory, "%.4000s/" DIRECTORY, options->out);
    if (!path_make_directory(directory))
        return failed("%s: %s", directory, strerror(errno));
    snprintf(machine->log, sizeof machine->log, "%.4000s/" LOG, directory);
    enum outcome outcome = machine_open_image(machine);
    if (outcome == GOOD)
        outcome = iso_make(machine, directory);
    if (outcome != GOOD)
        return outcome;
    if (!serial_make(&machine->serial, &machines, ANSWERS_NONE))
        return failed("no serial ports: %s", strerror(errno));

    outcome = write_files(machine, options, directory, &machines);
    if (outcome == GOOD)
        outcome = start_process(machine, directory, &machines);
    serial_close(&machines);
    return outcome;
}

/* The last such line of this log, if there is one. */
static void find_panic(const char *name, char complaint[COMPLAINT_SIZE])
{
    static const char mark[] = ">>PANIC<< ", shutdown[] = "Shutdown port"; /* a good end */
    char line[COMPLAINT_SIZE];
    FILE *log = fopen(name, "re");

    while (log && fgets(line, sizeof line, log)) {
        const char *at = strstr(line, mark);
        if (at && !strstr(at, shutdown))
            snprintf(complaint, COMPLAINT_SIZE, "%.*s", (int)strcspn(at + strlen(mark), "\n"),
                     at + strlen(mark));
    }
    if (log)
        fclose(log);
}

/* Until it has read its settings it complains to its standard output. */
void bochs_complaint(const struct machine *machine, char complaint[COMPLAINT_SIZE])
{
    char output[PATH_SIZE];

    *complaint = '\0';
    snprintf(output, sizeof output, "%.*soutput.log", (int)(strlen(machine->log) - strlen(LOG)),
             machine->log);
    find_panic(output, complaint);
    find_panic(machine->log, complaint);
}
