/* SPDX-License-Identifier: MIT */
/*
 * Writes held off: RAM of a type that the guest may read and not write, while the host looks at it
 * or copies it. Only letting go is here; holding is p2m_set_entry with such a type.
 */
#ifndef P2M_HOLD_H
#define P2M_HOLD_H

#include "pte.h"

/* Whatever is held in [from, end) is the guest's again, whole leaves of it. */
void hold_release(struct p2m *p2m, gfn_t from, gfn_t end);

#endif
