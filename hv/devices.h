/* SPDX-License-Identifier: MIT */
/*
 * The host's own few devices: two serial ports, the local APIC's timer, the time-stamp counter.
 * Refuses to know guests: what a guest sees of these is in lapic.c, port.c and events.c.
 */
#ifndef HV_DEVICES_H
#define HV_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

enum uart {
    UART_CONSOLE, /* COM1: what people read, the guest's console among it */
    UART_RECORDS, /* COM2: what report.c writes for the host command, and its answers */
    UARTS
};

void uart_init(void);
bool uart_present(enum uart uart);
bool uart_mid_line(enum uart uart);    /* the last byte sent did not end a line */
void uart_put(enum uart uart, char c); /* waits while the transmitter is full; nothing if absent */
int uart_get(enum uart uart);          /* a byte, or -1 when none is waiting */

/*
 * clock_init - mask the old PICs, enable the local APIC, calibrate TSC and APIC timer.
 *   Errors:  false when there is no local APIC, no PIT to calibrate by, or the rates that come out
 *            are not those of any machine.
 */
bool clock_init(void);

uint64_t clock_tsc_khz(void);
uint64_t clock_tsc(void);
uint64_t clock_ns(void); /* since clock_init; never goes back */

/*
 * timer_arm - an interrupt no later than `ns`: one that is still to come before that is left as it
 * is, because coming too early costs less than setting the timer anew at every entry.
 *   Units:   on clock_ns's scale; at most 1 s away, so that no mistake lasts longer.
 *   Context: each processor has a timer of its own.
 */
void timer_arm(uint64_t ns);
void timer_disarm(void);      /* none at all; the next timer_arm sets it, whatever it is */
void timer_acknowledge(void); /* end of interrupt, from the trap handler */

/*
 * machine_exit - end the emulated machine with this code (QEMU's isa-debug-exit at port 0xf4, then
 * Bochs' port 0x8900), which is the last record as well: {"record":"exit","code":16}; on a machine
 * that has neither, say so and halt for ever.
 */
_Noreturn void machine_exit(uint8_t code);

#endif
