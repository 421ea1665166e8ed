/* SPDX-License-Identifier: MIT */
/*
 * What the machine can do, measured in the same run as the engine: how long one access to memory
 * takes, how fast it is read, how fast it is cleared. Refuses to know the engine.
 */
#ifndef BENCH_LIMITS_H
#define BENCH_LIMITS_H

/* One line for each limit, on standard output: "limit NAME MEDIAN LEAST MOST UNIT". */
void limits_measure(void);

#endif
