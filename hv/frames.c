/* SPDX-License-Identifier: MIT */
/*
 * Every machine frame, and the one state that each of them is in: a buddy allocator. Each frame has
 * a record of 16 bytes; only the record of a block's first frame says anything, all others are
 * zero, so that a block of any order costs the same few stores.
 *
 *      order 2          order 1   order 0 order 0
 *     [head 0  0  0 ]  [head 0 ]  [head]  [head]
 *
 * Free blocks hang in two sets of lists. The lists of BROKEN hold what can never again be part of a
 * whole GB, because the host keeps a frame of that GB for good or because RAM ends in it: small
 * blocks come from there as long as there is one. The lists of WHOLE hold the rest.
 * Refuses to know what a guest is, and never touches a frame's contents.
 */
#include "frames.h"

#include <assert.h>

#include "lib.h"
#include "cpu.h"
#include "print.h"

#define NOTHING UINT32_MAX /* end of a list */
#define ORDERS  (ORDER_1G + 1)
#define SLOTS   (DIRECT_MAP_SIZE >> (ORDER_1G + FRAME_SHIFT)) /* of 1 GB */

struct frame_record {
    union {
        struct {
            uint32_t next, prev; /* FRAME_FREE: by frame number */
        };
        struct p2m_table_info table; /* FRAME_TABLE */
    };
    uint8_t state; /* enum frame_state; FRAME_ABSENT (0): not the first frame of a block */
    uint8_t order;
    uint16_t owner;
};
static_assert(sizeof(struct frame_record) == 16, "1/256 of all memory");
static_assert(DIRECT_MAP_SIZE >> FRAME_SHIFT <= 1ull << 32, "frame numbers fit 32 bits");

enum zone { ZONE_BROKEN, ZONE_WHOLE, ZONES };

struct free_list {
    uint32_t first, last;
    uint64_t blocks;
};

static struct frame_record *record; /* [frames_end] */
static uint64_t frames_end;
static struct free_list free_list[ZONES][ORDERS];
static uint64_t broken_slot[SLOTS / 64]; /* a bit a GB */
static uint64_t counts[FRAME_OWNERS][FRAME_STATES];

/* ---- free lists ----------------------------------------------------------------------------- */

static enum zone zone_of(uint64_t frame)
{
    uint64_t slot = frame >> ORDER_1G;

    return broken_slot[slot / 64] >> (slot % 64) & 1 ? ZONE_BROKEN : ZONE_WHOLE;
}

/* Used from the front: single 1 GB blocks go back to the end, and are taken there (take_1g). */
static void list_put(uint64_t frame, unsigned order)
{
    struct free_list *list = &free_list[zone_of(frame)][order];
    struct frame_record *block = &record[frame];

    if (order == ORDER_1G) {
        block->next = NOTHING;
        block->prev = list->last;
        *(list->last == NOTHING ? &list->first : &record[list->last].next) = (uint32_t)frame;
        list->last = (uint32_t)frame;
    } else {
        block->next = list->first;
        block->prev = NOTHING;
        *(list->first == NOTHING ? &list->last : &record[list->first].prev) = (uint32_t)frame;
        list->first = (uint32_t)frame;
    }
    list->blocks++;
}

static void list_take(uint64_t frame, unsigned order)
{
    struct free_list *list = &free_list[zone_of(frame)][order];
    struct frame_record *block = &record[frame];

    *(block->prev == NOTHING ? &list->first : &record[block->prev].next) = block->next;
    *(block->next == NOTHING ? &list->last : &record[block->next].prev) = block->prev;
    list->blocks--;
}

/* ---- blocks --------------------------------------------------------------------------------- */

static void block_set(uint64_t frame, unsigned order, enum frame_state state, unsigned owner)
{
    record[frame] = (struct frame_record){
        .state = (uint8_t)state,
        .order = (uint8_t)order,
        .owner = (uint16_t)owner,
    };
    if (state == FRAME_FREE)
        list_put(frame, order);
}

static void block_clear(uint64_t frame)
{
    record[frame] = (struct frame_record){ 0 };
}

/* The first frame of the block that holds this one, or frames_end where there is none. */
static uint64_t block_of(uint64_t frame)
{
    for (unsigned order = 0; order < ORDERS && frame < frames_end; order++) {
        uint64_t first = frame_align_down(frame, order);

        if (record[first].state != FRAME_ABSENT)
            return frame - first < order_frames(record[first].order) ? first : frames_end;
    }
    return frames_end;
}

/* Cut the block that holds [frame, frame + 2^order) until that piece is a block of its own. */
static void block_cut(uint64_t frame, unsigned order)
{
    uint64_t first = block_of(frame);
    struct frame_record whole = record[first];

    if (whole.order <= order)
        return;
    if (whole.state == FRAME_FREE)
        list_take(first, whole.order);
    for (unsigned half = whole.order; half-- > order;) {
        uint64_t upper = first + order_frames(half);
        uint64_t other = frame >= upper ? first : upper;

        first = frame >= upper ? upper : first;
        block_set(other, half, whole.state, whole.owner);
    }
    block_set(frame, order, whole.state, whole.owner);
}

/* A block that becomes this, not in a list yet, joins its neighbours that are this already. */
static void block_join(uint64_t frame, unsigned order, enum frame_state state, unsigned owner)
{
    for (; order < ORDER_1G; order++) {
        uint64_t buddy = frame ^ order_frames(order);

        if (buddy >= frames_end || record[buddy].state != state || record[buddy].order != order ||
            record[buddy].owner != owner)
            break;
        if (state == FRAME_FREE)
            list_take(buddy, order);
        block_clear(buddy);
        block_clear(frame);
        frame &= ~order_frames(order);
    }
    block_set(frame, order, state, owner);
}

static void count_move(struct frame_record from, enum frame_state state, unsigned owner,
                       uint64_t frames)
{
    counts[from.owner][from.state] -= frames;
    counts[owner][state] += frames;
}

static void check_arguments(enum frame_state state, unsigned owner)
{
    if (state <= FRAME_ABSENT || state >= FRAME_FREE || owner >= FRAME_OWNERS)
        panic("frames: state %u for owner %u", state, owner);
}

/* ---- allocation ----------------------------------------------------------------------------- */

static uint64_t find_free(unsigned order)
{
    for (enum zone zone = 0; zone < ZONES; zone++)
        for (unsigned larger = order; larger < ORDERS; larger++)
            if (free_list[zone][larger].blocks > 0)
                return order == ORDER_1G ? free_list[zone][larger].last
                                         : free_list[zone][larger].first;
    return frames_end;
}

static void take_free(uint64_t frame, unsigned order, enum frame_state state, unsigned owner)
{
    block_cut(frame, order);
    list_take(frame, order);
    count_move(record[frame], state, owner, order_frames(order));
    block_set(frame, order, state, owner);
}

mfn_t frames_alloc(unsigned order, enum frame_state state, unsigned owner)
{
    uint64_t frame;

    check_arguments(state, owner);
    if (order >= ORDERS)
        return INVALID_MFN;
    frame = find_free(order);
    if (frame == frames_end)
        return INVALID_MFN;
    take_free(frame, order, state, owner);
    return MFN(frame);
}

bool frames_alloc_at(mfn_t mfn, unsigned order, enum frame_state state, unsigned owner)
{
    uint64_t first;

    check_arguments(state, owner);
    if (order >= ORDERS || !frame_is_aligned(mfn.mfn, order))
        return false;
    first = block_of(mfn.mfn);
    if (first == frames_end || record[first].state != FRAME_FREE || record[first].order < order)
        return false; /* free neighbours are always joined: less than this is not all free */
    take_free(mfn.mfn, order, state, owner);
    return true;
}

/*
 * The next allocated block of [frame, end), cut to lie inside. A stretch that was allocated in
 * several blocks is as good as one: the map that it was in may have merged it.
 */
static unsigned next_allocated(uint64_t frame, unsigned order, const char *verb)
{
    uint64_t first = block_of(frame);

    if (first == frames_end || record[first].state == FRAME_FREE)
        panic("frames: %s of frame 0x%lx, which is not allocated", verb, frame);
    block_cut(frame, order);
    return record[frame].order;
}

static void check_piece(mfn_t mfn, unsigned order, const char *verb)
{
    if (order >= ORDERS || mfn.mfn >= frames_end || !frame_is_aligned(mfn.mfn, order))
        panic("frames: %s of frame 0x%lx, order %u", verb, mfn.mfn, order);
}

void frames_free(mfn_t mfn, unsigned order)
{
    uint64_t end = mfn.mfn + order_frames(order);
    unsigned piece;

    check_piece(mfn, order, "free");
    for (uint64_t frame = mfn.mfn; frame < end; frame += order_frames(piece)) {
        piece = next_allocated(frame, order, "free");
        count_move(record[frame], FRAME_FREE, FRAME_OWNER_HOST, order_frames(piece));
        block_join(frame, piece, FRAME_FREE, FRAME_OWNER_HOST);
    }
}

/* What a guest has in hand grows together here, too: a GB of it is one block again. */
static void set_state(uint64_t frame, unsigned order, enum frame_state state, unsigned owner)
{
    record[frame].state = (uint8_t)state;
    record[frame].owner = (uint16_t)owner;
    if (state == FRAME_CACHED)
        block_join(frame, order, state, owner);
}

void frames_set_state(mfn_t mfn, unsigned order, enum frame_state state, unsigned owner)
{
    uint64_t end = mfn.mfn + order_frames(order);
    unsigned piece;

    check_arguments(state, owner);
    check_piece(mfn, order, "set_state");
    for (uint64_t frame = mfn.mfn; frame < end; frame += order_frames(piece)) {
        piece = next_allocated(frame, order, "set_state");
        count_move(record[frame], state, owner, order_frames(piece));
        set_state(frame, piece, state, owner);
    }
}

/* ---- questions ------------------------------------------------------------------------------ */

struct p2m_table_info *frames_table_info(mfn_t mfn)
{
    if (mfn.mfn >= frames_end || record[mfn.mfn].order != ORDER_4K ||
        (record[mfn.mfn].state != FRAME_TABLE && record[mfn.mfn].state != FRAME_OWED))
        panic("frames: 0x%lx is not a table page", mfn.mfn);
    return &record[mfn.mfn].table;
}

struct frame_info frames_look_up(mfn_t mfn)
{
    uint64_t first = block_of(mfn.mfn);

    if (first == frames_end)
        return (struct frame_info){ .state = FRAME_ABSENT };
    return (struct frame_info){ record[first].state, record[first].owner, record[first].order };
}

struct frame_counts frames_count_of(unsigned owner)
{
    struct frame_counts out = { 0 };

    for (unsigned state = 0; state < FRAME_STATES && owner < FRAME_OWNERS; state++)
        out.frames[state] = counts[owner][state];
    return out;
}

struct frame_counts frames_count(void)
{
    struct frame_counts out = { 0 };

    for (unsigned owner = 0; owner < FRAME_OWNERS; owner++)
        for (unsigned state = 0; state < FRAME_STATES; state++)
            out.frames[state] += counts[owner][state];
    return out;
}

uint64_t frames_free_blocks(unsigned order)
{
    uint64_t blocks = 0;

    for (unsigned larger = order; larger < ORDERS; larger++)
        blocks += (free_list[ZONE_BROKEN][larger].blocks + free_list[ZONE_WHOLE][larger].blocks)
                  << (larger - order);
    return blocks;
}

uint64_t frames_fragment(unsigned max_order)
{
    unsigned denied = max_order < ORDER_2M ? ORDER_2M : ORDER_1G;
    uint64_t held = 0;
    uint64_t frame;

    if (max_order >= ORDER_1G)
        return 0;
    while ((frame = find_free(denied)) != frames_end) {
        take_free(frame, ORDER_4K, FRAME_HOST, FRAME_OWNER_HOST);
        held++;
    }
    return held;
}

/* ---- the beginning -------------------------------------------------------------------------- */

static void put_stretch(uint64_t from, uint64_t end, enum frame_state state)
{
    counts[FRAME_OWNER_HOST][state] += end - from;
    while (from < end) {
        unsigned order = ORDER_1G;

        while (!frame_is_aligned(from, order) || order_frames(order) > end - from)
            order--;
        if (state == FRAME_FREE)
            block_join(from, order, state,
                       FRAME_OWNER_HOST); /* the stretch before may have been free as well */
        else
            block_set(from, order, state, FRAME_OWNER_HOST);
        from += order_frames(order);
    }
}

static void mark_broken_slots(const struct survey *survey)
{
    uint64_t end;

    memset(broken_slot, 0xff, sizeof(broken_slot));
    for (uint64_t from = 0; (end = survey_next(survey, from)) != SURVEY_END; from = end) {
        uint64_t slot = (from + order_frames(ORDER_1G) - 1) >> ORDER_1G;

        if (survey_use(survey, from) != MEMORY_FREE)
            continue;
        for (; (slot + 1) << ORDER_1G <= end; slot++)
            broken_slot[slot / 64] &= ~(1ull << (slot % 64));
    }
}

bool frames_init(const struct memory_range *ram, unsigned ram_count,
                 const struct memory_range *taken, unsigned taken_count)
{
    static const enum frame_state state[] = {
        [MEMORY_FREE] = FRAME_FREE,
        [MEMORY_TAKEN] = FRAME_HOST,
    };
    struct survey survey = { ram, taken, ram_count, taken_count, { 0, 0 } };
    uint64_t end;

    frames_end = survey_end(&survey);
    if (!survey_place(&survey, frames_end * sizeof(*record)))
        return false;
    record = direct_map(survey.records.from << FRAME_SHIFT);
    memset(record, 0, frames_end * sizeof(*record));
    memset(counts, 0, sizeof(counts));
    for (enum zone zone = 0; zone < ZONES; zone++)
        for (unsigned order = 0; order < ORDERS; order++)
            free_list[zone][order] = (struct free_list){ NOTHING, NOTHING, 0 };
    mark_broken_slots(&survey);
    for (uint64_t from = 0; (end = survey_next(&survey, from)) != SURVEY_END; from = end) {
        enum memory_use use = survey_use(&survey, from);

        if (use != MEMORY_ABSENT)
            put_stretch(from, end, state[use]);
    }
    return true;
}

/* ---- audit ---------------------------------------------------------------------------------- */

struct audit {
    uint64_t errors;
    const char *what;
    uint64_t counts[FRAME_OWNERS][FRAME_STATES];
    uint64_t free_blocks[ZONES][ORDERS];
};

static void expect(struct audit *audit, bool holds, const char *what)
{
    if (holds)
        return;
    if (audit->errors++ == 0)
        audit->what = what;
}

static void audit_block(struct audit *audit, uint64_t frame, const struct frame_record *block)
{
    uint64_t buddy = frame ^ order_frames(block->order);

    audit->counts[block->owner][block->state] += order_frames(block->order);
    expect(audit, frame_is_aligned(frame, block->order), "a block is not aligned to its order");
    if (block->state != FRAME_FREE)
        return;
    audit->free_blocks[zone_of(frame)][block->order]++;
    expect(audit, block->owner == FRAME_OWNER_HOST, "a free block has an owner");
    expect(audit,
           block->order == ORDER_1G || buddy >= frames_end || record[buddy].state != FRAME_FREE ||
               record[buddy].order != block->order,
           "two free buddies are not joined");
}

static void audit_records(struct audit *audit)
{
    uint64_t covered = 0; /* end of the last block */

    for (uint64_t frame = 0; frame < frames_end; frame++) {
        const struct frame_record *block = &record[frame];

        if (block->state == FRAME_ABSENT)
            continue;
        if (block->state >= FRAME_STATES || block->order >= ORDERS ||
            block->owner >= FRAME_OWNERS || frame + order_frames(block->order) > frames_end) {
            expect(audit, false, "a record makes no sense");
            continue;
        }
        expect(audit, frame >= covered, "two blocks overlap");
        covered = frame + order_frames(block->order);
        audit_block(audit, frame, block);
    }
}

static bool is_free_block(uint64_t frame, enum zone zone, unsigned order)
{
    return frame < frames_end && record[frame].state == FRAME_FREE &&
           record[frame].order == order && zone_of(frame) == zone;
}

/* From the first to the last, none believed before a look: a list may lead anywhere, or round. */
static void audit_list(struct audit *audit, enum zone zone, unsigned order)
{
    const struct free_list *list = &free_list[zone][order];
    uint32_t before = NOTHING, at = list->first;
    uint64_t blocks = 0;

    for (; at != NOTHING && blocks < list->blocks; blocks++) {
        if (!is_free_block(at, zone, order)) {
            expect(audit, false, "a list of free blocks holds what is none of its own");
            return;
        }
        expect(audit, record[at].prev == before, "a list of free blocks is not linked both ways");
        before = at;
        at = record[at].next;
    }
    expect(audit, at == NOTHING && before == list->last && blocks == list->blocks,
           "a list of free blocks does not end at its last one");
    expect(audit, audit->free_blocks[zone][order] == list->blocks,
           "a list of free blocks has the wrong length");
}

uint64_t frames_audit(const char **what)
{
    static struct audit audit;

    memset(&audit, 0, sizeof(audit));
    audit_records(&audit);
    for (unsigned owner = 0; owner < FRAME_OWNERS; owner++)
        for (unsigned state = 0; state < FRAME_STATES; state++)
            expect(&audit, audit.counts[owner][state] == counts[owner][state],
                   "a count is not what a recount gives");
    for (enum zone zone = 0; zone < ZONES; zone++)
        for (unsigned order = 0; order < ORDERS; order++)
            audit_list(&audit, zone, order);
    if (audit.errors > 0 && what)
        *what = audit.what;
    return audit.errors;
}
