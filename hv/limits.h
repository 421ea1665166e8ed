/* SPDX-License-Identifier: MIT */
/*
 * How much of each the hypervisor takes: the host command says the same, from here.
 * Refuses to know what any of it is for.
 */
#ifndef HV_LIMITS_H
#define HV_LIMITS_H

#define CPUS_MAX        8u   /* processors, of however many there are */
#define NAME_LENGTH_MAX 31   /* characters of a guest's name */
#define PATIENCE_MAX    3600 /* seconds that a guest may wait for memory */

/* As words in a text. */
#define LIMIT_TEXT(limit)    LIMIT_AS_TEXT(limit)
#define LIMIT_AS_TEXT(limit) #limit

#endif
