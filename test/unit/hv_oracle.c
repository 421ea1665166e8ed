/* SPDX-License-Identifier: MIT */
/*
 * What the oracle's calls leave behind is gone when the guest is: hv/test_calls_oracle.c, with a map
 * of a few leaves, and a table of one live entry.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "cpu.h"
#include "flush.h"
#include "frames.h"
#include "guest_memory.h"
#include "hypercall_memory.h"
#include "test_calls.h"
#include "test_calls_oracle.h"
#include "xen_abi.h"

#define LEAVES      16u
#define LENT        12u /* what the oracle can borrow */
#define MACHINE     0x10000u
#define MFN_OF(gfn) MFN((gfn) + 100)
#define ROOT        0x1000u
#define LANDING     0x4321u
#define MASK        0x8000000000000004u

/* A frame is the guest's, taken out of the map and not settled, the host's, or lent by the guest. */
static enum { RAM, OWED, FREE, SPECIAL } frames[LEAVES];
static struct p2m_entry map[LEAVES];
static struct domain domain;
static struct vcpu *const vcpu = &domain.vcpu[0];
static enum p2m_error refusal;
static unsigned flushes, given_back;

/* ---- the engine ----------------------------------------------------------------------------- */

struct p2m_locked p2m_lock(struct p2m *p2m)
{
    assert_ptr_equal(p2m, &domain.p2m);
    return (struct p2m_locked){ p2m };
}

void p2m_unlock(struct p2m_locked locked)
{
    assert_ptr_equal(locked.p2m, &domain.p2m);
}

struct p2m_entry p2m_get_entry(struct p2m_walking walking, gfn_t gfn)
{
    (void)walking;
    assert_in_range(gfn.gfn, 0, LEAVES - 1);
    return map[gfn.gfn];
}

uint64_t p2m_root_address(const struct p2m *p2m)
{
    assert_ptr_equal(p2m, &domain.p2m);
    return ROOT;
}

enum p2m_class p2m_type_class(enum p2m_type type)
{
    if (type == P2M_INVALID)
        return P2M_CLASS_NONE;
    return type == P2M_RAM_RW || type == P2M_RAM_RO ? P2M_CLASS_RAM : P2M_CLASS_OTHER;
}

enum p2m_error p2m_set_entry(struct p2m_locked locked, gfn_t gfn, struct p2m_mapping mapping,
                             struct p2m_debt *debt)
{
    struct p2m_entry *entry = &map[gfn.gfn];

    (void)locked;
    assert_int_equal(mapping.order, 0);
    if (refusal != P2M_OK)
        return refusal;
    if (mapping.type == P2M_INVALID && p2m_type_class(entry->type) == P2M_CLASS_RAM)
        frames[gfn.gfn] = OWED;
    if (mapping.type != P2M_INVALID)
        assert_int_equal(entry->type, P2M_INVALID);
    debt->flush = true;
    entry->type = mapping.type;
    entry->mfn = mapping.type == P2M_INVALID ? INVALID_MFN : mapping.mfn;
    return P2M_OK;
}

/* ---- the host ------------------------------------------------------------------------------- */

void flush_settle(struct domain *of, struct p2m_debt *debt)
{
    assert_ptr_equal(of, &domain);
    flushes += debt->flush;
    *debt = P2M_NO_DEBT;
    for (unsigned i = 0; i < LEAVES; i++)
        frames[i] = frames[i] == OWED ? FREE : frames[i];
}

static unsigned frame(mfn_t mfn, unsigned order)
{
    assert_int_equal(order, 0);
    assert_in_range(mfn.mfn, MFN_OF(0).mfn, MFN_OF(LEAVES - 1).mfn);
    return (unsigned)(mfn.mfn - MFN_OF(0).mfn);
}

bool frames_alloc_at(mfn_t mfn, unsigned order, enum frame_state state, unsigned owner)
{
    assert_int_equal(state, FRAME_SPECIAL);
    assert_int_equal(owner, domain.id);
    assert_int_equal(frames[frame(mfn, order)], FREE);
    frames[frame(mfn, order)] = SPECIAL;
    return true;
}

void frames_free(mfn_t mfn, unsigned order)
{
    assert_int_equal(frames[frame(mfn, order)], SPECIAL);
    assert_int_equal(map[frame(mfn, order)].type, P2M_INVALID);
    frames[frame(mfn, order)] = FREE;
    given_back++;
}

void frames_set_state(mfn_t mfn, unsigned order, enum frame_state state, unsigned owner)
{
    assert_int_equal(state, FRAME_RAM);
    assert_int_equal(owner, domain.id);
    assert_int_equal(frames[frame(mfn, order)], SPECIAL);
    frames[frame(mfn, order)] = RAM;
}

int64_t hypercall_map_error(enum p2m_error error)
{
    return error == P2M_OK ? 0 : -XEN_EBUSY;
}

bool guest_copy_from(struct domain *of, void *to, uint64_t physical, size_t size)
{
    (void)of, (void)to, (void)physical, (void)size;
    return false;
}

bool guest_copy_to(struct domain *of, uint64_t physical, const void *from, size_t size)
{
    (void)of, (void)physical, (void)from, (void)size;
    return false;
}

/* ---- claims --------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    (void)state;
    domain = (struct domain){ .end = GFN(LEAVES), .id = 3 };
    vcpu->domain = &domain;
    for (unsigned i = 0; i < LEAVES; i++) {
        map[i] = (struct p2m_entry){ .mfn = MFN_OF(i), .type = P2M_RAM_RW };
        frames[i] = RAM;
    }
    refusal = P2M_OK;
    flushes = given_back = 0;
    return 0;
}

static int64_t set(unsigned gfn, enum p2m_type type)
{
    return oracle_call(vcpu, TEST_SET, gfn, type);
}

/* The entry of level 3 for frame 0 is the first word of the root. */
static _Atomic uint64_t *live_word(void)
{
    return direct_map(ROOT);
}

static const uint64_t place_of_live = (uint64_t)3 << TEST_LEVEL_SHIFT;

static void what_was_lent_goes_back_to_the_host(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LENT; i++)
        assert_int_equal(set(i, i % 2 ? P2M_SPECIAL : P2M_INVALID), 0);
    assert_int_equal(set(LENT, P2M_SPECIAL), -XEN_EINVAL); /* no more can be borrowed */
    oracle_end(&domain);
    assert_int_equal(given_back, LENT);
    for (unsigned i = 0; i < LEAVES; i++) {
        assert_int_equal(frames[i], i < LENT ? FREE : RAM);
        assert_int_equal(map[i].type, i < LENT ? P2M_INVALID : P2M_RAM_RW);
    }
}

static void once_is_enough(void **state)
{
    (void)state;
    assert_int_equal(set(5, P2M_SPECIAL), 0);
    oracle_end(&domain);
    flushes = 0;
    oracle_end(&domain);
    assert_int_equal(given_back, 1);
    assert_int_equal(flushes, 0);
}

static void what_is_ram_again_stays_the_guests(void **state)
{
    (void)state;
    assert_int_equal(set(5, P2M_SPECIAL), 0);
    assert_int_equal(set(5, P2M_RAM_RO), 0);
    oracle_end(&domain);
    assert_int_equal(given_back, 0);
    assert_int_equal(frames[5], RAM);
    assert_int_equal(map[5].type, P2M_RAM_RO);
    assert_int_equal(map[5].mfn.mfn, MFN_OF(5).mfn);
}

/* It may be used still; and the next guest has nothing to do with it. */
static void what_the_map_keeps_is_not_freed(void **state)
{
    (void)state;
    assert_int_equal(set(5, P2M_SPECIAL), 0);
    refusal = P2M_BUSY;
    oracle_end(&domain);
    refusal = P2M_OK;
    oracle_end(&domain);
    assert_int_equal(given_back, 0);
    assert_int_equal(frames[5], SPECIAL);
    assert_int_equal(map[5].type, P2M_SPECIAL);
}

static void an_entry_is_wrong_no_longer_than_the_guest_lives(void **state)
{
    uint64_t right = 0x1234507;

    (void)state;
    *live_word() = right;
    assert_int_equal(oracle_call(vcpu, TEST_WRONG, place_of_live, MASK), 0);
    assert_int_equal(*live_word(), right);
    assert_int_equal(oracle_call(vcpu, TEST_EXPECT, LANDING, 0), 0);
    assert_int_equal(*live_word(), right ^ MASK);
    assert_int_equal(flushes, 1);
    oracle_end(&domain);
    assert_int_equal(*live_word(), right);
    assert_int_equal(flushes, 2);
    oracle_end(&domain);
    assert_int_equal(*live_word(), right);
}

static void a_fault_is_awaited_no_longer_than_the_guest_lives(void **state)
{
    (void)state;
    assert_int_equal(oracle_call(vcpu, TEST_EXPECT, LANDING, 0), 0);
    assert_true(oracle_takes_fault(vcpu));
    assert_int_equal(vcpu->registers.rip, LANDING);
    assert_false(oracle_takes_fault(vcpu)); /* one is */
    assert_int_equal(oracle_call(vcpu, TEST_EXPECT, LANDING, 0), 0);
    oracle_end(&domain);
    assert_false(oracle_takes_fault(vcpu));
}

/* What is to be wrong, and was never awaited, is not the next guest's. */
static void what_was_to_be_wrong_is_forgotten(void **state)
{
    (void)state;
    *live_word() = 7;
    assert_int_equal(oracle_call(vcpu, TEST_WRONG, place_of_live, MASK), 0);
    oracle_end(&domain);
    assert_int_equal(oracle_call(vcpu, TEST_EXPECT, LANDING, 0), 0);
    assert_int_equal(*live_word(), 7);
    oracle_end(&domain);
}

#define CLAIM(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(what_was_lent_goes_back_to_the_host),
        CLAIM(once_is_enough),
        CLAIM(what_is_ram_again_stays_the_guests),
        CLAIM(what_the_map_keeps_is_not_freed),
        CLAIM(an_entry_is_wrong_no_longer_than_the_guest_lives),
        CLAIM(a_fault_is_awaited_no_longer_than_the_guest_lives),
        CLAIM(what_was_to_be_wrong_is_forgotten),
    };

    if (mmap(direct_map(0), MACHINE, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED) {
        perror("no room for the machine's memory");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
