/* SPDX-License-Identifier: MIT */
/*
 * The table of types: what each is called, what the guest may do with it, how it is cached, what it
 * counts as. No code switches over types; it asks here. Knows no format and no entry.
 */
#ifndef P2M_TYPE_H
#define P2M_TYPE_H

#include "p2m/p2m.h"

#include "format.h"

struct type_info {
    const char *name;
    uint8_t rights; /* R | W | X; none: the entry is not present */
    enum memory memory;
    enum p2m_class class;
};

/* As many as an entry has numbers for: what no type has is P2M_CLASS_NONE. */
extern const struct type_info type_table[(PTE_TYPE >> PTE_TYPE_SHIFT) + 1];

/* May a change of a whole range be from this type, or to it? */
static inline bool type_may_change(enum p2m_type type)
{
    return p2m_type_class(type) == P2M_CLASS_RAM && !p2m_type_is_held(type);
}

#endif
