/* SPDX-License-Identifier: MIT */
/*
 * Memory, strings, formatted text. Short and plain.
 * Refuses to know where text goes.
 */
#include "lib.h"

#include <stdbool.h>

/* ---- memory --------------------------------------------------------------------------------- */

/*
 * Plain moves, eight words a turn: under an emulator they are ten to a hundred times as fast as the
 * string instructions, and a processor does well by them. The empty asm keeps the compiler from
 * seeing what a loop is, and from turning it into a call of the function that it is in.
 */
typedef uint64_t word __attribute__((may_alias, aligned(1)));

#define TURN_WORDS 8
#define TURN_BYTES (TURN_WORDS * sizeof(word))
#define OPAQUE()   __asm__ volatile("" : : : "memory")

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    word *out = to;
    const word *in = from;
    uint8_t *last = (uint8_t *)to + size - size % TURN_BYTES;
    const uint8_t *last_in = (const uint8_t *)from + size - size % TURN_BYTES;

    for (size_t turns = size / TURN_BYTES; turns > 0; turns--) {
        out[0] = in[0];
        out[1] = in[1];
        out[2] = in[2];
        out[3] = in[3];
        out[4] = in[4];
        out[5] = in[5];
        out[6] = in[6];
        out[7] = in[7];
        out += TURN_WORDS;
        in += TURN_WORDS;
        OPAQUE();
    }
    for (size_t i = 0; i < size % TURN_BYTES; i++) {
        last[i] = last_in[i];
        OPAQUE();
    }
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    uint8_t *out = to;
    const uint8_t *in = from;

    if ((uintptr_t)to - (uintptr_t)from >= size)
        return memcpy(to, from, size);
    while (size-- > 0) { /* the ranges overlap, and `to` is the upper one */
        out[size] = in[size];
        OPAQUE();
    }
    return to;
}

void *memset(void *to, int value, size_t size)
{
    word *out = to;
    uint8_t *last = (uint8_t *)to + size - size % TURN_BYTES;
    uint64_t eight = (uint8_t)value * 0x0101010101010101ull;

    for (size_t turns = size / TURN_BYTES; turns > 0; turns--) {
        out[0] = eight;
        out[1] = eight;
        out[2] = eight;
        out[3] = eight;
        out[4] = eight;
        out[5] = eight;
        out[6] = eight;
        out[7] = eight;
        out += TURN_WORDS;
        OPAQUE();
    }
    for (size_t i = 0; i < size % TURN_BYTES; i++) {
        last[i] = (uint8_t)value;
        OPAQUE();
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const uint8_t *left = a;
    const uint8_t *right = b;

    for (size_t i = 0; i < size; i++)
        if (left[i] != right[i])
            return left[i] - right[i];
    return 0;
}

/* ---- strings -------------------------------------------------------------------------------- */

size_t strnlen(const char *text, size_t size)
{
    size_t length = 0;

    while (length < size && text[length])
        length++;
    return length;
}

size_t strlen(const char *text)
{
    return strnlen(text, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (a[i] != b[i] || !a[i])
            return (uint8_t)a[i] - (uint8_t)b[i];
    return 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *text, int c)
{
    for (;; text++) {
        if (*text == (char)c)
            return (char *)(uintptr_t)text;
        if (!*text)
            return NULL;
    }
}

/* ---- formatted text ------------------------------------------------------------------------- */

struct sink {
    void (*put)(void *to, char c);
    void *to;
    size_t length;
};

/* One conversion, as far as it has been read. */
struct conversion {
    bool left;
    bool zero;
    unsigned width;
    unsigned precision; /* UINT32_MAX: none given */
    unsigned longs;
};

#define NUMBER_SIZE 24 /* 2^64 in decimal has 20 digits */

static void put(struct sink *sink, char c)
{
    sink->put(sink->to, c);
    sink->length++;
}

static void put_times(struct sink *sink, char c, unsigned times)
{
    while (times-- > 0)
        put(sink, c);
}

/* `prefix` stands before the zeroes that fill a number: a sign, or 0x. */
static void put_field(struct sink *sink, const struct conversion *conversion, const char *prefix,
                      const char *text, size_t length)
{
    size_t whole = strlen(prefix) + length;
    unsigned fill = conversion->width > whole ? conversion->width - (unsigned)whole : 0;

    if (!conversion->left && !conversion->zero)
        put_times(sink, ' ', fill);
    while (*prefix)
        put(sink, *prefix++);
    if (!conversion->left && conversion->zero)
        put_times(sink, '0', fill);
    for (size_t i = 0; i < length; i++)
        put(sink, text[i]);
    if (conversion->left)
        put_times(sink, ' ', fill);
}

static void put_number(struct sink *sink, const struct conversion *conversion, const char *prefix,
                       uint64_t value, char kind)
{
    const char *digits = kind == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    unsigned base = kind == 'u' ? 10 : 16;
    char text[NUMBER_SIZE];
    unsigned at = NUMBER_SIZE;

    do {
        text[--at] = digits[value % base];
        value /= base;
    } while (value);
    put_field(sink, conversion, prefix, text + at, NUMBER_SIZE - at);
}

static const char *read_number(const char *text, unsigned *value)
{
    for (*value = 0; *text >= '0' && *text <= '9'; text++)
        *value = *value * 10 + (unsigned)(*text - '0');
    return text;
}

/* A va_list is an array type on this machine: only within a struct can a pointer to it pass. */
struct arguments {
    va_list list;
};

static const char *read_conversion(const char *text, struct conversion *conversion,
                                   struct arguments *arguments)
{
    *conversion = (struct conversion){ .precision = UINT32_MAX };
    for (; *text == '-' || *text == '0'; text++) {
        conversion->left |= *text == '-';
        conversion->zero |= *text == '0';
    }
    if (*text == '*') {
        int width = va_arg(arguments->list, int);
        conversion->left |= width < 0;
        conversion->width = width < 0 ? 0u - (unsigned)width : (unsigned)width;
        text++;
    } else {
        text = read_number(text, &conversion->width);
    }
    if (*text == '.') {
        text++;
        if (*text == '*') {
            conversion->precision = (unsigned)va_arg(arguments->list, int);
            text++;
        } else {
            text = read_number(text, &conversion->precision);
        }
    }
    for (; *text == 'l' || *text == 'z'; text++)
        conversion->longs++;
    return text;
}

static void put_conversion(struct sink *sink, const struct conversion *conversion, char kind,
                           struct arguments *arguments)
{
    bool wide = conversion->longs > 0;
    struct conversion plain = *conversion;

    if (kind == 'd' || kind == 'i') {
        int64_t value = wide ? va_arg(arguments->list, long) : va_arg(arguments->list, int);
        uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
        put_number(sink, conversion, value < 0 ? "-" : "", size, 'u');
    } else if (kind == 'u' || kind == 'x' || kind == 'X') {
        uint64_t value =
            wide ? va_arg(arguments->list, unsigned long) : va_arg(arguments->list, unsigned);
        put_number(sink, conversion, "", value, kind);
    } else if (kind == 'p') {
        put_number(sink, conversion, "0x", (uintptr_t)va_arg(arguments->list, void *), 'x');
    } else if (kind == 's') {
        const char *text = va_arg(arguments->list, const char *);
        text = text ? text : "(null)";
        plain.zero = false;
        put_field(sink, &plain, "", text, strnlen(text, conversion->precision));
    } else {
        char c = (char)va_arg(arguments->list, int);
        plain.zero = false;
        put_field(sink, &plain, "", &c, 1);
    }
}

size_t format_each(void (*put_one)(void *to, char c), void *to, const char *text, va_list list)
{
    struct sink sink = { put_one, to, 0 };
    struct arguments arguments;

    va_copy(arguments.list, list);
    while (*text) {
        struct conversion conversion;
        const char *after;

        if (*text != '%') {
            put(&sink, *text++);
            continue;
        }
        after = read_conversion(text + 1, &conversion, &arguments);
        if (*after && strchr("diuxXpsc", *after)) {
            put_conversion(&sink, &conversion, *after, &arguments);
            text = after + 1;
        } else {
            put(&sink, *text); /* as it stands; the second of %% is skipped */
            text += text[1] == '%' ? 2 : 1;
        }
    }
    va_end(arguments.list);
    return sink.length;
}

struct buffer {
    char *out;
    size_t size;
    size_t used;
};

static void buffer_put(void *to, char c)
{
    struct buffer *buffer = to;

    if (buffer->used + 1 < buffer->size)
        buffer->out[buffer->used++] = c;
}

size_t vformat(char *out, size_t size, const char *text, va_list arguments)
{
    struct buffer buffer = { out, size, 0 };
    size_t length = format_each(buffer_put, &buffer, text, arguments);

    if (size > 0)
        out[buffer.used] = '\0';
    return length;
}

size_t format(char *out, size_t size, const char *text, ...)
{
    va_list arguments;
    size_t length;

    va_start(arguments, text);
    length = vformat(out, size, text, arguments);
    va_end(arguments);
    return length;
}
