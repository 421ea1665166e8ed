/* SPDX-License-Identifier: MIT */
/*
 * The oracle's words: what is asked of the processor's walker, and what it answers. One program,
 * the same on every machine; which vendor's processor it is decides only what the manuals demand.
 * Shares no source with the engine, whose tables are what it asks about.
 */
#ifndef TEST_GUEST_ORACLE_H
#define TEST_GUEST_ORACLE_H

#include <stddef.h>

#include "guest.h"

/* ---- what is said --------------------------------------------------------------------------- */

/* What the next checks are about: words, the last one NULL. They are the name of each check. */
void about(const char *const *words);
#define ABOUT(...) about((const char *const[]){ __VA_ARGS__, NULL })

/* One check. The line is "checked: NAME; WHAT; WHAT: expected A, seen B; WHAT". */
void ask(const char *what, uint64_t expected, uint64_t seen);

/* How many there were; the last line is said. */
uint64_t asked(void);

const char *order_name(unsigned order);

/* ---- what is done --------------------------------------------------------------------------- */

enum access { READ = 1, WRITE = 2, FETCH = 4, ALL = READ | WRITE | FETCH };
#define ACCESSES 3
extern const enum access accesses[ACCESSES];
const char *access_name(enum access access);

/* How an access ended. A fault's cause is a sum of enum access and the flags. */
enum { CAUSE_MALFORMED = 0x100, CAUSE_WALK = 0x200 };
struct outcome {
    bool faulted;
    uint64_t address, cause, code;
    uint64_t value; /* what was read */
};

/* 64 bits at a linear address; or a call of the code there, which must return. */
#define WRITTEN 0x0f1e2d3c4b5a6978ull
struct outcome access_at(enum access access, uint64_t linear);

/* The same with these bits of a live entry flipped, for as long as the access takes. */
struct entry {
    uint64_t address; /* that it covers */
    unsigned level;   /* 0 holds 4 KB entries, 3 is the root */
};
struct outcome access_with(enum access access, uint64_t linear, struct entry entry, uint64_t mask);

uint64_t entry_value(struct entry entry);
void entry_clear(struct entry entry, uint64_t bits); /* those that are set */

/* The host's view of any 64 bits. */
uint64_t host_peek(uint64_t address);
void host_plant(uint64_t address, uint64_t value);

/* ---- what the map holds --------------------------------------------------------------------- */

enum type {
    INVALID,
    RAM_RW,
    RAM_RO,
    MMIO,
    SPECIAL,
    POD,
    BROKEN,
    HELD,
    COPIED,
    MOVING,
    LOGDIRTY,
    TYPES
};

struct type_meaning {
    const char *name;
    unsigned rights; /* none: not present */
};
extern const struct type_meaning types[TYPES];

/* A leaf, or what stands in its place. */
struct place {
    uint64_t address;
    unsigned order;
    enum type type;
};
uint64_t place_size(const struct place *place);
struct entry place_entry(const struct place *place);

/* Let it be there, as new; memory keeps what it holds. */
void place_set(const struct place *place);

/* ---- what the manuals demand ---------------------------------------------------------------- */

/* A fault as it should be. */
struct fault {
    uint64_t address;
    enum access access;
    unsigned rights; /* of the entries on the way */
    bool present;    /* all of them */
    bool malformed;
    bool walk; /* of the guest's own tables */
};
struct manual {
    uint64_t accessed, dirty;
    uint64_t table;     /* an entry that names a new table; but its address */
    uint64_t pending;   /* one at which the processor stops, present all the same */
    uint64_t code_mask; /* of a fault's code; the rest is not defined */
    bool blind;         /* of a malformed entry's fault only the address is told */
    uint64_t (*leaf)(const struct place *place); /* but address, A, D, and software's bits */
    uint64_t (*code)(const struct fault *fault);
};
#define ENTRY_HARDWARE ~(0x000ffffffffff000ull | 0x01f0000000000000ull) /* what leaf speaks of */
const struct manual *manual(void);

/* The checks that there was this fault; and that there was none, and this was read. */
void ask_fault(const struct outcome *seen, const struct fault *fault);
bool ask_no_fault(const struct outcome *seen);

/* The checks that A and D of a leaf are this, in the entry and as the map says it. */
enum marks { UNMARKED = 0, MARKED = 1, MARKED_DIRTY = 3 };
void ask_marks(const char *what, const struct place *place, enum marks marks);
void clear_marks(const struct place *place);

/* ---- the guest's own tables ----------------------------------------------------------------- */

/*
 * The program and its tables go on in other frames, so that the first slot is free. From then on
 * all memory is seen again at VIEW; in the WINDOW, by a page table that may be anywhere.
 */
#define HOUSE  (GB + 128 * MB)
#define VIEW   (2 * GB)
#define WINDOW (GB + 512 * MB)
void move_house(void);
uint64_t house_root(void); /* the first entry that every walk reads */
void window_set(uint64_t table);

/* ---- the questions -------------------------------------------------------------------------- */

void ask_accesses(const struct place *own, const struct place *next);
void ask_streets(void);
void ask_slot(void);
void ask_live(void);
void ask_changes(void);
void ask_wrong(void);
void ask_walks(void);

#endif
