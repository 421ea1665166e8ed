/* SPDX-License-Identifier: MIT */
/*
 * What tiny guests share: hypercalls, a line on the console, checks that count. Every guest asks
 * one question; its file says which. Refuses to know the answers.
 */
#ifndef TEST_GUEST_H
#define TEST_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#define PAGE           4096ull
#define MB             (1ull << 20)
#define GB             (1ull << 30)
#define FRAME(address) ((address) >> 12)

enum { ORDER_4K = 0, ORDER_2M = 9, ORDER_1G = 18 };

/* A CALL to the instruction that this processor's vendor gave for it, with registers to match. */
#define HYPERCALL "call *hypercall_instruction"
bool processor_is_intel(void);

/* Any hypercall, by its number. */
int64_t hypercall(uint64_t number, uint64_t a, uint64_t b, uint64_t c);

/* The private hypercall (hv/test_calls.h). */
int64_t host_split(uint64_t gfn, unsigned order);
int64_t host_merge(uint64_t gfn, unsigned order);
/* The same, or the host has done it by itself by now: it looks for what became alike. */
bool host_has_merged(uint64_t gfn, unsigned order);
int64_t host_write(uint64_t gfn, uint64_t value); /* 64 bits at the start of the frame */
uint64_t host_read(uint64_t gfn);

/* Memory back to the host, and from it: extents of 2^order frames, by gfn. How many were done. */
enum balloon { DECREASE = 1, POPULATE = 6 };
int64_t host_balloon(enum balloon verb, const uint64_t *list, uint64_t count, unsigned order);
int64_t host_has(void); /* how many frames of RAM this guest has now */

/* Any of memory_op's commands, about this guest itself. */
int64_t host_memory_op(unsigned command);

/* The host keeps a pointer to this frame from now on: it becomes the vCPU's vcpu_info. */
int64_t host_pin(uint64_t gfn);

/* What this guest is to have from now on, in frames; and what it has, is promised, and so on. */
enum account { ENTRIES, CACHED, POPULATED, GRANTED, DIRTY };
int64_t host_target(uint64_t frames);
uint64_t host_account(enum account which);

/* A sweep holds the next leaves of this order, or pieces of larger ones; how many. The frame of one
 * of them. Then it takes what is all zeroes; how many frames. */
enum depth { LEAVES, PIECES };
int64_t host_hold(unsigned order, enum depth depth);
uint64_t host_held(unsigned index);
int64_t host_take(void);

/* What the map says of this frame. */
enum {
    TYPE_INVALID = 0,
    TYPE_RAM = 1,
    TYPE_RAM_RO = 2,
    TYPE_SPECIAL = 4,
    TYPE_POD = 5,
    TYPE_HELD = 7,
    TYPE_LOGDIRTY = 10
};
struct view {
    unsigned order;
    unsigned type;
    bool accessed;
    bool dirty;
};
struct view host_view(uint64_t gfn);

/* Types change under the guest's feet: of a range, of one frame, of all RAM to read-only and back;
 * and what is pending is carried out everywhere (0: nothing was). */
struct change {
    unsigned from, to;
};
int64_t host_change(uint64_t gfn, uint64_t end, struct change change);
int64_t host_change_one(uint64_t gfn, struct change change);
int64_t host_change_back(void);
int64_t host_change_finish(void);

/* The host notes what is written, in pieces of 4 KB or 2 MB; says how many were since it was asked
 * last; whether this one was. */
enum log { LOG_WRITES = 1, LOG_DIRTY_BITS = 2 };
int64_t host_log_start(enum log mode, unsigned grain);
int64_t host_log_collect(void);
bool host_log_says(uint64_t index);
int64_t host_log_stop(void);

/* This vector's handler from now on: code of the guest's that ends in IRETQ, or goes elsewhere. */
#define VECTORS 256
void handle(unsigned vector, void (*handler)(void));

void say(const char *text);
void say_number(const char *text, uint64_t number);

/* Counts; the first few failures are said, with the place in the guest that they are about. */
void check(bool good, const char *what, uint64_t address);

/* The guest's question. Checks that fail make the guest end in a crash. */
extern const char test_name[];
void test(void);

#endif
