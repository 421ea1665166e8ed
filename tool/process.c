/* SPDX-License-Identifier: MIT */
/*
 * Another program. A pipe that closes when it starts tells whether it did.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"

void process_keep(struct process *process, int fd)
{
    if (fd >= 0)
        process->kept[process->kept_count++] = fd;
}

static bool use_as(int fd, int otherwise, int number)
{
    return dup2(fd >= 0 ? fd : otherwise, number) >= 0;
}

/* In the child: become the program. Comes back only when that failed; errno says why. */
static void become(const struct process *process, pid_t parent)
{
    sigset_t none;

    /* Its own process group: a Ctrl-C is for us alone, and we end it. */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    int log = open(process->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (log < 0 || nothing < 0 || !use_as(process->in, nothing, STDIN_FILENO) ||
        !use_as(process->out, log, STDOUT_FILENO) || !use_as(log, log, STDERR_FILENO))
        return;
    for (unsigned i = 0; i < process->kept_count; i++)
        fcntl(process->kept[i], F_SETFD, 0);
    if (process->directory && chdir(process->directory) != 0)
        return;
    execvp(process->words[0], (char *const *)(uintptr_t)process->words);
}

enum outcome process_start(const struct process *process, pid_t *pid)
{
    int report[2], error = 0;
    pid_t parent = getpid();

    *pid = 0;
    if (pipe2(report, O_CLOEXEC) != 0)
        return failed("pipe: %s", strerror(errno));
    *pid = fork();
    if (*pid == 0) {
        become(process, parent);
        error = errno;
        _exit(write(report[1], &error, sizeof error) == sizeof error ? 1 : 2);
    }
    close(report[1]);
    if (*pid < 0) {
        *pid = 0;
        close(report[0]);
        return failed("fork: %s", strerror(errno));
    }

    bool broken = read(report[0], &error, sizeof error) == sizeof error;
    close(report[0]);
    if (!broken)
        return GOOD;
    process_kill(pid);
    return failed("cannot start %s: %s (Debian package %s)", process->words[0], strerror(error),
                  process->package);
}

void process_kill(pid_t *pid)
{
    if (*pid == 0)
        return;
    kill(*pid, SIGKILL);
    while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
        ;
    *pid = 0;
}
