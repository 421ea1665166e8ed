/* SPDX-License-Identifier: MIT */
/*
 * Numbers in text; see number.h.
 */
#include "number.h"

bool parse_number(const char *text, uint64_t *value)
{
    *value = 0;
    if (!*text)
        return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (*value > (UINT64_MAX - 9) / 10)
            return false;
        *value = *value * 10 + (uint64_t)(*text - '0');
    }
    return !*text;
}
