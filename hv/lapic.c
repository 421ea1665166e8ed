/* SPDX-License-Identifier: MIT */
/*
 * The x2APIC of a guest; see lapic.h. [SDM "Advanced Programmable Interrupt Controller"], "x2APIC
 * Register Address Space". Its timer is storage: a PVH guest's ticks come by VIRQ_TIMER.
 */
#include "lapic.h"

#include "lib.h"

/* Registers, as MSR numbers. */
enum {
    X2APIC_ID = 0x802,
    X2APIC_VERSION = 0x803,
    X2APIC_TPR = 0x808,
    X2APIC_PPR = 0x80a,
    X2APIC_EOI = 0x80b,
    X2APIC_LDR = 0x80d,
    X2APIC_SVR = 0x80f,
    X2APIC_ISR = 0x810,
    X2APIC_TMR = 0x818,
    X2APIC_IRR = 0x820,
    X2APIC_ESR = 0x828,
    X2APIC_ICR = 0x830,
    X2APIC_LVT = 0x832,
    X2APIC_TIMER_INITIAL = 0x838,
    X2APIC_TIMER_CURRENT = 0x839,
    X2APIC_TIMER_DIVIDE = 0x83e,
    X2APIC_SELF_IPI = 0x83f,
};

#define VERSION         0x50014u /* integrated, six LVT entries */
#define LVT_COUNT       6u
#define LVT_MASKED      (1u << 16)
#define LVT_WRITABLE    0x0007b7ffu
#define SVR_ENABLED     (1u << 8)
#define SVR_WRITABLE    0x1ffu
#define VECTOR_FIRST    16u /* vectors below are exceptions, and no interrupt may have them */
#define APIC_BASE_RESET 0xfee00c00u /* enabled, x2APIC */
#define APIC_BASE_FIRST 0x100u      /* the bootstrap processor's */

#define ICR_DELIVERY(v)  ((v) >> 8 & 7)
#define ICR_LOGICAL      (1u << 11)
#define ICR_SHORTHAND(v) ((v) >> 18 & 3)
#define ICR_RESERVED     0xfff32000u
enum { DELIVERY_FIXED = 0, DELIVERY_LOWEST = 1 };
enum { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };

void lapic_init(struct vcpu *vcpu)
{
    memset(&vcpu->lapic, 0, sizeof(vcpu->lapic));
    for (unsigned i = 0; i < LVT_COUNT; i++)
        vcpu->lapic.lvt[i] = LVT_MASKED;
    vcpu->lapic.spurious = 0xff;
    vcpu->apic_base = APIC_BASE_RESET | (vcpu->id == 0 ? APIC_BASE_FIRST : 0);
}

/* ---- interrupts ----------------------------------------------------------------------------- */

static uint8_t highest(const uint64_t set[4])
{
    for (unsigned i = 4; i-- > 0;) {
        if (set[i])
            return (uint8_t)(i * 64 + 63 - (unsigned)__builtin_clzll(set[i]));
    }
    return 0;
}

static void request(struct vcpu *vcpu, uint8_t vector)
{
    if (vector >= VECTOR_FIRST && vcpu->lapic.spurious & SVR_ENABLED)
        vcpu->lapic.requested[vector / 64] |= 1ull << (vector % 64);
}

/* A vector's upper four bits are its class; what is served or masked holds back its whole class. */
static uint8_t processor_priority(const struct lapic *lapic)
{
    uint8_t in_service = highest(lapic->in_service);
    uint8_t task = (uint8_t)lapic->task_priority;

    return task >> 4 >= in_service >> 4 ? task : in_service & 0xf0;
}

uint8_t lapic_vector(const struct vcpu *vcpu)
{
    uint8_t vector = highest(vcpu->lapic.requested);

    return vector >> 4 > processor_priority(&vcpu->lapic) >> 4 ? vector : 0;
}

void lapic_accept(struct vcpu *vcpu, uint8_t vector)
{
    uint64_t bit = 1ull << (vector % 64);

    vcpu->lapic.requested[vector / 64] &= ~bit;
    vcpu->lapic.in_service[vector / 64] |= bit;
}

static void end_of_interrupt(struct lapic *lapic)
{
    uint8_t vector = highest(lapic->in_service);

    lapic->in_service[vector / 64] &= ~(1ull << (vector % 64));
}

static uint32_t logical_id(const struct vcpu *vcpu)
{
    return (vcpu->id >> 4) << 16 | 1u << (vcpu->id & 15);
}

static bool reaches_self(const struct vcpu *vcpu, uint64_t command)
{
    uint32_t destination = (uint32_t)(command >> 32);

    switch (ICR_SHORTHAND(command)) {
    case SHORTHAND_SELF:
    case SHORTHAND_ALL:
        return true;
    case SHORTHAND_OTHERS:
        return false;
    }
    if (destination == UINT32_MAX)
        return true;
    if (command & ICR_LOGICAL)
        return destination >> 16 == logical_id(vcpu) >> 16 &&
               destination & logical_id(vcpu) & 0xffff;
    return destination == vcpu->id;
}

/* It reaches itself alone: what is for another vCPU is lost, and there is no NMI. */
static void send_command(struct vcpu *vcpu, uint64_t command)
{
    unsigned delivery = ICR_DELIVERY(command);

    vcpu->lapic.command = command;
    if ((delivery == DELIVERY_FIXED || delivery == DELIVERY_LOWEST) && reaches_self(vcpu, command))
        request(vcpu, (uint8_t)command);
}

/* ---- registers ------------------------------------------------------------------------------ */

/* One 32-bit piece of a 256-bit set; `first` is the register of the lowest piece. */
static uint32_t set_piece(const uint64_t set[4], uint32_t msr, uint32_t first)
{
    unsigned index = msr - first;

    return (uint32_t)(set[index / 2] >> (index % 2 * 32));
}

bool lapic_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    const struct lapic *lapic = &vcpu->lapic;

    switch (msr) {
    case X2APIC_ID:
        *value = vcpu->id;
        return true;
    case X2APIC_VERSION:
        *value = VERSION;
        return true;
    case X2APIC_TPR:
        *value = lapic->task_priority;
        return true;
    case X2APIC_PPR:
        *value = processor_priority(lapic);
        return true;
    case X2APIC_LDR:
        *value = logical_id(vcpu);
        return true;
    case X2APIC_SVR:
        *value = lapic->spurious;
        return true;
    case X2APIC_ISR ... X2APIC_ISR + 7:
        *value = set_piece(lapic->in_service, msr, X2APIC_ISR);
        return true;
    case X2APIC_IRR ... X2APIC_IRR + 7:
        *value = set_piece(lapic->requested, msr, X2APIC_IRR);
        return true;
    case X2APIC_TMR ... X2APIC_TMR + 7: /* all edge-triggered */
    case X2APIC_TIMER_CURRENT:          /* it does not count */
    case X2APIC_ESR:
        *value = 0;
        return true;
    case X2APIC_ICR:
        *value = lapic->command;
        return true;
    case X2APIC_LVT ... X2APIC_LVT + LVT_COUNT - 1:
        *value = lapic->lvt[msr - X2APIC_LVT];
        return true;
    case X2APIC_TIMER_INITIAL:
        *value = lapic->timer_initial;
        return true;
    case X2APIC_TIMER_DIVIDE:
        *value = lapic->timer_divide;
        return true;
    default: /* no such register, or one to be written only */
        return false;
    }
}

static bool store(uint32_t *to, uint64_t value, uint32_t writable)
{
    if (value & ~(uint64_t)writable)
        return false;
    *to = (uint32_t)value;
    return true;
}

bool lapic_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    struct lapic *lapic = &vcpu->lapic;

    switch (msr) {
    case X2APIC_TPR:
        return store(&lapic->task_priority, value, 0xff);
    case X2APIC_EOI:
        if (value)
            return false;
        end_of_interrupt(lapic);
        return true;
    case X2APIC_SVR:
        return store(&lapic->spurious, value, SVR_WRITABLE);
    case X2APIC_ESR:
        return value == 0;
    case X2APIC_ICR:
        if (value & ICR_RESERVED)
            return false;
        send_command(vcpu, value);
        return true;
    case X2APIC_LVT ... X2APIC_LVT + LVT_COUNT - 1:
        return store(&lapic->lvt[msr - X2APIC_LVT], value, LVT_WRITABLE);
    case X2APIC_TIMER_INITIAL:
        return store(&lapic->timer_initial, value, UINT32_MAX);
    case X2APIC_TIMER_DIVIDE:
        return store(&lapic->timer_divide, value, 0xb);
    case X2APIC_SELF_IPI:
        if (value & ~0xffull)
            return false;
        request(vcpu, (uint8_t)value);
        return true;
    default: /* no such register, or one to be read only */
        return false;
    }
}
