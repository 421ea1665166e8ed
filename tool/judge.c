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

#define FIRST_SLOT_GIVES 196608.0 /* 4K frames: three quarters of it */

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

/* 4K frames of so many pieces of the three sizes. */
static double frames_of(const cJSON *phase, const char *pieces)
{
    static const struct {
        const char *size;
        double frames;
    } sizes[] = { { "1g", 262144 }, { "2m", 512 }, { "4k", 1 } };
    double frames = 0;

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s_%s", pieces, sizes[i].size);
        frames += report_number(phase, name) * sizes[i].frames;
    }
    return frames;
}

/* The account of promised memory must be that of marks, blocks and leaves, and no more in hand. */
static bool account_is_wrong(const cJSON *phase, const char *name, struct verdict *verdict)
{
    double entries = report_number(phase, "entries"), marked = frames_of(phase, "pod");
    double cached = report_number(phase, "cached"), blocks = frames_of(phase, "cache");
    double granted = report_number(phase, "granted");
    double populated = report_number(phase, "populated"), mapped = frames_of(phase, "ram");

    if (entries != marked)
        return find(verdict, FAILED,
                    "%.0f frames are promised, and %.0f marked (phase \"%s\" of guest %s)", entries,
                    marked, phase->string, name);
    if (cached != blocks)
        return find(verdict, FAILED,
                    "%.0f frames are in hand, and %.0f in its blocks (phase \"%s\" of guest %s)",
                    cached, blocks, phase->string, name);
    if (populated != mapped)
        return find(verdict, FAILED,
                    "%.0f frames are populated, and %.0f mapped (phase \"%s\" of guest %s)",
                    populated, mapped, phase->string, name);
    if (cached + granted > entries)
        return find(verdict, FAILED,
                    "%.0f frames are in hand for %.0f promised (phase \"%s\" of guest %s)",
                    cached + granted, entries, phase->string, name);
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
        if (account_is_wrong(phase, text_of(guest, "name"), verdict))
            return true;
        const char *seen = text_of(phase, "eye");
        if (!*seen && eye == EYE_ALWAYS)
            seen = "was asked and has not looked";
        if (*seen && strcmp(seen, "agrees") != 0)
            return find(verdict, FAILED, "eye %s (phase \"%s\" of guest %s)", seen, phase->string,
                        text_of(guest, "name"));
    }
    return false;
}

/* Every slot that holds a frame is one leaf, or has a reason. */
static bool slots_are_wrong(const cJSON *guest, const cJSON *end, struct verdict *verdict)
{
    double reasons = report_sum(cJSON_GetObjectItemCaseSensitive(guest, "reasons"));
    double leaves = report_number(end, "ram_1g"), slots = report_number(guest, "slots");

    return reasons + leaves != slots &&
           find(verdict, FAILED,
                "guest %s: %.0f reasons and %.0f 1 GB leaves do not add up to %.0f slots",
                text_of(guest, "name"), reasons, leaves, slots);
}

/*
 * A whole GB was in hand, for a slot that was promised whole; and a kernel finds all that its
 * balloon is to give back in the slot that it was loaded to, because that is little enough. Then
 * another slot must have become one leaf, and been used as one.
 */
static bool could_have_whole_slot(const cJSON *guest, const cJSON *phases)
{
    const cJSON *built = cJSON_GetObjectItemCaseSensitive(phases, "built");
    const cJSON *reasons = cJSON_GetObjectItemCaseSensitive(guest, "reasons");
    double owed = report_number(guest, "maxmem_frames") - report_number(guest, "memory_frames");

    return cJSON_HasObjectItem(phases, "ballooned") && owed > 0 && owed <= FIRST_SLOT_GIVES &&
           report_number(built, "cache_1g") > 0 && report_number(built, "pod_1g") > 0 &&
           !cJSON_HasObjectItem(reasons, "no_1g_processor");
}

static bool guest_is_wrong(const cJSON *guest, const struct closing *closing,
                           struct verdict *verdict)
{
    const cJSON *phases = cJSON_GetObjectItemCaseSensitive(guest, "phases");
    const cJSON *end = cJSON_GetObjectItemCaseSensitive(phases, "end");
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
    if (slots_are_wrong(guest, end, verdict))
        return true;
    if (closing->guest == GUEST_DEFAULT && could_have_whole_slot(guest, phases) &&
        report_number(end, "touched_1g") == 0)
        return find(verdict, FAILED,
                    "guest %s could have used a slot in one leaf of 1 GB, and has none", name);
    return phases_are_wrong(guest, closing->eye, verdict);
}

static bool frames_are_wrong(const struct report *report, struct verdict *verdict)
{
    const cJSON *host = cJSON_GetObjectItemCaseSensitive(report->root, "host");
    const cJSON *start = cJSON_GetObjectItemCaseSensitive(host, "frames_start");
    const cJSON *end = cJSON_GetObjectItemCaseSensitive(host, "frames_end");
    const cJSON *state;

    if (report_sum(start) == 0 || cJSON_GetArraySize(start) != cJSON_GetArraySize(end))
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
