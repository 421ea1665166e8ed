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
    ASSERT(debt->paid == 0 && !debt->place.is_begun);
    debt->flush = true;
    debt->generation = p2m_generation(p2m) + 1;
}

void debt_add(struct p2m *p2m, struct p2m_debt *debt, const struct p2m_owed *owed,
              const struct p2m_counts *counts)
{
    ASSERT(debt->count < P2M_DEBT_MAX);
    p2m->unpaid.ram += counts_frames(counts, P2M_CLASS_RAM);
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
        .dirty = entry_is_dirty(p2m->config.format, leaf) || p2m->unpaid.merged > 0,
    };
}

void debt_add_entry(struct p2m *p2m, struct p2m_debt *debt, gfn_t gfn,
                    const struct p2m_change *change)
{
    struct p2m_counts counts;
    struct p2m_owed owed = {
        .gfn = level_base(gfn, change->level),
        .order = level_order(change->level),
        .frames.became = entry_type(change->new),
    };

    if (entry_kind(p2m->config.format, change->old, change->level) == ENTRY_TABLE) {
        owed.kind = P2M_OWED_SUBTREE;
        owed.frames.dirty = p2m->unpaid.merged > 0; /* paying for those won't find its leaves */
        owed.table = entry_mfn(change->old);
    } else {
        owed.kind = P2M_OWED_FRAMES;
        owed.frames = frames_of(p2m, change->old, change->level, owed.frames.became);
    }
    counts = entry_counts(p2m, change->old, change->level);
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

static void pay_entry(struct p2m_locked locked, const struct p2m_owed *owed,
                      const struct walk *walk)
{
    enum entry_kind kind = walk_kind(walk);
    struct p2m_frames frames;

    if (kind == ENTRY_TABLE)
        pay_table(locked, entry_mfn(walk->entry));
    if (kind != ENTRY_LEAF)
        return;
    frames = frames_of(locked.p2m, walk->entry, walk->level, owed->frames.became);
    frames.dirty = frames.dirty || owed->frames.dirty;
    pay_frames(locked.p2m, &frames);
}

/* The item that a payment has come to, and how many entries it may still go through. Each of the
 * functions below answers whether it is paid; if not, the debt says where to go on. */
struct payment {
    struct p2m_debt *debt;
    uint64_t steps;
};

static const struct p2m_owed *payment_item(const struct payment *payment)
{
    return &payment->debt->owed[payment->debt->paid];
}

static bool pay_subtree(struct p2m_locked locked, struct payment *payment)
{
    const struct p2m_owed *owed = payment_item(payment);
    struct p2m_place *place = &payment->debt->place;
    struct walk walk = walk_table(locked.p2m, owed->table, owed->order / ORDER_STEP - 1, owed->gfn);

    if (place->is_begun)
        walk_resume(&walk, place->gfn, place->order / ORDER_STEP);
    while (walk_step(&walk)) {
        pay_entry(locked, owed, &walk);
        *place = (struct p2m_place){ walk.gfn, level_order(walk.level), true };
        if (--payment->steps == 0)
            return false;
    }
    pay_table(locked, owed->table);
    return true;
}

/* The entries that map frames of a dead table's now get the bits that it has. */
static bool say_again(struct p2m *p2m, struct payment *payment, uint64_t first, uint64_t bits)
{
    const struct p2m_owed *owed = payment_item(payment);
    struct p2m_place *place = &payment->debt->place;
    gfn_t end = gfn_add(owed->gfn, order_frames(owed->order));
    gfn_t from = place->is_begun ? place->gfn : owed->gfn;

    for_each_p2m_entry (w, p2m, from, end) {
        uint64_t distance = entry_mfn(w.entry).mfn - w.gfn.gfn;

        if (payment->steps == 0) {
            *place = (struct p2m_place){ .gfn = w.gfn, .is_begun = true };
            return false;
        }
        payment->steps--;
        if (walk_kind(&w) == ENTRY_LEAF && distance == entry_mfn(first).mfn - owed->gfn.gfn)
            while (!entry_change(p2m, walk_slot(&w), &w.entry, w.entry | bits))
                ;
    }
    return true;
}

/*
 * A processor that still walked the dead table may have set bits there: the entries that map those
 * frames now must say so too. They may have been split, merged once more, or be gone, since. Bits
 * that were there before the merge are said again: too many D bits cost time, one too few costs
 * data. What changes between two calls is no loss: until the table is paid, what leaves the map is
 * said to be dirty.
 */
static bool pay_merged(struct p2m_locked locked, struct payment *payment)
{
    struct p2m *p2m = locked.p2m;
    const struct p2m_owed *owed = payment_item(payment);
    uint64_t bits = table_volatile_bits(p2m, owed->table);
    uint64_t first = entry_read(&table_entries(p2m, owed->table)[0]);

    if (bits && mfn_is_valid(p2m->root) &&
        entry_kind(p2m->config.format, first, owed->order / ORDER_STEP - 1) == ENTRY_LEAF &&
        !say_again(p2m, payment, first, bits))
        return false;
    p2m->unpaid.merged--;
    pay_table(locked, owed->table);
    return true;
}

static bool pay_item(struct p2m_locked locked, struct payment *payment)
{
    switch (payment_item(payment)->kind) {
    case P2M_OWED_SUBTREE:
        return pay_subtree(locked, payment);
    case P2M_OWED_MERGED:
        return pay_merged(locked, payment);
    default:
        payment->steps--;
        pay_frames(locked.p2m, &payment_item(payment)->frames);
        return true;
    }
}

/* P2M_NO_DEBT, without clearing items that nobody reads. */
static void debt_clear(struct p2m_debt *debt)
{
    debt->generation = 0;
    debt->count = 0;
    debt->flush = false;
    debt->paid = 0;
    debt->place = (struct p2m_place){ .is_begun = false };
}

enum p2m_error p2m_pay(struct p2m_locked locked, struct p2m_debt *debt)
{
    struct payment payment = { debt, locked.p2m->config.steps };

    ASSERT(p2m_debt_is_settled(locked.p2m, debt));
    while (debt->paid < debt->count) {
        if (payment.steps == 0 || !pay_item(locked, &payment))
            return P2M_AGAIN;
        debt->paid++;
        debt->place = (struct p2m_place){ .is_begun = false };
    }
    debt_clear(debt);
    return P2M_OK;
}
