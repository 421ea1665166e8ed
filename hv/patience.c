/* SPDX-License-Identifier: MIT */
/*
 * Waiting for memory; see patience.h.
 */
#include "patience.h"

#include "console.h"
#include "devices.h"
#include "lock.h"
#include "number.h"
#include "print.h"
#include "report.h"
#include "target.h"
#include "upkeep.h"

#define NS_PER_S 1000000000ul
#define LOOK_NS  2000000ul /* how often we look whether a line has come */
#define LINE_NS  500000ul  /* and what has come of the rest: six bytes, the port keeps sixteen */

static bool has_any(const struct domain *domain)
{
    return pod_account(&domain->pod).cached > 0;
}

/* Nobody else waits for this processor's timer now. */
static void sleep_until(uint64_t ns)
{
    timer_disarm();
    timer_arm(ns);
    host_sleep();
}

static void say(const struct domain *domain)
{
    struct pod_account account = pod_account(&domain->pod);

    print("%s: out of PoD memory: it is to have %lu MB, %lu MB are populated, and %lu MB more are "
          "promised; waiting %lu s for a higher target\n",
          domain->name, megabytes(domain->memory_frames), megabytes(account.populated),
          megabytes(account.entries), domain->patience_ns / NS_PER_S);
}

bool patience_wait(struct domain *domain)
{
    uint64_t begin = clock_ns();

    /* What came back and found no page for its node went to the host, which may have it yet. */
    if (target_fill(domain) == P2M_OK && has_any(domain))
        return true;
    domain->waits++;
    console_drain(domain);
    say(domain);
    report_waiting(domain);
    while (!has_any(domain) && domain->stop == STOP_NONE &&
           clock_ns() - begin < domain->patience_ns) {
        if (target_is_half_read())
            sleep_until(clock_ns() + LINE_NS);
        else if (upkeep_step(domain))
            host_yield();
        else
            sleep_until(clock_ns() + LOOK_NS);
        (void)target_listen(domain); /* an answer to a record from before */
    }
    if (!has_any(domain))
        return false;
    print("%s: goes on\n", domain->name);
    report_resumed(domain);
    return true;
}
