/* SPDX-License-Identifier: MIT */
/*
 * Who is kicked and waited for when a debt is settled: hv/flush.c, on processors of the test's own,
 * which leave guest mode when they are kicked and at no other time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "flush.h"
#include "frames.h"
#include "processors.h"
#include "vendor.h"

static struct domain domain;
static uint64_t generation, settled;
static unsigned kicks[CPUS_MAX], flushes, paid;

/* Who has not left by now would be waited for for ever. */
void processors_kick(unsigned number)
{
    kicks[number]++;
    for (unsigned i = 0; i < VCPUS_MAX; i++)
        if (domain.vcpu[i].cpu == number)
            atomic_store(&domain.vcpu[i].in_guest, false);
}

static void flush(struct vcpu *vcpu)
{
    assert_true(atomic_load(&vcpu->in_guest)); /* announced first */
    flushes++;
}
static const struct vendor test_vendor = { .flush = flush };
const struct vendor *vendor = &test_vendor;

uint64_t p2m_generation(const struct p2m *p2m)
{
    (void)p2m;
    return generation;
}

uint64_t p2m_begin_settle(struct p2m *p2m)
{
    (void)p2m;
    return ++generation;
}

void p2m_end_settle(struct p2m *p2m, uint64_t reached)
{
    (void)p2m;
    for (unsigned i = 0; i < domain.vcpu_count; i++)
        assert_false(flush_concerns(&domain.vcpu[i], reached));
    settled = reached;
}

struct p2m_locked p2m_lock(struct p2m *p2m)
{
    return (struct p2m_locked){ p2m };
}

void p2m_unlock(struct p2m_locked locked)
{
    assert_ptr_equal(locked.p2m, &domain.p2m);
}

void p2m_pay(struct p2m_locked locked, struct p2m_debt *debt)
{
    (void)locked;
    assert_true(!debt->flush || settled == generation);
    *debt = P2M_NO_DEBT;
    paid++;
}

void pod_trim(struct p2m_locked locked, struct pod *pod)
{
    (void)locked, (void)pod;
}

enum p2m_class p2m_type_class(enum p2m_type type)
{
    (void)type;
    return P2M_CLASS_RAM;
}

void frames_set_state(mfn_t mfn, unsigned order, enum frame_state state, unsigned owner)
{
    (void)mfn, (void)order, (void)state, (void)owner;
    fail();
}

bool p2m_has_candidates(const struct p2m *p2m)
{
    (void)p2m;
    return false;
}

enum p2m_error p2m_merge_candidates(struct p2m_locked locked, struct p2m_debt *debt)
{
    (void)locked, (void)debt;
    return P2M_OK;
}

static int set_up(void **state)
{
    (void)state;
    memset(&domain, 0, sizeof(domain));
    memset(kicks, 0, sizeof(kicks));
    domain.vcpu_count = 2;
    domain.vcpu[0] = (struct vcpu){ .domain = &domain, .cpu = 0 };
    domain.vcpu[1] = (struct vcpu){ .domain = &domain, .cpu = 3 };
    generation = settled = flushes = paid = 0;
    return 0;
}

static void settle(void)
{
    struct p2m_debt debt = { .flush = true };

    flush_settle(&domain, &debt);
    assert_int_equal(settled, generation);
}

static void who_is_in_guest_mode_is_kicked(void **state)
{
    (void)state;
    flush_enter(&domain.vcpu[1]);
    settle();
    assert_int_equal(kicks[3], 1);
    assert_int_equal(kicks[0], 0);
    assert_false(atomic_load(&domain.vcpu[1].in_guest));
}

static void who_is_not_is_left_alone(void **state)
{
    (void)state;
    flush_enter(&domain.vcpu[1]);
    flush_leave(&domain.vcpu[1]);
    settle();
    assert_int_equal(kicks[3], 0);
}

static void who_has_entered_since_is_left_alone(void **state)
{
    (void)state;
    generation = 7;
    flush_enter(&domain.vcpu[1]);
    assert_true(flush_concerns(&domain.vcpu[1], 8));
    assert_false(flush_concerns(&domain.vcpu[1], 7));
}

static void nothing_to_flush_kicks_nobody(void **state)
{
    struct p2m_debt debt = P2M_NO_DEBT;

    (void)state;
    flush_enter(&domain.vcpu[0]);
    flush_enter(&domain.vcpu[1]);
    flush_settle(&domain, &debt);
    assert_int_equal(kicks[0] + kicks[3], 0);
    assert_int_equal(paid, 1);
}

static void what_has_not_been_started_is_not_looked_at(void **state)
{
    (void)state;
    domain.vcpu_count = 1;
    flush_enter(&domain.vcpu[1]);
    settle();
    assert_int_equal(kicks[3], 0);
}

static void each_generation_is_flushed_once_by_each_vcpu(void **state)
{
    (void)state;
    settle();
    for (unsigned i = 0; i < 3; i++) {
        flush_enter(&domain.vcpu[1]);
        flush_leave(&domain.vcpu[1]);
        assert_int_equal(flushes, 1);
    }
    flush_enter(&domain.vcpu[0]);
    assert_int_equal(flushes, 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(who_is_in_guest_mode_is_kicked, set_up),
        cmocka_unit_test_setup(who_is_not_is_left_alone, set_up),
        cmocka_unit_test_setup(who_has_entered_since_is_left_alone, set_up),
        cmocka_unit_test_setup(nothing_to_flush_kicks_nobody, set_up),
        cmocka_unit_test_setup(what_has_not_been_started_is_not_looked_at, set_up),
        cmocka_unit_test_setup(each_generation_is_flushed_once_by_each_vcpu, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
