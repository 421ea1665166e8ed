/* SPDX-License-Identifier: MIT */
/*
 * memory_op; see hypercall_memory.h.
 */
#include "hypercall_memory.h"

#include "balloon.h"
#include "flush.h"
#include "guest_linear.h"
#include "memory_map.h"
#include "print.h"
#include "slots.h"
#include "xen_abi.h"

#include <xen/memory.h>

/* Above the command stands how many extents of a long call are done; there is room for so many. */
#define COMMAND_BITS 6
#define COMMAND_MASK ((1u << COMMAND_BITS) - 1)
#define DONE_MAX     (UINT32_MAX >> COMMAND_BITS)

int64_t hypercall_map_error(enum p2m_error error)
{
    switch (error) {
    case P2M_OK:
        return 0;
    case P2M_NO_MEMORY:
    case P2M_DEBT_FULL:
    case P2M_EMPTY:
        return -XEN_ENOMEM;
    case P2M_BUSY:
        return -XEN_EBUSY;
    default:
        return -XEN_EINVAL;
    }
}

#define NOWHERE GFN(UINT64_MAX) /* no page can be set there */

/* ---- add_to_physmap ------------------------------------------------------------------------- */

/* Pages may be laid over the guest's memory and over nothing, not over each other. */
static bool can_be_covered(struct p2m_locked locked, const struct domain *domain, gfn_t gfn)
{
    struct memory_map_entry map[MEMORY_MAP_MAX];
    unsigned count = memory_map_of(domain, map);
    struct p2m_entry entry;

    if (gfn.gfn >= domain->end.gfn)
        return false;
    for (unsigned i = 0; i < count; i++) {
        uint64_t from = map[i].address >> FRAME_SHIFT;

        if (map[i].type != MEMORY_MAP_RAM && gfn.gfn >= from &&
            gfn.gfn - from < map[i].size >> FRAME_SHIFT)
            return false;
    }
    entry = p2m_get_entry(p2m_locked_walking(locked), gfn);
    return entry.type == P2M_RAM_RW || entry.type == P2M_RAM_LOGDIRTY ||
           p2m_type_is_held(entry.type) || entry.type == P2M_INVALID || entry.type == P2M_POD;
}

static enum p2m_error set_page(struct p2m_locked locked, gfn_t gfn, const struct special_page *page,
                               struct p2m_debt *debt)
{
    struct p2m_mapping mapping = { .mfn = INVALID_MFN, .order = ORDER_4K, .type = P2M_INVALID };

    if (page)
        mapping = (struct p2m_mapping){ .mfn = page->mfn, .order = ORDER_4K, .type = P2M_SPECIAL };
    return p2m_set_entry(locked, gfn, mapping, debt);
}

/*
 * The page leaves its old place, for it must never be seen at two, and then what is at the new one
 * goes. In this order: when the second step fails, the first can be undone. A frame is never
 * exchanged for another in one step, so the page itself comes after the flush.
 */
static enum p2m_error make_room(struct p2m_locked locked, struct special_page *page, gfn_t gfn,
                                struct p2m_debt *debt)
{
    if (page->mapped) {
        enum p2m_error error = set_page(locked, page->gfn, NULL, debt);

        if (error != P2M_OK)
            return error;
        page->mapped = false;
    }
    return set_page(locked, gfn, NULL, debt);
}

/* At the new place, or back at the old one, whose table is still there. */
static enum p2m_error put_page(struct p2m_locked locked, struct special_page *page, gfn_t gfn)
{
    struct p2m_debt none = P2M_NO_DEBT; /* nothing is there any more that could be displaced */
    enum p2m_error error = set_page(locked, gfn, page, &none);

    if (error != P2M_OK)
        return error;
    page->gfn = gfn;
    page->mapped = true;
    return P2M_OK;
}

static int64_t place_page(struct domain *domain, struct special_page *page, gfn_t gfn,
                          enum slot_reason reason)
{
    gfn_t old = page->mapped ? page->gfn : NOWHERE;
    struct p2m_debt debt = P2M_NO_DEBT;
    enum p2m_error error = P2M_BAD_RANGE, undone;
    struct p2m_locked locked;

    if (page->mapped && page->gfn.gfn == gfn.gfn)
        return 0;
    locked = p2m_lock(&domain->p2m);
    if (can_be_covered(locked, domain, gfn))
        error = make_room(locked, page, gfn, &debt);
    p2m_unlock(locked);
    flush_settle(domain, &debt);

    locked = p2m_lock(&domain->p2m);
    if (error == P2M_OK)
        error = put_page(locked, page, gfn);
    undone = page->mapped ? P2M_OK : put_page(locked, page, old);
    p2m_unlock(locked);
    if (error == P2M_OK)
        slot_note(domain, gfn, reason);
    else if (undone != P2M_OK && old.gfn != NOWHERE.gfn)
        print("a page shared with %s lost its place: %s\n", domain->name, p2m_error_name(undone));
    return hypercall_map_error(error);
}

static int64_t add_to_physmap(struct vcpu *vcpu, uint64_t argument)
{
    struct domain *domain = vcpu->domain;
    struct xen_add_to_physmap add;

    if (!guest_copy_from_linear(vcpu, &add, argument, sizeof(add)))
        return -XEN_EFAULT;
    if (!names_caller(domain, add.domid))
        return -XEN_EPERM;
    if (add.idx != 0) /* one frame of each is all that there is */
        return -XEN_EINVAL;
    switch (add.space) {
    case XENMAPSPACE_shared_info:
        return place_page(domain, &domain->shared_info, GFN(add.gpfn), SLOT_SHARED_INFO);
    case XENMAPSPACE_grant_table:
        return place_page(domain, &domain->grants, GFN(add.gpfn), SLOT_GUEST_MAPPING);
    default:
        return -XEN_EINVAL;
    }
}

/* ---- balloon -------------------------------------------------------------------------------- */

/* The guest's instruction is run again for the rest, after its interrupts and timers. */
static int64_t change_in_turns(struct vcpu *vcpu, struct balloon_list *list, uint64_t command,
                               enum balloon_verb verb)
{
    while (balloon_change(vcpu, list, verb)) {
        if (list->next > DONE_MAX)
            continue;
        vcpu->registers.rdi = (command & COMMAND_MASK) | list->next << COMMAND_BITS;
        vcpu->call_again = true;
        break;
    }
    if (!vcpu->call_again)
        vcpu->registers.rdi = command & COMMAND_MASK;
    return (int64_t)list->next;
}

static int64_t change_reservation(struct vcpu *vcpu, uint64_t command, uint64_t argument,
                                  enum balloon_verb verb)
{
    struct xen_memory_reservation request;
    struct balloon_list list;

    if (!guest_copy_from_linear(vcpu, &request, argument, sizeof(request)))
        return -XEN_EFAULT;
    if (!names_caller(vcpu->domain, request.domid))
        return -XEN_EPERM;
    list = (struct balloon_list){ .linear = (uintptr_t)request.extent_start.p,
                                  .count = request.nr_extents,
                                  .next = command >> COMMAND_BITS,
                                  .order = request.extent_order };
    /* A list that names more than there could be makes no sense; and so no call is endless. */
    if (list.order > ORDER_1G || list.count > vcpu->domain->end.gfn >> list.order ||
        list.next > list.count)
        return -XEN_EINVAL;
    return change_in_turns(vcpu, &list, command, verb);
}

/* ---- what memory there is ------------------------------------------------------------------- */

/* What the guest has now, or what it is promised. */
static int64_t reservation(struct vcpu *vcpu, uint64_t argument, uint64_t frames)
{
    domid_t id;

    if (!guest_copy_from_linear(vcpu, &id, argument, sizeof(id)))
        return -XEN_EFAULT;
    return names_caller(vcpu->domain, id) ? (int64_t)frames : -XEN_EPERM;
}

/* As the firmware of a PC would say it. */
struct e820_entry {
    uint64_t address;
    uint64_t size;
    uint32_t type;
} __attribute__((packed));

_Static_assert(sizeof(struct e820_entry) == 20, "E820's entry");

static int64_t memory_map(struct vcpu *vcpu, uint64_t argument)
{
    struct memory_map_entry map[MEMORY_MAP_MAX];
    struct xen_memory_map request;
    unsigned count = memory_map_of(vcpu->domain, map);

    if (!guest_copy_from_linear(vcpu, &request, argument, sizeof(request)))
        return -XEN_EFAULT;
    if (request.nr_entries > count)
        request.nr_entries = count;
    for (unsigned i = 0; i < request.nr_entries; i++) {
        struct e820_entry entry = { map[i].address, map[i].size, (uint32_t)map[i].type };

        if (!guest_copy_to_linear(vcpu, (uintptr_t)request.buffer.p + i * sizeof(entry), &entry,
                                  sizeof(entry)))
            return -XEN_EFAULT;
    }
    return guest_copy_to_linear(vcpu, argument, &request, sizeof(request)) ? 0 : -XEN_EFAULT;
}

int64_t hypercall_memory(struct vcpu *vcpu, uint64_t command, uint64_t argument)
{
    switch (command & COMMAND_MASK) {
    case XENMEM_add_to_physmap:
        return add_to_physmap(vcpu, argument);
    case XENMEM_decrease_reservation:
        return change_reservation(vcpu, command, argument, BALLOON_DECREASE);
    case XENMEM_populate_physmap:
        return change_reservation(vcpu, command, argument, BALLOON_POPULATE);
    case XENMEM_current_reservation:
        return reservation(vcpu, argument, balloon_frames(vcpu->domain));
    case XENMEM_maximum_reservation:
        return reservation(vcpu, argument, vcpu->domain->maxmem_frames);
    case XENMEM_memory_map:
        return memory_map(vcpu, argument);
    case XENMEM_get_pod_target: /* for whoever runs the machine */
    case XENMEM_set_pod_target:
        return -XEN_EPERM;
    default:
        return -XEN_ENOSYS;
    }
}
