/* SPDX-License-Identifier: MIT */
/*
 * The report as people read it. What the report lacks is left out, so that a run that ended early
 * still shows what it came to know.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "memory_size.h"
#include "table.h"

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const char *text_or(const cJSON *object, const char *name, const char *otherwise)
{
    const cJSON *item = member(object, name);

    return cJSON_IsString(item) ? item->valuestring : otherwise;
}

/* Was anything ever promised that was not there? Known before the guest has ended. */
static bool is_promised_more(const cJSON *guest)
{
    const cJSON *phase;

    cJSON_ArrayForEach(phase, member(guest, "phases"))
    {
        if (report_number(phase, "entries") != 0)
            return true;
    }
    return false;
}

/* What a phase has of each size; the columns of marks and blocks are for guests that have some. */
static const char *const pieces[][3] = {
    { "ram_1g", "ram_2m", "ram_4k" },
    { "pod_1g", "pod_2m", "pod_4k" },
    { "cache_1g", "cache_2m", "cache_4k" },
};

static void print_phase(const cJSON *phase, size_t kinds)
{
    printf("  %-10s", phase->string);
    for (size_t kind = 0; kind < kinds; kind++)
        printf("%6.0f %5.0f %6.0f ", report_number(phase, pieces[kind][0]),
               report_number(phase, pieces[kind][1]), report_number(phase, pieces[kind][2]));
    printf("%7.0f %8.2f s  %s\n", report_number(phase, "table_pages"),
           report_number(phase, "ns") / 1e9, text_or(phase, "eye", "not asked"));
}

static void print_phases(const cJSON *guest)
{
    static const char *const titles[] = { "leaves of RAM", "promised: marks", "in hand: blocks" };
    size_t kinds = is_promised_more(guest) ? 3 : 1;
    const cJSON *phase;

    printf("  %-10s", "");
    for (size_t kind = 0; kind < kinds; kind++)
        printf("%19s ", titles[kind]);
    printf("%7s\n  %-10s", "table", "phase");
    for (size_t kind = 0; kind < kinds; kind++)
        printf("%6s %5s %6s ", "1 GB", "2 MB", "4 KB");
    printf("%7s %10s  %s\n", "pages", "time", "outside eye");
    cJSON_ArrayForEach(phase, member(guest, "phases")) print_phase(phase, kinds);
    printf("\n");
}

/* "name 1, name 2": the members that are not 0. */
static void begin_counts(const char *title, const cJSON *counts)
{
    const cJSON *count;
    const char *separator = "";

    printf("  %-10s ", title);
    cJSON_ArrayForEach(count, counts)
    {
        if (!cJSON_IsNumber(count) || count->valuedouble == 0)
            continue;
        printf("%s%s %.0f", separator, count->string, count->valuedouble);
        separator = ", ";
    }
    printf("%s", *separator ? "" : "none");
}

static void print_counts(const char *title, const cJSON *counts)
{
    if (!counts)
        return;
    begin_counts(title, counts);
    printf("\n");
}

/* How the promise was kept, over the guest's life: what the last phase knows. */
static void print_promise(const cJSON *guest)
{
    const cJSON *end = member(member(guest, "phases"), "end");
    double ballooned = report_number(end, "ballooned_frames");

    if (!end)
        return;
    begin_counts("populates", member(end, "populates"));
    if (ballooned != 0)
        printf("; %.6f for each frame ballooned", report_sum(member(end, "populates")) / ballooned);
    printf("\n  %-10s %.0f frames, %.0f MB\n", "ballooned", ballooned, ballooned / 256);
    begin_counts("reclaimed", member(end, "reclaimed"));
    printf("; %.0f sweeps read %.0f MB, and D bits alone gave %.0f MB\n",
           report_sum(member(end, "sweeps")), report_number(end, "sweep_bytes_read") / (double)MB,
           report_number(end, "reclaimed_unread_frames") / 256);
    begin_counts("moved", member(end, "moves"));
    printf("; %.0f whole GBs came together\n", report_number(end, "gathered"));
    printf("  %-10s %.0f MB of what is populated\n", "untouched",
           report_number(end, "untouched_frames") / 256);
    printf("  %-10s %.3f ms at the longest; waited for memory %.0f times\n", "pause",
           report_number(end, "pause_ns_max") / 1e6, report_number(guest, "waits"));
}

static void print_guest(const cJSON *guest)
{
    const char *details = text_or(guest, "details", "");

    printf("\nguest %s: ", text_or(guest, "name", "?"));
    if (report_number(guest, "memory_frames") < report_number(guest, "maxmem_frames"))
        printf("has %.0f of ", report_number(guest, "memory_frames") / 256);
    printf("%.0f MB, ended by %s%s%s%s, %.0f audit errors\n\n",
           report_number(guest, "maxmem_frames") / 256, text_or(guest, "exit_reason", "(unknown)"),
           *details ? " (" : "", details, *details ? ")" : "",
           report_number(guest, "audit_errors"));
    if (member(guest, "phases"))
        print_phases(guest);
    if (is_promised_more(guest))
        print_promise(guest);
    print_counts("splits", member(guest, "splits"));
    print_counts("merges", member(guest, "merges"));
    print_counts("exits", member(guest, "exits"));
    printf("  %-10s %.0f slots of 1 GB, %.0f whole", "slots", report_number(guest, "slots"),
           report_number(guest, "slots_whole"));
    if (report_number(guest, "slots_promised") != 0)
        printf("; %.0f more hold nothing but marks", report_number(guest, "slots_promised"));
    printf("\n");
    print_counts("not 1 GB", member(guest, "reasons"));
}

void table_print(const struct report *report)
{
    const cJSON *guests = member(report->root, "guests");
    const cJSON *host = member(report->root, "host");
    const cJSON *guest;

    cJSON_ArrayForEach(guest, guests) print_guest(guest);
    if (!member(host, "frames_start"))
        return;
    printf("\nhost: %s tables by %s, %s (%s, %s), %.0f MB, %s\n",
           text_or(report->root, "format", "?"), text_or(report->root, "vendor", "?"),
           text_or(report->root, "emulator", "?"), text_or(report->root, "accelerator", "?"),
           text_or(report->root, "cpu", "?"), report_number(host, "memory_mb"),
           cJSON_IsTrue(member(report->root, "processor_has_1g")) ? "1 GB pages" : "no 1 GB pages");
    print_counts("at start", member(host, "frames_start"));
    print_counts("at end", member(host, "frames_end"));
    printf("\n");
    fflush(stdout);
}
