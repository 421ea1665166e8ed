/* SPDX-License-Identifier: MIT */
/*
 * The one door to Xen's public headers: says which version of the interface we speak before any of
 * them is read. Without it they speak the oldest, where calls have other numbers.
 * Refuses to know what is done with it.
 */
#ifndef HV_XEN_ABI_H
#define HV_XEN_ABI_H

#include <stddef.h>
#include <stdint.h>

#define __XEN_INTERFACE_VERSION__ 0x00040e00

#include <xen/xen.h>

#include <xen/errno.h>

#endif
