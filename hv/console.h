/* SPDX-License-Identifier: MIT */
/*
 * The guest's console ring on one side, UART_CONSOLE on the other. The ring's indices are the
 * guest's to write: whatever they say, no call moves more than one ring of bytes.
 * Refuses to know lines, terminals and escapes: bytes pass as they are.
 */
#ifndef HV_CONSOLE_H
#define HV_CONSOLE_H

#include "guest.h"

/* An empty ring. Context: domain->console.host is set; the guest has not run. */
void console_init(struct domain *domain);

/* What the guest has written goes out. Cheap when there is nothing. */
void console_drain(struct domain *domain);

/* Bytes that wait in the UART go into the ring as far as it has room, and the guest is told. */
void console_input(struct domain *domain);

/* A byte to the people's console, from a guest that has no ring yet. */
void console_put(char c);

#endif
