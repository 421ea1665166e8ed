/* SPDX-License-Identifier: MIT */
/*
 * The machine's processors: found, started, and told to look again.
 * Refuses to know what each does then: that is idle.c's, and vcpu.c's.
 */
#ifndef HV_PROCESSORS_H
#define HV_PROCESSORS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "this_cpu.h"
#include "madt.h"

struct vcpu;

enum cpu_state { CPU_ABSENT, CPU_STARTING, CPU_REFUSED, CPU_UP };

struct cpu {
    _Atomic enum cpu_state state;
    uint32_t apic_id;
    struct vcpu *vcpu;      /* which runs here, or is to; guarded by the host's lock */
    _Atomic uint64_t kicks; /* that came here */
};

extern struct cpu cpus[CPUS_MAX]; /* by number */

/*
 * processors_start - the calling processor is number 0; start the others of this list by way of a
 * free page of real mode memory, and say how many there are. Each begins at processor_main, one
 * after the other. One that does not come up is left out.
 *   Units:   `page` is a machine address below 1 MB; 0: there is none, and nobody is started.
 *   Context: once; the host's lock held, and let go while a processor comes up.
 */
void processors_start(const struct madt *list, uint64_t page);

/* processors_join - the calling processor's registers become the first one's. False: it has no
 * APIC like that one's. */
bool processors_join(void);

unsigned processors_count(void); /* that are up */

/*
 * processors_give - an idle processor makes this vCPU, whose registers say where it begins, and
 * runs it.
 *   Context: the host's lock held.
 *   Errors:  NULL when none is idle.
 */
struct cpu *processors_give(struct vcpu *vcpu);

/*
 * processors_kick - this processor leaves guest mode, or sleep, and looks again. Not the caller
 * itself: it is looking.
 */
void processors_kick(unsigned number);
void processors_kicked(void);    /* the interrupt has come */
uint64_t processors_kicks(void); /* how many did, on all processors */

#endif
