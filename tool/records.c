/* SPDX-License-Identifier: MIT */
/*
 * The stream of records. A line that is no JSON object with a "record" is counted, never believed.
 */
#include "records.h"

static cJSON *parse_line(struct records *records)
{
    cJSON *record = records->too_long ? NULL : cJSON_ParseWithLength(records->line, records->size);

    if (!cJSON_IsString(cJSON_GetObjectItemCaseSensitive(record, "record"))) {
        cJSON_Delete(record);
        record = NULL;
        if (records->size > 1 || records->too_long)
            records->bad++;
    }
    if (record && !records->begun)
        records->bad = 0; /* a firmware that uses every port as its console */
    records->begun |= record != NULL;
    records->size = 0;
    records->too_long = false;
    return record;
}

cJSON *records_take(struct records *records, const char **bytes, size_t *size)
{
    while (*size != 0) {
        char byte = *(*bytes)++;
        --*size;
        if (byte == '\n') {
            cJSON *record = parse_line(records);
            if (record)
                return record;
        } else if (records->size < RECORD_SIZE) {
            records->line[records->size++] = byte;
        } else {
            records->too_long = true;
        }
    }
    return NULL;
}
