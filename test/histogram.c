/* SPDX-License-Identifier: MIT */
/*
 * The table of what can happen, and the counts of what did.
 */
#include "histogram.h"

#include <stdio.h>

#define K4   (1u << COLUMN_4K)
#define M2   (1u << COLUMN_2M)
#define G1   (1u << COLUMN_1G)
#define G512 (1u << COLUMN_512G)
#define NONE (1u << COLUMN_NONE)
#define LEAF (K4 | M2 | G1)

/* clang-format off */
static const char *const verb_names[VERBS] = {
    [VERB_SET] = "set_entry",         [VERB_SET_RANGE] = "set_range",
    [VERB_GET] = "get_entry",         [VERB_SPLIT] = "split",
    [VERB_CURRENT] = "current",
    [VERB_MERGE] = "merge",           [VERB_CANDIDATES] = "merge_candidates",
    [VERB_MARK_DIRTY] = "mark_dirty", [VERB_PIN] = "pin",
    [VERB_UNPIN] = "unpin",           [VERB_READ] = "read",
    [VERB_WRITE] = "write",           [VERB_EXECUTE] = "execute",
    [VERB_SETTLE] = "settle",         [VERB_PAY] = "pay",
    [VERB_POD_MARK] = "pod_mark",     [VERB_POD_DECREASE] = "pod_decrease",
    [VERB_POPULATE] = "populate",     [VERB_FINISH] = "finish_populate",
    [VERB_CLEAN] = "clean",           [VERB_CACHE_TARGET] = "set_cache_target",
    [VERB_TARGET] = "set_target",     [VERB_PROTECT] = "sweep_protect",
    [VERB_SCAN] = "sweep_scan",       [VERB_TAKE] = "sweep_finish",
    [VERB_RELEASE] = "release",       [VERB_CHANGE_ONE] = "change_type_one",
    [VERB_CHANGE] = "change_type",    [VERB_CHANGE_FINISH] = "finish_change",
    [VERB_RECALCULATE] = "recalculate", [VERB_LOG_START] = "log_start",
    [VERB_LOG_WRITE] = "log_write",   [VERB_LOG_COLLECT] = "log_collect",
    [VERB_LOG_STOP] = "log_stop",
};

static const char *const outcome_names[OUTCOMES] = {
    [OUTCOME_CHANGED] = "changed",           [OUTCOME_ALREADY] = "already so",
    [OUTCOME_PART] = "in part, debt full",   [OUTCOME_FRAMES] = "frames",
    [OUTCOME_MARKS] = "marks",               [OUTCOME_NOTHING] = "nothing",
    [OUTCOME_SUBTREE] = "a subtree",         [OUTCOME_TABLE] = "a merged table",
    [OUTCOME_LATE_BITS] = "late D bits",     [OUTCOME_CACHED] = "cached",
    [OUTCOME_WALKED] = "walked",             [OUTCOME_NOT_PRESENT] = "not present",
    [OUTCOME_NOT_ALLOWED] = "not allowed",   [OUTCOME_UNEQUAL] = "unequal",
    [OUTCOME_OCCUPIED] = "occupied",         [OUTCOME_PINNED] = "pinned",
    [OUTCOME_DEBT_FULL] = "debt full",       [OUTCOME_PINS_FULL] = "no pin left",
    [OUTCOME_NO_QUOTA] = "over the quota",   [OUTCOME_NO_FRAME] = "allocation failed",
    [OUTCOME_BAD_RANGE] = "bad range",       [OUTCOME_BAD_TYPE] = "bad type",
    [OUTCOME_EMPTY] = "nothing to be had",   [OUTCOME_UNCLEAN] = "granted",
    [OUTCOME_AGAIN] = "more to do",          [OUTCOME_LEAVES] = "as 2M leaves",
    [OUTCOME_BACK] = "in hand again",        [OUTCOME_KNOWN] = "taken unread",
    [OUTCOME_READ] = "read and taken",       [OUTCOME_STAYED] = "stayed",
    [OUTCOME_UNSETTLED] = "not settled yet",
};

/* Every cell that can happen. Marks and nothing have no rights; a mark ends at 1 GB. */
static const unsigned possible[VERBS][OUTCOMES] = {
    [VERB_SET] = {
        [OUTCOME_CHANGED] = LEAF,   [OUTCOME_ALREADY] = LEAF,  [OUTCOME_OCCUPIED] = LEAF,
        [OUTCOME_PINNED] = LEAF,    [OUTCOME_DEBT_FULL] = LEAF, [OUTCOME_NO_QUOTA] = LEAF,
        [OUTCOME_NO_FRAME] = LEAF,  [OUTCOME_BAD_TYPE] = LEAF | NONE,
        [OUTCOME_BAD_RANGE] = LEAF | NONE,
    },
    [VERB_SET_RANGE] = {
        [OUTCOME_CHANGED] = LEAF,   [OUTCOME_ALREADY] = LEAF,  [OUTCOME_OCCUPIED] = LEAF,
        [OUTCOME_PINNED] = LEAF,    [OUTCOME_DEBT_FULL] = LEAF, [OUTCOME_NO_QUOTA] = LEAF,
        [OUTCOME_NO_FRAME] = LEAF,  [OUTCOME_PART] = LEAF,
        [OUTCOME_BAD_RANGE] = NONE, [OUTCOME_BAD_TYPE] = NONE,
    },
    [VERB_GET] = {
        [OUTCOME_FRAMES] = LEAF, [OUTCOME_MARKS] = LEAF, [OUTCOME_NOTHING] = LEAF | G512 | NONE,
    },
    [VERB_CURRENT] = {
        [OUTCOME_FRAMES] = LEAF, [OUTCOME_CACHED] = LEAF, [OUTCOME_NOTHING] = NONE,
    },
    [VERB_SPLIT] = {
        [OUTCOME_CHANGED] = K4 | M2,  [OUTCOME_ALREADY] = K4 | M2, [OUTCOME_NO_QUOTA] = K4 | M2,
        [OUTCOME_NO_FRAME] = K4 | M2, [OUTCOME_BAD_RANGE] = LEAF | NONE,
    },
    [VERB_MERGE] = {
        [OUTCOME_FRAMES] = M2 | G1,           [OUTCOME_MARKS] = M2 | G1,
        [OUTCOME_NOTHING] = M2 | G1 | G512,   [OUTCOME_DEBT_FULL] = M2 | G1 | G512,
        [OUTCOME_UNEQUAL] = M2 | G1 | G512,   [OUTCOME_BAD_RANGE] = M2 | G1 | G512 | NONE,
    },
    [VERB_CANDIDATES] = {
        [OUTCOME_CHANGED] = NONE, [OUTCOME_NOTHING] = NONE, [OUTCOME_PART] = NONE,
    },
    [VERB_MARK_DIRTY] = { [OUTCOME_CHANGED] = LEAF, [OUTCOME_BAD_TYPE] = LEAF | G512 | NONE },
    [VERB_PIN] = {
        [OUTCOME_CHANGED] = LEAF, [OUTCOME_BAD_TYPE] = LEAF | G512 | NONE,
        [OUTCOME_PINS_FULL] = LEAF,
    },
    [VERB_UNPIN] = { [OUTCOME_CHANGED] = LEAF },
    [VERB_READ] = {
        [OUTCOME_CACHED] = LEAF, [OUTCOME_WALKED] = LEAF, [OUTCOME_NOT_PRESENT] = NONE,
    },
    [VERB_WRITE] = {
        [OUTCOME_CACHED] = LEAF, [OUTCOME_WALKED] = LEAF, [OUTCOME_NOT_PRESENT] = NONE,
        [OUTCOME_NOT_ALLOWED] = LEAF,
    },
    [VERB_EXECUTE] = {
        [OUTCOME_CACHED] = LEAF, [OUTCOME_WALKED] = LEAF, [OUTCOME_NOT_PRESENT] = NONE,
        [OUTCOME_NOT_ALLOWED] = LEAF,
    },
    [VERB_SETTLE] = { [OUTCOME_CHANGED] = NONE, [OUTCOME_NOTHING] = NONE },
    [VERB_PAY] = {
        [OUTCOME_FRAMES] = LEAF,           [OUTCOME_SUBTREE] = M2 | G1,
        [OUTCOME_TABLE] = M2 | G1 | G512,  [OUTCOME_LATE_BITS] = M2 | G1,
        [OUTCOME_NOTHING] = NONE,
    },
    [VERB_POD_MARK] = {
        [OUTCOME_CHANGED] = LEAF,   [OUTCOME_ALREADY] = LEAF,  [OUTCOME_OCCUPIED] = NONE,
        [OUTCOME_DEBT_FULL] = M2 | G1, [OUTCOME_NO_QUOTA] = LEAF, [OUTCOME_NO_FRAME] = LEAF,
        [OUTCOME_PART] = M2 | G1,      [OUTCOME_BAD_RANGE] = NONE,
    },
    [VERB_POD_DECREASE] = {
        [OUTCOME_CHANGED] = LEAF,   [OUTCOME_ALREADY] = LEAF,  [OUTCOME_PINNED] = LEAF,
        [OUTCOME_DEBT_FULL] = LEAF, [OUTCOME_NO_QUOTA] = LEAF, [OUTCOME_NO_FRAME] = LEAF,
        [OUTCOME_PART] = LEAF,      [OUTCOME_BAD_RANGE] = NONE, [OUTCOME_BAD_TYPE] = NONE,
    },
    [VERB_POPULATE] = {
        [OUTCOME_CHANGED] = LEAF, [OUTCOME_LEAVES] = G1,    [OUTCOME_UNCLEAN] = K4 | M2,
        [OUTCOME_ALREADY] = LEAF, [OUTCOME_EMPTY] = LEAF,   [OUTCOME_BAD_TYPE] = LEAF | G512 | NONE,
        [OUTCOME_NO_FRAME] = M2 | G1, [OUTCOME_NO_QUOTA] = M2 | G1, [OUTCOME_UNSETTLED] = LEAF,
    },
    [VERB_FINISH] = {
        [OUTCOME_CHANGED] = K4 | M2, [OUTCOME_BACK] = K4 | M2, [OUTCOME_NO_FRAME] = K4 | M2,
    },
    [VERB_CLEAN] = { [OUTCOME_UNCLEAN] = K4 | M2, [OUTCOME_BACK] = K4 | M2, [OUTCOME_NOTHING] = NONE },
    [VERB_CACHE_TARGET] = {
        [OUTCOME_CHANGED] = NONE, [OUTCOME_ALREADY] = NONE, [OUTCOME_EMPTY] = NONE,
        [OUTCOME_AGAIN] = NONE,   [OUTCOME_NO_FRAME] = NONE,
    },
    [VERB_TARGET] = {
        [OUTCOME_CHANGED] = NONE, [OUTCOME_ALREADY] = NONE, [OUTCOME_EMPTY] = NONE,
    },
    [VERB_PROTECT] = {
        [OUTCOME_CHANGED] = LEAF, [OUTCOME_EMPTY] = LEAF, [OUTCOME_AGAIN] = LEAF,
        [OUTCOME_NO_FRAME] = K4 | M2,
    },
    [VERB_SCAN] = { [OUTCOME_CHANGED] = K4 | M2, [OUTCOME_NOTHING] = LEAF },
    [VERB_TAKE] = { [OUTCOME_KNOWN] = LEAF, [OUTCOME_READ] = K4 | M2, [OUTCOME_STAYED] = LEAF },
    [VERB_RELEASE] = { [OUTCOME_CHANGED] = LEAF },
    [VERB_CHANGE_ONE] = {
        [OUTCOME_CHANGED] = LEAF,     [OUTCOME_OCCUPIED] = NONE,    [OUTCOME_PINNED] = LEAF,
        [OUTCOME_NO_QUOTA] = M2 | G1, [OUTCOME_NO_FRAME] = M2 | G1, [OUTCOME_UNEQUAL] = LEAF | G512,
        [OUTCOME_BAD_TYPE] = NONE,    [OUTCOME_BAD_RANGE] = NONE,
    },
    [VERB_CHANGE] = {
        [OUTCOME_CHANGED] = NONE,  [OUTCOME_NO_QUOTA] = NONE,  [OUTCOME_NO_FRAME] = NONE,
        [OUTCOME_BAD_TYPE] = NONE, [OUTCOME_BAD_RANGE] = NONE, [OUTCOME_UNSETTLED] = NONE,
    },
    [VERB_CHANGE_FINISH] = {
        [OUTCOME_CHANGED] = NONE, [OUTCOME_AGAIN] = NONE, [OUTCOME_NOTHING] = NONE,
    },
    [VERB_RECALCULATE] = { [OUTCOME_CHANGED] = NONE },
    [VERB_LOG_START] = {
        [OUTCOME_CHANGED] = NONE, [OUTCOME_UNSETTLED] = NONE, [OUTCOME_BAD_RANGE] = NONE,
    },
    [VERB_LOG_WRITE] = { [OUTCOME_CHANGED] = LEAF },
    [VERB_LOG_COLLECT] = {
        [OUTCOME_CHANGED] = NONE, [OUTCOME_NOTHING] = NONE, [OUTCOME_BAD_TYPE] = NONE,
        [OUTCOME_UNSETTLED] = NONE,
    },
    [VERB_LOG_STOP] = {
        [OUTCOME_CHANGED] = NONE, [OUTCOME_UNSETTLED] = NONE, [OUTCOME_BAD_TYPE] = NONE,
    },
};
/* clang-format on */

const char *verb_name(enum verb verb)
{
    return verb_names[verb];
}

const char *outcome_name(enum outcome outcome)
{
    return outcome_names[outcome];
}

enum column histogram_column(unsigned order)
{
    static const enum column columns[] = { COLUMN_4K, COLUMN_2M, COLUMN_1G, COLUMN_512G };

    return order % 9 == 0 && order <= 27 ? columns[order / 9] : COLUMN_NONE;
}

void histogram_add(struct histogram *histogram, enum verb verb, enum outcome outcome,
                   enum column column)
{
    histogram->count[verb][outcome][column]++;
}

/* One line; how many of its cells are wrong. */
static unsigned print_row(const struct histogram *histogram, enum verb verb, enum outcome outcome)
{
    unsigned wrong = 0;

    printf("# %-17s %-19s", verb_names[verb], outcome_names[outcome]);
    for (unsigned column = 0; column < COLUMNS; column++) {
        uint64_t count = histogram->count[verb][outcome][column];
        bool can_be = possible[verb][outcome] & 1u << column;

        wrong += can_be != (count > 0);
        if (can_be || count)
            printf(" %8lu%c", count, can_be == (count > 0) ? ' ' : '!');
        else
            printf(" %8s ", "-");
    }
    printf("\n");
    return wrong;
}

static bool is_used(const struct histogram *histogram, enum verb verb, enum outcome outcome)
{
    for (unsigned column = 0; column < COLUMNS; column++)
        if (histogram->count[verb][outcome][column])
            return true;
    return possible[verb][outcome];
}

unsigned histogram_print(const struct histogram *histogram, const char *title)
{
    unsigned wrong = 0;

    printf("#\n# %-17s %-19s %8s  %8s  %8s  %8s  %8s\n", title, "outcome", "4K", "2M", "1G", "512G",
           "none");
    for (unsigned verb = 0; verb < VERBS; verb++)
        for (unsigned outcome = 0; outcome < OUTCOMES; outcome++)
            if (is_used(histogram, verb, outcome))
                wrong += print_row(histogram, verb, outcome);
    return wrong;
}
