/* SPDX-License-Identifier: MIT */
/*
 * One run of a machine: a loop over five descriptors. Keys that the machine does not take yet are
 * kept, and no further ones read. What the machine does with keys that come before somebody in it
 * reads them, this file can't know.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "eye.h"
#include "process.h"
#include "records.h"
#include "session.h"
#include "terminal.h"
#include "waiting.h"

#define SILENCE_SECONDS 30 /* after which we say that we still live */

enum { SIGNALS, CONSOLE, RECORDS, TAKER, KEYS, SOURCES };

struct session {
    struct machine *machine;
    const struct options *options;
    struct report *report;
    struct closing *closing;
    struct terminal terminal;
    struct pollfd source[SOURCES];
    struct records records;
    struct waiting waiting;
    char keys[4096];
    size_t keys_from, keys_end; /* read, and not yet taken by the machine */
    time_t started, heard;      /* monotonic seconds */
    bool over;
};

static time_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec;
}

static void end(struct session *session, enum ending ending)
{
    session->closing->ending = ending;
    session->over = true;
}

/* ---- signals -------------------------------------------------------------------------------- */

static sigset_t attended(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    return set;
}

void session_hold_signals(void)
{
    sigset_t set = attended();

    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    /* Who is put into the background later reads an error and goes on, instead of being stopped. */
    signal(SIGTTIN, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
}

/* Whether the emulator is gone; its status is kept. */
static bool reap(struct session *session)
{
    if (waitpid(session->machine->pid, &session->closing->status, WNOHANG) <= 0)
        return false;
    session->machine->pid = 0;
    return true;
}

static void take_signal(struct session *session)
{
    struct signalfd_siginfo info;

    if (read(session->source[SIGNALS].fd, &info, sizeof info) != sizeof info)
        return;
    if (info.ssi_signo != SIGCHLD)
        end(session, INTERRUPTED);
    else if (reap(session))
        end(session, ENDED);
}

/* ---- console -------------------------------------------------------------------------------- */

static void take_console(struct session *session)
{
    char bytes[4096];
    ssize_t got = read(session->machine->serial.console, bytes, sizeof bytes);

    if (got > 0) {
        say_console(bytes, (size_t)got);
        session->heard = now();
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        session->source[CONSOLE].fd = -1;
    }
}

static void take_keys(struct session *session)
{
    ssize_t got = read(STDIN_FILENO, session->keys, sizeof session->keys);

    if (got <= 0) {
        session->source[KEYS].fd = -1;
        return;
    }
    session->keys_from = 0;
    session->keys_end = (size_t)got;
    if (terminal_filter(&session->terminal, session->keys, &session->keys_end))
        end(session, INTERRUPTED);
}

static void give_keys(struct session *session)
{
    ssize_t given = write(session->machine->serial.keys, session->keys + session->keys_from,
                          session->keys_end - session->keys_from);

    if (given > 0)
        session->keys_from += (size_t)given;
    else if (given < 0 && errno != EAGAIN && errno != EINTR)
        session->keys_from = session->keys_end; /* nobody is left to take them */
}

/* ---- records -------------------------------------------------------------------------------- */

/* The machine waits for it; if it is gone, SIGCHLD tells. */
static void answer(struct session *session, const char *line)
{
    if (!write_all(session->machine->serial.records, line, strlen(line)))
        session->source[RECORDS].fd = -1;
}

static void take_record(struct session *session, const cJSON *record)
{
    cJSON *phase = report_add(session->report, record);
    char line[WAITING_ANSWER_SIZE];

    if (waiting_take(&session->waiting, record, line))
        answer(session, line);
    if (!phase || session->options->eye != EYE_ALWAYS)
        return;

    const cJSON *format = cJSON_GetObjectItemCaseSensitive(session->report->root, "format");
    eye_compare(session->machine, cJSON_IsString(format) ? format->valuestring : "npt", phase);
    answer(session, "\n");
}

static void take_records(struct session *session)
{
    char bytes[4096];
    ssize_t got = read(session->machine->serial.records, bytes, sizeof bytes);

    if (got <= 0) {
        if (got == 0 || errno != EINTR)
            session->source[RECORDS].fd = -1;
        return;
    }

    const char *from = bytes;
    size_t size = (size_t)got;
    cJSON *record;
    while ((record = records_take(&session->records, &from, &size)) != NULL) {
        take_record(session, record);
        cJSON_Delete(record);
    }
    session->heard = now();
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void watch_time(struct session *session)
{
    time_t elapsed = now() - session->started;

    session->closing->seconds = (unsigned)elapsed;
    if (session->options->timeout != TIMEOUT_NONE && elapsed >= (time_t)session->options->timeout)
        end(session, TIMED_OUT);
    if (!session->terminal.raw && now() - session->heard >= SILENCE_SECONDS) {
        say("... %u s, and still running", session->closing->seconds);
        session->heard = now();
    }
}

static void wait_and_take(struct session *session)
{
    bool pending = session->keys_from != session->keys_end;
    struct pollfd *source = session->source;

    source[TAKER].fd = pending ? session->machine->serial.keys : -1;
    source[KEYS].revents = 0;
    if (poll(source, pending ? KEYS : SOURCES, 1000) < 0)
        return;
    if (source[TAKER].revents)
        give_keys(session);
    if (source[CONSOLE].revents & (POLLIN | POLLHUP))
        take_console(session);
    if (source[RECORDS].revents)
        take_records(session);
    if (!pending && source[KEYS].revents)
        take_keys(session);
    if (source[SIGNALS].revents)
        take_signal(session);
}

/* What the machine had said before it ended and we had not read. */
static void drain(struct session *session)
{
    fcntl(session->machine->serial.records, F_SETFL, O_NONBLOCK);
    while (session->source[CONSOLE].fd >= 0 && poll(&session->source[CONSOLE], 1, 0) > 0)
        take_console(session);
    while (session->source[RECORDS].fd >= 0 && poll(&session->source[RECORDS], 1, 0) > 0)
        take_records(session);
}

static enum outcome begin(struct session *session)
{
    sigset_t set = attended();
    int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);

    if (signals < 0)
        return failed("signalfd: %s", strerror(errno));
    session->source[SIGNALS] = (struct pollfd){ .fd = signals, .events = POLLIN };
    session->source[CONSOLE] =
        (struct pollfd){ .fd = session->machine->serial.console, .events = POLLIN };
    session->source[RECORDS] =
        (struct pollfd){ .fd = session->machine->serial.records, .events = POLLIN };
    session->source[TAKER] = (struct pollfd){ .fd = -1, .events = POLLOUT };
    session->source[KEYS] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
    if (isatty(STDIN_FILENO) && !terminal_is_ours())
        session->source[KEYS].fd = -1; /* a background job: the keys are for somebody else */
    fcntl(session->machine->serial.console, F_SETFL, O_NONBLOCK);
    fcntl(session->machine->serial.keys, F_SETFL, O_NONBLOCK);
    session->started = session->heard = now();
    waiting_init(&session->waiting, session->options);
    terminal_open(&session->terminal);
    return GOOD;
}

enum outcome session_run(struct machine *machine, const struct options *options,
                         struct report *report, struct closing *closing)
{
    static struct session session;

    session = (struct session){
        .machine = machine,
        .options = options,
        .report = report,
        .closing = closing,
    };
    enum outcome outcome = begin(&session);
    if (outcome != GOOD)
        return outcome;

    while (!session.over) {
        wait_and_take(&session);
        if (!session.over)
            watch_time(&session);
    }
    process_kill(&machine->pid);
    drain(&session);
    terminal_restore(&session.terminal);
    close(session.source[SIGNALS].fd);
    closing->bad_records = session.records.bad;
    return GOOD;
}
