/* SPDX-License-Identifier: MIT */
/*
 * A guest that waits for memory: what people are told, and what the hypervisor is answered.
 * Refuses to know over which wire.
 */
#ifndef TOOL_WAITING_H
#define TOOL_WAITING_H

#include <cjson/cJSON.h>

#include "options.h"

struct waiting {
    const struct options *options;
    uint64_t target; /* bytes that the guest is to have by now */
    double since_ns; /* the hypervisor's time when the wait began */
};

void waiting_init(struct waiting *waiting, const struct options *options);

#define WAITING_ANSWER_SIZE 32

/*
 * waiting_take - a record, of any kind. Of those that say that a guest waits, or goes on, people
 * are told; with --raise, each wait is answered once, as long as anything promised is left to give.
 * Returns whether there is an answer: a whole line.
 */
bool waiting_take(struct waiting *waiting, const cJSON *record, char answer[WAITING_ANSWER_SIZE]);

#endif
