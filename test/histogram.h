/* SPDX-License-Identifier: MIT */
/*
 * What the operations of a run came to: verb x order x outcome. One table lists every cell that can
 * happen; a run that leaves one empty, or fills another, has not tested what it claims. Refuses to
 * know how a verb is called.
 */
#ifndef TEST_HISTOGRAM_H
#define TEST_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

enum verb {
    VERB_SET,
    VERB_SET_RANGE, /* by its largest piece */
    VERB_GET,       /* by the entry found */
    VERB_CURRENT,   /* the same */
    VERB_SPLIT,
    VERB_MERGE,
    VERB_CANDIDATES,
    VERB_MARK_DIRTY,
    VERB_PIN,
    VERB_UNPIN,
    VERB_READ,
    VERB_WRITE,
    VERB_EXECUTE,
    VERB_SETTLE,
    VERB_PAY,          /* by what was owed */
    VERB_POD_MARK,     /* by its largest piece */
    VERB_POD_DECREASE, /* by its largest piece */
    VERB_POPULATE,     /* by what was mapped or granted; else by the mark */
    VERB_FINISH,       /* by the grant */
    VERB_CLEAN,        /* by the grant */
    VERB_CACHE_TARGET,
    VERB_TARGET,
    VERB_PROTECT, /* by what the sweep is for */
    VERB_SCAN,
    VERB_TAKE,       /* an item of a sweep, at its end */
    VERB_RELEASE,    /* by the leaf */
    VERB_CHANGE_ONE, /* by the entry found */
    VERB_CHANGE,
    VERB_CHANGE_FINISH,
    VERB_RECALCULATE,
    VERB_LOG_START,
    VERB_LOG_WRITE, /* by the piece */
    VERB_LOG_COLLECT,
    VERB_LOG_STOP,
    VERBS
};

enum outcome {
    OUTCOME_CHANGED,
    OUTCOME_ALREADY,
    OUTCOME_PART, /* the debt was full before the end */
    OUTCOME_FRAMES,
    OUTCOME_MARKS,
    OUTCOME_NOTHING,
    OUTCOME_SUBTREE,
    OUTCOME_TABLE,
    OUTCOME_LATE_BITS,
    OUTCOME_CACHED,
    OUTCOME_WALKED,
    OUTCOME_NOT_PRESENT,
    OUTCOME_NOT_ALLOWED,
    OUTCOME_UNEQUAL,
    OUTCOME_OCCUPIED,
    OUTCOME_PINNED,
    OUTCOME_DEBT_FULL,
    OUTCOME_PINS_FULL,
    OUTCOME_NO_QUOTA,
    OUTCOME_NO_FRAME, /* the host gave no table page */
    OUTCOME_BAD_RANGE,
    OUTCOME_BAD_TYPE,
    OUTCOME_EMPTY,
    OUTCOME_UNCLEAN,
    OUTCOME_AGAIN,
    OUTCOME_LEAVES, /* 1 GB in debt: 512 leaves of 2 MB */
    OUTCOME_BACK,   /* in hand again */
    OUTCOME_KNOWN,  /* taken, and not read */
    OUTCOME_READ,   /* read to its end, and taken */
    OUTCOME_STAYED,
    OUTCOME_UNSETTLED,
    OUTCOMES
};

enum column { COLUMN_4K, COLUMN_2M, COLUMN_1G, COLUMN_512G, COLUMN_NONE, COLUMNS };

struct histogram {
    uint64_t count[VERBS][OUTCOMES][COLUMNS];
};

/* 0, 9, 18, 27; anything else is COLUMN_NONE. */
enum column histogram_column(unsigned order);

void histogram_add(struct histogram *histogram, enum verb verb, enum outcome outcome,
                   enum column column);

/* The table on standard output; how many cells are empty that should not be, or the reverse. */
unsigned histogram_print(const struct histogram *histogram, const char *title);

const char *verb_name(enum verb verb);
const char *outcome_name(enum outcome outcome);

#endif
