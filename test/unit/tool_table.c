/* SPDX-License-Identifier: MIT */
/*
 * tool/table.c: what people read at the end of a run, line by line. What is printed goes to a file
 * meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tool/table.h"

#define COUNTS(g, m, k) "{\"1g\":" #g ",\"2m\":" #m ",\"4k\":" #k "}"

static const char promised[] =
    "{\"guests\":[{\"id\":1,\"name\":\"linux\",\"exit_reason\":\"poweroff\",\"details\":\"ACPI "
    "S5\","
    "\"audit_errors\":0,\"memory_frames\":524288,\"maxmem_frames\":1048576,\"waits\":2,"
    "\"splits\":{\"1g\":4,\"2m\":0},\"slots\":5,\"slots_whole\":1,\"slots_promised\":1,"
    "\"reasons\":{\"special\":1,\"populated_in_debt\":2},\"phases\":{\"end\":{\"ram_1g\":1,"
    "\"ram_2m\":502,\"ram_4k\":1535,\"pod_1g\":2,\"pod_2m\":7,\"pod_4k\":3,\"cache_1g\":4,"
    "\"cache_2m\":5,\"cache_4k\":6,\"entries\":3584,\"table_pages\":27,\"eye\":\"agrees\","
    "\"ns\":1500000000,\"reclaimed_unread_frames\":512,"
    "\"pause_ns_max\":5043000,\"ballooned_frames\":524288,"
    "\"untouched_frames\":1024,\"sweep_bytes_read\":4194304,\"populates\":" COUNTS(
        4, 180, 0) ","
                   "\"gathered\":2,\"moves\":" COUNTS(
                       0, 3, 5) ","
                                "\"reclaimed\":" COUNTS(0, 32, 0) ",\"sweeps\":" COUNTS(0, 2,
                                                                                        1) "}}}]}";

static const char given[] =
    "{\"guests\":[{\"id\":1,\"name\":\"linux\",\"exit_reason\":\"poweroff\",\"details\":\"\","
    "\"audit_errors\":0,\"memory_frames\":786432,\"maxmem_frames\":786432,\"slots\":4,"
    "\"slots_whole\":2,\"phases\":{\"end\":{\"ram_1g\":2,\"ram_2m\":511,\"ram_4k\":511,"
    "\"entries\":0,\"table_pages\":7,\"ns\":9160000000}}}]}";

/* What table_print prints of this report. */
static const char *printed(const char *json)
{
    static char text[8192];
    struct report report = { .root = cJSON_Parse(json) };
    FILE *file = tmpfile();
    int output = dup(STDOUT_FILENO);

    assert_non_null(report.root);
    assert_non_null(file);
    fflush(stdout);
    dup2(fileno(file), STDOUT_FILENO);
    table_print(&report);
    fflush(stdout);
    dup2(output, STDOUT_FILENO);
    close(output);

    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    cJSON_Delete(report.root);
    return text;
}

static void assert_line(const char *text, const char *line)
{
    if (!strstr(text, line))
        print_error("there is no line \"%s\" in:\n%s", line, text);
    assert_non_null(strstr(text, line));
}

static void a_guest_that_is_promised_more_shows_marks_and_blocks(void **state)
{
    const char *text = printed(promised);

    (void)state;
    assert_line(text, "guest linux: has 2048 of 4096 MB, ended by poweroff (ACPI S5), 0 audit ");
    assert_line(text, "leaves of RAM     promised: marks     in hand: blocks   table\n");
    assert_line(text,
                "  end            1   502   1535      2     7      3      4     5      6      27"
                "     1.50 s  agrees\n");
    assert_line(text, "  slots      5 slots of 1 GB, 1 whole; 1 more hold nothing but marks\n");
}

static void how_the_promise_was_kept_is_told(void **state)
{
    const char *text = printed(promised);

    (void)state;
    assert_line(text, "  populates  1g 4, 2m 180; 0.000351 for each frame ballooned\n");
    assert_line(text, "  ballooned  524288 frames, 2048 MB\n");
    assert_line(text, "  reclaimed  2m 32; 3 sweeps read 4 MB, and D bits alone gave 2 MB\n");
    assert_line(text, "  moved      2m 3, 4k 5; 2 whole GBs came together\n");
    assert_line(text, "  untouched  4 MB of what is populated\n");
    assert_line(text, "  pause      5.043 ms at the longest; waited for memory 2 times\n");
    assert_line(text, "  not 1 GB   special 1, populated_in_debt 2\n");
}

static void a_guest_that_has_all_shows_its_leaves_alone(void **state)
{
    const char *text = printed(given);

    (void)state;
    assert_line(text, "guest linux: 3072 MB, ended by poweroff, 0 audit errors\n");
    assert_line(text, "       leaves of RAM   table\n");
    assert_line(text, "  end            2   511    511       7     9.16 s  not asked\n");
    assert_line(text, "  slots      4 slots of 1 GB, 2 whole\n");
    assert_null(strstr(text, "populates"));
    assert_null(strstr(text, "marks"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_that_is_promised_more_shows_marks_and_blocks),
        cmocka_unit_test(how_the_promise_was_kept_is_told),
        cmocka_unit_test(a_guest_that_has_all_shows_its_leaves_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
