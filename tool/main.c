/* SPDX-License-Identifier: MIT */
/*
 * The command: finds the sub-command. Refuses to know what it does.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "disc.h"
#include "options.h"
#include "run.h"

static const char help_text[] =
    "usage: podium run [options]     boot a kernel on the Podium hypervisor, and report\n"
    "       podium iso --out FILE [options]    write a disc that does so on a real machine\n"
    "       podium run --help        their options\n"
    "       podium --version\n"
    "\n"
    "exit status: 0 all well; 1 the guest or the host failed; 2 the request makes no sense.\n";

/* A descriptor of ours must not take the place of a standard one that we were started without. */
static void hold_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

static enum outcome obey(int count, char **words)
{
    const char *verb = count > 1 ? words[1] : "";
    static struct options options;
    bool help;

    if (strcmp(verb, "--help") == 0 || strcmp(verb, "help") == 0) {
        fputs(help_text, stdout);
        return GOOD;
    }
    if (strcmp(verb, "--version") == 0) {
        puts("podium " PODIUM_VERSION);
        return GOOD;
    }
    if (strcmp(verb, "iso") == 0)
        options.purpose = PURPOSE_DISC;
    else if (strcmp(verb, "run") != 0)
        return *verb ? bad_input("no such command: %s (podium --help)", verb)
                     : bad_input("which command? (podium --help)");

    enum outcome outcome = options_parse(&options, count - 1, words + 1, &help);
    if (outcome != GOOD || help)
        return outcome;
    return options.purpose == PURPOSE_DISC ? disc(&options) : run(&options);
}

int main(int count, char **words)
{
    hold_standard_descriptors();
    return say_end(obey(count, words));
}
