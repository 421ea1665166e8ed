/* SPDX-License-Identifier: MIT */
/*
 * Decompression by the methods that Debian's kernels use, and gzip for home-made ones. Whatever the
 * input, nothing is written past the end of the output: each library is given its size.
 */
#include <lz4.h>
#include <lzma.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "unpack.h"

#define XZ_MEMORY_LIMIT ((uint64_t)1 << 30)

static const char corrupt[] = "its compressed part is damaged";

static const char *unpack_xz(const uint8_t *packed, size_t size, uint8_t *out, size_t out_size)
{
    uint64_t limit = XZ_MEMORY_LIMIT;
    size_t from = 0, to = 0;

    if (lzma_stream_buffer_decode(&limit, 0, NULL, packed, &from, size, out, &to, out_size) !=
        LZMA_OK)
        return corrupt;
    return to == out_size ? NULL : corrupt;
}

/* The "legacy" framing that the kernel uses: a magic number, then blocks, each led by its size. */
static const char *unpack_lz4(const uint8_t *packed, size_t size, uint8_t *out, size_t out_size)
{
    size_t from = 4, to = 0;

    while (size - from >= 4 && to < out_size) {
        uint32_t block;
        memcpy(&block, packed + from, 4);
        from += 4;
        if (block > size - from || block > INT32_MAX)
            return corrupt;

        size_t room = out_size - to < INT32_MAX ? out_size - to : INT32_MAX;
        int got = LZ4_decompress_safe((const char *)packed + from, (char *)out + to, (int)block,
                                      (int)room);
        if (got < 0)
            return corrupt;
        from += block;
        to += (size_t)got;
    }
    return to == out_size ? NULL : corrupt;
}

static const char *unpack_zstd(const uint8_t *packed, size_t size, uint8_t *out, size_t out_size)
{
    size_t got = ZSTD_decompress(out, out_size, packed, size);

    return ZSTD_isError(got) || got != out_size ? corrupt : NULL;
}

static const char *unpack_gzip(const uint8_t *packed, size_t size, uint8_t *out, size_t out_size)
{
    z_stream stream = {
        .next_in = (Bytef *)(uintptr_t)packed,
        .avail_in = (uInt)size,
        .next_out = out,
        .avail_out = (uInt)out_size,
    };

    if (size > UINT32_MAX || out_size > UINT32_MAX || inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK)
        return corrupt;
    int end = inflate(&stream, Z_FINISH);
    inflateEnd(&stream);
    return end == Z_STREAM_END && stream.avail_out == 0 ? NULL : corrupt;
}

static const struct method {
    const char *name;
    size_t magic_size;
    uint8_t magic[6];
    const char *(*unpack)(const uint8_t *packed, size_t size, uint8_t *out, size_t out_size);
} methods[] = {
    { "xz", 6, { 0xfd, '7', 'z', 'X', 'Z', 0 }, unpack_xz },
    { "lz4", 4, { 0x02, 0x21, 0x4c, 0x18 }, unpack_lz4 },
    { "zstd", 4, { 0x28, 0xb5, 0x2f, 0xfd }, unpack_zstd },
    { "gzip", 2, { 0x1f, 0x8b }, unpack_gzip },
};

static const struct method *find_method(const void *packed, size_t size)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (size >= methods[i].magic_size &&
            memcmp(packed, methods[i].magic, methods[i].magic_size) == 0)
            return &methods[i];
    }
    return NULL;
}

const char *unpack_method(const void *packed, size_t size)
{
    const struct method *method = find_method(packed, size);

    return method ? method->name : NULL;
}

const char *unpack(const void *packed, size_t size, void *out, size_t out_size)
{
    const struct method *method = find_method(packed, size);

    return method ? method->unpack(packed, size, out, out_size) : "its compression is not known";
}
