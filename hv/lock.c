/* SPDX-License-Identifier: MIT */
/*
 * The host's lock: a ticket for each who asks. Refuses to know what it guards.
 */
#include "lock.h"

#include <stdatomic.h>

#include "cpu.h"

static _Atomic unsigned next_ticket, served;

void host_lock(void)
{
    unsigned ticket = atomic_fetch_add(&next_ticket, 1);

    while (atomic_load(&served) != ticket)
        cpu_pause();
}

void host_unlock(void)
{
    atomic_fetch_add(&served, 1);
}

void host_yield(void)
{
    host_unlock();
    cpu_pause();
    host_lock();
}

void host_sleep(void)
{
    host_unlock();
    interrupts_wait();
    host_lock();
}
