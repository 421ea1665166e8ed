/* SPDX-License-Identifier: MIT */
/*
 * p2m/p2m.c and p2m/table.c when there is no memory: every allocation of every verb fails once, and
 * every quota below what the verb needs is tried; each time the map must be what it was.
 */
#include "fixture.h"

#define RAM MFN(0x80000)

/* A verb that needs table pages, the map that it starts from, and how many it needs. */
struct hungry {
    void (*prepare)(struct fixture *fixture);
    enum p2m_error (*verb)(struct fixture *fixture);
    unsigned tables;
};

static void prepare_nothing(struct fixture *f)
{
    (void)f;
}

static void prepare_gigabyte(struct fixture *f)
{
    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    processor_access(&f->processor, GFN(0), ACCESS_WRITE);
}

static void prepare_markers(struct fixture *f)
{
    must(set_range(f, (struct gfn_range){ GFN(0), GFN(0x80000) }, RAM, P2M_POD));
}

static enum p2m_error set_4k(struct fixture *f)
{
    return set(f, GFN(0x209), mfn_add(RAM, 0x209), ORDER_4K, P2M_RAM_RO);
}

static enum p2m_error set_2m(struct fixture *f)
{
    return set(f, GFN(0x200), mfn_add(RAM, 0x200), ORDER_2M, P2M_RAM_RO);
}

static enum p2m_error set_1g(struct fixture *f)
{
    return set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RO);
}

static enum p2m_error invalidate_4k(struct fixture *f)
{
    return set(f, GFN(0x3ffff), RAM, ORDER_4K, P2M_INVALID);
}

static enum p2m_error split_4k(struct fixture *f)
{
    return p2m_split(f->locked, GFN(0x209), ORDER_4K);
}

static enum p2m_error split_2m(struct fixture *f)
{
    return p2m_split(f->locked, GFN(0x209), ORDER_2M);
}

/* 4 KB pieces on both sides, 2 MB pieces, and a 1 GB piece where nothing but the root is. */
static enum p2m_error range_over_three_gigabytes(struct fixture *f)
{
    struct gfn_range range = { GFN(0x3fdff), GFN(0x80201) };
    mfn_t mfn = MFN(0xbfdff);

    return p2m_set_range(f->locked, &range, &mfn, P2M_RAM_RW, &f->debt);
}

static enum p2m_error range_within(struct fixture *f)
{
    struct gfn_range range = { GFN(0x1ff), GFN(0x601) };
    mfn_t mfn = mfn_add(RAM, 0x1ff);

    return p2m_set_range(f->locked, &range, &mfn, P2M_RAM_RO, &f->debt);
}

static const struct hungry hungry_verbs[] = {
    { prepare_nothing, set_4k, 3 },
    { prepare_nothing, set_2m, 2 },
    { prepare_nothing, set_1g, 1 },
    { prepare_gigabyte, set_4k, 2 },
    { prepare_gigabyte, set_2m, 1 },
    { prepare_gigabyte, invalidate_4k, 2 },
    { prepare_gigabyte, split_4k, 2 },
    { prepare_gigabyte, split_2m, 1 },
    { prepare_gigabyte, range_within, 3 },
    { prepare_markers, set_4k, 2 },
    { prepare_markers, split_4k, 2 },
    { prepare_nothing, range_over_three_gigabytes, 5 },
    { prepare_markers, range_over_three_gigabytes, 4 },
};

#define HUNGRY_VERBS (sizeof(hungry_verbs) / sizeof(hungry_verbs[0]))

static void every_failed_allocation_leaves_the_map_untouched(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < HUNGRY_VERBS; i++) {
        const struct hungry *hungry = &hungry_verbs[i];

        fixture_restart(f);
        hungry->prepare(f);
        for (unsigned nth = 1; nth <= hungry->tables; nth++) {
            memory_fail_allocation(nth);
            REFUSED(f, P2M_NO_MEMORY, hungry->verb(f));
        }
        memory_fail_allocation(hungry->tables + 1);
        must(hungry->verb(f));
        memory_fail_allocation(0);
        expect_sound(f);
    }
}

static void a_quota_bounds_the_tables_and_leaves_the_map_untouched(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < HUNGRY_VERBS; i++) {
        const struct hungry *hungry = &hungry_verbs[i];
        uint64_t held;

        fixture_restart(f);
        hungry->prepare(f);
        held = f->p2m.counts.tables;
        for (unsigned spare = 0; spare < hungry->tables; spare++) {
            f->p2m.config.table_quota = held + spare;
            REFUSED(f, P2M_NO_MEMORY, hungry->verb(f));
        }
        f->p2m.config.table_quota = held + hungry->tables;
        must(hungry->verb(f));
        expect_sound(f);
    }
}

static void what_is_owed_counts_against_the_quota(void **state)
{
    struct fixture *f = *state;

    must(set(f, GFN(0), RAM, ORDER_1G, P2M_RAM_RW));
    must(p2m_split(f->locked, GFN(0), ORDER_4K));
    f->p2m.config.table_quota = 4;
    must(set(f, GFN(0), RAM, ORDER_1G, P2M_INVALID));
    REFUSED(f, P2M_NO_MEMORY, set(f, GFN(0x40000), RAM, ORDER_2M, P2M_RAM_RW));
    fixture_settle(f);
    must(set(f, GFN(0x40000), RAM, ORDER_2M, P2M_RAM_RW));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH_FORMATS(every_failed_allocation_leaves_the_map_untouched),
        FOR_BOTH_FORMATS(a_quota_bounds_the_tables_and_leaves_the_map_untouched),
        FOR_BOTH_FORMATS(what_is_owed_counts_against_the_quota),
    };

    return cmocka_run_group_tests_name("failure", tests, NULL, NULL);
}
