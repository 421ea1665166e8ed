/* SPDX-License-Identifier: MIT */
/*
 * A guest looked at: does all that is said of its memory agree, and how are its slots mapped? Reads
 * only, and believes no count that it can take itself.
 */
#include "domain.h"

#include "frames.h"
#include "print.h"
#include "slots.h"

/* ---- audit ---------------------------------------------------------------------------------- */

/* Do all frames of this leaf belong here, in the state that its type calls for? By whole blocks. */
static bool leaf_is_ours(const struct domain *domain, mfn_t mfn, unsigned order,
                         enum frame_state state)
{
    uint64_t end = mfn.mfn + order_frames(order);

    while (mfn.mfn < end) {
        struct frame_info info = frames_look_up(mfn);

        if (info.state != state || info.owner != domain->id)
            return false;
        mfn.mfn = frame_align_down(mfn.mfn, info.order) + order_frames(info.order);
    }
    return true;
}

static uint64_t audit_leaves(struct domain *domain, struct p2m_walking walking, uint64_t *ram)
{
    uint64_t errors = 0;
    gfn_t gfn = GFN(0);

    while (gfn.gfn < domain->end.gfn) {
        struct p2m_entry entry = p2m_get_entry(walking, gfn);
        bool is_ram = p2m_type_class(entry.type) == P2M_CLASS_RAM;

        if (mfn_is_valid(entry.mfn) &&
            !leaf_is_ours(domain, entry.mfn, entry.order, is_ram ? FRAME_RAM : FRAME_SPECIAL)) {
            print("audit: gfn 0x%lx names frames that are not this guest's\n", gfn.gfn);
            errors++;
        }
        if (is_ram)
            *ram += order_frames(entry.order);
        gfn = gfn_add(gfn, order_frames(entry.order));
    }
    return errors;
}

/* What the host counts as this guest's, and what its map and its cache hold. */
static uint64_t audit_frames(const struct domain *domain, const struct p2m_audit *report,
                             uint64_t ram)
{
    struct frame_counts counts = frames_count_of(domain->id);
    struct p2m_unpaid unpaid = p2m_unpaid(&domain->p2m);
    struct pod_account account = pod_account(&domain->pod);
    const struct {
        const char *what;
        uint64_t owns, holds;
    } sides[] = {
        { "RAM frames", counts.frames[FRAME_RAM] + counts.frames[FRAME_OWED], ram + unpaid.ram },
        { "frames in hand", counts.frames[FRAME_CACHED], account.cached + account.granted },
        { "tables", counts.frames[FRAME_TABLE],
          report->recounted.tables + unpaid.tables + pod_cache_counts(&domain->pod).pages },
    };
    const char *what = NULL;
    uint64_t errors = frames_audit(&what);

    if (errors)
        print("audit: machine frames: %s (%lu errors)\n", what, errors);
    for (unsigned i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
        if (sides[i].owns == sides[i].holds)
            continue;
        print("audit: the guest owns %lu %s, and holds %lu\n", sides[i].owns, sides[i].what,
              sides[i].holds);
        errors++;
    }
    return errors;
}

static uint64_t audit_pod(struct p2m_locked locked, const struct domain *domain)
{
    struct pod_audit report;

    pod_audit(locked, &domain->pod, &report);
    if (report.cache.errors)
        print("audit: the PoD cache: %s (%lu errors)\n", report.cache.what, report.cache.errors);
    if (report.what)
        print("audit: PoD: %s\n", report.what);
    return report.errors;
}

static uint64_t audit_slots(struct domain *domain)
{
    struct slot_summary summary = domain_slots(domain);

    if (summary.reasons[SLOT_WHOLE])
        print("audit: %u slots are in pieces, and nobody said why\n", summary.reasons[SLOT_WHOLE]);
    return summary.reasons[SLOT_WHOLE];
}

uint64_t domain_audit(struct domain *domain)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    struct p2m_audit report;
    uint64_t errors, ram = 0;

    p2m_audit(locked, &report);
    for (unsigned i = 0; i < report.errors && i < P2M_AUDIT_DETAILS; i++)
        print("audit: gfn 0x%lx, order %u: %s\n", report.detail[i].gfn.gfn, report.detail[i].order,
              report.detail[i].what);
    errors = report.errors + audit_leaves(domain, p2m_locked_walking(locked), &ram);
    errors += audit_pod(locked, domain);
    p2m_unlock(locked);
    return errors + audit_frames(domain, &report, ram) + audit_slots(domain);
}

/* ---- slots ---------------------------------------------------------------------------------- */

/* What the first entry says that has a frame; failing that, that something is promised. */
static struct p2m_entry first_in_slot(struct p2m_walking walking, gfn_t gfn)
{
    uint64_t end = gfn.gfn + order_frames(ORDER_1G);
    struct p2m_entry found = { .type = P2M_INVALID };

    while (gfn.gfn < end) {
        struct p2m_entry entry = p2m_get_entry(walking, gfn);

        if (mfn_is_valid(entry.mfn))
            return entry;
        if (entry.type != P2M_INVALID)
            found = entry;
        gfn = gfn_add(gfn, order_frames(entry.order));
    }
    return found;
}

struct slot_summary domain_slots(struct domain *domain)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    struct slot_summary summary = { 0 };

    for (uint64_t slot = 0; slot < slot_count(domain); slot++) {
        struct p2m_entry entry = first_in_slot(p2m_locked_walking(locked), GFN(slot << ORDER_1G));

        if (entry.type == P2M_INVALID)
            continue;
        if (entry.type == P2M_POD)
            summary.promised++;
        else if (entry.order == ORDER_1G)
            summary.whole++;
        else
            summary.reasons[domain->slot_reason[slot]]++;
        summary.slots += entry.type != P2M_POD;
    }
    p2m_unlock(locked);
    return summary;
}

const char *slot_reason_name(enum slot_reason reason)
{
    static const char *const names[SLOT_REASONS] = {
        [SLOT_WHOLE] = "unexplained",
        [SLOT_SHARED_INFO] = "shared_info",
        [SLOT_SPECIAL] = "special",
        [SLOT_PARTIAL] = "partial",
        [SLOT_NO_1G_FRAME] = "no_1g_frame",
        [SLOT_NO_1G_PROCESSOR] = "no_1g_processor",
        [SLOT_SPLIT_BY_TEST] = "split_by_test",
        [SLOT_GUEST_MAPPING] = "guest_mapping",
        [SLOT_BALLOONED] = "ballooned_piece",
        [SLOT_POPULATED_IN_DEBT] = "populated_in_debt",
        [SLOT_RECLAIMED] = "reclaimed",
        [SLOT_LOG_DIRTY] = "log_dirty",
    };

    return names[reason];
}
