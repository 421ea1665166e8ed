/* SPDX-License-Identifier: MIT */
/*
 * The table of types. One line a type is all that a new one takes.
 */
#include "type.h"

/* clang-format off */
const struct type_info type_table[(PTE_TYPE >> PTE_TYPE_SHIFT) + 1] = {
    /*                     name            rights     memory      class            */
    [P2M_INVALID]        = { "invalid",      0,         WRITE_BACK, P2M_CLASS_NONE   },
    [P2M_RAM_RW]         = { "ram_rw",       R | W | X, WRITE_BACK, P2M_CLASS_RAM    },
    [P2M_RAM_RO]         = { "ram_ro",       R | X,     WRITE_BACK, P2M_CLASS_RAM    },
    [P2M_MMIO]           = { "mmio",         R | W,     UNCACHED,   P2M_CLASS_OTHER  },
    [P2M_SPECIAL]        = { "special",      R | W,     WRITE_BACK, P2M_CLASS_OTHER  },
    [P2M_POD]            = { "pod",          0,         WRITE_BACK, P2M_CLASS_MARKER },
    [P2M_BROKEN]         = { "broken",       0,         WRITE_BACK, P2M_CLASS_OTHER  },
    [P2M_RAM_HELD]       = { "ram_held",     R | X,     WRITE_BACK, P2M_CLASS_RAM    },
    [P2M_RAM_COPIED]     = { "ram_copied",   R | X,     WRITE_BACK, P2M_CLASS_RAM    },
    [P2M_POD_MOVING]     = { "pod_moving",   0,         WRITE_BACK, P2M_CLASS_MARKER },
    [P2M_RAM_LOGDIRTY]   = { "ram_logdirty", R | X,     WRITE_BACK, P2M_CLASS_RAM    },
};
/* clang-format on */

_Static_assert(P2M_TYPE_COUNT <= PTE_TYPE >> PTE_TYPE_SHIFT, "types outgrow their four bits");

const char *p2m_type_name(enum p2m_type type)
{
    return (unsigned)type < P2M_TYPE_COUNT ? type_table[type].name : "unknown";
}

enum p2m_class p2m_type_class(enum p2m_type type)
{
    return (unsigned)type < P2M_TYPE_COUNT ? type_table[type].class : P2M_CLASS_NONE;
}

bool p2m_type_is_held(enum p2m_type type)
{
    return type == P2M_RAM_HELD || type == P2M_RAM_COPIED;
}

unsigned p2m_type_rights(enum p2m_type type)
{
    return (unsigned)type < P2M_TYPE_COUNT ? type_table[type].rights : 0;
}
