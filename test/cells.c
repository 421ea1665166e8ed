/* SPDX-License-Identifier: MIT */
/*
 * A row of words. Every function goes from block to block; what lies within one is seen to whole, or
 * cell by cell.
 */
#include "cells.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

void cells_create(struct cells *cells, uint64_t count)
{
    cells->count = count;
    cells->cell = calloc(count, sizeof(*cells->cell));
    cells->block = calloc(count / CELLS_BLOCK, sizeof(*cells->block));
    if (!cells->cell || !cells->block)
        fail_msg("no memory for %lu cells", count);
}

void cells_destroy(struct cells *cells)
{
    free(cells->cell);
    free(cells->block);
}

/* ---- a block -------------------------------------------------------------------------------- */

static uint64_t block_end(uint64_t index)
{
    return index - index % CELLS_BLOCK + CELLS_BLOCK;
}

/* The end of what is of this block. */
static uint64_t piece_end(uint64_t index, uint64_t end)
{
    return block_end(index) < end ? block_end(index) : end;
}

static bool is_whole(uint64_t from, uint64_t end)
{
    return end - from == CELLS_BLOCK;
}

static void take_apart(struct cells *cells, uint64_t index)
{
    struct cells_block *block = &cells->block[index / CELLS_BLOCK];
    uint32_t *cell = cells->cell + index - index % CELLS_BLOCK;

    if (block->is_apart)
        return;
    for (uint32_t i = 0; i < CELLS_BLOCK; i++)
        cell[i] = block->first + i * block->step;
    block->is_apart = true;
}

static uint32_t edited(uint32_t cell, struct cells_edit edit)
{
    return (cell & edit.where) == edit.is ? (cell & ~edit.bits) | edit.become : cell;
}

/* Is the edit only about bits below those that a step changes? Then all cells answer it alike. */
static bool is_alike(const struct cells_block *block, struct cells_edit edit)
{
    uint32_t below = (block->step & -block->step) - 1; /* all, where there is no step */

    return !block->is_apart && ((edit.where | edit.bits) & ~below) == 0;
}

/* ---- a run ---------------------------------------------------------------------------------- */

void cells_set(struct cells *cells, struct cells_run run)
{
    uint32_t value = run.first;

    for (uint64_t at = run.from, end; at < run.end; at = end) {
        end = piece_end(at, run.end);
        if (is_whole(at, end)) {
            cells->block[at / CELLS_BLOCK] = (struct cells_block){ value, run.step, false };
            value += CELLS_BLOCK * run.step;
            continue;
        }
        take_apart(cells, at);
        for (uint64_t i = at; i < end; i++, value += run.step)
            cells->cell[i] = value;
    }
}

void cells_edit(struct cells *cells, uint64_t from, uint64_t end, struct cells_edit edit)
{
    for (uint64_t at = from, next; at < end; at = next) {
        struct cells_block *block = &cells->block[at / CELLS_BLOCK];

        next = piece_end(at, end);
        if (is_whole(at, next) && is_alike(block, edit)) {
            block->first = edited(block->first, edit);
            continue;
        }
        take_apart(cells, at);
        for (uint64_t i = at; i < next; i++)
            cells->cell[i] = edited(cells->cell[i], edit);
    }
}

static bool block_is(const struct cells *cells, struct cells_run piece)
{
    const struct cells_block *block = &cells->block[piece.from / CELLS_BLOCK];
    uint32_t wrong = 0;

    if (!block->is_apart)
        return cells_get(cells, piece.from) == piece.first &&
               (block->step == piece.step || piece.end - piece.from == 1);
    for (uint64_t i = piece.from; i < piece.end; i++, piece.first += piece.step)
        wrong |= cells->cell[i] ^ piece.first;
    return !wrong;
}

bool cells_are(const struct cells *cells, struct cells_run run)
{
    uint32_t value = run.first;

    for (uint64_t at = run.from, end; at < run.end; at = end) {
        end = piece_end(at, run.end);
        if (!block_is(cells, (struct cells_run){ at, end, value, run.step }))
            return false;
        value += (uint32_t)(end - at) * run.step;
    }
    return true;
}
