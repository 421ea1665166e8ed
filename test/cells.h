/* SPDX-License-Identifier: MIT */
/*
 * A long row of words, most of which follow from their neighbours: a block of 512 in which each is
 * the one before it plus a step is kept as its first and the step, until one of them is written
 * alone. Refuses to know what a word means.
 */
#ifndef TEST_CELLS_H
#define TEST_CELLS_H

#include <stdbool.h>
#include <stdint.h>

#define CELLS_BLOCK 512u

struct cells {
    uint32_t *cell;
    struct cells_block {
        uint32_t first, step;
        bool is_apart; /* then each cell counts, and these two do not */
    } * block;
    uint64_t count;
};

/* Where a run begins, and what is there: `first`, and from cell to cell a step more. */
struct cells_run {
    uint64_t from, end;
    uint32_t first, step;
};

/* Which cells are meant, `cell & where == is`; and what becomes of these bits of theirs. */
struct cells_edit {
    uint32_t where, is;
    uint32_t bits, become;
};

void cells_create(struct cells *cells, uint64_t count); /* a multiple of CELLS_BLOCK, all 0 */
void cells_destroy(struct cells *cells);

static inline uint32_t cells_get(const struct cells *cells, uint64_t index)
{
    const struct cells_block *block = &cells->block[index / CELLS_BLOCK];

    if (block->is_apart)
        return cells->cell[index];
    return block->first + (uint32_t)(index % CELLS_BLOCK) * block->step;
}

void cells_set(struct cells *cells, struct cells_run run);
void cells_edit(struct cells *cells, uint64_t from, uint64_t end, struct cells_edit edit);

/* Are the cells of this run as it says? */
bool cells_are(const struct cells *cells, struct cells_run run);

#endif
