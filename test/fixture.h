/* SPDX-License-Identifier: MIT */
/*
 * One map under test, in one format: what every unit test starts from and leaves behind. Teardown
 * audits the map, destroys it and wants every table page back.
 */
#ifndef TEST_FIXTURE_H
#define TEST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "p2m/pod.h"

#include "memory.h"
#include "processor.h"
#include "to_the_end.h"

struct fixture {
    struct p2m p2m;
    struct pod pod; /* pod_fixture.h's */
    struct p2m_config config;
    struct p2m_locked locked;
    struct p2m_debt debt;
    struct processor processor;
};

int fixture_setup_npt(void **state);
int fixture_setup_ept(void **state);
int fixture_teardown(void **state);

/* A test, once for each format. */
#define FOR_BOTH_FORMATS(test)                                                                     \
    { "npt: " #test, test, fixture_setup_npt, fixture_teardown, NULL },                            \
    {                                                                                              \
        "ept: " #test, test, fixture_setup_ept, fixture_teardown, NULL                             \
    }

/* Begin again with another end, largest order or quota; the rest of the config stays. */
void fixture_restart(struct fixture *fixture);

/* Flush the processor, make it known, pay the debt. */
void fixture_settle(struct fixture *fixture);

enum p2m_error set(struct fixture *fixture, gfn_t gfn, mfn_t mfn, unsigned order,
                   enum p2m_type type);
enum p2m_error set_range(struct fixture *fixture, struct gfn_range range, mfn_t mfn,
                         enum p2m_type type);
struct p2m_entry get(const struct fixture *fixture, gfn_t gfn);

/* Fails the test unless engine and processor both say so. */
void expect_entry(struct fixture *fixture, gfn_t gfn, mfn_t mfn, unsigned order,
                  enum p2m_type type);

struct p2m_audit audit(struct fixture *fixture);
void expect_sound(struct fixture *fixture);

/* Everything that can be seen of a map, to tell that a verb changed nothing. */
struct snapshot {
    struct p2m_counts counts;
    struct p2m_events events;
    struct p2m_unpaid unpaid;
    struct p2m_debt debt;
    uint64_t tables_in_use;
    size_t count;
    struct p2m_entry *entry;
};

struct snapshot snapshot_take(const struct fixture *fixture);
/* What two look-ups said. */
bool entry_is_same(const struct p2m_entry *a, const struct p2m_entry *b);

void snapshot_expect_same(const struct fixture *fixture, struct snapshot before);

/* Fails the test unless the verb did what it should. */
void must(enum p2m_error error);

/* Fails the test unless the verb answers like that, and nothing has changed. */
#define REFUSED(fixture, expected, verb)                                                           \
    do {                                                                                           \
        struct snapshot before = snapshot_take(fixture);                                           \
        enum p2m_error error = (verb);                                                             \
                                                                                                   \
        assert_string_equal(p2m_error_name(error), p2m_error_name(expected));                      \
        snapshot_expect_same(fixture, before);                                                     \
        expect_sound(fixture);                                                                     \
    } while (0)

#endif
