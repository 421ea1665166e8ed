/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor says when a guest waits and when it goes on; how much it raises the target then is
 * for people to say, once for all waits. It is never raised above what the guest was promised.
 */
#include <stdio.h>
#include <string.h>

#include "memory_size.h"
#include "waiting.h"

void waiting_init(struct waiting *waiting, const struct options *options)
{
    *waiting = (struct waiting){ .options = options, .target = options->memory };
}

static double number(const cJSON *record, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(record, name);

    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static bool raise_target(struct waiting *waiting, char answer[WAITING_ANSWER_SIZE])
{
    const struct options *options = waiting->options;
    uint64_t left = options->maxmem - waiting->target;
    uint64_t more = left < options->raise ? left : options->raise;
    char target[24];

    if (options->raise == 0) {
        say("guest %s waits for memory: it is stopped after %u s (--patience) if none comes back; "
            "--raise SIZE would give it more",
            options->name, options->patience);
        return false;
    }
    waiting->target += more;
    memory_format(waiting->target, target);
    if (more == 0) {
        say("guest %s waits for memory: its target is %s already, all that it was promised",
            options->name, target);
        return false;
    }
    say("guest %s waits for memory: its target is raised to %s (--raise)", options->name, target);
    snprintf(answer, WAITING_ANSWER_SIZE, "target %llu\n",
             (unsigned long long)(waiting->target / (4 * KB)));
    return true;
}

bool waiting_take(struct waiting *waiting, const cJSON *record, char answer[WAITING_ANSWER_SIZE])
{
    const char *kind = cJSON_GetObjectItemCaseSensitive(record, "record")->valuestring;

    if (strcmp(kind, "resumed") == 0)
        say("guest %s goes on, after %.2f s", waiting->options->name,
            (number(record, "ns") - waiting->since_ns) / 1e9);
    if (strcmp(kind, "waiting") != 0)
        return false;
    waiting->since_ns = number(record, "ns");
    return raise_target(waiting, answer);
}
