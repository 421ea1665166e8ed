/* SPDX-License-Identifier: MIT */
/*
 * Memory files with tables in them, written by hand, and the eye run on them as its users run it.
 * The bits are a third writing of the manuals' formats: neither the engine's nor the eye's.
 */
#ifndef TEST_EYE_IMAGE_H
#define TEST_EYE_IMAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#define KB ((uint64_t)1 << 10)
#define MB ((uint64_t)1 << 20)
#define GB ((uint64_t)1 << 30)

/* 1 GB of the machine's memory is low, 4 GB start at 4 GB; the file is sparse. */
#define LOW_SIZE  (1 * GB)
#define FILE_SIZE (5 * GB)

/* The tables that every test finds linked, all empty: they lead to guest frame 0. */
#define ROOT  0x1000u
#define PDPT  0x2000u
#define PD    0x3000u
#define PT    0x4000u
#define CHAIN 4

/* What software writes into bits 55:52. */
#define TYPE(number) ((uint64_t)(number) << 52)
#define RAM_RW       TYPE(1)
#define RAM_RO       TYPE(2)
#define MMIO         TYPE(3)
#define SPECIAL      TYPE(4)
#define POD          TYPE(5)
#define BROKEN       TYPE(6)
#define RAM_HELD     TYPE(7)
#define RAM_COPIED   TYPE(8)
#define POD_MOVING   TYPE(9)
#define RECALCULATE  ((uint64_t)1 << 56)

#define SUPERPAGE 0x80u
#define WRITABLE  0x02u

struct bits {
    const char *name;
    uint64_t table, waiting, leaf,
        accessed_dirty; /* waiting: a table that a change of type stops */
};

struct image {
    const struct bits *bits;
    int file;
};

extern const struct bits npt, ept;

/* What the eye said: its exit code, its object, and both streams as text. */
struct result {
    int code;
    cJSON *json;
    char out[8192], error[8192];
};

/* A test's set-up and tear-down; its first state is the format, then it is the image. */
int set_up(void **state);
int tear_down(void **state);

/* put, put_table, put_leaf - write one entry; a leaf's size follows from its table. */
void put(const struct image *image, uint64_t table, unsigned index, uint64_t entry);
void put_table(const struct image *image, uint64_t table, unsigned index, uint64_t child);
void put_leaf(const struct image *image, uint64_t table, unsigned index, uint64_t entry);

/* run_eye - run it with these arguments. look_from - look at an image from this root. */
struct result run_eye(char *const arguments[]);
struct result look_from(const struct image *image, const char *root);

/* number, problem - from the object. */
double number(const struct result *result, const char *name);
const char *problem(const struct result *result, int index);

/* look_sound - look, and insist on no errors. expect_problem - insist on one, with this text. */
struct result look_sound(const struct image *image);
void expect_problem(const struct image *image, const char *text);

/* clang-format off */
#define FOR(format, test) { #test " (" #format ")", test, set_up, tear_down, (void *)&format }
#define BOTH(test)        FOR(npt, test), FOR(ept, test)
/* clang-format on */

/* eye_is_given - take the path of the eye from a test program's one argument, or say it's missing.
 */
bool eye_is_given(int count, char **arguments);

#endif
