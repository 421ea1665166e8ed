/* SPDX-License-Identifier: MIT */
/*
 * The eye from outside, asked through a pipe. A run in which it cannot answer is a run in which it
 * does not agree.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "eye.h"
#include "report.h"

#define ANSWER_SIZE ((size_t)1 << 20)
#define PATIENCE_MS 40000 /* in all; the machine holds still for 60 s */

static const char *const compared[] = {
    "ram_1g", "ram_2m",  "ram_4k",      "pod_1g", "pod_2m",
    "pod_4k", "special", "table_pages", "runs",   "untouched_frames",
};

bool eye_exists(void)
{
    char path[PATH_SIZE];

    return path_beside(path, "eye") && access(path, X_OK) == 0;
}

/* In the child. */
static void become_eye(const struct machine *machine, const char *format, const char *root, int out)
{
    char path[PATH_SIZE], memory[32], low_size[32];
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    snprintf(memory, sizeof memory, "/proc/self/fd/%d", machine->memory_fd);
    snprintf(low_size, sizeof low_size, "%llu", (unsigned long long)machine->low_size);
    fcntl(machine->memory_fd, F_SETFD, 0);
    if (path_beside(path, "eye") && dup2(out, STDOUT_FILENO) >= 0)
        execl(path, path, "--memory", memory, "--low-size", low_size, "--root", root, "--format",
              format, (char *)NULL);
    _exit(127);
}

static int64_t now_ms(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * (int64_t)1000 + time.tv_nsec / 1000000;
}

/* All that the eye writes, up to its end; false when it takes too long or fails. */
static bool read_answer(int from, char *answer, size_t *size)
{
    struct pollfd wait = { .fd = from, .events = POLLIN };
    int64_t deadline = now_ms() + PATIENCE_MS;

    for (*size = 0; *size < ANSWER_SIZE;) {
        int64_t left = deadline - now_ms();
        if (left <= 0 || poll(&wait, 1, (int)left) <= 0)
            return false;
        ssize_t got = read(from, answer + *size, ANSWER_SIZE - *size);
        if (got <= 0)
            return got == 0;
        *size += (size_t)got;
    }
    return false;
}

static cJSON *ask(const struct machine *machine, const char *format, const char *root)
{
    static char answer[ANSWER_SIZE];
    size_t size = 0;
    int out[2], status = 0;

    if (pipe2(out, O_CLOEXEC) != 0)
        return NULL;
    pid_t pid = fork();
    if (pid == 0)
        become_eye(machine, format, root, out[1]);
    close(out[1]);

    bool whole = pid > 0 && read_answer(out[0], answer, &size);
    close(out[0]);
    if (pid > 0 && !whole)
        kill(pid, SIGKILL);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    /* 1 is an answer too: tables that are not sound. */
    if (!whole || !WIFEXITED(status) || WEXITSTATUS(status) > 1)
        return NULL;
    return cJSON_ParseWithLength(answer, size);
}

static void describe_difference(const cJSON *phase, const cJSON *seen, char *text, size_t size)
{
    const cJSON *problems = cJSON_GetObjectItemCaseSensitive(seen, "problems");
    const cJSON *first = cJSON_GetArrayItem(problems, 0);

    snprintf(text, size, "agrees");
    if (report_number(seen, "errors") != 0)
        snprintf(text, size, "disagrees: %.0f things are wrong in the tables; the first: %s",
                 report_number(seen, "errors"), cJSON_IsString(first) ? first->valuestring : "?");
    for (size_t i = 0; i < sizeof compared / sizeof compared[0]; i++) {
        double says = report_number(phase, compared[i]);
        double sees = report_number(seen, compared[i]);
        if (!cJSON_HasObjectItem(phase, compared[i]) && strcmp(compared[i], "runs") == 0)
            continue; /* the hypervisor does not count them */
        if (!cJSON_HasObjectItem(seen, compared[i]) || says != sees) {
            snprintf(text, size, "disagrees: %s is %.0f by the report, %.0f seen from outside",
                     compared[i], says, sees);
            return;
        }
    }
}

void eye_compare(const struct machine *machine, const char *format, cJSON *phase)
{
    char text[240] = "disagrees: it could not read the tables";
    char root[32];

    snprintf(root, sizeof root, "%.0f", report_number(phase, "root"));
    cJSON *seen = ask(machine, format, root);
    if (seen)
        describe_difference(phase, seen, text, sizeof text);

    cJSON *runs = cJSON_DetachItemFromObjectCaseSensitive(seen, "runs");
    if (runs)
        cJSON_AddItemToObject(phase, "ram_runs", runs);
    cJSON_Delete(seen);
    cJSON_AddStringToObject(phase, "eye", text);
}
