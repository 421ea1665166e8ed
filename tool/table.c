/* SPDX-License-Identifier: MIT */
/*
 * The report as people read it. What the report lacks is left out, so that a run that ended early
 * still shows what it came to know.
 */
#include <stdio.h>

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

static void print_phase(const cJSON *phase)
{
    printf("  %-10s %6.0f %6.0f %7.0f %8.0f %12.0f %8.2f s   %s\n", phase->string,
           report_number(phase, "ram_1g"), report_number(phase, "ram_2m"),
           report_number(phase, "ram_4k"), report_number(phase, "special"),
           report_number(phase, "table_pages"), report_number(phase, "ns") / 1e9,
           text_or(phase, "eye", "not asked"));
}

/* "name 1, name 2": the members that are not 0, on one line. */
static void print_counts(const char *title, const cJSON *counts)
{
    const cJSON *count;
    const char *separator = "";

    if (!counts)
        return;
    printf("  %-10s ", title);
    cJSON_ArrayForEach(count, counts)
    {
        if (!cJSON_IsNumber(count) || count->valuedouble == 0)
            continue;
        printf("%s%s %.0f", separator, count->string, count->valuedouble);
        separator = ", ";
    }
    printf("%s\n", *separator ? "" : "none");
}

static void print_guest(const cJSON *guest)
{
    const cJSON *phases = member(guest, "phases");
    const cJSON *phase;
    const char *details = text_or(guest, "details", "");

    printf("\nguest %s: %.0f MB, ended by %s%s%s%s, %.0f audit errors\n\n",
           text_or(guest, "name", "?"), report_number(guest, "memory_frames") / 256,
           text_or(guest, "exit_reason", "(unknown)"), *details ? " (" : "", details,
           *details ? ")" : "", report_number(guest, "audit_errors"));
    if (report_number(guest, "target_frames") < report_number(guest, "memory_frames"))
        printf("  %-10s %.0f MB\n\n", "target", report_number(guest, "target_frames") / 256);
    if (phases) {
        printf("  %-10s %6s %6s %7s %8s %12s %10s   %s\n", "phase", "1 GB", "2 MB", "4 KB",
               "special", "table pages", "time", "outside eye");
        cJSON_ArrayForEach(phase, phases) print_phase(phase);
        printf("\n");
    }
    print_counts("splits", member(guest, "splits"));
    print_counts("merges", member(guest, "merges"));
    print_counts("exits", member(guest, "exits"));
    printf("  %-10s %.0f slots of 1 GB, %.0f whole\n", "slots", report_number(guest, "slots"),
           report_number(guest, "slots_whole"));
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
