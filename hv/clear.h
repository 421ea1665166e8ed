/* SPDX-License-Identifier: MIT */
/*
 * A block of memory reads as zero afterwards. Refuses to know whose it is.
 */
#ifndef HV_CLEAR_H
#define HV_CLEAR_H

#include "p2m/frame.h"

/*
 * clear_block - read it, and write where it is not zero: what a balloon scrubbed, or what was never
 * used, costs no write, and under an emulator no memory.
 *   Units:   2^order frames, within the direct map.
 *   Context: nobody else writes to it; no lock is held, for it takes time.
 */
void clear_block(mfn_t mfn, unsigned order);

#endif
