/* SPDX-License-Identifier: MIT */
/*
 * Those calls of the private hypercall (test_calls.h) that are about more than one processor: a
 * second vCPU, a frame that is exchanged under its feet, kicks.
 * Refuses to know Xen's interface.
 */
#ifndef HV_TEST_PROCESSORS_H
#define HV_TEST_PROCESSORS_H

#include "guest.h"

enum test_processors_call {
    TEST_START =
        20, /* (gfn, rip): the next vCPU begins there, 32-bit and flat, ebx the frame's end */
    TEST_REMAP = 21,  /* (gfn, value): another frame, which begins with this value */
    TEST_STALE = 22,  /* (gfn, value): the same, but no vCPU is told yet */
    TEST_SETTLE = 23, /* (): now they are */
    TEST_EXITS = 24,  /* (id): how often this vCPU has left guest mode */
    TEST_KICK = 25,   /* (id): its processor is to look again */
    TEST_KICKS = 26,  /* (id): how often that came there */
    TEST_FLUSH = 27,  /* (): no processor keeps a translation of this guest's */
    TEST_STRAY = 28,  /* (id): TEST_FLUSH, and an interrupt that nobody asked for comes there */
};

/*
 * test_processors_call - one call; what it returns goes to the guest.
 *   Context: P2M not held; TEST_START lets the host's lock go while the vCPU comes up.
 *   Errors:  -ENOSYS for what is no such call; -EINVAL, -ENOMEM, -EBUSY as the map says; -ENODEV
 *            without an idle processor.
 */
int64_t test_processors_call(struct vcpu *vcpu, uint64_t operation, uint64_t number,
                             uint64_t value);

/* test_processors_end - no vCPU runs any more: what TEST_STALE left is settled. */
void test_processors_end(struct domain *domain);

#endif
