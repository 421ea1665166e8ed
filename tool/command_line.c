/* SPDX-License-Identifier: MIT */
/*
 * The guest's line is what Debian's kernels are started with, and the console; more only where the
 * options ask for it.
 */
#include <stdarg.h>
#include <stdio.h>

#include "command_line.h"
#include "memory_size.h"
#include "terminal.h"

struct line {
    char *text;
    size_t length; /* of all that was added, whether it found room or not */
};

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *format, ...)
{
    size_t room = line->length < COMMAND_LINE_SIZE ? COMMAND_LINE_SIZE - line->length : 0;
    va_list arguments;

    va_start(arguments, format);
    line->length +=
        (size_t)vsnprintf(room ? line->text + line->length : NULL, room, format, arguments);
    va_end(arguments);
}

static void add_size(struct line *line, const char *name, uint64_t bytes)
{
    char size[24];

    memory_format(bytes, size);
    add(line, "%s=%s ", name, size);
}

static void add_word(struct line *line, const char *name, const char *value)
{
    if (value)
        add(line, "%s=%s ", name, value);
}

static void add_hypervisors_words(struct line *line, const struct options *options)
{
    add_size(line, "guest.memory", options->memory);
    add_size(line, "guest.maxmem", options->maxmem);
    add_word(line, "guest.name", options->name);
    add_word(line, "guest.balloon", options->balloon == BALLOON_OFF ? "off" : NULL);
    add_word(line, "pod.max_order", options->pod_max_order);
    add_word(line, "pod.debt_order", options->pod_debt_order);
    add(line, "pod.patience=%u ", options->patience);
    add_word(line, "max_order", options->max_order);
    add_word(line, "fragment", options->fragment);
    add_word(line, "hold", options->eye == EYE_ALWAYS ? "1" : NULL);
    add_word(line, "test_calls", options->test_calls ? "1" : NULL);
}

static void add_guests_words(struct line *line, const struct options *options)
{
    add(line, "-- console=hvc0 quiet");
    if (options->purpose == PURPOSE_RUN && options->emulator == EMULATOR_QEMU &&
        terminal_gives_shell())
        add(line, " podium.shell");
    if (options->fill)
        add(line, " podium.fill=%llu", (unsigned long long)(options->fill / MB));
    if (options->fill_zeroes)
        add(line, " podium.zeroes");
    if (*options->append)
        add(line, " %s", options->append);
}

enum outcome command_line_compose(char text[COMMAND_LINE_SIZE], const struct options *options)
{
    struct line line = { .text = text };

    add_hypervisors_words(&line, options);
    add_guests_words(&line, options);
    return line.length < COMMAND_LINE_SIZE ? GOOD : bad_input("--append: too long");
}
