/* SPDX-License-Identifier: MIT */
/*
 * The stream of records: bytes from the hypervisor's second serial port, one JSON object a line.
 * Refuses to know what the records mean.
 */
#ifndef TOOL_RECORDS_H
#define TOOL_RECORDS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#define RECORD_SIZE 65536

struct records {
    char line[RECORD_SIZE];
    size_t size;   /* of the line so far */
    bool too_long; /* this line is being skipped */
    bool begun;    /* there was a record */
    unsigned bad;  /* lines that were no records, since then */
};

/*
 * records_take - the next whole record out of *bytes, *size, which move past what was used; NULL
 * when all bytes are used up. The caller deletes it.
 */
cJSON *records_take(struct records *records, const char **bytes, size_t *size);

#endif
