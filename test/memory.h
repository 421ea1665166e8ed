/* SPDX-License-Identifier: MIT */
/*
 * The test's host: implements p2m/host.h over a machine of 64 GB, of which only what is written to
 * takes memory. It hands out table pages and wants each back, poisons what came back, fails the
 * allocation that it is told to, gives and takes blocks for a PoD cache, and keeps the state of
 * every guest frame that a test tells it of. Refuses to know entries: it never reads a table.
 */
#ifndef TEST_MEMORY_H
#define TEST_MEMORY_H

#include <setjmp.h>
#include <stddef.h>

#include "p2m/host.h"

#define MEMORY_TABLES     4096u                /* table pages are frames 1 to MEMORY_TABLES - 1 */
#define MEMORY_FRAMES_END ((uint64_t)64 << 18) /* frames with contents and a state lie below */

/* Where a guest frame is. */
enum frame_state {
    FRAME_HOME,   /* the host's */
    FRAME_MAPPED, /* in the map */
    FRAME_OWED,   /* left the map, and has not been given back yet */
    FRAME_CACHED, /* in hand: given to a PoD cache */
};

/* What p2m_host_put_frames was told last, and in sum since memory_reset. */
struct memory_returned {
    struct p2m_frames last;
    uint64_t calls;
    uint64_t frames;
    uint64_t kept; /* those among them that no PoD cache took */
};

/* What p2m_host_free_frames was told last, and in sum since memory_reset. */
struct memory_freed {
    mfn_t mfn;
    unsigned order;
    uint64_t calls;
    uint64_t frames;
};

/* A new host: no page handed out, no frame anywhere but at home, all memory zero. */
void memory_reset(void);

/* For tests in which the engine reads far more than anybody writes: 2 MB of it take one fault. */
void memory_expect_reading(void);

/* Where machine address 0 is seen. */
void *memory_direct_map(void);

/* The first word of a frame, to read or to write; no other way leads a test to what is in memory. */
uint64_t *memory_word(mfn_t mfn);

/* Let these frames read as zero again; do they? Only frames whose words were asked for are seen to. */
void memory_clear(mfn_t mfn, uint64_t frames);
bool memory_is_zero(mfn_t mfn, uint64_t frames);

/* The first frame from mfn on, before mfn + frames, whose word was asked for; or INVALID_MFN. */
mfn_t memory_find_used(mfn_t mfn, uint64_t frames);

/* Is this frame a table page that was handed out and is not back? */
bool memory_is_table(mfn_t mfn);
uint64_t memory_tables_in_use(void);

/* The nth allocation from now fails, and only that one; 0: none does. Of table pages, of frames. */
void memory_fail_allocation(uint64_t nth);
void memory_fail_frames(uint64_t nth);

/* How often the engine has asked since memory_reset. */
struct memory_asked {
    uint64_t tables;
    uint64_t frames;
};
struct memory_asked memory_asked(void);

/* From now on p2m_host_put_frames takes owed frames only, and they are at home then. */
void memory_track_frames(void);
void memory_move_frames(mfn_t mfn, uint64_t frames, enum frame_state state);
enum frame_state memory_frame_state(mfn_t mfn);
bool memory_frames_are(mfn_t mfn, uint64_t frames, enum frame_state state);

struct memory_returned memory_returned(void);

/* Has this frame come back from the map as one that was written? */
bool memory_came_back_dirty(mfn_t mfn);

/* From now on the host has this many blocks of the order to give to a PoD cache; at first, none.
 * They lie side by side, and do not read as zero. */
void memory_give_frames(unsigned order, uint64_t blocks);
struct memory_freed memory_freed(void);

/* What comes back from the map is offered to this guest's PoD cache first; NULL: to none. */
struct pod;
void memory_set_pod(struct pod *pod);

/* An assert of the engine's ends the test, unless it is expected: then it ends the call. */
struct memory_assert {
    jmp_buf back;
    bool expected;
};
extern struct memory_assert memory_assert;

#define EXPECT_ASSERT(call)                                                                        \
    do {                                                                                           \
        memory_assert.expected = true;                                                             \
        if (setjmp(memory_assert.back) == 0) {                                                     \
            call;                                                                                  \
            fail_msg("no assert stopped " #call);                                                  \
        }                                                                                          \
        memory_assert.expected = false;                                                            \
    } while (0)

#endif
