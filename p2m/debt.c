/* SPDX-License-Identifier: MIT */
/*
 * What left the map, from the moment that it did until the host has it back. Refuses to know why it
 * left, how a flush is done, and what the host does with a frame.
 */
#include "debt.h"

#include "table.h"
#include "walk.h"

void debt_flush(const struct p2m *p2m, struct p2m_debt *debt)
{
    debt->flush = true;
    debt->generation = p2m_generation(p2m) + 1;
}

void debt_add(struct p2m *p2m, struct p2m_debt *debt, const struct p2m_owed *owed,
              const struct p2m_counts *counts)
{
    ASSERT(debt->count < P2M_DEBT_MAX);
    for (unsigned size = 0; size < ORDER_SIZES; size++)
        p2m->unpaid.ram += counts->ram[size] << size * ORDER_STEP;
    p2m->unpaid.tables += counts->tables;
    p2m->unpaid.merged += owed->kind == P2M_OWED_MERGED;
    debt->owed[debt->count++] = *owed;
    debt_flush(p2m, debt);
}

/* While a merged table is unpaid, a D bit of these frames may still be in it: say dirty. */
static struct p2m_frames frames_of(const struct p2m *p2m, uint64_t leaf, unsigned level,
                                   enum p2m_type became)
{
    return (struct p2m_frames){
        .mfn = entry_mfn(leaf),
        .order = level_order(level),
        .type = entry_type(leaf),
        .became = became,
        .accessed = leaf & p2m->config.format->accessed,
        .dirty = (leaf & p2m->config.format->dirty) || p2m->unpaid.merged > 0,
    };
}

void debt_add_entry(struct p2m *p2m, struct p2m_debt *debt, struct slot slot,
                    const struct p2m_change *change)
{
    struct p2m_counts counts;
    struct p2m_owed owed = {
        .gfn = level_base(slot.gfn, slot.level),
        .order = level_order(slot.level),
        .frames.became = entry_type(change->new),
    };

    switch (entry_kind(p2m->config.format, change->old, slot.level)) {
    case ENTRY_LEAF:
        owed.kind = P2M_OWED_FRAMES;
        owed.frames = frames_of(p2m, change->old, slot.level, owed.frames.became);
        break;
    case ENTRY_TABLE:
        owed.kind = P2M_OWED_SUBTREE;
        owed.frames.dirty = p2m->unpaid.merged > 0; /* paying for those won't find its leaves */
        owed.table = entry_mfn(change->old);
        break;
    default:
        return; /* no processor keeps what is not present */
    }
    counts = entry_counts(p2m, change->old, slot.level);
    debt_add(p2m, debt, &owed, &counts);
}

/* A merge owes its table, and no frames. */
static bool overlaps(const struct p2m_owed *owed, gfn_t gfn, uint64_t frames)
{
    return owed->kind != P2M_OWED_MERGED && owed->gfn.gfn < gfn.gfn + frames &&
           gfn.gfn < owed->gfn.gfn + order_frames(owed->order);
}

bool debt_holds(const struct p2m *p2m, const struct p2m_debt *debt, gfn_t gfn, uint64_t frames)
{
    if (p2m_debt_is_settled(p2m, debt))
        return false;
    for (unsigned i = 0; i < debt->count; i++)
        if (overlaps(&debt->owed[i], gfn, frames))
            return true;
    return false;
}

bool p2m_debt_is_settled(const struct p2m *p2m, const struct p2m_debt *debt)
{
    return !debt->flush || debt->generation <= atomic_load(&p2m->settled);
}

uint64_t p2m_begin_settle(struct p2m *p2m)
{
    return atomic_fetch_add(&p2m->generation, 1) + 1;
}

void p2m_end_settle(struct p2m *p2m, uint64_t generation)
{
    uint64_t settled = atomic_load(&p2m->settled);

    while (settled < generation)
        if (atomic_compare_exchange_weak(&p2m->settled, &settled, generation))
            break;
}

static void pay_frames(struct p2m *p2m, const struct p2m_frames *frames)
{
    if (p2m_type_class(frames->type) == P2M_CLASS_RAM)
        p2m->unpaid.ram -= order_frames(frames->order);
    p2m_host_put_frames(p2m, frames);
}

static void pay_table(struct p2m_locked locked, mfn_t table)
{
    locked.p2m->unpaid.tables--;
    table_free(locked, table);
}

static void pay_subtree(struct p2m_locked locked, const struct p2m_owed *owed)
{
    struct p2m *p2m = locked.p2m;
    struct walk walk = walk_table(p2m, owed->table, owed->order / ORDER_STEP - 1, owed->gfn);

    while (walk_step(&walk)) {
        enum entry_kind kind = walk_kind(&walk);

        if (kind == ENTRY_TABLE) {
            pay_table(locked, entry_mfn(walk.entry));
        } else if (kind == ENTRY_LEAF) {
            struct p2m_frames frames = frames_of(p2m, walk.entry, walk.level, owed->frames.became);

            frames.dirty = frames.dirty || owed->frames.dirty;
            pay_frames(p2m, &frames);
        }
    }
    pay_table(locked, owed->table);
}

/*
 * A processor that still walked the dead table may have set bits there: the entries that map those
 * frames now must say so too. They may have been split, merged once more, or be gone, since. Bits
 * that were there before the merge are said again: too many D bits cost time, one too few costs
 * data.
 */
static void pay_merged(struct p2m_locked locked, const struct p2m_owed *owed)
{
    struct p2m *p2m = locked.p2m;
    const struct pt_format *format = p2m->config.format;
    uint64_t bits = table_volatile_bits(p2m, owed->table);
    uint64_t first = entry_read(&table_entries(p2m, owed->table)[0]);

    if (bits && mfn_is_valid(p2m->root) &&
        entry_kind(format, first, owed->order / ORDER_STEP - 1) == ENTRY_LEAF) {
        gfn_t end = gfn_add(owed->gfn, order_frames(owed->order));

        for_each_p2m_entry (w, p2m, owed->gfn, end) {
            struct slot slot = { w.table[w.level], w.level, w.gfn };
            uint64_t distance = entry_mfn(w.entry).mfn - w.gfn.gfn;

            if (walk_kind(&w) == ENTRY_LEAF && distance == entry_mfn(first).mfn - owed->gfn.gfn)
                while (!entry_change(p2m, slot, &w.entry, w.entry | bits))
                    ;
        }
    }
    p2m->unpaid.merged--;
    pay_table(locked, owed->table);
}

void p2m_pay(struct p2m_locked locked, struct p2m_debt *debt)
{
    ASSERT(p2m_debt_is_settled(locked.p2m, debt));
    for (unsigned i = 0; i < debt->count; i++) {
        const struct p2m_owed *owed = &debt->owed[i];

        if (owed->kind == P2M_OWED_FRAMES)
            pay_frames(locked.p2m, &owed->frames);
        else if (owed->kind == P2M_OWED_SUBTREE)
            pay_subtree(locked, owed);
        else
            pay_merged(locked, owed);
    }
    debt_clear(debt);
}
