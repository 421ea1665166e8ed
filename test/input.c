/* SPDX-License-Identifier: MIT */
/*
 * Bytes become a run. Refuses to know where they come from.
 */
#include "input.h"

#include "p2m/p2m.h"

#include "verbs.h"

#define CHECK_EVERY 1000u

uint8_t input_first_byte(const struct pt_format *format)
{
    return format == &ept_format;
}

const struct pt_format *input_format(uint8_t first)
{
    return first & 1 ? &ept_format : &npt_format;
}

void input_run(const uint8_t *bytes, size_t size, struct histogram *histogram,
               struct choices_record *record)
{
    struct verbs_plan plan = { .operations = UINT64_MAX,
                               .audit_first = UINT64_MAX,
                               .check_every = CHECK_EVERY };

    if (size < 2)
        return;
    plan.format = input_format(bytes[0]);
    plan.choices = (struct choices){ .bytes = bytes + 1, .count = size - 1, .record = record };
    verbs_run(&plan, histogram);
}
