/* SPDX-License-Identifier: MIT */
/*
 * The machine's processors. They are started one at a time, so that what each finds where it
 * begins can be in one place. [SDM "MP Initialization Protocol"]
 * Refuses to know what they do when they are up.
 */
#include "processors.h"

#include <stdbool.h>
#include <stddef.h>

#include "lib.h"
#include "cpu.h"
#include "lock.h"
#include "apic.h"
#include "devices.h"
#include "print.h"

#define NS_PER_MS   1000000ul
#define INIT_NS     (10 * NS_PER_MS)
#define START_NS    (NS_PER_MS)        /* from one start message to the next */
#define PATIENCE_NS (2000 * NS_PER_MS) /* emulated processors share one with others */

struct cpu cpus[CPUS_MAX] = { [0].state = CPU_UP };

/* What processors.S finds. The one that takes the number is the one that is being started. */
struct processor_begin {
    _Atomic uint32_t number; /* 0: nobody is to begin */
    uint32_t efer;
};
_Static_assert(offsetof(struct processor_begin, efer) == 4, "processors.S");
_Static_assert(STACK_GUARD + STACK_SIZE == 0x9000, "processors.S");
extern struct processor_begin processor_begin;
struct processor_begin processor_begin;

extern const char processor_trampoline[], processor_trampoline_end[]; /* processors.S */

static uint64_t first_cr3, first_cr4;

bool processors_join(void)
{
    write_cr3(first_cr3);
    write_cr4(first_cr4);
    return apic_init();
}

/* ---- starting ------------------------------------------------------------------------------- */

static bool has_begun(const struct cpu *cpu)
{
    (void)cpu;
    return atomic_load(&processor_begin.number) == 0;
}

static bool has_arrived(const struct cpu *cpu)
{
    return atomic_load(&cpu->state) != CPU_STARTING;
}

static bool never(const struct cpu *cpu)
{
    (void)cpu;
    return false;
}

static bool wait(uint64_t ns, bool (*until)(const struct cpu *cpu), const struct cpu *cpu)
{
    uint64_t end = clock_ns() + ns;

    while (!until(cpu) && clock_ns() < end)
        host_yield();
    return until(cpu);
}

/*
 * INIT, and the start message up to twice. One that is late finds no number, or is reset. One that
 * has begun is left alone: it may wait for the host's lock, and a turn that nobody takes would stop
 * all others. When it arrives after all, it counts.
 */
static void start(unsigned number, uint64_t page)
{
    struct cpu *cpu = &cpus[number];

    atomic_store(&cpu->state, CPU_STARTING);
    atomic_store(&processor_begin.number, number);
    apic_send(cpu->apic_id, APIC_INIT);
    wait(INIT_NS, never, cpu);
    apic_send(cpu->apic_id, APIC_START(page));
    if (!wait(START_NS, has_begun, cpu))
        apic_send(cpu->apic_id, APIC_START(page));
    if (wait(PATIENCE_NS, has_begun, cpu) && wait(PATIENCE_NS, has_arrived, cpu))
        return;
    if (atomic_exchange(&processor_begin.number, 0)) {
        apic_send(cpu->apic_id, APIC_INIT);
        atomic_store(&cpu->state, CPU_ABSENT);
    }
    print("processor %u (APIC %u) does not come up: going on without it\n", number, cpu->apic_id);
}

static void start_all(const struct madt *list, uint64_t page)
{
    unsigned number = 1;

    memcpy(direct_map(page), processor_trampoline,
           (size_t)(processor_trampoline_end - processor_trampoline));
    for (unsigned i = 0; i < list->count && number < CPUS_MAX; i++) {
        if (list->apic_id[i] == cpus[0].apic_id || !apic_can_reach(list->apic_id[i]))
            continue;
        cpus[number].apic_id = list->apic_id[i];
        start(number++, page);
    }
}

void processors_start(const struct madt *list, uint64_t page)
{
    unsigned listed = list->count + list->dropped;

    cpus[0].apic_id = apic_id();
    first_cr3 = read_cr3();
    first_cr4 = read_cr4();
    processor_begin.efer = (uint32_t)(rdmsr(MSR_EFER) & (EFER_LME | EFER_NXE));
    if (page)
        start_all(list, page);
    print("processors: %u, of %u that the firmware lists\n", processors_count(), listed);
}

unsigned processors_count(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < CPUS_MAX; i++)
        count += atomic_load(&cpus[i].state) == CPU_UP;
    return count;
}

/* ---- work and kicks ------------------------------------------------------------------------- */

struct cpu *processors_give(struct vcpu *vcpu)
{
    for (unsigned i = 1; i < CPUS_MAX; i++) {
        if (atomic_load(&cpus[i].state) != CPU_UP || cpus[i].vcpu)
            continue;
        cpus[i].vcpu = vcpu;
        processors_kick(i);
        return &cpus[i];
    }
    return NULL;
}

void processors_kick(unsigned number)
{
    if (number != cpu_number())
        apic_send(cpus[number].apic_id, VECTOR_KICK);
}

void processors_kicked(void)
{
    atomic_fetch_add(&cpus[cpu_number()].kicks, 1);
}

uint64_t processors_kicks(void)
{
    uint64_t kicks = 0;

    for (unsigned i = 0; i < CPUS_MAX; i++)
        kicks += atomic_load(&cpus[i].kicks);
    return kicks;
}
