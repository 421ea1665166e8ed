/* SPDX-License-Identifier: MIT */
/*
 * The verdict. What stopped the run comes first, then what the hypervisor says, then what can be
 * checked without believing it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "judge.h"

/* What isa-debug-exit makes of the hypervisor's codes 0x10 and 0x12. */
#define STATUS_GOOD      33
#define STATUS_BAD_INPUT 37

#define STATUS_REFUSED 1 /* the emulator's own, when it cannot begin */

struct verdict {
    char text[256];
    enum outcome outcome;
};

__attribute__((format(printf, 3, 4))) static bool
find(struct verdict *verdict, enum outcome outcome, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(verdict->text, sizeof verdict->text, format, arguments);
    va_end(arguments);
    verdict->outcome = outcome;
    return true;
}

static const char *text_of(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

    return cJSON_IsString(item) ? item->valuestring : "";
}

/* Of all members but "total", which would count them twice. */
static double sum_of(const cJSON *object)
{
    const cJSON *item;
    double sum = 0;

    cJSON_ArrayForEach(item, object)
    {
        if (cJSON_IsNumber(item) && strcmp(item->string, "total") != 0)
            sum += item->valuedouble;
    }
    return sum;
}

/* It knows no such processor: it ended at once, of itself, and said so. */
static bool emulator_refuses_cpu(const struct report *report, const struct closing *closing)
{
    return closing->cpu && WEXITSTATUS(closing->status) == STATUS_REFUSED && *closing->complaint &&
           !cJSON_HasObjectItem(report->root, "format");
}

/* ---- each returns whether it found something wrong ------------------------------------------ */

static bool ending_is_wrong(const struct report *report, const struct closing *closing,
                            struct verdict *verdict)
{
    if (closing->ending == INTERRUPTED)
        return find(verdict, FAILED, "interrupted");
    if (closing->ending == TIMED_OUT)
        return find(verdict, FAILED, "not ended after %u s: time-out", closing->seconds);
    if (report->error)
        return find(verdict, WEXITSTATUS(closing->status) == STATUS_BAD_INPUT ? BAD_INPUT : FAILED,
                    "%s", report->error->valuestring);
    if (WIFSIGNALED(closing->status))
        return find(verdict, FAILED, "the emulator was killed by signal %d",
                    WTERMSIG(closing->status));
    if (!report->end && emulator_refuses_cpu(report, closing))
        return find(verdict, BAD_INPUT, "--cpu %s: %s", closing->cpu, closing->complaint);
    if (!report->end)
        return find(verdict, WEXITSTATUS(closing->status) == STATUS_BAD_INPUT ? BAD_INPUT : FAILED,
                    "the hypervisor ended without its last record (emulator status %d)%s%s",
                    WEXITSTATUS(closing->status), *closing->complaint ? ": " : "",
                    closing->complaint);
    return false;
}

static bool hypervisor_says_wrong(const struct report *report, const struct closing *closing,
                                  struct verdict *verdict)
{
    if (strcmp(report->end->valuestring, "ok") != 0)
        return find(verdict, FAILED, "%s", report->end->valuestring);
    if (WEXITSTATUS(closing->status) != STATUS_GOOD)
        return find(verdict, FAILED, "the emulator ended with status %d, not %d",
                    WEXITSTATUS(closing->status), STATUS_GOOD);
    if (closing->bad_records != 0)
        return find(verdict, FAILED, "%u of the hypervisor's records could not be read",
                    closing->bad_records);
    return false;
}

static bool phases_are_wrong(const cJSON *guest, enum eye eye, struct verdict *verdict)
{
    static const char *const required[] = { "built", "end" };
    const cJSON *phases = cJSON_GetObjectItemCaseSensitive(guest, "phases");
    const cJSON *phase;

    for (size_t i = 0; i < sizeof required / sizeof required[0]; i++) {
        if (!cJSON_HasObjectItem(phases, required[i]))
            return find(verdict, FAILED, "nothing is known of phase \"%s\" of guest %s",
                        required[i], text_of(guest, "name"));
    }

    cJSON_ArrayForEach(phase, phases)
    {
        const char *seen = text_of(phase, "eye");
        if (!*seen && eye == EYE_ALWAYS)
            seen = "was asked and has not looked";
        if (*seen && strcmp(seen, "agrees") != 0)
            return find(verdict, FAILED, "eye %s (phase \"%s\" of guest %s)", seen, phase->string,
                        text_of(guest, "name"));
    }
    return false;
}

static bool guest_is_wrong(const cJSON *guest, const struct closing *closing,
                           struct verdict *verdict)
{
    const cJSON *phases = cJSON_GetObjectItemCaseSensitive(guest, "phases");
    const cJSON *end = cJSON_GetObjectItemCaseSensitive(phases, "end");
    const cJSON *reasons = cJSON_GetObjectItemCaseSensitive(guest, "reasons");
    const char *name = text_of(guest, "name");
    const char *details = text_of(guest, "details");

    if (strcmp(text_of(guest, "exit_reason"), "poweroff") != 0 &&
        strcmp(text_of(guest, "exit_reason"), "reboot") != 0)
        return find(verdict, FAILED, "guest %s ended by %s%s%s", name,
                    text_of(guest, "exit_reason"), *details ? ": " : "", details);
    if (closing->guest == GUEST_DEFAULT && !cJSON_HasObjectItem(phases, "used"))
        return find(verdict, FAILED, "guest %s ended (%s%s%s) before it had used its memory", name,
                    text_of(guest, "exit_reason"), *details ? ": " : "", details);
    if (!cJSON_HasObjectItem(guest, "audit_errors") || report_number(guest, "audit_errors") != 0)
        return find(verdict, FAILED, "the audit of guest %s found %.0f errors", name,
                    report_number(guest, "audit_errors"));
    if (sum_of(reasons) + report_number(end, "ram_1g") != report_number(guest, "slots"))
        return find(verdict, FAILED,
                    "guest %s: %.0f reasons and %.0f 1 GB leaves do not add up to %.0f slots", name,
                    sum_of(reasons), report_number(end, "ram_1g"), report_number(guest, "slots"));
    return phases_are_wrong(guest, closing->eye, verdict);
}

static bool frames_are_wrong(const struct report *report, struct verdict *verdict)
{
    const cJSON *host = cJSON_GetObjectItemCaseSensitive(report->root, "host");
    const cJSON *start = cJSON_GetObjectItemCaseSensitive(host, "frames_start");
    const cJSON *end = cJSON_GetObjectItemCaseSensitive(host, "frames_end");
    const cJSON *state;

    if (sum_of(start) == 0 || cJSON_GetArraySize(start) != cJSON_GetArraySize(end))
        return find(verdict, FAILED, "the host did not say what frames it has");
    cJSON_ArrayForEach(state, start)
    {
        double before = report_number(start, state->string);
        double after = report_number(end, state->string);
        if (!cJSON_HasObjectItem(end, state->string) || before != after)
            return find(verdict, FAILED,
                        "the host had %.0f frames (%s) at the start, %.0f at the end", before,
                        state->string, after);
    }
    return false;
}

enum outcome judge(struct report *report, const struct closing *closing)
{
    const cJSON *guests = cJSON_GetObjectItemCaseSensitive(report->root, "guests");
    const cJSON *guest;
    struct verdict verdict = { .text = "ok", .outcome = GOOD };

    /* Guests before the hypervisor: it only says that one died, they say of what. */
    bool wrong = ending_is_wrong(report, closing, &verdict);
    cJSON_ArrayForEach(guest, guests) wrong = wrong || guest_is_wrong(guest, closing, &verdict);
    wrong = wrong || hypervisor_says_wrong(report, closing, &verdict);
    if (!wrong && cJSON_GetArraySize(guests) == 0)
        wrong = find(&verdict, FAILED, "no guest was run");
    if (!wrong)
        frames_are_wrong(report, &verdict);

    cJSON_ReplaceItemInObjectCaseSensitive(report->root, "verdict",
                                           cJSON_CreateString(verdict.text));
    return verdict.outcome;
}

const char *report_verdict(const struct report *report)
{
    return text_of(report->root, "verdict");
}
