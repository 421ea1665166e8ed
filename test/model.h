/* SPDX-License-Identifier: MIT */
/*
 * The naive truth: an array of guest frame -> (machine frame, type, size of the entry), which frames
 * were written since they were mapped, and what was written there last. No tables and no sharing: a superpage is 512 or
 * 262144 equal-minded cells. Refuses to know the engine's files, bits, counts and debts.
 *
 * The guest frames that it knows are five slots of 1 GB, in two of the root's entries:
 *
 *      slot     0      1      2        3        4
 *      GB       0      1      2       511      512
 *      root     0      0      0        0        1
 */
#ifndef TEST_MODEL_H
#define TEST_MODEL_H

#include "p2m/p2m.h"

#include "cells.h"

#define MODEL_SLOTS  5u
#define SLOT_FRAMES  ((uint64_t)1 << ORDER_1G)
#define MODEL_FRAMES (MODEL_SLOTS * SLOT_FRAMES)
#define MODEL_END    GFN(513 * SLOT_FRAMES)
#define ORDER_512G   27u /* only of nothing at all */

struct model {
    struct cells cells;
    uint8_t *written;
    uint8_t *logged;  /* written, or mapped, since the log said so last */
    uint8_t *content; /* a byte for all that is in the frame; a fresh one holds 0 */
    unsigned max_order;
};

struct model_cell {
    mfn_t mfn; /* INVALID_MFN where the type has none */
    enum p2m_type type;
    unsigned order;
};

/* What the 512 entries of a table are, all alike. */
enum model_alike { ALIKE_NOT, ALIKE_NOTHING, ALIKE_MARKS, ALIKE_FRAMES };

void model_create(struct model *model, unsigned max_order);
void model_destroy(struct model *model);

/* Slots in a row: the model's own numbering of its frames. */
gfn_t model_gfn(uint64_t index);
uint64_t model_index(gfn_t gfn);
bool model_knows(gfn_t gfn);

bool type_has_frame(enum p2m_type type);
bool type_is_ram(enum p2m_type type);
unsigned type_rights(enum p2m_type type);

/* Any gfn, those between the slots too. */
struct model_cell model_at(const struct model *model, gfn_t gfn);

/* Is any entry smaller than order in the region of that order around gfn? */
bool model_is_table(const struct model *model, gfn_t gfn, unsigned order);

/* How many tables stand below the region's own entry. */
uint64_t model_tables(const struct model *model, gfn_t gfn, unsigned order);

/* The region as one entry, after splitting what is larger on the path. */
void model_set(struct model *model, gfn_t gfn, const struct p2m_mapping *mapping);
void model_split(struct model *model, gfn_t gfn, unsigned order);

/* Whatever is of one type in the range becomes another; sizes stay. */
void model_retype(struct model *model, struct gfn_range range, enum p2m_type from,
                  enum p2m_type to);

/* Could the region's table become one entry; make it so. */
enum model_alike model_alike(const struct model *model, gfn_t gfn, unsigned order);
void model_merge(struct model *model, gfn_t gfn, unsigned order);

/* Every count, from the cells alone. */
struct p2m_counts model_counts(const struct model *model);

/* The first guest frame where map and model differ, or INVALID (UINT64_MAX): every cell is read. */
gfn_t model_compare(const struct model *model, struct p2m_walking walking);

/* Was any of these frames written since it was mapped; does any of them hold something? */
bool model_is_written(const struct model *model, gfn_t gfn, unsigned order);
bool model_has_content(const struct model *model, gfn_t gfn, unsigned order);
void model_write(struct model *model, gfn_t gfn, uint8_t content);

/* What is in a region of 4 KB to 1 GB: are all its entries nothing; is any of this type? */
bool model_is_empty(const struct model *model, gfn_t gfn, uint64_t frames);
bool model_has_type(const struct model *model, gfn_t gfn, uint64_t frames, enum p2m_type type);

#endif
