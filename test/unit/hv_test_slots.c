/* SPDX-License-Identifier: MIT */
/*
 * What a test call did to a slot: hv/test_slots.h, with a map of one entry.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "test_slots.h"

#define SLOT_FRAMES order_frames(ORDER_1G)
#define FRAME       GFN(3 * SLOT_FRAMES + 5) /* of slot 3 */
#define SLOT        3

static struct domain domain;
static unsigned order, locks;

struct p2m_locked p2m_lock(struct p2m *p2m)
{
    assert_ptr_equal(p2m, &domain.p2m);
    locks++;
    return (struct p2m_locked){ p2m };
}

void p2m_unlock(struct p2m_locked locked)
{
    assert_ptr_equal(locked.p2m, &domain.p2m);
    locks--;
}

struct p2m_entry p2m_get_entry(struct p2m_walking walking, gfn_t gfn)
{
    (void)walking, (void)gfn;
    assert_int_equal(locks, 1);
    return (struct p2m_entry){ .order = order };
}

static int set_up(void **state)
{
    (void)state;
    domain = (struct domain){ .end = GFN(8 * SLOT_FRAMES) };
    order = ORDER_1G;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(locks, 0);
    return 0;
}

static void a_slot_in_pieces_was_split_by_a_test(void **state)
{
    (void)state;
    order = ORDER_2M;
    test_slot_note(&domain, FRAME);
    assert_int_equal(domain.slot_reason[SLOT], SLOT_SPLIT_BY_TEST);
}

static void the_first_cause_stays(void **state)
{
    (void)state;
    domain.slot_reason[SLOT] = SLOT_BALLOONED;
    order = ORDER_4K;
    test_slot_note(&domain, FRAME);
    assert_int_equal(domain.slot_reason[SLOT], SLOT_BALLOONED);
    order = ORDER_1G; /* whoever made it whole says so */
    test_slot_note(&domain, FRAME);
    assert_int_equal(domain.slot_reason[SLOT], SLOT_BALLOONED);
}

static void what_a_test_split_it_makes_whole(void **state)
{
    (void)state;
    domain.slot_reason[SLOT] = SLOT_SPLIT_BY_TEST;
    test_slot_note(&domain, FRAME);
    assert_int_equal(domain.slot_reason[SLOT], SLOT_WHOLE);
}

/* Guests may be larger than what is noted of them. */
static void a_slot_beyond_the_last_is_not_noted(void **state)
{
    gfn_t beyond = GFN((uint64_t)SLOTS_MAX * SLOT_FRAMES);

    (void)state;
    test_slot_note(&domain, beyond);
    order = ORDER_4K;
    test_slot_note(&domain, beyond);
    for (unsigned slot = 0; slot < SLOTS_MAX; slot++)
        assert_int_equal(domain.slot_reason[slot], SLOT_WHOLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_slot_in_pieces_was_split_by_a_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_cause_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_test_split_it_makes_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slot_beyond_the_last_is_not_noted, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
