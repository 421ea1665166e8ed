/* SPDX-License-Identifier: MIT */
/*
 * The PC's clock, behind two ports; see rtc.h. It may change while it is read: two readings must
 * agree.
 */
#include "rtc.h"

#include <stdbool.h>

#include "cpu.h"
#include "lib.h"

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71

enum { SECOND = 0x0, MINUTE = 0x2, HOUR = 0x4, DAY = 0x7, MONTH = 0x8, YEAR = 0x9 };
enum { STATUS_A = 0xa, STATUS_B = 0xb };

#define A_UPDATING 0x80u
#define B_24_HOURS 0x02u
#define B_BINARY   0x04u
#define HOUR_PM    0x80u

/* An update takes 2 ms; a clock that is not there reads as updating for ever. */
#define TRIES 100000

struct reading {
    uint8_t second, minute, hour, day, month, year;
};

static uint8_t cmos(uint8_t index)
{
    out8(CMOS_INDEX, index);
    return in8(CMOS_DATA);
}

static bool wait_until_steady(void)
{
    for (unsigned i = 0; i < TRIES; i++)
        if (!(cmos(STATUS_A) & A_UPDATING))
            return true;
    return false;
}

static struct reading read_once(void)
{
    return (struct reading){ .second = cmos(SECOND),
                             .minute = cmos(MINUTE),
                             .hour = cmos(HOUR),
                             .day = cmos(DAY),
                             .month = cmos(MONTH),
                             .year = cmos(YEAR) };
}

static uint8_t decimal(uint8_t value, uint8_t status)
{
    return status & B_BINARY ? value : (uint8_t)((value >> 4) * 10 + (value & 15));
}

static uint8_t hour_of_day(uint8_t hour, uint8_t status)
{
    uint8_t value = decimal(hour & (uint8_t)~HOUR_PM, status);

    if (status & B_24_HOURS)
        return decimal(hour, status);
    return (uint8_t)(value % 12 + (hour & HOUR_PM ? 12 : 0));
}

/* Days from 1970 to the first of March of a year, so that the leap day comes last. */
static uint64_t days_to_march(unsigned year)
{
    return 365ull * (year - 1970) + year / 4 - year / 100 + year / 400 - 477 + 59;
}

/* Days before a month, counted from March. */
static const uint16_t days_before[12] = { 0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337 };

static uint64_t seconds_of(const struct reading *reading, uint8_t status)
{
    unsigned month = decimal(reading->month, status), day = decimal(reading->day, status);
    unsigned year = 2000u + decimal(reading->year, status), from_march = (month + 9) % 12;
    uint64_t days;

    if (month < 1 || month > 12 || day < 1 || day > 31)
        return 0;
    days = days_to_march(month < 3 ? year - 1 : year) + days_before[from_march] + day - 1;
    return days * 86400 + hour_of_day(reading->hour, status) * 3600u +
           decimal(reading->minute, status) * 60u + decimal(reading->second, status);
}

uint64_t rtc_read(void)
{
    struct reading first, second;

    if (!wait_until_steady())
        return 0;
    first = read_once();
    second = read_once();
    if (memcmp(&first, &second, sizeof(first)) != 0)
        second = read_once(); /* a second has just begun, and the next is far */
    return seconds_of(&second, cmos(STATUS_B));
}
