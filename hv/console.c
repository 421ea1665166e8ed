/* SPDX-License-Identifier: MIT */
/*
 * The console ring; see console.h. An index counts bytes for ever and wraps at 2^32; what it is
 * worth within the ring is its low bits. A distance of more than the ring is the guest's mistake:
 * that much is thrown away.
 */
#include "console.h"

#include "devices.h"
#include "events.h"
#include "lib.h"
#include "xen_abi.h"

#include <xen/io/console.h>

#define IN_SIZE  sizeof(((struct xencons_interface *)0)->in)
#define OUT_SIZE sizeof(((struct xencons_interface *)0)->out)

_Static_assert(IN_SIZE == 1024 && OUT_SIZE == 2048, "the ABI's ring sizes, powers of two");

static struct xencons_interface *ring_of(const struct domain *domain)
{
    return domain->console.host;
}

void console_init(struct domain *domain)
{
    memset(domain->console.host, 0, FRAME_SIZE);
}

void console_put(char c)
{
    uart_put(UART_CONSOLE, c);
}

void console_drain(struct domain *domain)
{
    struct xencons_interface *ring = ring_of(domain);
    uint32_t from = __atomic_load_n(&ring->out_cons, __ATOMIC_RELAXED);
    uint32_t end = __atomic_load_n(&ring->out_prod, __ATOMIC_ACQUIRE);

    if (from == end)
        return;
    if (end - from <= OUT_SIZE) {
        for (uint32_t i = from; i != end; i++)
            console_put(ring->out[i % OUT_SIZE]);
    }
    __atomic_store_n(&ring->out_cons, end, __ATOMIC_RELEASE);
}

void console_input(struct domain *domain)
{
    struct xencons_interface *ring = ring_of(domain);
    uint32_t from = __atomic_load_n(&ring->in_cons, __ATOMIC_ACQUIRE);
    uint32_t end = __atomic_load_n(&ring->in_prod, __ATOMIC_RELAXED);
    uint32_t start = end;

    if (end - from > IN_SIZE)
        return; /* no room that makes sense: what is typed waits */
    while (end - from < IN_SIZE) {
        int byte = uart_get(UART_CONSOLE);

        if (byte < 0)
            break;
        ring->in[end++ % IN_SIZE] = (char)byte;
    }
    if (end == start)
        return;
    __atomic_store_n(&ring->in_prod, end, __ATOMIC_RELEASE);
    events_send(domain, GUEST_PORT_CONSOLE);
}
