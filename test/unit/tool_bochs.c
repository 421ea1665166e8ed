/* SPDX-License-Identifier: MIT */
/*
 * tool/bochs.c and tool/iso.c: what machine it is, what is written for the emulator and for GRUB to
 * read, and what is understood of the emulator's complaints. Nothing is started.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tool/bochs.h"
#include "tool/iso.h"
#include "tool/memory_size.h"
#include "tool/process.h"
#include "tool_said.h"

/* ---- what stands around the files ----------------------------------------------------------- */

static char seen[8192]; /* the file that is looked for, as it was when a program started */
static const char *looked_for;
static const char *started[4];
static unsigned starts;
static enum outcome start_outcome;

static void read_file(const char *name, char text[8192])
{
    FILE *file = fopen(name, "r");
    size_t size = file ? fread(text, 1, 8191, file) : 0;

    text[size] = '\0';
    if (file)
        fclose(file);
}

void process_keep(struct process *process, int fd)
{
    process->kept[process->kept_count++] = fd;
}

/* What runs is a program that does nothing, and well. */
enum outcome process_start(const struct process *process, pid_t *pid)
{
    char name[PATH_SIZE];

    started[starts++ % 4] = process->words[0];
    snprintf(name, sizeof name, "%.2000s/%.1000s", process->directory, looked_for);
    if (access(name, R_OK) == 0)
        read_file(name, seen);
    *pid = start_outcome == GOOD ? fork() : 0;
    if (start_outcome == GOOD && *pid == 0)
        _exit(0);
    return start_outcome;
}

bool serial_make(struct serial *ours, struct serial *machines, enum answers answers)
{
    assert_int_equal(answers, ANSWERS_NONE);
    *ours = (struct serial){ 0 };
    *machines = (struct serial){ .console = 71, .keys = 72, .records = 73 };
    return true;
}

void serial_close(const struct serial *serial)
{
    (void)serial;
}

enum outcome machine_open_image(struct machine *machine)
{
    machine->image_fd = dup(machine->kernel_fd);
    return GOOD;
}

enum outcome command_line_compose(char text[COMMAND_LINE_SIZE], const struct options *options)
{
    snprintf(text, COMMAND_LINE_SIZE, "guest.memory=1G -- quiet %.1000s", options->append);
    return GOOD;
}

static struct machine machine;
static struct options options;
static char directory[] = "/tmp/podium-bochs-XXXXXX";

static int set_up(void **state)
{
    FILE *kernel;

    (void)state;
    strcpy(directory + strlen(directory) - 6, "XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    kernel = tmpfile();
    fputs("a kernel", kernel);
    fflush(kernel);
    machine = (struct machine){ .kernel_fd = dup(fileno(kernel)), .initrd_fd = -1 };
    fclose(kernel);
    options = (struct options){ .emulator = EMULATOR_BOCHS, .memory = GB, .append = "", .cpus = 2 };
    options.out = directory;
    looked_for = "nothing";
    starts = 0;
    start_outcome = GOOD;
    *seen = '\0';
    said_nothing();
    return 0;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    close(machine.kernel_fd);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command);
}

/* ---- what machine --------------------------------------------------------------------------- */

static void a_machine_is_as_large_as_its_guest_needs(void **state)
{
    (void)state;
    assert_int_equal(bochs_choose(&machine, &options, 0), GOOD);
    assert_true(machine.memory == 3 * GB);
    assert_string_equal(machine.emulator, "bochs");
    assert_string_equal(machine.cpu, "corei7_skylake_x");
    options.memory = 2 * GB;
    assert_int_equal(bochs_choose(&machine, &options, 0), GOOD);
    assert_true(machine.memory == 3 * GB);
    options.host_memory = 2 * GB;
    options.cpu = "tigerlake";
    assert_int_equal(bochs_choose(&machine, &options, 0), GOOD);
    assert_true(machine.memory == 2 * GB);
    assert_string_equal(machine.cpu, "tigerlake");
}

static void more_than_3_gb_is_refused(void **state)
{
    (void)state;
    options.memory = 3 * GB;
    assert_int_equal(bochs_choose(&machine, &options, 0), BAD_INPUT);
    assert_non_null(strstr(said(), "--memory"));
    options.memory = 2 * GB + 700 * MB;
    assert_int_equal(bochs_choose(&machine, &options, 0), GOOD);
    assert_int_equal(bochs_choose(&machine, &options, 100 * MB), BAD_INPUT); /* modules */
    options.host_memory = 3 * GB + MB;
    assert_int_equal(bochs_choose(&machine, &options, 0), BAD_INPUT);
    assert_non_null(strstr(said(), "--host-memory"));
}

/* ---- what is written ------------------------------------------------------------------------ */

static void start(void)
{
    assert_int_equal(bochs_choose(&machine, &options, 0), GOOD);
    assert_int_equal(bochs_start(&machine, &options), GOOD);
}

static void grub_is_given_every_word_as_it_is(void **state)
{
    (void)state;
    looked_for = "iso/boot/grub/grub.cfg";
    options.append = "a=$b;c  {d} #e";
    start();
    assert_string_equal(started[0], "grub-mkrescue");
    assert_non_null(strstr(seen, "multiboot2 /boot/podium.elf 'guest.memory=1G' '--' 'quiet' "
                                 "'a=$b;c' '{d}' '#e'\n"));
    assert_non_null(strstr(seen, "module2 /boot/guest\n"));
    assert_null(strstr(seen, "initrd"));
}

static void what_grub_would_change_is_refused(void **state)
{
    static const char *const bad[] = { "it's", "a=\"b\"", "back\\slash", "two\nlines" };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        options.append = bad[i];
        assert_int_equal(bochs_choose(&machine, &options, 0), GOOD);
        assert_int_equal(bochs_start(&machine, &options), BAD_INPUT);
        assert_non_null(strstr(said(), "--append"));
        assert_int_equal(starts, 0);
    }
}

static void the_disc_is_made_of_copies_that_do_not_stay(void **state)
{
    static const char *const copies[] = { "iso/boot/guest", "iso/boot/initrd" };
    char name[PATH_SIZE];

    (void)state;
    machine.initrd_fd = machine.kernel_fd;
    for (size_t i = 0; i < 2; i++) {
        lseek(machine.kernel_fd, 0, SEEK_END); /* wherever others have read to */
        looked_for = copies[i];
        *seen = '\0';
        start();
        assert_string_equal(seen, "a kernel");
        snprintf(name, sizeof name, "%s/bochs/%s", directory, copies[i]);
        assert_int_not_equal(access(name, F_OK), 0);
    }
}

static void the_serial_ports_are_our_descriptors(void **state)
{
    (void)state;
    looked_for = "bochsrc";
    start();
    assert_string_equal(started[1], "bochs-bin");
    assert_non_null(strstr(seen, "com1: enabled=1, mode=file, dev=/proc/self/fd/71\n"));
    assert_non_null(strstr(seen, "com2: enabled=1, mode=file, dev=/proc/self/fd/73\n"));
    assert_non_null(strstr(seen, "memory: guest=3072, host=2048\n"));
    assert_non_null(strstr(seen, "cpu: model=corei7_skylake_x, count=2,"));
}

/* ---- what it complains of ------------------------------------------------------------------- */

static void write_log(const char *name, const char *text)
{
    char path[PATH_SIZE];
    FILE *file;

    snprintf(path, sizeof path, "%s/bochs/%s", directory, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void a_panic_is_a_complaint_and_a_shutdown_is_none(void **state)
{
    char complaint[COMPLAINT_SIZE];

    (void)state;
    start();
    bochs_complaint(&machine, complaint);
    assert_string_equal(complaint, "");
    write_log("bochs.log",
              "1i[CPU0 ] all is well\n2p[UNMAP ] >>PANIC<< Shutdown port: requested\n");
    bochs_complaint(&machine, complaint);
    assert_string_equal(complaint, "");
    write_log("output.log", "0p[ ] >>PANIC<< bochsrc:3: cpu directive malformed.\n");
    bochs_complaint(&machine, complaint);
    assert_string_equal(complaint, "bochsrc:3: cpu directive malformed.");
    write_log("bochs.log", "7p[MEM0 ] >>PANIC<< all used\n8i[SYS ] bye\n");
    bochs_complaint(&machine, complaint);
    assert_string_equal(complaint, "all used");
}

#define on_bochs(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        on_bochs(a_machine_is_as_large_as_its_guest_needs),
        on_bochs(more_than_3_gb_is_refused),
        on_bochs(grub_is_given_every_word_as_it_is),
        on_bochs(what_grub_would_change_is_refused),
        on_bochs(the_disc_is_made_of_copies_that_do_not_stay),
        on_bochs(the_serial_ports_are_our_descriptors),
        on_bochs(a_panic_is_a_complaint_and_a_shutdown_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
