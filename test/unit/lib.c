/* SPDX-License-Identifier: MIT */
/*
 * The image's own library against the C library of the host. Its functions bear the same names, so
 * they are renamed here and taken in as source.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define memcpy  own_memcpy
#define memmove own_memmove
#define memset  own_memset
#define memcmp  own_memcmp
#define strlen  own_strlen
#define strnlen own_strnlen
#define strcmp  own_strcmp
#define strncmp own_strncmp
#define strchr  own_strchr
#include "../../hv/lib.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr

#define SIZE 320

#define same(...)                                                                                  \
    do {                                                                                           \
        char ours[SIZE], theirs[SIZE];                                                             \
        assert_int_equal(format(ours, SIZE, __VA_ARGS__), snprintf(theirs, SIZE, __VA_ARGS__));    \
        assert_string_equal(ours, theirs);                                                         \
    } while (0)

static void format_says_what_printf_says(void **state)
{
    (void)state;
    same("plain");
    same("%d %i %d", 0, -1, INT32_MIN);
    same("%u %x %X", UINT32_MAX, 0xabcdefu, 0xabcdefu);
    same("%ld %lu %lx", INT64_MIN, UINT64_MAX, UINT64_MAX);
    same("%llu %zu", 12345678901234ull, (size_t)7);
    same("[%5d|%-5d|%05d|%2d]", -42, -42, -42, -42);
    same("[%16lx|%016lx|%-16lx]", 0x1234ul, 0x1234ul, 0x1234ul);
    same("[%s|%5s|%-5s|%.2s|%.0s]", "abc", "abc", "abc", "abc", "abc");
    same("[%*d|%-*d|%*s|%.*s]", 6, 1, 6, 2, -6, "x", 2, "abc");
    same("%c%c%%%c", 'a', 'b', 'c');
    same("%p", (void *)0x1234);
    same("%02x:%02x", 0xfu, 0x1u);
}

static void format_cuts_and_says_how_long_it_was(void **state)
{
    char out[8] = "zzzzzzz";

    (void)state;
    assert_int_equal(format(out, 4, "%s", "abcdef"), 6);
    assert_string_equal(out, "abc");
    assert_int_equal(out[4], 'z');
    assert_int_equal(format(out, 0, "xyz"), 3);
    assert_string_equal(out, "abc");
}

static void memory_moves_whatever_the_overlap(void **state)
{
    (void)state;
    for (size_t from = 0; from < 160; from += 3) {
        for (size_t to = 0; to < 160; to += 7) {
            uint8_t ours[SIZE], theirs[SIZE];

            for (unsigned i = 0; i < SIZE; i++)
                ours[i] = theirs[i] = (uint8_t)(i * 7);
            assert_ptr_equal(own_memmove(ours + to, ours + from, 150), ours + to);
            memmove(theirs + to, theirs + from, 150);
            assert_memory_equal(ours, theirs, SIZE);
        }
    }
}

static void memory_is_set_and_copied_at_every_size(void **state)
{
    uint8_t from[SIZE];

    (void)state;
    for (unsigned i = 0; i < SIZE; i++)
        from[i] = (uint8_t)(i * 7);
    for (size_t size = 0; size < 300; size++) {
        uint8_t ours[SIZE] = { 0 }, theirs[SIZE] = { 0 };

        assert_ptr_equal(own_memset(ours + 3, 0x1a5, size), ours + 3);
        memset(theirs + 3, 0xa5, size);
        assert_memory_equal(ours, theirs, SIZE);
        own_memcpy(ours + 3, from, size);
        memcpy(theirs + 3, from, size);
        assert_memory_equal(ours, theirs, SIZE);
    }
}

static void strings_compare_as_they_should(void **state)
{
    static const char *const text[] = { "", "a", "ab", "b", "\x80", "abc" };

    (void)state;
    for (unsigned a = 0; a < 6; a++) {
        assert_int_equal(own_strlen(text[a]), strlen(text[a]));
        assert_ptr_equal(own_strchr(text[a], 'b'), strchr(text[a], 'b'));
        assert_ptr_equal(own_strchr(text[a], 0), strchr(text[a], 0));
        for (unsigned b = 0; b < 6; b++) {
            assert_int_equal(own_strcmp(text[a], text[b]) > 0, strcmp(text[a], text[b]) > 0);
            assert_int_equal(own_strcmp(text[a], text[b]) < 0, strcmp(text[a], text[b]) < 0);
            assert_int_equal(own_strncmp(text[a], text[b], 1) == 0,
                             strncmp(text[a], text[b], 1) == 0);
        }
    }
    assert_int_equal(own_memcmp("abc", "abd", 3), -1);
    assert_int_equal(own_memcmp("abc", "abd", 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(format_says_what_printf_says),
        cmocka_unit_test(format_cuts_and_says_how_long_it_was),
        cmocka_unit_test(memory_moves_whatever_the_overlap),
        cmocka_unit_test(memory_is_set_and_copied_at_every_size),
        cmocka_unit_test(strings_compare_as_they_should),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
