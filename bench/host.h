/* SPDX-License-Identifier: MIT */
/*
 * The benches' host: implements p2m/host.h as cheaply as a real one can, a stack of table pages and
 * an array of their records, all touched before anything is measured. Checks nothing: that is
 * test/memory.c's. Refuses to know what is measured.
 *
 *      machine frame   0          1 .. tables       1 GB .. 3 GB       beyond
 *      what            nothing    table pages       memory to read     frames of no memory
 */
#ifndef BENCH_HOST_H
#define BENCH_HOST_H

#include "p2m/pod.h"

#define HOST_FRAMES_END ((uint64_t)1 << 40) /* the machine's */

/* A new host: so many table pages, ready for use; its memory reads as zero and takes no room. */
void host_start(uint64_t table_pages);

/* Where machine address 0 is seen. */
void *host_direct_map(void);

/* The first frame of the memory that can be read and written: HOST_MEMORY frames. */
#define HOST_MEMORY ((uint64_t)2 << ORDER_1G)
mfn_t host_memory(void);
uint64_t *host_words(mfn_t mfn);

/* The first frame that only has a number; 1 TiB of them and more. */
mfn_t host_numbers(void);

/* From now on p2m_host_alloc_frames gives blocks of this order, and of no other. */
void host_give(unsigned order);

/* What comes back from the map is offered to this guest's PoD cache first. */
void host_set_pod(struct pod *pod);

/* Stop unless the verb did what it should. */
void must(enum p2m_error error);

/* Stop: what was measured is not what was meant. */
_Noreturn void give_up(const char *why);

#endif
