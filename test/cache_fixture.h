/* SPDX-License-Identifier: MIT */
/*
 * One PoD cache under test, beside the one map: audited after every operation; teardown takes all
 * that is in hand, and wants every page back. Refuses to know what is being tested.
 */
#ifndef TEST_CACHE_FIXTURE_H
#define TEST_CACHE_FIXTURE_H

#include "fixture.h"

#include "p2m/pod.h"

#define GB(n)     MFN((uint64_t)(n) << ORDER_1G)
#define FRAMES_2M ((uint64_t)1 << ORDER_2M)
#define FRAMES_1G ((uint64_t)1 << ORDER_1G)
#define PLENTY    ((uint64_t)1 << 30)

extern struct pod pod;

int cache_setup_npt(void **state);
int cache_setup_ept(void **state);
int cache_teardown(void **state);

/* A test, once for each format. */
#define CACHE_FOR_BOTH_FORMATS(test)                                                               \
    { "npt: " #test, test, cache_setup_npt, cache_teardown, NULL },                                \
    {                                                                                              \
        "ept: " #test, test, cache_setup_ept, cache_teardown, NULL                                 \
    }

void expect_cache_sound(const struct fixture *fixture);

/* Reserve and add, which must work. */
void add(struct fixture *fixture, mfn_t mfn, unsigned order, enum pod_clean clean);

/* `frames` frames from mfn on, one by one. */
void add_frames(struct fixture *fixture, mfn_t mfn, uint64_t frames, enum pod_clean clean);

/* `count` 2 MB blocks from GB(20) on, in every second place: they do not grow. */
void add_2m(struct fixture *fixture, uint64_t count, enum pod_clean clean);

/* A block from anywhere; at the offset of gfn; at a frame if that is possible. */
struct pod_block take(struct fixture *fixture, unsigned order);
struct pod_block take_for(struct fixture *fixture, unsigned order, gfn_t gfn);
struct pod_block take_near(struct fixture *fixture, unsigned order, mfn_t near);

/* Fails the test unless so many blocks of each size are in hand, and so many frames clean. */
void expect_blocks(uint64_t gigabytes, uint64_t two_megabytes, uint64_t frames);
void expect_clean(uint64_t frames);

/* A mark at the nth aligned place of this order in the map, and there no more. */
void put_mark(struct fixture *fixture, uint64_t n, unsigned order);
void take_mark(struct fixture *fixture, uint64_t n, unsigned order);

/* The test's host has plenty of blocks of each size; what it got back since the beginning. */
void give_plenty(void);
void expect_freed(uint64_t calls, uint64_t frames);

void expect_error(enum p2m_error error, enum p2m_error expected);

#endif
