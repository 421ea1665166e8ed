/* SPDX-License-Identifier: MIT */
/*
 * A processor as the manuals describe it: it walks nested tables with its own idea of every bit,
 * sets A and D, and keeps translations and upper entries cached until it is told to forget them.
 * Shares nothing with the engine: neither its bits nor its walk.
 * [APM "Nested Paging"], [SDM "EPT Translation Mechanism"], [SDM "Caching Translation Information"]
 */
#ifndef TEST_PROCESSOR_H
#define TEST_PROCESSOR_H

#include "p2m/frame.h"

enum processor_maker { MAKER_AMD, MAKER_INTEL };

enum processor_access { ACCESS_READ = 1, ACCESS_WRITE = 2, ACCESS_EXECUTE = 4 };

enum processor_answer {
    ANSWER_CACHED,      /* translated from a cached translation, the tables not read */
    ANSWER_WALKED,      /* translated by a walk, which may have begun at a cached upper entry */
    ANSWER_NOT_PRESENT, /* a fault, found out from the root */
    ANSWER_NOT_ALLOWED, /* a fault, found out from the root */
    ANSWER_MALFORMED,   /* reserved bits, a misconfiguration */
    ANSWER_LOST,        /* the walk came to a table that is none */
};

/* Valid but for the faults. */
struct processor_translation {
    enum processor_answer answer;
    mfn_t mfn;
    unsigned order;  /* of ANSWER_NOT_PRESENT and ANSWER_LOST, too: so much is not there */
    unsigned rights; /* ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE */
    bool accessed;   /* every entry on the path has A */
    bool dirty;
};

#define PROCESSOR_LEAVES 32u
#define PROCESSOR_UPPER  16u

struct processor {
    enum processor_maker maker;
    char *direct_map;
    uint64_t root; /* a machine address */
    unsigned next; /* the cached thing that is overwritten next */
    struct processor_leaf {
        gfn_t gfn;
        struct processor_translation translation; /* of gfn */
        bool valid;
    } leaf[PROCESSOR_LEAVES];
    struct processor_upper {
        gfn_t gfn;
        uint64_t table; /* the machine address to go on at */
        unsigned level; /* of that table: 3, 2 or 1 */
        unsigned rights;
        bool valid;
    } upper[PROCESSOR_UPPER];
};

void processor_start(struct processor *processor, enum processor_maker maker, void *direct_map,
                     uint64_t root);

/* One access, as hardware does it: through the caches, setting A and D. */
struct processor_translation processor_access(struct processor *processor, gfn_t gfn,
                                              enum processor_access access);

/* One access that moves a word, the index-th of gfn's frame; nothing moves after a fault. */
#define PROCESSOR_WORDS (FRAME_SIZE / (unsigned)sizeof(uint64_t))
struct processor_translation processor_store(struct processor *processor, gfn_t gfn, unsigned index,
                                             uint64_t word);
struct processor_translation processor_load(struct processor *processor, gfn_t gfn, unsigned index,
                                            uint64_t *word);

/* What the tables say, from the root; changes neither the tables nor the caches. */
struct processor_translation processor_look(const struct processor *processor, gfn_t gfn);

/* The same, and the table pages that it was read from, by level, 4 to 1; INVALID_MFN for none. It
 * looks beyond tables at which every walk is stopped on purpose: what is there has no rights. */
#define PROCESSOR_LEVELS 4u
struct processor_translation processor_look_along(const struct processor *processor, gfn_t gfn,
                                                  mfn_t table[PROCESSOR_LEVELS + 1]);

/* One write that begins at this table, as if a cached upper entry had led there. */
struct processor_translation processor_write_below(const struct processor *processor, gfn_t gfn,
                                                   mfn_t table, unsigned level);

/* Forget everything. */
void processor_flush(struct processor *processor);

/* What one entry says, for whoever reads a dead table. */
bool processor_entry_is_dirty(const struct processor *processor, uint64_t entry);

#endif
