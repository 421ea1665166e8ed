/* SPDX-License-Identifier: MIT */
/*
 * The emulated machine. Every file it opens is one of our descriptors, named /proc/self/fd/N: the
 * emulator splits the names of modules at spaces and commas, and these have none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iso.h"
#include "memory_size.h"
#include "process.h"
#include "qemu.h"

#define EMULATOR      "qemu-system-x86_64"
#define UEFI_FIRMWARE "/usr/share/ovmf/OVMF.fd" /* Debian's package ovmf */
#define WORDS_MAX     64
#define WORD_SIZE     256

/* ---- what machine --------------------------------------------------------------------------- */

static bool kvm_opens(void)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return false;
    close(fd);
    return true;
}

/* The two parts of KVM of which a machine has one: AMD's nests SVM, Intel's VMX. */
enum nesting { NESTING_ABSENT, NESTING_OFF, NESTING_ON };

static enum nesting nesting_of(const char *module)
{
    char name[64], value = 0;

    snprintf(name, sizeof name, "/sys/module/%s/parameters/nested", module);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NESTING_ABSENT;
    ssize_t got = read(fd, &value, 1);
    close(fd);
    return got == 1 && (value == '1' || value == 'Y') ? NESTING_ON : NESTING_OFF;
}

static bool kvm_nests(void)
{
    return nesting_of("kvm_amd") == NESTING_ON || nesting_of("kvm_intel") == NESTING_ON;
}

/* GOOD when a KVM guest of this machine may have guests of its own. */
static enum outcome check_kvm(void)
{
    static const char *const modules[] = { "kvm_amd", "kvm_intel" };

    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++) {
        if (nesting_of(modules[i]) == NESTING_OFF)
            return bad_input("--accel kvm: %s does not let a guest have guests; load it anew with "
                             "nested=1 (modprobe -r %s; modprobe %s nested=1), or use tcg",
                             modules[i], modules[i], modules[i]);
    }
    if (!kvm_nests())
        return bad_input("--accel kvm: neither kvm_amd nor kvm_intel is loaded; load the one for "
                         "this processor with nested=1, or use tcg");
    return kvm_opens() ? GOOD
                       : bad_input("--accel kvm: cannot open /dev/kvm: %s; join the group kvm, or "
                                   "use tcg",
                                   strerror(errno));
}

static enum outcome choose_accelerator(struct machine *machine, const struct options *options)
{
    enum accelerator accelerator = options->accelerator;
    enum outcome outcome = accelerator == ACCEL_KVM ? check_kvm() : GOOD;

    if (outcome != GOOD)
        return outcome;
    if (accelerator == ACCEL_AUTO)
        accelerator = !options->counted && kvm_opens() && kvm_nests() ? ACCEL_KVM : ACCEL_TCG;

    machine->emulator = "qemu";
    machine->accelerator = accelerator == ACCEL_KVM ? "kvm" : "tcg";
    machine->cpu = options->cpu ? options->cpu : accelerator == ACCEL_KVM ? "host" : "EPYC";
    return GOOD;
}

/* Only what it has, not all that it is promised; but a raised target may go as far as that. */
static uint64_t memory_of_guest(const struct options *options)
{
    return options->raise ? options->maxmem : options->memory;
}

static enum outcome choose_memory(struct machine *machine, const struct options *options,
                                  uint64_t module_bytes)
{
    uint64_t have = memory_of_this_machine();
    char wanted[24];

    machine->memory = options->host_memory
                          ? options->host_memory
                          : memory_for_host(memory_of_guest(options), module_bytes);
    machine->low_size = memory_below_4g(machine->memory);
    memory_format(machine->memory, wanted);
    if (machine->memory > have)
        return bad_input("a machine of %s for this guest is more than this computer has (%lluM); "
                         "give less --%s",
                         wanted, (unsigned long long)(have / MB),
                         options->host_memory ? "host-memory"
                         : options->raise     ? "maxmem"
                                              : "memory");
    return GOOD;
}

enum outcome qemu_choose(struct machine *machine, const struct options *options,
                         uint64_t module_bytes)
{
    enum outcome outcome = choose_accelerator(machine, options);

    if (outcome == GOOD && options->firmware == FIRMWARE_UEFI && access(UEFI_FIRMWARE, R_OK) != 0)
        outcome = bad_input("--firmware uefi: %s: %s; install Debian's package ovmf", UEFI_FIRMWARE,
                            strerror(errno));
    if (outcome == GOOD)
        outcome = choose_memory(machine, options, module_bytes);
    return outcome == GOOD ? command_line_compose(machine->command_line, options) : outcome;
}

/* ---- its command line ----------------------------------------------------------------------- */

/* The emulator's arguments; those that are made here live in `made`. */
struct words {
    const char *word[WORDS_MAX];
    unsigned count;
    char made[8][WORD_SIZE];
    unsigned made_count;
};

static void add(struct words *words, const char *option, const char *value)
{
    words->word[words->count++] = option;
    if (value)
        words->word[words->count++] = value;
}

__attribute__((format(printf, 3, 4))) static void add_made(struct words *words, const char *option,
                                                           const char *format, ...)
{
    char *made = words->made[words->made_count++];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(made, WORD_SIZE, format, arguments);
    va_end(arguments);
    add(words, option, made);
}

/* Whether the hypervisor will read what we have to say. */
static enum answers answers_to_records(const struct options *options)
{
    return options->eye == EYE_ALWAYS || options->raise ? ANSWERS_WANTED : ANSWERS_NONE;
}

static void add_kernel(struct words *words, const struct machine *machine)
{
    add_made(words, "-kernel", "/proc/self/fd/%d", machine->image_fd);
    if (machine->initrd_fd >= 0)
        add_made(words, "-initrd", "/proc/self/fd/%d,/proc/self/fd/%d", machine->kernel_fd,
                 machine->initrd_fd);
    else
        add_made(words, "-initrd", "/proc/self/fd/%d", machine->kernel_fd);
    add(words, "-append", machine->command_line);
}

/* The emulator's own firmware is a BIOS. */
static void add_disc(struct words *words, const struct machine *machine, enum firmware firmware)
{
    add_made(words, "-cdrom", "/proc/self/fd/%d", machine->disc_fd);
    if (firmware == FIRMWARE_UEFI)
        add(words, "-bios", UEFI_FIRMWARE);
}

static void compose(struct words *words, const struct machine *machine,
                    const struct options *options, const struct serial *serial)
{
    add(words, EMULATOR, NULL);
    add(words, "-accel", machine->accelerator);
    add(words, "-cpu", machine->cpu);
    add(words, "-M", "pc,memory-backend=ram");
    add_made(words, "-m", "%lluM", (unsigned long long)(machine->memory / MB));
    add_made(words, "-object",
             "memory-backend-file,id=ram,size=%lluM,mem-path=/proc/self/fd/%d,"
             "share=on,prealloc=off",
             (unsigned long long)(machine->memory / MB), machine->memory_fd);
    add_made(words, "-smp", "%u", options->cpus);
    add(words, "-nodefaults", NULL);
    add(words, "-no-user-config", NULL);
    add(words, "-no-reboot", NULL);
    add(words, "-display", "none");
    add(words, "-vga", "none");
    add(words, "-device", "isa-debug-exit,iobase=0xf4");
    add(words, "-chardev", "stdio,id=console,signal=off");
    add_made(words, "-chardev",
             answers_to_records(options) == ANSWERS_WANTED
                 ? "socket,id=records,fd=%d"
                 : "file,id=records,path=/proc/self/fd/%d",
             serial->records);
    add(words, "-serial", "chardev:console");
    add(words, "-serial", "chardev:records");
    if (options->counted) {
        add(words, "-icount", "shift=0,sleep=off");
        add_made(words, "-seed", "%llu", (unsigned long long)options->seed);
        add(words, "-rtc", "base=2000-01-01,clock=vm");
    }
    if (options->firmware)
        add_disc(words, machine, options->firmware);
    else
        add_kernel(words, machine);
}

/* ---- running it ----------------------------------------------------------------------------- */

static enum outcome start_process(struct machine *machine, const struct words *words,
                                  const struct serial *serial)
{
    struct process process = {
        .words = words->word,
        .package = "qemu-system-x86",
        .log = machine->log,
        .in = serial->keys,
        .out = serial->console,
    };

    process_keep(&process, serial->records);
    process_keep(&process, machine->memory_fd);
    process_keep(&process, machine->image_fd);
    process_keep(&process, machine->kernel_fd);
    process_keep(&process, machine->initrd_fd);
    process_keep(&process, machine->disc_fd);
    return process_start(&process, &machine->pid);
}

static enum outcome make_memory(struct machine *machine)
{
    machine->memory_fd = memfd_create("podium", MFD_CLOEXEC);
    if (machine->memory_fd < 0 || ftruncate(machine->memory_fd, (off_t)machine->memory) != 0)
        return failed("no memory for the machine: %s", strerror(errno));
    return GOOD;
}

enum outcome machine_open_image(struct machine *machine)
{
    char image[PATH_SIZE];

    if (!path_beside(image, "podium.elf"))
        return failed("cannot tell where this program lies");
    machine->image_fd = open(image, O_RDONLY | O_CLOEXEC);
    if (machine->image_fd < 0)
        return failed("no hypervisor image at %s: %s; `make build` makes it", image,
                      strerror(errno));
    return GOOD;
}

/* Like all that the machine has, it is a descriptor without a name. */
static enum outcome open_disc(struct machine *machine, const char *directory)
{
    char name[PATH_SIZE];
    enum outcome outcome = iso_make(machine, directory);

    if (outcome != GOOD)
        return outcome;
    snprintf(name, sizeof name, "%.4000s/" ISO_NAME, directory);
    machine->disc_fd = open(name, O_RDONLY | O_CLOEXEC);
    if (machine->disc_fd < 0)
        return failed("%s: %s", name, strerror(errno));
    unlink(name);
    return GOOD;
}

/* In a directory of its own: in the one for results people may have files of these names. */
static enum outcome make_disc(struct machine *machine, const struct options *options)
{
    char directory[PATH_SIZE];

    snprintf(directory, sizeof directory, "%.4000s/disc.XXXXXX", options->out);
    if (!mkdtemp(directory))
        return failed("%s: %s", directory, strerror(errno));
    enum outcome outcome = open_disc(machine, directory);
    iso_remove_directory(directory, outcome);
    return outcome;
}

enum outcome qemu_start(struct machine *machine, const struct options *options)
{
    struct serial machines;
    struct words words = { .count = 0 };

    snprintf(machine->log, sizeof machine->log, "%.4000s/qemu.log", options->out);
    enum outcome outcome = machine_open_image(machine);
    if (outcome == GOOD)
        outcome = make_memory(machine);
    if (outcome == GOOD && options->firmware)
        outcome = make_disc(machine, options);
    if (outcome != GOOD)
        return outcome;
    if (!serial_make(&machine->serial, &machines, answers_to_records(options)))
        return failed("no serial ports: %s", strerror(errno));

    compose(&words, machine, options, &machines);
    outcome = start_process(machine, &words, &machines);
    serial_close(&machines);
    return outcome;
}

void qemu_complaint(const struct machine *machine, char complaint[COMPLAINT_SIZE])
{
    char line[COMPLAINT_SIZE];
    FILE *log = fopen(machine->log, "re");

    *complaint = '\0';
    while (log && fgets(line, sizeof line, log)) {
        line[strcspn(line, "\n")] = '\0';
        if (*line && !strstr(line, "warning:"))
            memcpy(complaint, line, sizeof line);
    }
    if (log)
        fclose(log);
}
