/* SPDX-License-Identifier: MIT */
/*
 * The walk, and the checks that need more than one entry: no table page reached twice, no machine
 * frame in two places. Distrusts everything it reads: whatever the memory holds, the walk ends,
 * since a table page is entered once. Refuses to know which bits mean what: that is manuals.c.
 */
#include <err.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "look.h"

#define TOP (LEVELS - 1)

struct table {
    uint64_t entry[ENTRIES];
    uint64_t gfn;  /* of the first entry */
    unsigned next; /* the entry to look at next */
};

struct walk {
    const struct machine *machine;
    const struct format *format;
    struct sight *sight;
    bool *is_table;             /* for every page of the memory file */
    unsigned level;             /* of the table that is being read */
    struct table table[LEVELS]; /* the path from the root down to it */
};

/* An entry, with what is known of it from where it stands. */
struct found {
    uint64_t gfn, entry;
    unsigned level;
};

static uint64_t frames_at(unsigned level)
{
    return BIT(9 * level);
}

static void *allocated(void *memory)
{
    if (memory == NULL)
        errx(2, "this host has not enough memory to look at these tables");
    return memory;
}

static void add_problem(struct sight *sight, const char *text, ...)
    __attribute__((format(printf, 2, 3)));

static void add_problem(struct sight *sight, const char *text, ...)
{
    uint64_t number = sight->errors++;
    va_list arguments;

    if (number >= PROBLEMS_MAX)
        return;
    va_start(arguments, text);
    vsnprintf(sight->problem[number], PROBLEM_LENGTH, text, arguments);
    va_end(arguments);
}

static void add_entry_problem(struct sight *sight, const struct found *found, const char *what)
{
    static const char *const name[LEVELS] = { "PTE", "PDE", "PDPTE", "PML4E" };

    add_problem(sight, "gfn 0x%" PRIx64 ", %s 0x%016" PRIx64 ": %s", found->gfn, name[found->level],
                found->entry, what);
}

/* ---- runs ----------------------------------------------------------------------------------- */

static bool continues(const struct run *run, const struct run *next)
{
    return run->type == next->type && run->gfn + run->frames == next->gfn &&
           (!type_has_frame(next->type) || run->mfn + run->frames == next->mfn);
}

static void start_run(struct sight *sight, const struct run *run)
{
    if (sight->run_count == sight->run_room) {
        sight->run_room = sight->run_room ? 2 * sight->run_room : 64;
        sight->run = allocated(realloc(sight->run, sight->run_room * sizeof(*run)));
    }
    sight->run[sight->run_count++] = *run;
    sight->ram_runs += type_is_ram(run->type);
}

static void add_to_runs(struct walk *walk, const struct found *found, uint64_t mfn)
{
    struct sight *sight = walk->sight;
    struct run next = { .gfn = found->gfn, .mfn = mfn, .frames = frames_at(found->level) };
    struct run *run = sight->run_count ? &sight->run[sight->run_count - 1] : NULL;

    next.type = entry_type(found->entry);
    if (run != NULL && continues(run, &next)) {
        run->frames += next.frames;
    } else {
        start_run(sight, &next);
        run = &sight->run[sight->run_count - 1];
    }
    run->entries[found->level]++;
    run->accessed += (found->entry & walk->format->accessed) != 0;
    run->dirty += (found->entry & walk->format->dirty) != 0;
}

/* ---- entries -------------------------------------------------------------------------------- */

static void count_leaf(struct walk *walk, const struct found *found, enum type type)
{
    struct sight *sight = walk->sight;

    if (!type_is_ram(type)) {
        sight->special++;
        return;
    }
    sight->ram[found->level]++;
    if (!(found->entry & walk->format->accessed))
        sight->untouched += frames_at(found->level);
}

/* Devices answer to addresses outside the memory file; everything else must lie in it. */
static void look_at_leaf(struct walk *walk, const struct found *found)
{
    struct sight *sight = walk->sight;
    uint64_t address = entry_address(entry_place(found->level, found->entry), found->entry);
    enum type type = entry_type(found->entry);
    uint64_t offset;

    if (!type_has_frame(type)) {
        add_entry_problem(sight, found, "a leaf, but its type has no frame");
        return;
    }
    count_leaf(walk, found, type);
    if (!type_is_written(type) && (found->entry & walk->format->writable))
        add_entry_problem(sight, found, "memory that must not be written is writable");
    if (type != TYPE_MMIO &&
        !machine_offset(walk->machine, address, frames_at(found->level) * PAGE_SIZE, &offset))
        add_entry_problem(sight, found, "the leaf is not inside the machine's memory");
    add_to_runs(walk, found, address / PAGE_SIZE);
}

static void look_at_mark(struct walk *walk, const struct found *found)
{
    struct sight *sight = walk->sight;
    enum type type = entry_type(found->entry);

    if (found->entry & ~SOFTWARE_TYPE)
        add_entry_problem(sight, found, "not present, but more than a mark is left in it");
    if (type == TYPE_INVALID)
        return;
    if (found->level >= SIZES || (type != TYPE_POD && type != TYPE_BROKEN)) {
        add_entry_problem(sight, found, "not present, and no mark that may stand here");
        return;
    }
    if (type == TYPE_POD)
        sight->marked[found->level]++;
    else
        sight->broken++;
    add_to_runs(walk, found, 0);
}

/* What is wrong with the address of a table, or NULL once the walk has gone down to it. */
static const char *enter_table(struct walk *walk, unsigned level, uint64_t address, uint64_t gfn)
{
    struct table *table = &walk->table[level];
    uint64_t offset;

    if (!machine_offset(walk->machine, address, PAGE_SIZE, &offset))
        return "the table is not inside the machine's memory";
    if (walk->is_table[offset / PAGE_SIZE])
        return "the table page was reached before";
    walk->is_table[offset / PAGE_SIZE] = true;
    if (!machine_read_table(walk->machine, address, table->entry))
        return "the table cannot be read from the memory file";
    walk->sight->table_pages++;
    walk->level = level;
    table->gfn = gfn;
    table->next = 0;
    return NULL;
}

static void look_at_present(struct walk *walk, const struct found *found)
{
    enum place place = entry_place(found->level, found->entry);
    bool waits = place & TABLES && found->entry & SOFTWARE_RECALCULATE;
    const struct rule *rule = waits ? walk->format->waiting : walk->format->rules;
    const char *what;

    for (; rule->places; rule++)
        if (rule_is_broken(rule, place, found->entry))
            add_entry_problem(walk->sight, found, rule->broken);
    if (place & LEAVES) {
        look_at_leaf(walk, found);
        return;
    }
    what = enter_table(walk, found->level - 1, entry_address(place, found->entry), found->gfn);
    if (what != NULL)
        add_entry_problem(walk->sight, found, what);
}

static void look_at_next(struct walk *walk)
{
    struct table *table = &walk->table[walk->level];
    struct found found = { .level = walk->level, .entry = table->entry[table->next] };

    found.gfn = table->gfn + table->next++ * frames_at(walk->level);
    if (found.entry & walk->format->present)
        look_at_present(walk, &found);
    else
        look_at_mark(walk, &found);
}

/* ---- frames --------------------------------------------------------------------------------- */

static int by_machine_frame(const void *left, const void *right)
{
    const struct run *a = left, *b = right;

    return (a->mfn > b->mfn) - (a->mfn < b->mfn);
}

static size_t copy_runs_with_frames(const struct sight *sight, struct run *copy)
{
    size_t count = 0;

    for (size_t i = 0; i < sight->run_count; i++)
        if (type_has_frame(sight->run[i].type))
            copy[count++] = sight->run[i];
    return count;
}

/* Pages of the host's and devices may be shown twice; a guest's memory may not. */
static void check_overlaps(struct sight *sight)
{
    struct run *run = allocated(calloc(sight->run_count + 1, sizeof(*run)));
    size_t count = copy_runs_with_frames(sight, run);
    const struct run *widest = run;

    qsort(run, count, sizeof(*run), by_machine_frame);
    for (size_t i = 1; i < count; i++) {
        if (run[i].mfn < widest->mfn + widest->frames &&
            (type_is_ram(run[i].type) || type_is_ram(widest->type)))
            add_problem(sight,
                        "mfn 0x%" PRIx64 " is mapped twice: by the run at gfn 0x%" PRIx64
                        " and by the run at gfn 0x%" PRIx64,
                        run[i].mfn, widest->gfn, run[i].gfn);
        if (run[i].mfn + run[i].frames > widest->mfn + widest->frames)
            widest = &run[i];
    }
    free(run);
}

/* A guest that can write to its own tables can reach everything. */
static void check_run_holds_no_table(const struct walk *walk, const struct run *run)
{
    uint64_t first;

    if (!type_has_frame(run->type) ||
        !machine_offset(walk->machine, run->mfn * PAGE_SIZE, run->frames * PAGE_SIZE, &first))
        return;
    for (uint64_t i = 0; i < run->frames; i++)
        if (walk->is_table[first / PAGE_SIZE + i])
            add_problem(walk->sight, "gfn 0x%" PRIx64 " maps mfn 0x%" PRIx64 ", a table page",
                        run->gfn + i, run->mfn + i);
}

/* ---- all of it ------------------------------------------------------------------------------ */

void look(const struct machine *machine, const struct format *format, uint64_t root,
          struct sight *sight)
{
    struct walk *walk = allocated(calloc(1, sizeof(*walk)));
    const char *what;

    *walk = (struct walk){ .machine = machine, .format = format, .sight = sight };
    walk->is_table = allocated(calloc(machine->size / PAGE_SIZE + 1, sizeof(bool)));
    memset(sight, 0, sizeof(*sight));

    what = enter_table(walk, TOP, root, 0);
    if (what != NULL)
        add_problem(sight, "root 0x%" PRIx64 ": %s", root, what);
    while (what == NULL && (walk->level < TOP || walk->table[TOP].next < ENTRIES)) {
        if (walk->table[walk->level].next < ENTRIES)
            look_at_next(walk);
        else
            walk->level++;
    }

    check_overlaps(sight);
    for (size_t i = 0; i < sight->run_count; i++)
        check_run_holds_no_table(walk, &sight->run[i]);
    free(walk->is_table);
    free(walk);
}

void sight_forget(struct sight *sight)
{
    free(sight->run);
    sight->run = NULL;
    sight->run_count = sight->run_room = 0;
}
