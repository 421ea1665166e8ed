/* SPDX-License-Identifier: MIT */
/*
 * What is delivered to the guest as it is entered: an exception of the host's, one that an exit cut
 * short, an interrupt that was offered. [SDM "Event Injection"]
 * Refuses to know why anything is raised or offered.
 */
#include "vmx.h"

#include "cpu.h"

/* Exceptions with an error code: 8, 10 to 14, 17. */
#define HAS_ERROR_CODE 0x27d00u

/* In real mode there are no error codes. */
void vmx_event_raise(struct vmx_vcpu *self, uint8_t vector)
{
    bool has_code = (HAS_ERROR_CODE >> vector & 1) && (vmread(VMCS_GUEST_CR0) & CR0_PE);

    self->event = EVENT_VALID | EVENT_EXCEPTION << 8 | vector | (has_code ? EVENT_HAS_CODE : 0);
    self->error_code = 0;
}

/*
 * An exit can cut the delivery of an event short. Exceptions are delivered again. An interrupt that
 * was offered counts as not taken, and is offered again if it is still wanted. What an instruction
 * raises (INT, INT3, INTO) is not: rip is still there.
 */
void vmx_event_recover(struct vmx_vcpu *self)
{
    uint32_t event = (uint32_t)vmread(VMCS_VECTORING_EVENT);

    self->event = 0;
    self->taken = self->injected;
    if (!(event & EVENT_VALID))
        return;
    if (EVENT_TYPE(event) == EVENT_INTERRUPT)
        self->taken = false;
    if (EVENT_TYPE(event) != EVENT_EXCEPTION)
        return;
    self->event = event & EVENT_DEFINED;
    self->error_code = (uint32_t)vmread(VMCS_VECTORING_ERROR_CODE);
}

/* The exit came before the processor noted in DR6 and DR7 what the guest will look for there. */
void vmx_event_note_debug(uint64_t what)
{
    write_dr6((read_dr6() & ~DR6_HITS) | (what & (DR6_HITS | DR6_BD | DR6_BS)));
    vmwrite(VMCS_GUEST_DR7, vmread(VMCS_GUEST_DR7) & ~DR7_GD);
}

/*
 * An emulated instruction has run, or ends in an exception: what held events back until then does
 * so no more.
 */
static uint32_t update_blocking(const struct vmx_vcpu *self, uint64_t rip)
{
    uint32_t blocked = (uint32_t)vmread(VMCS_GUEST_INTERRUPTIBILITY);

    if (rip == self->exit_rip && !self->event)
        return blocked;
    blocked &= ~(BLOCKED_BY_STI | BLOCKED_BY_MOV_SS);
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocked);
    vmwrite(VMCS_GUEST_PENDING_DEBUG, 0);
    return blocked;
}

/* An exception comes first; an interrupt if the guest can take it now, else an exit when it can. */
void vmx_event_load(struct vmx_vcpu *self, const struct registers *registers, uint32_t primary)
{
    uint32_t blocked = update_blocking(self, registers->rip);
    bool open =
        (registers->rflags & RFLAGS_INTERRUPT) && !(blocked & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS));

    self->injected = self->offered && open && !self->event;
    if (self->injected)
        self->event = EVENT_VALID | EVENT_INTERRUPT << 8 | self->offered;
    else if (self->offered)
        primary |= PRIMARY_INTERRUPT_WINDOW;
    vmwrite(VMCS_ENTRY_EVENT, self->event);
    vmwrite(VMCS_ENTRY_ERROR_CODE, self->error_code);
    vmwrite(VMCS_PRIMARY, primary);
}
