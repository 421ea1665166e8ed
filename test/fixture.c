/* SPDX-License-Identifier: MIT */
/*
 * One map under test. Refuses to know what is being tested.
 */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

/* Four GB and a bit of the next, so that the end is no multiple of a superpage. */
#define END     ((uint64_t)4 << ORDER_1G | 0x345)
#define MFN_END ((uint64_t)1 << 40)

static void start(struct fixture *fixture)
{
    enum processor_maker maker = fixture->config.format == &npt_format ? MAKER_AMD : MAKER_INTEL;

    memory_reset();
    fixture->config.direct_map = memory_direct_map();
    fixture->debt = P2M_NO_DEBT;
    assert_int_equal(p2m_create(&fixture->p2m, &fixture->config), P2M_OK);
    fixture->locked = p2m_lock(&fixture->p2m);
    processor_start(&fixture->processor, maker, memory_direct_map(),
                    p2m_root_address(&fixture->p2m));
}

static void stop(struct fixture *fixture)
{
    memory_fail_allocation(0);
    expect_sound(fixture);
    fixture_settle(fixture);
    p2m_destroy(fixture->locked, &fixture->debt);
    fixture_settle(fixture);
    p2m_unlock(fixture->locked);
    assert_int_equal(memory_tables_in_use(), 0);
    assert_int_equal(fixture->p2m.unpaid.ram, 0);
    assert_int_equal(fixture->p2m.unpaid.tables, 0);
}

static int setup(void **state, const struct pt_format *format)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->config = (struct p2m_config){ .format = format,
                                           .end = GFN(END),
                                           .mfn_end = MFN(MFN_END),
                                           .max_order = ORDER_1G,
                                           .table_quota = 4000 };
    start(fixture);
    *state = fixture;
    return 0;
}

int fixture_setup_npt(void **state)
{
    return setup(state, &npt_format);
}

int fixture_setup_ept(void **state)
{
    return setup(state, &ept_format);
}

int fixture_teardown(void **state)
{
    stop(*state);
    free(*state);
    return 0;
}

void fixture_restart(struct fixture *fixture)
{
    stop(fixture);
    start(fixture);
}

void fixture_settle(struct fixture *fixture)
{
    uint64_t generation = p2m_begin_settle(&fixture->p2m);

    processor_flush(&fixture->processor);
    p2m_end_settle(&fixture->p2m, generation);
    pay_to_the_end(fixture->locked, &fixture->debt);
}

/* ---- shorthand ------------------------------------------------------------------------------ */

enum p2m_error set(struct fixture *fixture, gfn_t gfn, mfn_t mfn, unsigned order,
                   enum p2m_type type)
{
    struct p2m_mapping mapping = { mfn, order, type };

    return p2m_set_entry(fixture->locked, gfn, mapping, &fixture->debt);
}

enum p2m_error set_range(struct fixture *fixture, struct gfn_range range, mfn_t mfn,
                         enum p2m_type type)
{
    while (range.from.gfn < range.end.gfn) {
        enum p2m_error error = p2m_set_range(fixture->locked, &range, &mfn, type, &fixture->debt);

        if (error != P2M_OK)
            return error;
        fixture_settle(fixture);
    }
    return P2M_OK;
}

struct p2m_entry get(const struct fixture *fixture, gfn_t gfn)
{
    return p2m_get_entry(p2m_locked_walking(fixture->locked), gfn);
}

void expect_entry(struct fixture *fixture, gfn_t gfn, mfn_t mfn, unsigned order, enum p2m_type type)
{
    struct p2m_entry entry = get(fixture, gfn);
    struct processor_translation seen = processor_look(&fixture->processor, gfn);

    if (entry.mfn.mfn != mfn.mfn || entry.order != order || entry.type != type)
        fail_msg("gfn %#lx is mfn %#lx order %u %s, not mfn %#lx order %u %s", gfn.gfn,
                 entry.mfn.mfn, entry.order, p2m_type_name(entry.type), mfn.mfn, order,
                 p2m_type_name(type));
    if (!mfn_is_valid(mfn)) {
        assert_int_equal(seen.answer, ANSWER_NOT_PRESENT);
        return;
    }
    assert_int_equal(seen.answer, ANSWER_WALKED);
    assert_int_equal(seen.mfn.mfn, mfn.mfn);
    assert_int_equal(seen.order, order);
    assert_int_equal(seen.rights, p2m_type_rights(type));
    assert_int_equal(seen.dirty, entry.dirty);
}

struct p2m_audit audit(struct fixture *fixture)
{
    struct p2m_audit report;

    p2m_audit(fixture->locked, &report);
    return report;
}

void expect_sound(struct fixture *fixture)
{
    struct p2m_audit report = audit(fixture);

    if (report.errors)
        fail_msg("audit: %lu errors; gfn %#lx order %u: %s", report.errors,
                 report.detail[0].gfn.gfn, report.detail[0].order, report.detail[0].what);
}

void must(enum p2m_error error)
{
    assert_string_equal(p2m_error_name(error), p2m_error_name(P2M_OK));
}

/* ---- snapshots ------------------------------------------------------------------------------ */

static size_t read_entries(const struct fixture *fixture, struct p2m_entry *entry)
{
    size_t count = 0;
    gfn_t gfn = GFN(0);

    while (gfn.gfn < fixture->config.end.gfn) {
        struct p2m_entry seen = get(fixture, gfn);

        if (entry)
            entry[count] = seen;
        count++;
        gfn = gfn_add(gfn, order_frames(seen.order));
    }
    return count;
}

struct snapshot snapshot_take(const struct fixture *fixture)
{
    struct snapshot snapshot = {
        .counts = fixture->p2m.counts,
        .events = fixture->p2m.events,
        .unpaid = fixture->p2m.unpaid,
        .debt = fixture->debt,
        .tables_in_use = memory_tables_in_use(),
    };

    snapshot.entry = calloc(read_entries(fixture, NULL), sizeof(*snapshot.entry));
    assert_non_null(snapshot.entry);
    snapshot.count = read_entries(fixture, snapshot.entry);
    return snapshot;
}

bool entry_is_same(const struct p2m_entry *a, const struct p2m_entry *b)
{
    return a->mfn.mfn == b->mfn.mfn && a->type == b->type && a->order == b->order &&
           a->accessed == b->accessed && a->dirty == b->dirty;
}

void snapshot_expect_same(const struct fixture *fixture, struct snapshot before)
{
    struct snapshot now = snapshot_take(fixture);
    uint64_t gfn = 0;

    assert_memory_equal(&before.counts, &now.counts, sizeof(now.counts));
    assert_memory_equal(&before.events, &now.events, sizeof(now.events));
    assert_memory_equal(&before.unpaid, &now.unpaid, sizeof(now.unpaid));
    assert_int_equal(before.debt.count, now.debt.count);
    assert_int_equal(before.debt.flush, now.debt.flush);
    assert_int_equal(before.debt.generation, now.debt.generation);
    assert_int_equal(before.tables_in_use, now.tables_in_use);
    assert_int_equal(before.count, now.count);
    for (size_t i = 0; i < now.count; gfn += order_frames(now.entry[i++].order))
        if (!entry_is_same(&before.entry[i], &now.entry[i]))
            fail_msg("gfn %#lx changed", gfn);
    free(before.entry);
    free(now.entry);
}
