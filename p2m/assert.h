/* SPDX-License-Identifier: MIT */
/*
 * ASSERT is for truths of O(1) that only a bug of the host's can break. Nothing that a guest can
 * cause is one, and nothing that costs more: that is p2m_audit's.
 */
#ifndef P2M_ASSERT_H
#define P2M_ASSERT_H

#include "p2m/host.h"

#define ASSERT(truth) ((truth) ? (void)0 : p2m_host_assert_failed(#truth, __FILE__, __LINE__))

#endif
