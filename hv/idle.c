/* SPDX-License-Identifier: MIT */
/*
 * What a processor does that was started. A vCPU that it is given is made, run and taken apart
 * here, so that nothing of it is ever in two processors.
 */
#include "idle.h"

#include <stddef.h>

#include "cpu.h"
#include "lock.h"
#include "print.h"
#include "processors.h"
#include "trap.h"
#include "vcpu.h"
#include "vendor.h"

/* NULL, or why it can't run guests as the first one does. */
static const char *get_ready(void)
{
    const char *missing = vendor->missing();

    if (missing)
        return missing;
    return vendor->enable() ? NULL : "no frames to run guests with, or it refuses to";
}

static _Noreturn void refuse(struct cpu *self, const char *why)
{
    print("processor %u: %s: going on without it\n", cpu_number(), why);
    atomic_store(&self->state, CPU_REFUSED);
    host_unlock();
    cpu_halt();
}

/* Where it begins is in its registers; who gave it waits until it counts, or is nobody's again. */
static void run(struct vcpu *vcpu)
{
    struct domain *domain = vcpu->domain;
    struct entry_state entry = { (uint32_t)vcpu->registers.rip, (uint32_t)vcpu->registers.rbx };

    vcpu_init(vcpu, domain, vcpu->id);
    if (!vendor->vcpu_init(vcpu, entry))
        return;
    domain->vcpu_count++;
    vcpu_run(vcpu);
    vendor->vcpu_destroy(vcpu);
}

void processor_main(unsigned number)
{
    struct cpu *self = &cpus[number];
    const char *wrong;
    bool joined;

    trap_init(number);
    joined = processors_join();
    host_lock();
    wrong = joined ? get_ready() : "its local APIC is not like the first one's";
    if (wrong)
        refuse(self, wrong);
    atomic_store(&self->state, CPU_UP);
    for (;;) {
        while (!self->vcpu)
            host_sleep();
        run(self->vcpu);
        self->vcpu = NULL;
    }
}
