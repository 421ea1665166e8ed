/* SPDX-License-Identifier: MIT */
/*
 * What happened to memory, as records on UART_RECORDS: one JSON object a line, for the host
 * command. docs/report.md lists them. Refuses to know what people read: that is print.h.
 */
#ifndef HV_REPORT_H
#define HV_REPORT_H

#include "guest.h"

/* Whether to wait, after each phase, for the host command to have looked at memory. */
enum report_hold { REPORT_RUN_ON, REPORT_HOLD };
void report_init(enum report_hold hold);

/* The machine before any guest. */
void report_host(void);

/* Phases of a guest's life; a guest marks PHASE_USED itself (port.h). PHASE_BALLOONED comes when it
 * first believes to have no more than it is to have. */
enum phase { PHASE_BUILT, PHASE_USED, PHASE_END, PHASE_BALLOONED, PHASES };
void report_phase(struct domain *domain, enum phase phase);

/* The guest waits for memory, and goes on. */
void report_waiting(struct domain *domain);
void report_resumed(struct domain *domain);

/* All of a guest's life, when it has ended and its map still stands. */
void report_guest(struct domain *domain, uint64_t audit_errors);

/* The machine after all guests, and the verdict: "ok" or why not. */
void report_end(const char *verdict);

/* What was asked for cannot be done; for people too. */
void report_refusal(const char *text);

#endif
