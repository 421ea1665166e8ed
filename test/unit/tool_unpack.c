/* SPDX-License-Identifier: MIT */
/*
 * tool/unpack.c: what was packed comes back, and nothing else is taken for it. Blocks are exactly
 * as large as they claim, so that the sanitizer sees who leaves them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tool/unpack.h"
#include "tool_pack.h"

#define SIZE 300001u

struct packed {
    uint8_t *bytes, *packed;
    size_t size;
};

static struct packed make(const char *method)
{
    struct packed made = { .bytes = pack_sample(SIZE) };

    made.packed = pack(method, made.bytes, SIZE, &made.size);
    return made;
}

static void discard(struct packed *made)
{
    free(made->bytes);
    free(made->packed);
}

/* Whether packed[0, size) becomes exactly `out_size` bytes; they are in `out` then. */
static bool unpacks(const uint8_t *packed, size_t size, uint8_t *out, size_t out_size)
{
    const char *wrong = unpack(packed, size, out, out_size);

    if (wrong)
        assert_string_equal(wrong, "its compressed part is damaged");
    return !wrong;
}

static bool unpacks_to(const struct packed *made, size_t out_size)
{
    uint8_t *out = malloc(out_size);
    bool good = unpacks(made->packed, made->size, out, out_size);

    if (good)
        assert_memory_equal(out, made->bytes, SIZE);
    free(out);
    return good;
}

static void each_method_gives_back_what_was_packed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PACK_METHODS; i++) {
        struct packed made = make(pack_method[i]);
        assert_string_equal(unpack_method(made.packed, made.size), pack_method[i]);
        assert_true(unpacks_to(&made, SIZE));
        discard(&made);
    }
}

static void another_size_than_promised_is_damage(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PACK_METHODS; i++) {
        struct packed made = make(pack_method[i]);
        assert_false(unpacks_to(&made, SIZE - 1));
        assert_false(unpacks_to(&made, SIZE + 1));
        assert_false(unpacks_to(&made, 1));
        discard(&made);
    }
}

/* However short: a copy of exactly the length, so that reading on is seen. */
static void a_stream_that_is_cut_is_damage(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PACK_METHODS; i++) {
        struct packed made = make(pack_method[i]);
        uint8_t *out = malloc(SIZE);
        for (size_t size = 6; size < made.size; size += size < 64 ? 1 : made.size / 7) {
            uint8_t *cut = malloc(size);
            memcpy(cut, made.packed, size);
            assert_false(unpacks(cut, size, out, SIZE));
            free(cut);
        }
        free(out);
        discard(&made);
    }
}

/* Nothing is asked of the bytes that come out: lz4's legacy framing has no checksum. */
static void a_stream_with_a_wrong_byte_stays_within_its_output(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PACK_METHODS; i++) {
        struct packed made = make(pack_method[i]);
        uint8_t *out = malloc(SIZE);
        for (size_t at = 6; at < made.size; at += made.size / 97) {
            made.packed[at] ^= 0xff;
            unpack(made.packed, made.size, out, SIZE);
            made.packed[at] ^= 0xff;
        }
        free(out);
        discard(&made);
    }
}

static void what_is_checksummed_is_not_believed_when_it_is_wrong(void **state)
{
    static const char *const checked[] = { "xz", "gzip" };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct packed made = make(checked[i]);
        made.packed[made.size / 2] ^= 0x10;
        assert_false(unpacks_to(&made, SIZE));
        discard(&made);
    }
}

static void a_block_of_lz4_that_claims_too_much_is_damage(void **state)
{
    struct packed made = make("lz4");

    (void)state;
    memset(made.packed + 4, 0xff, 4);
    assert_false(unpacks_to(&made, SIZE));
    discard(&made);
}

static void other_bytes_have_no_method(void **state)
{
    uint8_t out[16];

    (void)state;
    assert_null(unpack_method("", 0));
    assert_null(unpack_method("\x1f", 1));
    assert_null(unpack_method("BZh91AY", 7));
    assert_string_equal(unpack("BZh91AY", 7, out, sizeof out), "its compression is not known");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_method_gives_back_what_was_packed),
        cmocka_unit_test(another_size_than_promised_is_damage),
        cmocka_unit_test(a_stream_that_is_cut_is_damage),
        cmocka_unit_test(a_stream_with_a_wrong_byte_stays_within_its_output),
        cmocka_unit_test(what_is_checksummed_is_not_believed_when_it_is_wrong),
        cmocka_unit_test(a_block_of_lz4_that_claims_too_much_is_damage),
        cmocka_unit_test(other_bytes_have_no_method),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
