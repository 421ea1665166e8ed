/* SPDX-License-Identifier: MIT */
/*
 * The disc: a tree of files, and what grub-mkrescue makes of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "iso.h"
#include "process.h"

#define TREE      "iso"
#define NAME_SIZE (PATH_SIZE + 64)

static void name_in(char name[NAME_SIZE], const char *directory, const char *file)
{
    snprintf(name, NAME_SIZE, "%s/%s", directory, file);
}

/* Of a descriptor, from its start, wherever others have read to. */
static enum outcome copy(int from, const char *directory, const char *file)
{
    char name[NAME_SIZE];
    struct stat status;
    off_t at = 0;

    name_in(name, directory, file);
    int to = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool good = to >= 0 && fstat(from, &status) == 0;
    while (good && at < status.st_size)
        good = sendfile(to, from, &at, (size_t)(status.st_size - at)) > 0;
    int error = errno;
    if (to >= 0 && close(to) != 0 && good) {
        good = false;
        error = errno;
    }
    return good ? GOOD : failed("%s: %s", name, strerror(error));
}

/* GRUB's own language reads the line; in single quotes it takes every word as it is. */
static void write_line(FILE *file, const char *line)
{
    for (const char *word = line; *word; word += strspn(word, " ")) {
        int length = (int)strcspn(word, " ");
        fprintf(file, " '%.*s'", length, word);
        word += length;
    }
}

static enum outcome write_menu(const struct machine *machine, const char *directory)
{
    char name[NAME_SIZE];

    /* It would hand these on with a backslash before them. */
    if (strpbrk(machine->command_line, "'\"\\\n"))
        return bad_input("--append: a quote or a backslash, which GRUB does not hand on as it is");
    name_in(name, directory, TREE "/boot/grub/grub.cfg");
    FILE *file = fopen(name, "we");
    if (!file)
        return failed("%s: %s", name, strerror(errno));
    fprintf(file, "set timeout=0\nmenuentry podium {\n    multiboot2 /boot/podium.elf");
    write_line(file, machine->command_line);
    fprintf(file, "\n    module2 /boot/guest\n%s}\n",
            machine->initrd_fd >= 0 ? "    module2 /boot/initrd\n" : "");
    return fclose(file) == 0 ? GOOD : failed("%s: %s", name, strerror(errno));
}

static enum outcome make_tree(const struct machine *machine, const char *directory)
{
    char name[NAME_SIZE];

    name_in(name, directory, TREE "/boot/grub");
    if (!path_make_directory(name))
        return failed("%s: %s", name, strerror(errno));
    enum outcome outcome = write_menu(machine, directory);
    if (outcome == GOOD)
        outcome = copy(machine->image_fd, directory, TREE "/boot/podium.elf");
    if (outcome == GOOD)
        outcome = copy(machine->kernel_fd, directory, TREE "/boot/guest");
    if (outcome == GOOD && machine->initrd_fd >= 0)
        outcome = copy(machine->initrd_fd, directory, TREE "/boot/initrd");
    return outcome;
}

/* The disc holds copies: these only take room. An old initrd would not hurt, nor what stays. */
static void remove_tree(const char *directory)
{
    static const char *const directories[] = { TREE "/boot/grub", TREE "/boot", TREE };
    static const char *const files[] = { "grub/grub.cfg", "podium.elf", "guest", "initrd" };
    char name[NAME_SIZE];

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(name, sizeof name, "%.4000s/" TREE "/boot/%s", directory, files[i]);
        unlink(name);
    }
    for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++) {
        name_in(name, directory, directories[i]);
        rmdir(name);
    }
}

static enum outcome press(const char *directory)
{
    static const char *const words[] = { "grub-mkrescue", "-o", ISO_NAME, TREE, NULL };
    char log[NAME_SIZE];
    struct process process = {
        .words = words,
        .package = "grub-common, with grub-pc-bin, grub-efi-amd64-bin, xorriso and mtools",
        .directory = directory,
        .log = log,
        .in = -1,
        .out = -1,
    };
    pid_t pid;
    int status = -1;

    name_in(log, directory, ISO_LOG);
    enum outcome outcome = process_start(&process, &pid);
    if (outcome != GOOD)
        return outcome;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status == 0 ? GOOD : failed("grub-mkrescue made no disc; see %s", log);
}

/* What GRUB said of a failure stays. */
void iso_remove_directory(const char *directory, enum outcome outcome)
{
    char log[NAME_SIZE];

    name_in(log, directory, ISO_LOG);
    if (outcome == GOOD)
        unlink(log);
    rmdir(directory);
}

enum outcome iso_make(const struct machine *machine, const char *directory)
{
    enum outcome outcome = make_tree(machine, directory);

    if (outcome == GOOD)
        outcome = press(directory);
    remove_tree(directory);
    return outcome;
}
