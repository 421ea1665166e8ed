/* SPDX-License-Identifier: MIT */
/*
 * What the oracle says: a line for what is asked about, with all that was asked of it; a serial
 * port is slow, and there are thousands of checks. Refuses to know what the answers mean.
 */
#include "oracle.h"

#define NAME 160
#define LINE 1024
#define LONG 100 /* what one check adds to a line at most */

struct line {
    char text[LINE];
    unsigned length;
};

static struct line line;
static char name[NAME]; /* what the checks are about */
static uint64_t count;

static void add(const char *text)
{
    while (*text && line.length < LINE - 2)
        line.text[line.length++] = *text++;
    line.text[line.length] = '\0';
}

static void add_hexadecimal(uint64_t number)
{
    char digits[17];
    unsigned at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = "0123456789abcdef"[number & 15];
        number >>= 4;
    } while (number);
    add("0x");
    add(&digits[at]);
}

static void begin(void)
{
    line.length = 0;
    add("checked: ");
    add(name);
}

static void end(void)
{
    add("\n");
    if (line.length > sizeof("checked: "))
        say(line.text);
}

void about(const char *const *words)
{
    unsigned length = 0;

    if (count)
        end();
    for (unsigned i = 0; words[i]; i++) {
        for (const char *from = words[i]; *from && length < NAME - 2; from++)
            name[length++] = *from;
        name[length++] = words[i + 1] ? ' ' : '\0';
    }
    begin();
}

void ask(const char *what, uint64_t expected, uint64_t seen)
{
    count++;
    if (line.length > LINE - LONG) {
        end();
        begin();
    }
    add("; ");
    add(what);
    if (expected == seen)
        return;
    add(": expected ");
    add_hexadecimal(expected);
    add(", seen ");
    add_hexadecimal(seen);
}

uint64_t asked(void)
{
    end();
    return count;
}

const char *order_name(unsigned order)
{
    return order == ORDER_4K ? "4k" : order == ORDER_2M ? "2m" : "1g";
}

const char *access_name(enum access access)
{
    return access == READ ? "read" : access == WRITE ? "write" : "fetch";
}
