/* SPDX-License-Identifier: MIT */
/*
 * Guest memory by guest-physical address; see guest_memory.h. `resolve` is the one place that turns
 * a guest frame into a pointer. Where it can't yet, `make_ready` populates what is promised, and
 * ends what a sweep holds; then it is tried again.
 */
#include "guest_memory.h"

#include "cpu.h"
#include "lib.h"
#include "populate.h"
#include "reclaim.h"
#include "types.h"

/* What the host wants of a frame. */
enum purpose { TO_READ, TO_WRITE };

static bool type_allows(enum p2m_type type, enum purpose purpose)
{
    switch (type) {
    case P2M_RAM_RW:
    case P2M_SPECIAL:
        return true;
    case P2M_RAM_RO:
    case P2M_RAM_HELD:
    case P2M_RAM_COPIED:
    case P2M_RAM_LOGDIRTY:
        return purpose == TO_READ;
    default:
        return false;
    }
}

/* The frame's bytes, good for as long as the lock is held; NULL when there is no such memory. */
static void *resolve(struct p2m_locked locked, gfn_t gfn, enum purpose purpose)
{
    struct p2m_entry entry = p2m_get_entry(p2m_locked_walking(locked), gfn);

    if (!type_allows(entry.type, purpose) || !mfn_is_valid(entry.mfn))
        return NULL;
    if (purpose == TO_WRITE && p2m_mark_dirty(locked, gfn) != P2M_OK)
        return NULL;
    return direct_map(entry.mfn.mfn << FRAME_SHIFT);
}

/* Without the lock, for it takes time. Is it worth looking again? */
static bool make_ready(struct domain *domain, gfn_t gfn, enum purpose purpose)
{
    enum p2m_type type = guest_look_up(domain, gfn).type;

    if (p2m_type_class(type) == P2M_CLASS_MARKER)
        return populate(domain, gfn);
    if (p2m_type_is_held(type) && purpose == TO_WRITE) {
        reclaim_release(domain, gfn);
        return true;
    }
    if (type == P2M_RAM_LOGDIRTY && purpose == TO_WRITE) {
        types_log_write(domain, gfn);
        return true;
    }
    return type_allows(type, purpose); /* somebody else was faster */
}

/* Part of a guest's memory, and what the host has on its side of the copy; both NULL: clear. */
struct transfer {
    void *to;
    const void *from;
    uint64_t physical;
    size_t size;
};

static void transfer_piece(struct transfer *transfer, uint8_t *guest, size_t size)
{
    if (transfer->to) {
        memcpy(transfer->to, guest, size);
        transfer->to = (uint8_t *)transfer->to + size;
    } else if (transfer->from) {
        memcpy(guest, transfer->from, size);
        transfer->from = (const uint8_t *)transfer->from + size;
    } else {
        memset(guest, 0, size);
    }
    transfer->physical += size;
    transfer->size -= size;
}

/* A frame at a time, the lock dropped in between: a long copy must not keep a fault waiting. */
static bool transfer_all(struct domain *domain, struct transfer transfer)
{
    enum purpose purpose = transfer.to ? TO_READ : TO_WRITE;

    if (transfer.size > UINT64_MAX - transfer.physical)
        return false;
    while (transfer.size) {
        uint64_t offset = transfer.physical & (FRAME_SIZE - 1);
        size_t size = FRAME_SIZE - offset;
        gfn_t gfn = GFN(transfer.physical >> FRAME_SHIFT);
        struct p2m_locked locked = p2m_lock(&domain->p2m);
        uint8_t *frame = resolve(locked, gfn, purpose);

        if (frame)
            transfer_piece(&transfer, frame + offset, size < transfer.size ? size : transfer.size);
        p2m_unlock(locked);
        if (!frame && !make_ready(domain, gfn, purpose))
            return false;
    }
    return true;
}

bool guest_copy_from(struct domain *domain, void *to, uint64_t physical, size_t size)
{
    return transfer_all(domain, (struct transfer){ .to = to, .physical = physical, .size = size });
}

bool guest_copy_to(struct domain *domain, uint64_t physical, const void *from, size_t size)
{
    return transfer_all(domain,
                        (struct transfer){ .from = from, .physical = physical, .size = size });
}

bool guest_clear(struct domain *domain, uint64_t physical, size_t size)
{
    return transfer_all(domain, (struct transfer){ .physical = physical, .size = size });
}

bool guest_pin(struct domain *domain, gfn_t gfn, struct guest_pointer *pointer)
{
    void *frame;

    *pointer = (struct guest_pointer){ 0 };
    do {
        struct p2m_locked locked = p2m_lock(&domain->p2m);

        frame = resolve(locked, gfn, TO_WRITE);
        if (frame && p2m_pin(locked, gfn) == P2M_OK)
            *pointer = (struct guest_pointer){ .host = frame, .gfn = gfn };
        p2m_unlock(locked);
    } while (!frame && make_ready(domain, gfn, TO_WRITE));
    return pointer->host;
}

void guest_unpin(struct domain *domain, struct guest_pointer *pointer)
{
    if (!pointer->host)
        return;
    struct p2m_locked locked = p2m_lock(&domain->p2m);

    p2m_unpin(locked, pointer->gfn);
    p2m_unlock(locked);
    *pointer = (struct guest_pointer){ 0 };
}
