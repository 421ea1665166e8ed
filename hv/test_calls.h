/* SPDX-License-Identifier: MIT */
/*
 * The private hypercall of our own tiny test guests: they ask for splits and merges under their
 * feet, set their own targets, and look at what became of the map. Guests have it only when
 * domain->test_calls says so.
 * Refuses to know Xen's interface.
 */
#ifndef HV_TEST_CALLS_H
#define HV_TEST_CALLS_H

#include "guest.h"

#define HYPERCALL_TEST 63

enum test_call {
    TEST_SPLIT = 0,   /* (gfn, order): let no entry on the path to gfn be larger than order */
    TEST_MERGE = 1,   /* (gfn, order): merge the table that covers gfn at this order */
    TEST_QUERY = 2,   /* (gfn): order | type << 8 | accessed << 16 | dirty << 17 */
    TEST_PRINT = 4,   /* (number): a line on the console */
    TEST_WRITE = 5,   /* (gfn, value): the host writes a 64-bit value at the start of the frame */
    TEST_READ = 6,    /* (gfn): that 64-bit value, as the host reads it; all ones on failure */
    TEST_TARGET = 7,  /* (frames): what this guest is to have from now on */
    TEST_ACCOUNT = 8, /* (which): enum test_account, in frames */
    TEST_HOLD = 9,    /* (order, depth): a sweep holds the next leaves; how many */
    TEST_TAKE = 10,   /* (): and reads them, and takes what is all zeroes; how many frames */
    TEST_HELD = 11,   /* (index): the frame of one of them */
    /* The oracle's, which may spoil anything; "place" is a frame | level << 52 of an entry. */
    TEST_EXPECT = 12, /* (landing): the next second-stage fault is only told; go on there then */
    TEST_FAULT = 13,  /* (which): enum test_fault; and whatever is still awaited is not any more */
    TEST_WRONG = 14, /* (place, mask): the live entry has these bits flipped while one is awaited */
    TEST_POKE = 15,  /* (place, mask): flip these bits of the live entry; what it was */
    TEST_SET = 16,   /* (place, type): the leaf there, out and in again as this; frames are kept */
    TEST_PEEK = 17,  /* (address): 64 bits of memory, as the host reads them */
    TEST_PLANT = 18, /* (address, value): the host writes them */
};
#define TEST_LEVEL_SHIFT 52

/* Of a fault; the cause is a sum of enum p2m_rights and the two flags. */
enum test_fault { TEST_FAULT_CAME, TEST_FAULT_ADDRESS, TEST_FAULT_CAUSE, TEST_FAULT_CODE };
#define TEST_FAULT_RESERVED  0x100
#define TEST_FAULT_PAGE_WALK 0x200

enum test_account { TEST_ENTRIES, TEST_CACHED, TEST_POPULATED, TEST_GRANTED, TEST_DIRTY };

/*
 * test_call - one call; what it returns goes to the guest.
 *   Context: P2M not held.
 *   Errors:  -ENOSYS when the domain has none of this, -EINVAL, -ENOMEM, -EBUSY as the map says.
 */
int64_t test_call(struct vcpu *vcpu, uint64_t operation, uint64_t gfn, uint64_t value);

/*
 * test_calls_end - no vCPU runs any more: what this guest left half done is done: a sweep, a debt,
 * a fault that was awaited, memory that it lent.
 *   Context: P2M not held; before the guest is audited.
 *   Errors:  none.
 */
void test_calls_end(struct domain *domain);

#endif
