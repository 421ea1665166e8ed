/* SPDX-License-Identifier: MIT */
/*
 * What the hypervisor says to people, on the console's serial port; each of its lines begins with
 * "podium: ", because a guest writes to the same port. And the end of everything: panic.
 * Refuses to know what is said elsewhere: records for the host command are report.c's, but the last
 * one when all goes wrong.
 */
#ifndef HV_PRINT_H
#define HV_PRINT_H

#include <stdint.h>

/*
 * print - printf to the console (what format in lib.h knows); `\n` ends a line. Starts on a fresh
 * line when somebody else left one unfinished.
 *   Context: the host's lock held, or the last words are being said.
 */
void print(const char *text, ...) __attribute__((format(printf, 1, 2)));

/*
 * panic - this program found a bug of its own: say it to people and in a record, show the return
 * addresses on the stack, and end the machine with code 0x11. Never because of what a guest did.
 */
_Noreturn void panic(const char *text, ...) __attribute__((format(printf, 1, 2)));

/*
 * last_words - whoever comes here first speaks for all and goes on; the other processors are
 * stopped where they are. Whoever comes a second time ends the machine.
 */
void last_words(void);

/*
 * record_error - {"record":"error","text":"..."} on the records' port, for when report.c cannot be
 * trusted or is not reached yet; a record that was begun there is ended as it is.
 */
void record_error(const char *text, ...) __attribute__((format(printf, 1, 2)));

/*
 * print_stack - the words from here to the end of the stack that point into the program text.
 */
void print_stack(const uint64_t *from);

/* Machine exit codes; QEMU's exit status is twice the code and one. */
#define EXIT_CODE_GOOD      0x10 /* the guest ended well */
#define EXIT_CODE_BAD       0x11 /* a guest died, or this program has a bug */
#define EXIT_CODE_BAD_INPUT 0x12 /* what it was given cannot be used */

#endif
