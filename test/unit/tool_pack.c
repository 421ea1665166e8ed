/* SPDX-License-Identifier: MIT */
/*
 * Compression by each library's simplest call, in the framing that kernels use: xz with CRC32, lz4
 * in "legacy" blocks of 8 MB, each led by its size.
 */
#include <lz4.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tool_pack.h"

#define LZ4_BLOCK ((size_t)8 << 20)

const char *const pack_method[PACK_METHODS] = { "xz", "lz4", "zstd", "gzip" };

static size_t pack_xz(const uint8_t *bytes, size_t size, uint8_t *out, size_t room)
{
    size_t to = 0;

    assert_int_equal(
        lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, bytes, size, out, &to, room), LZMA_OK);
    return to;
}

static size_t pack_lz4(const uint8_t *bytes, size_t size, uint8_t *out, size_t room)
{
    static const uint8_t magic[4] = { 0x02, 0x21, 0x4c, 0x18 };
    size_t to = sizeof magic;

    memcpy(out, magic, sizeof magic);
    for (size_t from = 0; from < size; from += LZ4_BLOCK) {
        size_t part = size - from < LZ4_BLOCK ? size - from : LZ4_BLOCK;
        int got = LZ4_compress_default((const char *)bytes + from, (char *)out + to + 4, (int)part,
                                       (int)(room - to - 4));
        assert_true(got > 0);
        memcpy(out + to, &got, 4);
        to += 4 + (size_t)got;
    }
    return to;
}

static size_t pack_zstd(const uint8_t *bytes, size_t size, uint8_t *out, size_t room)
{
    size_t got = ZSTD_compress(out, room, bytes, size, 1);

    assert_false(ZSTD_isError(got));
    return got;
}

static size_t pack_gzip(const uint8_t *bytes, size_t size, uint8_t *out, size_t room)
{
    z_stream stream = {
        .next_in = (Bytef *)(uintptr_t)bytes,
        .avail_in = (uInt)size,
        .next_out = out,
        .avail_out = (uInt)room,
    };

    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return room - stream.avail_out;
}

uint8_t *pack(const char *method, const uint8_t *bytes, size_t size, size_t *packed_size)
{
    static size_t (*const by[PACK_METHODS])(const uint8_t *, size_t, uint8_t *,
                                            size_t) = { pack_xz, pack_lz4, pack_zstd, pack_gzip };
    size_t room = size + size / 8 + 4096;
    uint8_t *out = malloc(room);

    assert_non_null(out);
    *packed_size = 0;
    for (unsigned i = 0; i < PACK_METHODS; i++) {
        if (strcmp(method, pack_method[i]) == 0)
            *packed_size = by[i](bytes, size, out, room);
    }
    assert_true(*packed_size != 0);
    return realloc(out, *packed_size); /* exactly: who reads past the end is seen */
}

uint8_t *pack_sample(size_t size)
{
    uint8_t *bytes = malloc(size);
    uint32_t x = 1;

    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++) {
        x = x * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(i % 64 < 32 ? i / 64 : x >> 24);
    }
    return bytes;
}
