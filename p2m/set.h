/* SPDX-License-Identifier: MIT */
/*
 * Setting ranges on behalf of others: what a range is to become, and of which classes what it takes
 * the place of may be. p2m_set_entry and p2m_set_range are public (p2m/p2m.h).
 */
#ifndef P2M_SET_H
#define P2M_SET_H

#include "entry.h"

/* Classes, as a set. */
#define CLASS_BIT(class) (1u << (class))
#define ALL_CLASSES                                                                                \
    (CLASS_BIT(P2M_CLASS_RAM) | CLASS_BIT(P2M_CLASS_MARKER) | CLASS_BIT(P2M_CLASS_OTHER))

struct set_wish {
    mfn_t mfn; /* of the beginning; moves with it */
    enum p2m_type type;
    unsigned displaces; /* what leaves the map may be of these classes; else P2M_OCCUPIED */
};

/* As p2m_set_range, which displaces ALL_CLASSES as far as a leaf may. */
enum p2m_error set_range_to(struct p2m_locked locked, struct gfn_range *range,
                            struct set_wish *wish, struct p2m_debt *debt) P2M_MUST_CHECK;

/* A mark of just this size becomes ordinary memory: nothing is displaced, and nothing can fail. */
void set_over_mark(struct p2m *p2m, struct slot slot, gfn_t gfn, mfn_t mfn);

#endif
