/* SPDX-License-Identifier: MIT */
/*
 * The local APIC of the processor that asks: its registers, and interrupts to other processors.
 * Refuses to know the timer in it, which is devices.c's, and guests: what they see is lapic.c's.
 */
#ifndef HV_APIC_H
#define HV_APIC_H

#include <stdbool.h>
#include <stdint.h>

#define VECTOR_TIMER    0x40
#define VECTOR_KICK     0x41 /* look again at what there is to do */
#define VECTOR_SPURIOUS 0xff

#define APIC_LVT_TIMER     0x320
#define APIC_TIMER_INITIAL 0x380
#define APIC_TIMER_CURRENT 0x390
#define APIC_LVT_MASKED    0x10000

/*
 * apic_init - enable it, nothing masked but its own pins and timer.
 *   Context: once on each processor; on the first one first.
 *   Errors:  false when there is none, or none that works as the first one's does.
 */
bool apic_init(void);

uint32_t apic_read(unsigned offset);
void apic_write(unsigned offset, uint32_t value);
void apic_acknowledge(void); /* end of interrupt */
uint32_t apic_id(void);

/* What is sent to another processor: an interrupt by its vector, or one of these. */
#define APIC_NMI       0x400u
#define APIC_INIT      0x4500u
#define APIC_START(at) (0x4600u | (uint32_t)((at) >> 12)) /* real mode code in this page */

void apic_send(uint32_t apic_id, uint32_t what);
void apic_send_others(uint32_t what); /* that have come through apic_init */

/* As the first processor's APIC works, this is the address of one processor. */
bool apic_can_reach(uint32_t apic_id);

#endif
