/* SPDX-License-Identifier: MIT */
/*
 * p2m/p2m.c, p2m_set_range: which pieces it makes, where it stops, and that it is refused whole.
 */
#include "fixture.h"

#define RAM   MFN(0x80000)
#define OTHER MFN(0x100000)

static void a_range_uses_the_largest_orders(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { GFN(0x40000 - 513), GFN(0x80000 + 513) };
    mfn_t mfn = MFN(0x100000 - 513);

    must(set_range(f, range, mfn, P2M_RAM_RW));
    assert_int_equal(f->p2m.counts.ram[0], 2);
    assert_int_equal(f->p2m.counts.ram[1], 2);
    assert_int_equal(f->p2m.counts.ram[2], 1);
    expect_entry(f, range.from, mfn, ORDER_4K, P2M_RAM_RW);
    expect_entry(f, GFN(0x40000 - 1), MFN(0x100000 - 1), ORDER_2M, P2M_RAM_RW);
    expect_entry(f, GFN(0x40000), MFN(0x100000), ORDER_1G, P2M_RAM_RW);
    expect_entry(f, GFN(0x80000), MFN(0x140000), ORDER_2M, P2M_RAM_RW);
    expect_entry(f, GFN(0x80200), MFN(0x140200), ORDER_4K, P2M_RAM_RW);
    expect_entry(f, range.end, INVALID_MFN, ORDER_4K, P2M_INVALID);
}

static void a_frame_out_of_step_makes_small_pieces(void **state)
{
    struct fixture *f = *state;

    must(set_range(f, (struct gfn_range){ GFN(0x40000), GFN(0x40400) }, MFN(0x80200), P2M_RAM_RW));
    assert_int_equal(f->p2m.counts.ram[1], 2);
    must(set_range(f, (struct gfn_range){ GFN(0x600), GFN(0x800) }, MFN(0x90001), P2M_RAM_RW));
    assert_int_equal(f->p2m.counts.ram[0], 512);
    must(set_range(f, (struct gfn_range){ GFN(0x80000), GFN(0xc0000) }, INVALID_MFN, P2M_POD));
    assert_int_equal(f->p2m.counts.markers[2], 1); /* a mark has no frame to be out of step */
}

static void a_range_stops_when_the_debt_is_full_and_goes_on(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { GFN(0), GFN(100) };
    mfn_t mfn = RAM;
    unsigned calls = 0;

    must(set_range(f, (struct gfn_range){ GFN(0), GFN(1000) }, RAM, P2M_RAM_RW));
    while (range.from.gfn < range.end.gfn) {
        must(p2m_set_range(f->locked, &range, &mfn, P2M_INVALID, &f->debt));
        calls++;
        assert_int_equal(range.from.gfn, calls * P2M_DEBT_MAX < 100 ? calls * P2M_DEBT_MAX : 100);
        assert_int_equal(mfn.mfn, RAM.mfn + range.from.gfn);
        expect_sound(f);
        fixture_settle(f);
    }
    assert_int_equal(calls, 7);
    assert_int_equal(memory_returned().frames, 100);
    expect_entry(f, GFN(99), INVALID_MFN, ORDER_4K, P2M_INVALID);
    expect_entry(f, GFN(100), mfn_add(RAM, 100), ORDER_4K, P2M_RAM_RW);
}

static void a_call_makes_so_many_pieces_and_no_more(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { GFN(0), GFN(40) };
    mfn_t mfn = RAM;

    f->config.steps = 16;
    fixture_restart(f);
    for (uint64_t done = 16; done < 40 + 16; done += 16) {
        must(p2m_set_range(f->locked, &range, &mfn, P2M_RAM_RW, &f->debt));
        assert_int_equal(range.from.gfn, done < 40 ? done : 40);
        assert_int_equal(f->p2m.counts.ram[0], range.from.gfn);
        expect_sound(f);
    }
    expect_entry(f, GFN(39), mfn_add(RAM, 39), ORDER_4K, P2M_RAM_RW);
}

static void a_range_is_refused_whole(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { GFN(0), GFN(1024) };

    must(set(f, GFN(1023), OTHER, ORDER_4K, P2M_RAM_RW));
    REFUSED(f, P2M_OCCUPIED, set_range(f, range, RAM, P2M_RAM_RW));
    must(p2m_pin(f->locked, GFN(1023)));
    REFUSED(f, P2M_BUSY, set_range(f, range, RAM, P2M_POD));
    p2m_unpin(f->locked, GFN(1023));
    range.from = range.end;
    REFUSED(f, P2M_BAD_RANGE, p2m_set_range(f->locked, &range, &(mfn_t){ 0 }, P2M_POD, &f->debt));
    range = (struct gfn_range){ GFN(9), GFN(8) };
    REFUSED(f, P2M_BAD_RANGE, p2m_set_range(f->locked, &range, &(mfn_t){ 0 }, P2M_POD, &f->debt));
    range = (struct gfn_range){ GFN(0), GFN(f->config.end.gfn + 1) };
    REFUSED(f, P2M_BAD_RANGE, set_range(f, range, RAM, P2M_INVALID));
    range.end = GFN(1000);
    REFUSED(f, P2M_BAD_RANGE, set_range(f, range, MFN(((uint64_t)1 << 40) - 999), P2M_RAM_RW));
    REFUSED(f, P2M_BAD_RANGE, set_range(f, range, INVALID_MFN, P2M_RAM_RW));
}

static void a_range_to_the_very_end_works(void **state)
{
    struct fixture *f = *state;
    struct gfn_range range = { GFN(0), f->config.end };

    must(set_range(f, range, INVALID_MFN, P2M_POD));
    assert_int_equal(f->p2m.counts.markers[2], 4);
    expect_entry(f, GFN(f->config.end.gfn - 1), INVALID_MFN, ORDER_4K, P2M_POD);
    f->config.end = GFN((uint64_t)1 << 36);
    fixture_restart(f);
    range.from = GFN(f->config.end.gfn - 512);
    range.end = f->config.end;
    must(set_range(f, range, RAM, P2M_RAM_RW));
    expect_entry(f, GFN(range.end.gfn - 1), mfn_add(RAM, 511), ORDER_2M, P2M_RAM_RW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH_FORMATS(a_range_uses_the_largest_orders),
        FOR_BOTH_FORMATS(a_frame_out_of_step_makes_small_pieces),
        FOR_BOTH_FORMATS(a_range_stops_when_the_debt_is_full_and_goes_on),
        FOR_BOTH_FORMATS(a_call_makes_so_many_pieces_and_no_more),
        FOR_BOTH_FORMATS(a_range_is_refused_whole),
        FOR_BOTH_FORMATS(a_range_to_the_very_end_works),
    };

    return cmocka_run_group_tests_name("range", tests, NULL, NULL);
}
