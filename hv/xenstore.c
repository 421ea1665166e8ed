/* SPDX-License-Identifier: MIT */
/*
 * The rings of a guest's xenstore; see xenstore.h. An index counts bytes for ever and wraps at
 * 2^32. Where we are in each ring we know ourselves; what the guest says of it must make sense, and
 * a message is copied out of the ring once, before anything of it is believed.
 */
#include "xenstore.h"

#include "events.h"
#include "lib.h"
#include "store.h"
#include "xen_abi.h"
#include "xenstore_requests.h"

#include <xen/io/xs_wire.h>

#define HEADER_SIZE ((uint32_t)sizeof(struct xsd_sockmsg))

_Static_assert(sizeof(struct xenstore_domain_interface) <= FRAME_SIZE, "the ring is one page");

static const char target_name[] = "memory/target";

static struct xenstore_domain_interface *ring_of(const struct domain *domain)
{
    return domain->store_ring.host;
}

/* ---- the rings ------------------------------------------------------------------------------ */

/* For good: where a message starts is not known any more. */
static void give_up(struct domain *domain, uint32_t error)
{
    domain->store.broken = true;
    __atomic_store_n(&ring_of(domain)->error, error, __ATOMIC_RELEASE);
}

/* How large the message is, as far as is known by now. */
static uint32_t message_size(const struct store *store)
{
    struct xsd_sockmsg header;

    if (store->in_size < HEADER_SIZE)
        return HEADER_SIZE;
    memcpy(&header, store->in, HEADER_SIZE);
    return header.len > XENSTORE_PAYLOAD_MAX ? UINT32_MAX : HEADER_SIZE + header.len;
}

/* Bytes up to `end`, as many as the message wants. Is it complete? */
static bool take(struct domain *domain, uint32_t end)
{
    struct xenstore_domain_interface *ring = ring_of(domain);
    struct store *store = &domain->store;

    while (store->in_size < message_size(store)) {
        if (message_size(store) > STORE_MESSAGE_MAX) {
            give_up(domain, XENSTORE_ERROR_PROTO);
            return false;
        }
        if (store->request_index == end)
            return false;
        store->in[store->in_size++] = ring->req[MASK_XENSTORE_IDX(store->request_index++)];
    }
    return true;
}

/* What waits goes into the ring as far as there is room. Is all of it there? */
static bool give(struct domain *domain)
{
    struct xenstore_domain_interface *ring = ring_of(domain);
    struct store *store = &domain->store;
    uint32_t taken = __atomic_load_n(&ring->rsp_cons, __ATOMIC_ACQUIRE);

    if (store->reply_index - taken > XENSTORE_RING_SIZE) {
        give_up(domain, XENSTORE_ERROR_RINGIDX);
        return false;
    }
    while (store->out_from < store->out_end && store->reply_index - taken < XENSTORE_RING_SIZE)
        ring->rsp[MASK_XENSTORE_IDX(store->reply_index++)] = store->out[store->out_from++];
    if (store->out_from < store->out_end)
        return false;
    store->out_from = store->out_end = 0;
    return true;
}

/* One thing more to answer, when there is one. */
static bool next(struct domain *domain, uint32_t end)
{
    struct store *store = &domain->store;

    if (store->target_changed) {
        store->target_changed = false;
        xenstore_announce(domain, target_name);
        return true;
    }
    if (!take(domain, end))
        return false;
    xenstore_handle(domain);
    store->in_size = 0;
    return true;
}

void xenstore_serve(struct domain *domain)
{
    struct xenstore_domain_interface *ring = ring_of(domain);
    struct store *store = &domain->store;
    uint32_t end = __atomic_load_n(&ring->req_prod, __ATOMIC_ACQUIRE);
    uint32_t taken = store->request_index, given = store->reply_index;

    if (store->broken)
        return;
    if (end - taken > XENSTORE_RING_SIZE) {
        give_up(domain, XENSTORE_ERROR_RINGIDX);
        return;
    }
    while (give(domain) && next(domain, end))
        ;
    if (store->request_index == taken && store->reply_index == given)
        return;
    __atomic_store_n(&ring->req_cons, store->request_index, __ATOMIC_RELEASE);
    __atomic_store_n(&ring->rsp_prod, store->reply_index, __ATOMIC_RELEASE);
    events_send(domain, GUEST_PORT_STORE);
}

/* ---- the host's own keys -------------------------------------------------------------------- */

/* The host's keys are few and come first: there is room for them. */
static void set_kilobytes(struct domain *domain, const char *name, uint64_t frames)
{
    char text[24];
    size_t size = format(text, sizeof(text), "%lu", frames << (FRAME_SHIFT - 10));

    (void)store_write(&domain->store, name, (struct store_value){ text, size }, STORE_HOST);
}

void xenstore_init(struct domain *domain)
{
    memset(ring_of(domain), 0, FRAME_SIZE);
    memset(&domain->store, 0, sizeof(domain->store));
    ring_of(domain)->server_features = XENSTORE_SERVER_FEATURE_ERROR;
    set_kilobytes(domain, "memory/static-max", domain->maxmem_frames);
    if (domain->has_target)
        set_kilobytes(domain, target_name, domain->memory_frames);
    (void)store_write(&domain->store, "cpu/0/availability", (struct store_value){ "online", 6 },
                      STORE_HOST);
}

void xenstore_set_target(struct domain *domain, uint64_t frames)
{
    domain->memory_frames = frames;
    if (!domain->has_target)
        return;
    set_kilobytes(domain, target_name, frames);
    domain->store.target_changed = true;
    xenstore_serve(domain);
}
