/* SPDX-License-Identifier: MIT */
/*
 * The report. Records come one by one, the phases of a guest before the guest's own; each is copied
 * to its place without the words that only say where that place is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory_size.h"
#include "report.h"

void report_init(struct report *report, const struct machine *machine)
{
    *report = (struct report){ .root = cJSON_CreateObject() };
    cJSON_AddStringToObject(report->root, "verdict", "not ended");
    cJSON_AddStringToObject(report->root, "emulator", machine->emulator);
    cJSON_AddStringToObject(report->root, "accelerator", machine->accelerator);
    cJSON_AddStringToObject(report->root, "cpu", machine->cpu);

    cJSON *host = cJSON_AddObjectToObject(report->root, "host");
    cJSON_AddNumberToObject(host, "memory_mb", (double)(machine->memory / MB));
    cJSON_AddArrayToObject(report->root, "guests");
}

double report_number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

double report_sum(const cJSON *object)
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

/* Puts a copy of item into the object, in the place of one of the same name. */
static void put_copy(cJSON *object, const char *name, const cJSON *item)
{
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    cJSON_AddItemToObject(object, name, cJSON_Duplicate(item, 1));
}

static cJSON *find_guest(struct report *report, double id)
{
    cJSON *guests = cJSON_GetObjectItemCaseSensitive(report->root, "guests");
    cJSON *guest;

    cJSON_ArrayForEach(guest, guests)
    {
        if (report_number(guest, "id") == id)
            return guest;
    }
    guest = cJSON_CreateObject();
    cJSON_AddNumberToObject(guest, "id", id);
    cJSON_AddItemToArray(guests, guest);
    return guest;
}

static void add_host(struct report *report, const cJSON *record)
{
    cJSON *host = cJSON_GetObjectItemCaseSensitive(report->root, "host");
    const cJSON *item;

    cJSON_ArrayForEach(item, record)
    {
        if (strcmp(item->string, "frames") == 0)
            put_copy(host, "frames_start", item);
        else if (strcmp(item->string, "record") != 0)
            put_copy(report->root, item->string, item);
    }
}

static cJSON *add_phase(struct report *report, const cJSON *record)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(record, "name");
    if (!cJSON_IsString(name))
        return NULL;

    cJSON *guest = find_guest(report, report_number(record, "guest"));
    cJSON *phases = cJSON_GetObjectItemCaseSensitive(guest, "phases");
    if (!phases)
        phases = cJSON_AddObjectToObject(guest, "phases");

    put_copy(phases, name->valuestring, record);
    cJSON *phase = cJSON_GetObjectItemCaseSensitive(phases, name->valuestring);
    cJSON_DeleteItemFromObjectCaseSensitive(phase, "record");
    cJSON_DeleteItemFromObjectCaseSensitive(phase, "guest");
    cJSON_DeleteItemFromObjectCaseSensitive(phase, "name");
    return phase;
}

static void add_guest(struct report *report, const cJSON *record)
{
    cJSON *guest = find_guest(report, report_number(record, "id"));
    const cJSON *item;

    cJSON_ArrayForEach(item, record)
    {
        if (strcmp(item->string, "record") != 0)
            put_copy(guest, item->string, item);
    }
}

static void add_end(struct report *report, const cJSON *record)
{
    cJSON *host = cJSON_GetObjectItemCaseSensitive(report->root, "host");
    static const char *const copied[] = { "processors", "kicks" };
    const cJSON *frames = cJSON_GetObjectItemCaseSensitive(record, "frames");
    const cJSON *verdict = cJSON_GetObjectItemCaseSensitive(record, "verdict");

    for (size_t i = 0; i < sizeof copied / sizeof copied[0]; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(record, copied[i]);
        if (item)
            put_copy(host, copied[i], item);
    }
    if (frames)
        put_copy(host, "frames_end", frames);
    if (cJSON_IsString(verdict)) {
        put_copy(report->root, "hypervisor_verdict", verdict);
        report->end = cJSON_GetObjectItemCaseSensitive(report->root, "hypervisor_verdict");
    }
}

cJSON *report_add(struct report *report, const cJSON *record)
{
    const char *kind = cJSON_GetObjectItemCaseSensitive(record, "record")->valuestring;

    if (strcmp(kind, "phase") == 0)
        return add_phase(report, record);
    if (strcmp(kind, "host") == 0) {
        add_host(report, record);
    } else if (strcmp(kind, "guest") == 0) {
        add_guest(report, record);
    } else if (strcmp(kind, "end") == 0) {
        add_end(report, record);
    } else if (strcmp(kind, "exit") == 0) {
        report->exit_code = (int)report_number(record, "code");
    } else if (strcmp(kind, "error") == 0 &&
               cJSON_IsString(cJSON_GetObjectItemCaseSensitive(record, "text"))) {
        put_copy(report->root, "error", cJSON_GetObjectItemCaseSensitive(record, "text"));
        report->error = cJSON_GetObjectItemCaseSensitive(report->root, "error");
    }
    return NULL;
}

static void name_report(char path[PATH_SIZE], const char *directory)
{
    snprintf(path, PATH_SIZE, "%.4000s/report.json", directory);
}

enum outcome report_forget(const char *directory)
{
    char path[PATH_SIZE];

    name_report(path, directory);
    if (unlink(path) != 0 && errno != ENOENT)
        return failed("%s: an earlier report, which cannot be removed: %s", path, strerror(errno));
    return GOOD;
}

enum outcome report_write(const struct report *report, const char *directory)
{
    char path[PATH_SIZE], partial[PATH_SIZE + 16];
    char *text = cJSON_Print(report->root);

    name_report(path, directory);
    snprintf(partial, sizeof partial, "%s.%d", path, (int)getpid());
    int fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool written = text && fd >= 0 && write_all(fd, text, strlen(text)) && write_all(fd, "\n", 1);
    if (fd >= 0 && close(fd) != 0)
        written = false;
    free(text);
    if (written && rename(partial, path) == 0)
        return GOOD;
    enum outcome outcome = failed("%s: %s", path, strerror(errno));
    unlink(partial);
    return outcome;
}
