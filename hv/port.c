/* SPDX-License-Identifier: MIT */
/*
 * Port I/O policy; see port.h.
 */
#include "port.h"

#include "console.h"
#include "stop.h"

#define PORT_PIT_COUNTER 0x42 /* all ones here would keep a calibration loop busy for seconds */
#define PORT_EARLY       0xe9 /* where guests without a console write in need */
#define SLEEP_ENABLE     0x20u
#define SLEEP_TYPE(v)    ((v) >> 2 & 7)

static uint32_t read_value(uint16_t port)
{
    switch (port) {
    case PORT_PIT_COUNTER:
    case PORT_SLEEP_CONTROL:
    case PORT_SLEEP_STATUS:
        return 0;
    default:
        return UINT32_MAX;
    }
}

/* An 8- or 16-bit IN leaves the rest of rax alone, a 32-bit one clears the upper half. */
bool port_in(struct vcpu *vcpu)
{
    uint64_t keep = vcpu->exit.io.size == 4 ? 0 : ~((1ull << vcpu->exit.io.size * 8) - 1);
    uint32_t value = read_value(vcpu->exit.io.port);

    if (vcpu->exit.io.string)
        return false;
    if (vcpu->exit.io.size < 4)
        value &= (1u << vcpu->exit.io.size * 8) - 1;
    vcpu->registers.rax = (vcpu->registers.rax & keep) | value;
    return true;
}

static void sleep_control(struct domain *domain, uint8_t value)
{
    if (!(value & SLEEP_ENABLE) || SLEEP_TYPE(value) != SLEEP_TYPE_S5)
        return;
    domain_stop(domain, STOP_POWEROFF, "ACPI S5");
}

bool port_out(struct vcpu *vcpu)
{
    struct domain *domain = vcpu->domain;
    uint8_t value = (uint8_t)vcpu->registers.rax;

    if (vcpu->exit.io.string)
        return false;
    switch (vcpu->exit.io.port) {
    case PORT_SLEEP_CONTROL:
        sleep_control(domain, value);
        break;
    case PORT_PHASE:
        if (domain->on_phase)
            domain->on_phase(domain, value);
        break;
    case PORT_EARLY:
        console_put((char)value);
        break;
    default:
        break;
    }
    return true;
}
