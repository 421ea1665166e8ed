/* SPDX-License-Identifier: MIT */
/*
 * The local APIC, by memory or by MSRs, as the firmware left it.
 * Refuses to know who is sent what.
 */
#include "apic.h"

#include <stdatomic.h>

#include "cpu.h"
#include "this_cpu.h"

#define BASE_X2APIC (1ull << 10)
#define BASE_ENABLE (1ull << 11)

#define ID            0x020
#define TASK_PRIORITY 0x080
#define EOI           0x0b0
#define SPURIOUS      0x0f0
#define COMMAND       0x300
#define COMMAND_TO    0x310
#define LVT_LINT0     0x350
#define LVT_LINT1     0x360
#define TIMER_DIVIDE  0x3e0

#define SOFTWARE_ENABLE 0x100
#define DIVIDE_BY_1     0x0b
#define SENDING         0x1000u
#define SENDING_POLLS   1000000u

#define MSR_X2APIC 0x800u

/* The firmware left it in x2APIC mode, and there is no way back but a reset. */
static bool is_x2apic;
static bool is_ready;

/* One a processor that has come as far as this: who is to hear what goes to all. */
static _Atomic bool is_up[CPUS_MAX];
static uint32_t ids[CPUS_MAX];

void apic_write(unsigned offset, uint32_t value)
{
    if (is_x2apic)
        wrmsr(MSR_X2APIC + offset / 16, value);
    else
        *(volatile uint32_t *)(uintptr_t)(LAPIC_MAP + offset) = value;
}

uint32_t apic_read(unsigned offset)
{
    if (is_x2apic)
        return (uint32_t)rdmsr(MSR_X2APIC + offset / 16);
    return *(volatile uint32_t *)(uintptr_t)(LAPIC_MAP + offset);
}

bool apic_init(void)
{
    uint64_t base;

    if (!cpu_has(CPU_APIC))
        return false;
    base = rdmsr(MSR_APIC_BASE) | BASE_ENABLE;
    wrmsr(MSR_APIC_BASE, base);
    if (!is_ready)
        is_x2apic = base & BASE_X2APIC;
    else if (is_x2apic)
        wrmsr(MSR_APIC_BASE, base | BASE_X2APIC);
    else if (base & BASE_X2APIC)
        return false;
    apic_write(TASK_PRIORITY, 0);
    apic_write(LVT_LINT0, APIC_LVT_MASKED);
    apic_write(LVT_LINT1, APIC_LVT_MASKED);
    apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED | VECTOR_TIMER);
    apic_write(TIMER_DIVIDE, DIVIDE_BY_1);
    apic_write(SPURIOUS, SOFTWARE_ENABLE | VECTOR_SPURIOUS);
    is_ready = true;
    ids[cpu_number()] = apic_id();
    atomic_store(&is_up[cpu_number()], true);
    return true;
}

void apic_acknowledge(void)
{
    apic_write(EOI, 0);
}

uint32_t apic_id(void)
{
    return is_x2apic ? apic_read(ID) : apic_read(ID) >> 24;
}

/* All ones is every processor. */
bool apic_can_reach(uint32_t to)
{
    return to < (is_x2apic ? UINT32_MAX : UINT8_MAX);
}

/* One that is never taken by whom it is for must not hold us for ever. */
static void wait_until_sent(void)
{
    for (unsigned i = 0; i < SENDING_POLLS && apic_read(COMMAND) & SENDING; i++)
        cpu_pause();
}

/* What was stored before is seen before: a WRMSR to an x2APIC does not see to that by itself. */
void apic_send(uint32_t to, uint32_t what)
{
    if (is_x2apic) {
        __asm__ volatile("mfence; lfence" : : : "memory");
        wrmsr(MSR_X2APIC + COMMAND / 16, (uint64_t)to << 32 | what);
        return;
    }
    apic_write(COMMAND_TO, to << 24);
    apic_write(COMMAND, what);
    wait_until_sent();
}

/* One by one: what the hardware calls all are also those that were never started. */
void apic_send_others(uint32_t what)
{
    for (unsigned i = 0; i < CPUS_MAX; i++)
        if (atomic_load(&is_up[i]) && i != cpu_number())
            apic_send(ids[i], what);
}
