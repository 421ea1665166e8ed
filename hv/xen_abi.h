/* SPDX-License-Identifier: MIT */
/*
 * The one door to Xen's public headers: says which version of the interface we speak before any of
 * them is read. Without it they speak the oldest, where calls have other numbers.
 * Refuses to know what is done with it, but for the one thing that all calls say alike: who.
 */
#ifndef HV_XEN_ABI_H
#define HV_XEN_ABI_H

#include <stddef.h>
#include <stdint.h>

#define __XEN_INTERFACE_VERSION__ 0x00040e00

#include <xen/xen.h>

#include <xen/errno.h>

#include "guest.h"

/* Does the guest mean itself by this? No other domain is anything to it. */
static inline bool names_caller(const struct domain *caller, domid_t id)
{
    return id == DOMID_SELF || id == caller->id;
}

#endif
