/* SPDX-License-Identifier: MIT */
/*
 * The naive truth. A cell is a word: frame, size, type. Slow where it may be and plain everywhere.
 */
#define _GNU_SOURCE
#include "model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

/*      31                     8 7    6 5      4 3    0
 *     +------------------------+------+--------+------+
 *     | frame                  |      | size   | type |
 *     +------------------------+------+--------+------+
 */
#define TYPE_MASK   0xfu
#define SIZE_SHIFT  4u
#define SIZE_MASK   (3u << SIZE_SHIFT)
#define FRAME_AT    8u
#define ONE_FRAME   (1u << FRAME_AT)
#define NOTHING     ((uint32_t)P2M_INVALID)
#define SIZE_512G   3u
#define FIRST_GROUP (4 * SLOT_FRAMES) /* the cells of the root's first entry */
#define LOW_SLOTS   3u                /* so many are the GB of their own number */

static const uint64_t slot_gb[MODEL_SLOTS] = { 0, 1, 2, 511, 512 };

/* ---- guest frames --------------------------------------------------------------------------- */

gfn_t model_gfn(uint64_t index)
{
    return GFN(slot_gb[index / SLOT_FRAMES] * SLOT_FRAMES + index % SLOT_FRAMES);
}

static unsigned slot_of(gfn_t gfn)
{
    unsigned slot = LOW_SLOTS;

    if (gfn.gfn < LOW_SLOTS * SLOT_FRAMES)
        return (unsigned)(gfn.gfn / SLOT_FRAMES);
    while (slot < MODEL_SLOTS && slot_gb[slot] != gfn.gfn / SLOT_FRAMES)
        slot++;
    return slot;
}

bool model_knows(gfn_t gfn)
{
    return slot_of(gfn) < MODEL_SLOTS;
}

uint64_t model_index(gfn_t gfn)
{
    unsigned slot = slot_of(gfn);

    if (slot == MODEL_SLOTS)
        fail_msg("the model does not know gfn %#lx", gfn.gfn);
    return slot * SLOT_FRAMES + gfn.gfn % SLOT_FRAMES;
}

bool model_is_written(const struct model *model, gfn_t gfn, unsigned order)
{
    return memchr(model->written + model_index(gfn), 1, order_frames(order)) != NULL;
}

bool model_has_content(const struct model *model, gfn_t gfn, unsigned order)
{
    const uint8_t *first = model->content + model_index(gfn);

    return first[0] != 0 || memcmp(first, first + 1, order_frames(order) - 1) != 0;
}

void model_write(struct model *model, gfn_t gfn, uint8_t content)
{
    model->written[model_index(gfn)] = 1;
    model->logged[model_index(gfn)] = 1;
    model->content[model_index(gfn)] = content;
}

/* ---- types, once more ----------------------------------------------------------------------- */

unsigned type_rights(enum p2m_type type)
{
    switch (type) {
    case P2M_RAM_RW:
        return P2M_READ | P2M_WRITE | P2M_EXECUTE;
    case P2M_RAM_RO:
    case P2M_RAM_HELD:
    case P2M_RAM_LOGDIRTY:
        return P2M_READ | P2M_EXECUTE;
    case P2M_MMIO:
    case P2M_SPECIAL:
        return P2M_READ | P2M_WRITE;
    default:
        return 0;
    }
}

bool type_has_frame(enum p2m_type type)
{
    return type_rights(type) != 0;
}

bool type_is_ram(enum p2m_type type)
{
    return type == P2M_RAM_RW || type == P2M_RAM_RO || type == P2M_RAM_HELD ||
           type == P2M_RAM_LOGDIRTY;
}

/* ---- cells ---------------------------------------------------------------------------------- */

static uint32_t make_cell(mfn_t mfn, enum p2m_type type, unsigned size)
{
    uint32_t frame = type_has_frame(type) ? (uint32_t)mfn.mfn << FRAME_AT : 0;

    return frame | size << SIZE_SHIFT | (uint32_t)type;
}

/* From a cell to the next one of its entry. */
static uint32_t step_of(enum p2m_type type)
{
    return type_has_frame(type) ? ONE_FRAME : 0;
}

static enum p2m_type cell_type(uint32_t cell)
{
    return (enum p2m_type)(cell & TYPE_MASK);
}

static unsigned cell_size(uint32_t cell)
{
    return (cell & SIZE_MASK) >> SIZE_SHIFT;
}

/* Its cells: a region of 512 GB is a group of slots. */
struct region {
    uint64_t from, end;
};

static struct region region_of(gfn_t gfn, unsigned order)
{
    uint64_t index;

    if (order == ORDER_512G)
        return gfn.gfn < 512 * SLOT_FRAMES ? (struct region){ 0, FIRST_GROUP }
                                           : (struct region){ FIRST_GROUP, MODEL_FRAMES };
    index = frame_align_down(model_index(gfn), order);
    return (struct region){ index, index + order_frames(order) };
}

static void set_sizes(struct model *model, struct region region, unsigned size)
{
    cells_edit(&model->cells, region.from, region.end,
               (struct cells_edit){ .bits = SIZE_MASK, .become = size << SIZE_SHIFT });
}

void model_create(struct model *model, unsigned max_order)
{
    int protection = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;

    model->max_order = max_order;
    cells_create(&model->cells, MODEL_FRAMES);
    model->written = mmap(NULL, MODEL_FRAMES, protection, flags, -1, 0);
    model->logged = mmap(NULL, MODEL_FRAMES, protection, flags, -1, 0);
    model->content = mmap(NULL, MODEL_FRAMES, protection, flags, -1, 0);
    assert_true(model->written != MAP_FAILED);
    assert_true(model->content != MAP_FAILED && model->logged != MAP_FAILED);
    set_sizes(model, (struct region){ 0, MODEL_FRAMES }, SIZE_512G);
}

void model_destroy(struct model *model)
{
    cells_destroy(&model->cells);
    munmap(model->written, MODEL_FRAMES);
    munmap(model->content, MODEL_FRAMES);
    munmap(model->logged, MODEL_FRAMES);
}

/* Between the slots lies nothing, in entries as large as the slots' neighbours permit. */
static struct model_cell between_slots(const struct model *model, gfn_t gfn)
{
    struct model_cell nothing = { .mfn = INVALID_MFN, .type = P2M_INVALID, .order = ORDER_512G };
    bool below_end = gfn.gfn < 1024 * SLOT_FRAMES;

    if (below_end &&
        cell_size(cells_get(&model->cells, region_of(gfn, ORDER_512G).from)) != SIZE_512G)
        nothing.order = ORDER_1G;
    return nothing;
}

struct model_cell model_at(const struct model *model, gfn_t gfn)
{
    struct model_cell result = { .mfn = INVALID_MFN };
    uint32_t cell;

    if (!model_knows(gfn))
        return between_slots(model, gfn);
    cell = cells_get(&model->cells, model_index(gfn));
    result.type = cell_type(cell);
    result.order = cell_size(cell) * ORDER_STEP;
    if (type_has_frame(result.type))
        result.mfn = MFN(cell >> FRAME_AT);
    return result;
}

bool model_is_table(const struct model *model, gfn_t gfn, unsigned order)
{
    return model_at(model, gfn).order < order;
}

uint64_t model_tables(const struct model *model, gfn_t gfn, unsigned order)
{
    struct region region = region_of(gfn, order);
    uint64_t tables = 1;

    if (!model_is_table(model, gfn, order))
        return 0;
    if (order == ORDER_2M)
        return tables;
    for (uint64_t i = region.from; i < region.end; i += order_frames(order - ORDER_STEP))
        tables += model_tables(model, model_gfn(i), order - ORDER_STEP);
    return tables;
}

bool model_is_empty(const struct model *model, gfn_t gfn, uint64_t frames)
{
    for (uint64_t i = 0; i < frames; i++)
        if (model_at(model, gfn_add(gfn, i)).type != P2M_INVALID)
            return false;
    return true;
}

/* Leaf by leaf: a cell knows how far it reaches. */
bool model_has_type(const struct model *model, gfn_t gfn, uint64_t frames, enum p2m_type type)
{
    for (uint64_t at = gfn.gfn; at < gfn.gfn + frames;) {
        struct model_cell cell = model_at(model, GFN(at));

        if (cell.type == type)
            return true;
        at = frame_align_down(at, cell.order) + order_frames(cell.order);
    }
    return false;
}

/* ---- changes -------------------------------------------------------------------------------- */

void model_split(struct model *model, gfn_t gfn, unsigned order)
{
    for (unsigned above = model_at(model, gfn).order; above > order; above -= ORDER_STEP)
        set_sizes(model, region_of(gfn, above), order_size(above) - 1);
}

void model_set(struct model *model, gfn_t gfn, const struct p2m_mapping *mapping)
{
    struct region region = region_of(gfn, mapping->order);
    uint32_t cell = make_cell(mapping->mfn, mapping->type, order_size(mapping->order));
    uint32_t step = step_of(mapping->type);

    model_split(model, gfn, mapping->order);
    if (!step || model_at(model, gfn).mfn.mfn != mapping->mfn.mfn) {
        memset(model->written + region.from, 0, region.end - region.from);
        memset(model->content + region.from, 0, region.end - region.from);
        memset(model->logged + region.from, step != 0, region.end - region.from);
    }
    cells_set(&model->cells, (struct cells_run){ region.from, region.end, cell, step });
}

static void retype_slot(struct model *model, unsigned slot, struct gfn_range range,
                        struct cells_edit edit)
{
    uint64_t first = slot_gb[slot] * SLOT_FRAMES, end = first + SLOT_FRAMES;
    uint64_t before = first - slot * SLOT_FRAMES; /* guest frames that no cell is for */

    if (range.from.gfn > first)
        first = range.from.gfn;
    if (range.end.gfn < end)
        end = range.end.gfn;
    if (first < end)
        cells_edit(&model->cells, first - before, end - before, edit);
}

void model_retype(struct model *model, struct gfn_range range, enum p2m_type from, enum p2m_type to)
{
    struct cells_edit edit = { TYPE_MASK, (uint32_t)from, TYPE_MASK, (uint32_t)to };

    for (unsigned slot = 0; slot < MODEL_SLOTS; slot++)
        retype_slot(model, slot, range, edit);
}

enum model_alike model_alike(const struct model *model, gfn_t gfn, unsigned order)
{
    struct region region = region_of(gfn, order);
    uint32_t expected = cells_get(&model->cells, region.from);
    mfn_t mfn = MFN(expected >> FRAME_AT);
    uint32_t step = step_of(cell_type(expected));

    if (cell_size(expected) != order_size(order) - 1 ||
        !cells_are(&model->cells, (struct cells_run){ region.from, region.end, expected, step }))
        return ALIKE_NOT;
    if (cell_type(expected) == P2M_INVALID)
        return ALIKE_NOTHING;
    if (!step)
        return order <= ORDER_1G ? ALIKE_MARKS : ALIKE_NOT;
    return order <= model->max_order && frame_is_aligned(mfn.mfn, order) ? ALIKE_FRAMES : ALIKE_NOT;
}

void model_merge(struct model *model, gfn_t gfn, unsigned order)
{
    set_sizes(model, region_of(gfn, order), order_size(order));
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void count_entry(struct p2m_counts *counts, enum p2m_type type, unsigned size)
{
    if (type_is_ram(type))
        counts->ram[size]++;
    else if (type == P2M_POD)
        counts->markers[size]++;
    else if (type != P2M_INVALID)
        counts->other[size]++;
}

struct p2m_counts model_counts(const struct model *model)
{
    struct p2m_counts counts = { .tables = 1 };
    uint64_t step;

    counts.tables += model_tables(model, model_gfn(0), ORDER_512G);
    counts.tables += model_tables(model, model_gfn(FIRST_GROUP), ORDER_512G);
    for (uint64_t i = 0; i < MODEL_FRAMES; i += step) {
        uint32_t cell = cells_get(&model->cells, i);
        unsigned size = cell_size(cell);

        step = order_frames((size < SIZE_512G ? size : ORDER_1G / ORDER_STEP) * ORDER_STEP);
        count_entry(&counts, cell_type(cell), size);
    }
    return counts;
}

static bool entry_is_right(const struct model *model, const struct p2m_entry *entry, uint64_t from)
{
    unsigned order = entry->order < ORDER_1G ? entry->order : ORDER_1G;
    uint32_t expected = make_cell(entry->mfn, entry->type, order_size(entry->order));
    struct cells_run run = { from, from + order_frames(order), expected, step_of(entry->type) };

    return cells_are(&model->cells, run);
}

gfn_t model_compare(const struct model *model, struct p2m_walking walking)
{
    uint64_t step;

    for (uint64_t i = 0; i < MODEL_FRAMES; i += step) {
        struct p2m_entry entry = p2m_get_entry(walking, model_gfn(i));

        if (!entry_is_right(model, &entry, i))
            return model_gfn(i);
        step = order_frames(entry.order < ORDER_1G ? entry.order : ORDER_1G);
    }
    return GFN(UINT64_MAX);
}
