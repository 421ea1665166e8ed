/* SPDX-License-Identifier: MIT */
/*
 * A map and everything that stands around it in the random test: the model, a processor, several
 * debts at once, pins, PoD with grants and a sweep under way; and what a verb must answer, foretold from these alone. Refuses to know the
 * engine's files: it sees the map through include/p2m, and through the processor.
 */
#ifndef TEST_WORLD_H
#define TEST_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "p2m/current.h"

#include "histogram.h"
#include "memory.h"
#include "model.h"
#include "processor.h"
#include "to_the_end.h"

#define WORLD_DEBTS  3u
#define SWEEP_DEBT   WORLD_DEBTS /* one more, of the sweep alone */
#define ALL_DEBTS    (WORLD_DEBTS + 1)
#define WORLD_GRANTS 3u

/* What a guest writes to a frame is one word: which, the guest frame decides. */
#define CONTENT_WORDS 8u

/* How far the sweep is. */
enum sweep_state { SWEEP_NONE, SWEEP_HELD, SWEEP_SCANNED };

/* A block that is being cleared: for a mark, or ahead of need. */
struct world_grant {
    struct pod_grant grant;
    bool is_ahead;
};

/* What is being done, for whoever reads of a failure. */
struct operation {
    enum verb verb;
    gfn_t gfn;
    gfn_t end; /* set_range */
    struct p2m_mapping mapping;
    uint64_t fail_allocation;
    uint64_t number;
};

/* The last change of type that was lazy. */
struct world_change {
    enum p2m_type from, to;
    struct gfn_range range;
};

struct world {
    struct p2m p2m;
    struct p2m_locked locked;
    struct model model;
    struct processor processor;
    struct p2m_debt debt[ALL_DEBTS];
    struct p2m_unpaid unpaid; /* as it should be */
    uint64_t unsettled;       /* the last generation in which sweep or guest took RAM out */
    uint64_t settling;        /* the generation of a settle that has begun; 0: none has */
    gfn_t pin[P2M_PINS_MAX];
    unsigned pin_count;
    struct pod pod;
    struct p2m_current current;
    struct world_grant grant[WORLD_GRANTS];
    unsigned grant_count;
    struct pod_sweep sweep;
    enum sweep_state sweeping;
    struct world_change change;
    enum p2m_log_mode logging;
    unsigned grain;     /* of the log */
    bool has_cleared_d; /* then what was written may not have D any more */
    struct operation now;
};

void world_create(struct world *world, const struct pt_format *format);

/* Takes the map down, pays all debts, and wants every frame and table back at the host. */
void world_destroy(struct world *world);

_Noreturn void world_fail(const struct world *world, const char *claim, int line);

#define EXPECT(world, truth) ((truth) ? (void)0 : world_fail((world), #truth, __LINE__))

/* ---- what must happen ----------------------------------------------------------------------- */

/* What a verb that may need tables comes to, and the largest piece of a range. */
struct forecast {
    enum outcome outcome;
    unsigned order;
};

struct forecast forecast_set(const struct world *world, const struct p2m_debt *debt);
struct forecast forecast_range(const struct world *world, const struct p2m_debt *debt);
struct forecast forecast_split(const struct world *world);
enum p2m_error outcome_error(enum outcome outcome);

/* The largest order for the piece of a range that begins here. */
unsigned forecast_piece_order(const struct world *world, gfn_t gfn, gfn_t end,
                              const struct p2m_mapping *mapping);

/* Would this verb be refused so many tables, for want of quota or of a page? */
enum outcome forecast_tables(const struct world *world, uint64_t tables);

bool world_is_pinned(const struct world *world, gfn_t gfn, unsigned order);

/* Are the frames of this change at the host, or there already? If not, no caller may ask for it. */
bool world_has_frames(const struct world *world, gfn_t gfn, const struct p2m_mapping *mapping);

/* Does this change take frames or tables out of the map? */
bool world_piece_owes(const struct world *world, gfn_t gfn, const struct p2m_mapping *mapping);

/* Of a change of type over world.now's range. */
enum outcome forecast_change(const struct world *world, enum p2m_type from, enum p2m_type to);

/* Carry out one piece in the model; `debt` becomes what the engine's must be. */
void world_apply(struct world *world, gfn_t gfn, const struct p2m_mapping *mapping,
                 struct p2m_debt *debt);

/* ---- what must hold ------------------------------------------------------------------------- */

/* These verbs took frames out of the map: populates wait until it is settled. */
void world_note_unsettled(struct world *world, const struct p2m_debt *debt);

/* Is there a flush that has not been settled? Then a processor may know of the past. */
bool world_is_stale(const struct world *world);

/* Engine, processor and model agree on gfn, and no D bit is lost. */
void world_check(const struct world *world, gfn_t gfn);

/* The same for gfn, its neighbours in tables of all levels, and a place between the slots. */
void world_check_around(const struct world *world, gfn_t gfn);

/* The frames from gfn on that were written: is each covered by D, or by a dead table's D? */
void world_check_dirty(const struct world *world, uint64_t from, uint64_t end);

void world_check_debt(const struct world *world, const struct p2m_debt *debt,
                      const struct p2m_debt *expected);

/* What the guest wrote to these frames is there, and nothing else is. */
void world_check_content(const struct world *world, gfn_t gfn, uint64_t frames);

/* The audits alone; and all cells, all counts, all D bits, all that was written. */
void world_audit(struct world *world);
void world_check_all(struct world *world);

#endif
