/* SPDX-License-Identifier: MIT */
/*
 * The worst processor that the manuals allow: it keeps every translation and every pointer to a
 * table that it could ever have read, for as long as nobody tells it to forget, and uses each as
 * late as it likes. Refuses to know the engine's verbs: it knows what was mapped, what is, and what
 * a debt still holds.
 * [APM "TLB Management"], [SDM "Caching Translation Information"]
 */
#ifndef TEST_HOARD_H
#define TEST_HOARD_H

#include "p2m/p2m.h"

#include "view.h"
#include "watch.h"

#define HOARD_STRETCHES 4096u
#define HOARD_TABLES    256u

struct hoard {
    unsigned stretches, tables;
    struct stretch stretch[HOARD_STRETCHES];
    struct linked table[HOARD_TABLES];
};

void hoard_forget(struct hoard *hoard);

/* All that could be read at this instant is kept. */
void hoard_keep(struct hoard *hoard, const struct view *view);

/* What harm can the hoard do? That of reaching a frame which is not mapped there any more, of
 * writing where that is not allowed any more, of walking a page that is no table there any more.
 * What `owing` holds is out of harm's way; NULL: nothing is owed. NULL: no harm. */
const char *hoard_harm(const struct hoard *hoard, const struct processor *processor,
                       const struct p2m_debt *owing);

/* Write through every kept pointer to a table that hangs in the map no more: A and D come late.
 * Returns how many writes were noted. */
unsigned hoard_write_late(const struct hoard *hoard, const struct processor *processor,
                          struct written *written, unsigned room);

#endif
