/* SPDX-License-Identifier: MIT */
/*
 * Writes entries, runs the program, reads its answer. Files are memory files without a name, so
 * that nothing is left behind. Knows no claims.
 */
#define _GNU_SOURCE

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "eye_image.h"

const struct bits npt = { "npt", 0x07, 0x03, 0x07, 0x60 };  /* U clear: the walk is a user's */
const struct bits ept = { "ept", 0x07, 0x3f, 0x37, 0x300 }; /* 6 in 5:3 is write-back */

static const char *eye_path;

/* ---- the image ------------------------------------------------------------------------------ */

void put(const struct image *image, uint64_t table, unsigned index, uint64_t entry)
{
    uint64_t offset = table < 4 * GB ? table : table - 4 * GB + LOW_SIZE;

    assert_int_equal(pwrite(image->file, &entry, 8, (off_t)(offset + index * 8)), 8);
}

void put_table(const struct image *image, uint64_t table, unsigned index, uint64_t child)
{
    put(image, table, index, child | image->bits->table);
}

void put_leaf(const struct image *image, uint64_t table, unsigned index, uint64_t entry)
{
    put(image, table, index, entry | image->bits->leaf | (table == PT ? 0 : SUPERPAGE));
}

int set_up(void **state)
{
    struct image *image = calloc(1, sizeof(*image));

    if (image == NULL)
        return -1;
    image->bits = *state;
    image->file = memfd_create("machine", 0);
    if (image->file < 0 || ftruncate(image->file, FILE_SIZE) != 0)
        return -1;
    put_table(image, ROOT, 0, PDPT);
    put_table(image, PDPT, 0, PD);
    put_table(image, PD, 0, PT);
    *state = image;
    return 0;
}

int tear_down(void **state)
{
    struct image *image = *state;

    close(image->file);
    free(image);
    return 0;
}

/* ---- running the eye ------------------------------------------------------------------------ */

static void read_back(int file, char *text, size_t room)
{
    ssize_t length = pread(file, text, room - 1, 0);

    assert_true(length >= 0);
    text[length] = '\0';
    close(file);
}

struct result run_eye(char *const arguments[])
{
    struct result result = { 0 };
    int out = memfd_create("out", MFD_CLOEXEC), error = memfd_create("error", MFD_CLOEXEC);
    int status;
    pid_t child = fork();

    if (child == 0) {
        dup2(out, STDOUT_FILENO);
        dup2(error, STDERR_FILENO);
        execv(eye_path, arguments);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    result.code = WEXITSTATUS(status);
    read_back(out, result.out, sizeof(result.out));
    read_back(error, result.error, sizeof(result.error));
    result.json = cJSON_Parse(result.out);
    return result;
}

struct result look_from(const struct image *image, const char *root)
{
    char memory[64], format[8];
    char *arguments[] = { "eye", "--memory", memory,     "--low-size", "0x40000000", "--root",
                          NULL,  "--map",    "--format", format,       NULL };

    arguments[6] = (char *)root;
    snprintf(memory, sizeof(memory), "/proc/self/fd/%d", image->file);
    snprintf(format, sizeof(format), "%s", image->bits->name);
    return run_eye(arguments);
}

double number(const struct result *result, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(result->json, name);

    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

const char *problem(const struct result *result, int index)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(result->json, "problems");
    const cJSON *item = cJSON_GetArrayItem(list, index);

    assert_true(cJSON_IsString(item));
    return item->valuestring;
}

struct result look_sound(const struct image *image)
{
    struct result result = look_from(image, "0x1000");

    if (result.code != 0)
        print_error("%s%s", result.out, result.error);
    assert_int_equal(result.code, 0);
    assert_int_equal(number(&result, "errors"), 0);
    return result;
}

void expect_problem(const struct image *image, const char *text)
{
    struct result result = look_from(image, "0x1000");

    assert_int_equal(result.code, 1);
    if (number(&result, "errors") != 1 || strstr(problem(&result, 0), text) == NULL)
        print_error("wanted '%s' once, saw %s", text, result.out);
    assert_int_equal(number(&result, "errors"), 1);
    assert_non_null(strstr(problem(&result, 0), text));
    cJSON_Delete(result.json);
}

bool eye_is_given(int count, char **arguments)
{
    if (count != 2)
        fprintf(stderr, "usage: %s PATH-OF-EYE\n", arguments[0]);
    else
        eye_path = arguments[1];
    return count == 2;
}
