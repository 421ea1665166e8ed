/* SPDX-License-Identifier: MIT */
/*
 * The model of a hardware walker. Levels are those of AMD's manual: 4 is the root, 1 the last.
 * It refuses to believe that a table is a table: it asks the test's host whether that frame was
 * handed out as one, and so sees when a walk, stale or not, runs into freed memory.
 */
#include "processor.h"

#include <string.h>

#include "memory.h"

#define BIT(n)   ((uint64_t)1 << (n))
#define ADDRESS  0x000ffffffffff000u
#define ALL      (ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE)
#define IS_LARGE BIT(7) /* both makers */

static unsigned level_bits(unsigned level)
{
    return 9 * (level - 1);
}

static unsigned index_at(gfn_t gfn, unsigned level)
{
    return (gfn.gfn >> level_bits(level)) & 511;
}

/* ---- what an entry says --------------------------------------------------------------------- */

static uint64_t accessed_bit(const struct processor *processor)
{
    return processor->maker == MAKER_AMD ? BIT(5) : BIT(8);
}

static uint64_t dirty_bit(const struct processor *processor)
{
    return processor->maker == MAKER_AMD ? BIT(6) : BIT(9);
}

bool processor_entry_is_dirty(const struct processor *processor, uint64_t entry)
{
    return entry & dirty_bit(processor);
}

static bool is_present(const struct processor *processor, uint64_t entry)
{
    return processor->maker == MAKER_AMD ? entry & BIT(0) : entry & (BIT(0) | BIT(1) | BIT(2));
}

static unsigned rights_of(const struct processor *processor, uint64_t entry)
{
    if (processor->maker == MAKER_INTEL)
        return entry & ALL;
    if (!(entry & BIT(2))) /* nested walks are user accesses */
        return 0;
    return ACCESS_READ | (entry & BIT(1) ? ACCESS_WRITE : 0) |
           (entry & BIT(63) ? 0 : ACCESS_EXECUTE);
}

static bool is_leaf(uint64_t entry, unsigned level)
{
    return level == 1 || entry & IS_LARGE;
}

static bool is_malformed_intel(uint64_t entry, unsigned level)
{
    unsigned type = (entry >> 3) & 7;

    if (!(entry & BIT(0))) /* write without read is one; execute alone needs a capability */
        return true;
    if (is_leaf(entry, level))
        return type == 2 || type == 3 || type == 7;
    return entry & (BIT(3) | BIT(4) | BIT(5) | BIT(6));
}

/* A table's entry that would be well-formed, and gives all rights, but for a memory type that there
 * is not: one that somebody means to be found. AMD has a bit for that, U. */
static bool is_stopped_intel(const struct processor *processor, uint64_t entry, unsigned level)
{
    uint64_t type = BIT(3) | BIT(4) | BIT(5);

    return processor->maker == MAKER_INTEL && !is_leaf(entry, level) && (entry & type) == type &&
           !(entry & BIT(6)) && (entry & ALL) == ALL;
}

static bool is_malformed(const struct processor *processor, uint64_t entry, unsigned level)
{
    if (level == 4 && entry & IS_LARGE)
        return true;
    if (is_leaf(entry, level) && entry & ADDRESS & ((BIT(level_bits(level)) - 1) << FRAME_SHIFT))
        return true;
    return processor->maker == MAKER_INTEL && is_malformed_intel(entry, level);
}

/* ---- the walk ------------------------------------------------------------------------------- */

/* One walk in progress: where it is, and what it has gathered. */
struct walker {
    gfn_t gfn;
    uint64_t table;
    unsigned level;
    unsigned rights;
    bool accessed;
    bool beyond;               /* what is stopped: to look, not to walk */
    _Atomic uint64_t *path[5]; /* by level; NULL where a cached entry was used */
};

static _Atomic uint64_t *entry_at(const struct processor *processor, const struct walker *walker)
{
    _Atomic uint64_t *entries = (_Atomic uint64_t *)(processor->direct_map + walker->table);

    return &entries[index_at(walker->gfn, walker->level)];
}

static struct processor_translation fault(enum processor_answer answer)
{
    return (struct processor_translation){ .answer = answer, .mfn = INVALID_MFN };
}

static struct processor_translation walk(const struct processor *processor, struct walker *walker,
                                         unsigned access)
{
    struct processor_translation found = { .answer = ANSWER_WALKED };

    for (;; walker->level--) {
        uint64_t entry;

        if (!memory_is_table(MFN(walker->table >> FRAME_SHIFT))) {
            found = fault(ANSWER_LOST);
            found.order = level_bits(walker->level + 1);
            return found;
        }
        walker->path[walker->level] = entry_at(processor, walker);
        entry = *walker->path[walker->level];
        if (!is_present(processor, entry)) {
            found = fault(ANSWER_NOT_PRESENT);
            found.order = level_bits(walker->level);
            return found;
        }
        if (walker->beyond && is_stopped_intel(processor, entry, walker->level))
            walker->rights = 0;
        else if (is_malformed(processor, entry, walker->level))
            return fault(ANSWER_MALFORMED);
        walker->rights &= rights_of(processor, entry);
        walker->accessed = walker->accessed && entry & accessed_bit(processor);
        if (!is_leaf(entry, walker->level)) {
            walker->table = entry & ADDRESS;
            continue;
        }
        if (access & ~walker->rights)
            return fault(ANSWER_NOT_ALLOWED);
        found.order = level_bits(walker->level);
        found.mfn = mfn_add(MFN((entry & ADDRESS) >> FRAME_SHIFT),
                            walker->gfn.gfn & (order_frames(found.order) - 1));
        found.rights = walker->rights;
        found.accessed = walker->accessed;
        found.dirty = entry & dirty_bit(processor);
        return found;
    }
}

static struct walker walk_from_root(const struct processor *processor, gfn_t gfn)
{
    return (struct walker){
        .gfn = gfn, .table = processor->root, .level = 4, .rights = ALL, .accessed = true
    };
}

struct processor_translation processor_look(const struct processor *processor, gfn_t gfn)
{
    struct walker walker = walk_from_root(processor, gfn);

    return walk(processor, &walker, 0);
}

struct processor_translation processor_look_along(const struct processor *processor, gfn_t gfn,
                                                  mfn_t table[PROCESSOR_LEVELS + 1])
{
    struct walker walker = walk_from_root(processor, gfn);
    struct processor_translation found;

    walker.beyond = true;
    found = walk(processor, &walker, 0);
    for (unsigned level = 1; level <= PROCESSOR_LEVELS; level++) {
        const char *at = (const char *)walker.path[level];

        table[level] =
            at ? MFN((uint64_t)(at - processor->direct_map) >> FRAME_SHIFT) : INVALID_MFN;
    }
    return found;
}

/* ---- the caches ----------------------------------------------------------------------------- */

static bool covers(gfn_t of, gfn_t gfn, unsigned order)
{
    return of.gfn >> order == gfn.gfn >> order;
}

static struct processor_leaf *find_leaf(struct processor *processor, gfn_t gfn)
{
    for (unsigned i = 0; i < PROCESSOR_LEAVES; i++) {
        struct processor_leaf *leaf = &processor->leaf[i];

        if (leaf->valid && covers(leaf->gfn, gfn, leaf->translation.order))
            return leaf;
    }
    return NULL;
}

/* The lowest cached upper entry: the shortest walk. */
static struct walker walk_from_cache(const struct processor *processor, gfn_t gfn)
{
    struct walker walker = walk_from_root(processor, gfn);

    for (unsigned i = 0; i < PROCESSOR_UPPER; i++) {
        const struct processor_upper *upper = &processor->upper[i];

        if (!upper->valid || !covers(upper->gfn, gfn, level_bits(upper->level + 1)) ||
            upper->level >= walker.level)
            continue;
        walker.table = upper->table;
        walker.level = upper->level;
        walker.rights = upper->rights;
    }
    return walker;
}

static void forget(struct processor *processor, gfn_t gfn)
{
    for (unsigned i = 0; i < PROCESSOR_LEAVES; i++)
        if (covers(processor->leaf[i].gfn, gfn, processor->leaf[i].translation.order))
            processor->leaf[i].valid = false;
    for (unsigned i = 0; i < PROCESSOR_UPPER; i++)
        if (covers(processor->upper[i].gfn, gfn, level_bits(processor->upper[i].level + 1)))
            processor->upper[i].valid = false;
}

static void keep(struct processor *processor, const struct walker *walker,
                 struct processor_translation found)
{
    struct processor_leaf leaf = { walker->gfn, found, true };
    struct processor_upper upper = { walker->gfn, walker->table, walker->level, ALL, true };

    leaf.translation.answer = ANSWER_CACHED;
    processor->leaf[processor->next++ % PROCESSOR_LEAVES] = leaf;
    if (walker->level < 4)
        processor->upper[processor->next % PROCESSOR_UPPER] = upper;
}

void processor_flush(struct processor *processor)
{
    memset(processor->leaf, 0, sizeof(processor->leaf));
    memset(processor->upper, 0, sizeof(processor->upper));
}

void processor_start(struct processor *processor, enum processor_maker maker, void *direct_map,
                     uint64_t root)
{
    *processor = (struct processor){ .maker = maker, .direct_map = direct_map, .root = root };
}

/* ---- an access ------------------------------------------------------------------------------ */

static void set_bits(const struct processor *processor, const struct walker *walker,
                     enum processor_access access)
{
    for (unsigned level = walker->level; level <= 4; level++)
        if (walker->path[level])
            *walker->path[level] |= accessed_bit(processor);
    if (access == ACCESS_WRITE)
        *walker->path[walker->level] |= dirty_bit(processor);
}

struct processor_translation processor_write_below(const struct processor *processor, gfn_t gfn,
                                                   mfn_t table, unsigned level)
{
    struct walker walker = { .gfn = gfn,
                             .table = table.mfn << FRAME_SHIFT,
                             .level = level,
                             .rights = ALL,
                             .accessed = true };
    struct processor_translation found = walk(processor, &walker, ACCESS_WRITE);

    if (found.answer == ANSWER_WALKED)
        set_bits(processor, &walker, ACCESS_WRITE);
    return found;
}

static struct processor_translation from_cache(const struct processor_leaf *leaf, gfn_t gfn)
{
    struct processor_translation found = leaf->translation;

    found.mfn = MFN(found.mfn.mfn + gfn.gfn - leaf->gfn.gfn);
    return found;
}

struct processor_translation processor_access(struct processor *processor, gfn_t gfn,
                                              enum processor_access access)
{
    struct processor_leaf *leaf = find_leaf(processor, gfn);
    struct processor_translation found;
    struct walker walker;

    if (leaf && !(access & ~leaf->translation.rights) &&
        (access != ACCESS_WRITE || leaf->translation.dirty))
        return from_cache(leaf, gfn);
    if (leaf)
        leaf->valid = false; /* D must be set in memory first, or the rights read again */

    walker = walk_from_cache(processor, gfn);
    found = walk(processor, &walker, access);
    if (found.answer == ANSWER_NOT_PRESENT || found.answer == ANSWER_NOT_ALLOWED) {
        forget(processor, gfn); /* a fault is never reported from a cached entry */
        walker = walk_from_root(processor, gfn);
        found = walk(processor, &walker, access);
    }
    if (found.answer != ANSWER_WALKED)
        return found;
    set_bits(processor, &walker, access);
    found.accessed = true;
    found.dirty = found.dirty || access == ACCESS_WRITE;
    keep(processor, &walker, found);
    return found;
}

struct processor_translation processor_store(struct processor *processor, gfn_t gfn, unsigned index,
                                             uint64_t word)
{
    struct processor_translation found = processor_access(processor, gfn, ACCESS_WRITE);

    if (found.answer <= ANSWER_WALKED)
        memory_word(found.mfn)[index] = word;
    return found;
}

struct processor_translation processor_load(struct processor *processor, gfn_t gfn, unsigned index,
                                            uint64_t *word)
{
    struct processor_translation found = processor_access(processor, gfn, ACCESS_READ);

    if (found.answer <= ANSWER_WALKED)
        *word = memory_word(found.mfn)[index];
    return found;
}
