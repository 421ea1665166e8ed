/* SPDX-License-Identifier: MIT */
/*
 * Stands in for tool/say.c: what would be said to people is kept, so that a test can ask for it.
 * Refuses to print.
 */
#ifndef TEST_UNIT_TOOL_SAID_H
#define TEST_UNIT_TOOL_SAID_H

/* The last line that was said; empty after said_nothing. */
const char *said(void);
void said_nothing(void);

#endif
