/* SPDX-License-Identifier: MIT */
/*
 * A guest's end; see stop.h.
 */
#include "stop.h"

#include <stdarg.h>

#include "lib.h"

void domain_stop(struct domain *domain, enum stop_reason reason, const char *details, ...)
{
    va_list arguments;

    if (domain->stop != STOP_NONE)
        return;
    domain->stop = reason;
    va_start(arguments, details);
    vformat(domain->stop_details, sizeof(domain->stop_details), details, arguments);
    va_end(arguments);
}

bool stop_is_good(enum stop_reason reason)
{
    return reason == STOP_POWEROFF || reason == STOP_REBOOT;
}

const char *stop_reason_name(enum stop_reason reason)
{
    static const char *const names[STOP_REASONS] = {
        [STOP_NONE] = "running",
        [STOP_POWEROFF] = "poweroff",
        [STOP_REBOOT] = "reboot",
        [STOP_HALTED] = "halted",
        [STOP_CRASH] = "crash",
        [STOP_TRIPLE_FAULT] = "triple_fault",
        [STOP_BAD_ACCESS] = "bad_access",
        [STOP_BAD_STATE] = "bad_state",
        [STOP_UNKNOWN_EXIT] = "unknown_exit",
        [STOP_HOST_BUG] = "host_bug",
        [STOP_OUT_OF_MEMORY] = "out_of_pod_memory",
        [STOP_OUT_OF_TABLES] = "out_of_table_pages",
    };

    return names[reason];
}
