/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's command line, as a table of names and parsers; see options.h.
 */
#include "options.h"

#include "lib.h"
#include "number.h"
#include "p2m/frame.h"

#define LINE_MAX 512 /* of our own words; the guest's line may be longer */

/* 4096, 512K, 3072M, 3G */
static bool parse_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "KMG";
    char digits[24];
    size_t length = strlen(text);
    const char *unit = length ? strchr(units, text[length - 1]) : NULL;
    unsigned shift = unit && *unit ? 10 * (unsigned)(unit - units + 1) : 0;

    if (length == 0 || length >= sizeof(digits))
        return false;
    format(digits, sizeof(digits), "%.*s", (int)(shift ? length - 1 : length), text);
    if (!parse_number(digits, bytes) || *bytes > UINT64_MAX >> 31)
        return false;
    *bytes <<= shift;
    return *bytes % FRAME_SIZE == 0;
}

static bool parse_order(const char *text, unsigned *order)
{
    static const struct {
        const char *name;
        unsigned order;
    } sizes[] = { { "4k", ORDER_4K }, { "2m", ORDER_2M }, { "1g", ORDER_1G } };

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (strcmp(text, sizes[i].name) != 0)
            continue;
        *order = sizes[i].order;
        return true;
    }
    return false;
}

static bool parse_switch(const char *text, bool *value)
{
    *value = strcmp(text, "1") == 0;
    return *value || strcmp(text, "0") == 0;
}

static bool set_memory(struct options *options, const char *value)
{
    return parse_size(value, &options->guest_memory);
}

static bool set_maxmem(struct options *options, const char *value)
{
    return parse_size(value, &options->guest_maxmem) && options->guest_maxmem > 0;
}

static bool set_balloon(struct options *options, const char *value)
{
    options->guest_balloon = strcmp(value, "on") == 0;
    return options->guest_balloon || strcmp(value, "off") == 0;
}

static bool set_name(struct options *options, const char *value)
{
    return format(options->guest_name, sizeof(options->guest_name), "%s", value) <
           sizeof(options->guest_name);
}

static bool set_max_order(struct options *options, const char *value)
{
    return parse_order(value, &options->max_order);
}

static bool set_pod_debt_order(struct options *options, const char *value)
{
    return parse_order(value, &options->pod_debt_order) && options->pod_debt_order <= ORDER_2M;
}

static bool set_pod_max_order(struct options *options, const char *value)
{
    return parse_order(value, &options->pod_max_order);
}

static bool set_patience(struct options *options, const char *value)
{
    return parse_number(value, &options->pod_patience) && options->pod_patience <= PATIENCE_MAX;
}

static bool set_fragment(struct options *options, const char *value)
{
    return parse_order(value, &options->fragment);
}

static bool set_hold(struct options *options, const char *value)
{
    return parse_switch(value, &options->hold);
}

static bool set_test_calls(struct options *options, const char *value)
{
    return parse_switch(value, &options->test_calls);
}

static const struct option {
    const char *name;
    bool (*set)(struct options *options, const char *value);
    const char *expects;
} option_table[] = {
    { "guest.memory", set_memory, "a multiple of 4K, like 512M or 3G" },
    { "guest.maxmem", set_maxmem, "a multiple of 4K, like 512M or 3G" },
    { "guest.balloon", set_balloon, "on or off" },
    { "guest.name", set_name, "at most " LIMIT_TEXT(NAME_LENGTH_MAX) " characters" },
    { "max_order", set_max_order, "4k, 2m or 1g" },
    { "pod.debt_order", set_pod_debt_order, "4k or 2m" },
    { "pod.max_order", set_pod_max_order, "4k, 2m or 1g" },
    { "pod.patience", set_patience, "seconds, at most " LIMIT_TEXT(PATIENCE_MAX) },
    { "fragment", set_fragment, "4k or 2m" },
    { "hold", set_hold, "0 or 1" },
    { "test_calls", set_test_calls, "0 or 1" },
};

static char error_text[LINE_MAX];

static const char *parse_word(char *word, struct options *options)
{
    char *value = strchr(word, '=');

    if (!value) {
        format(error_text, sizeof(error_text), "option %s: expected name=value", word);
        return error_text;
    }
    *value++ = '\0';
    for (unsigned i = 0; i < sizeof(option_table) / sizeof(option_table[0]); i++) {
        if (strcmp(option_table[i].name, word) != 0)
            continue;
        if (option_table[i].set(options, value))
            return NULL;
        format(error_text, sizeof(error_text), "option %s=%s: expected %s", word, value,
               option_table[i].expects);
        return error_text;
    }
    format(error_text, sizeof(error_text), "no such option: %s", word);
    return error_text;
}

/* Boot loaders may put the image's own name first. */
static bool is_image_name(const char *word)
{
    return *word == '/' || !strchr(word, '=');
}

/* The next word of `line` into `word`; returns what follows, or NULL when it does not fit. */
static const char *next_word(const char *line, char word[LINE_MAX])
{
    size_t length = 0;

    while (*line == ' ')
        line++;
    while (line[length] && line[length] != ' ')
        length++;
    if (length >= LINE_MAX)
        return NULL;
    memcpy(word, line, length);
    word[length] = '\0';
    return line + length;
}

const char *options_parse(const char *line, struct options *options)
{
    char word[LINE_MAX];
    bool first = true;

    *options = (struct options){ .guest_memory = (uint64_t)512 << 20,
                                 .guest_name = "guest",
                                 .guest_balloon = true,
                                 .max_order = ORDER_1G,
                                 .pod_max_order = ORDER_1G,
                                 .pod_debt_order = ORDER_2M,
                                 .pod_patience = 10,
                                 .fragment = ORDER_1G,
                                 .guest_line = "" };
    for (;; first = false) {
        const char *error;

        line = next_word(line, word);
        if (!line)
            return "an option is too long";
        if (!*word)
            return NULL;
        if (strcmp(word, "--") == 0) {
            options->guest_line = *line ? line + 1 : line;
            return NULL;
        }
        if (first && is_image_name(word))
            continue;
        error = parse_word(word, options);
        if (error)
            return error;
    }
}
