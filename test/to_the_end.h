/* SPDX-License-Identifier: MIT */
/*
 * Verbs that take more than one call, called until they are done. Refuses to know what comes in
 * between.
 */
#ifndef TEST_TO_THE_END_H
#define TEST_TO_THE_END_H

#include "p2m/pod.h"

static inline void pay_to_the_end(struct p2m_locked locked, struct p2m_debt *debt)
{
    while (p2m_pay(locked, debt) == P2M_AGAIN)
        ;
}

static inline void trim_to_the_end(struct p2m_locked locked, struct pod *pod)
{
    do
        pod_trim(locked, pod);
    while (pod_has_surplus(pod));
}

static inline void empty_to_the_end(struct p2m_locked locked, struct pod *pod)
{
    while (pod_empty(locked, pod) == P2M_AGAIN)
        ;
}

static inline enum p2m_error gather_start_to_the_end(struct p2m_locked locked, struct pod *pod)
{
    enum p2m_error error;

    do
        error = pod_gather_start(locked, pod);
    while (error == P2M_AGAIN);
    return error;
}

static inline enum p2m_error gather_next_to_the_end(struct p2m_locked locked, struct pod *pod,
                                                    struct pod_move *move, struct p2m_debt *debt)
{
    enum p2m_error error;

    do
        error = pod_gather_next(locked, pod, move, debt);
    while (error == P2M_AGAIN);
    return error;
}

#endif
