/* SPDX-License-Identifier: MIT */
/*
 * A guest's whole life. Creation takes steps that are undone by domain_destroy from whatever point
 * they have reached, so that no step needs an error path of its own.
 */
#include "domain.h"

#include "build.h"
#include "console.h"
#include "cpu.h"
#include "devices.h"
#include "events.h"
#include "flush.h"
#include "frames.h"
#include "guest_memory.h"
#include "lib.h"
#include "print.h"
#include "rtc.h"
#include "slots.h"
#include "vcpu.h"
#include "vendor.h"
#include "xenstore.h"

/* ---- the engine's host (p2m/host.h) --------------------------------------------------------- */

static struct domain *domain_of(struct p2m *p2m)
{
    return (struct domain *)((char *)p2m - offsetof(struct domain, p2m));
}

mfn_t p2m_host_alloc_table(struct p2m *p2m)
{
    return frames_alloc(0, FRAME_TABLE, domain_of(p2m)->id);
}

void p2m_host_free_table(struct p2m *p2m, mfn_t table)
{
    (void)p2m;
    frames_free(table, 0);
}

struct p2m_table_info *p2m_host_table_info(const struct p2m *p2m, mfn_t table)
{
    (void)p2m;
    return frames_table_info(table);
}

/* What is not RAM stays with whoever holds it: special pages outlive their place in the map. */
void p2m_host_put_frames(struct p2m *p2m, const struct p2m_frames *frames)
{
    (void)p2m;
    if (p2m_type_class(frames->type) != P2M_CLASS_RAM)
        return;
    if (frames->became == P2M_BROKEN)
        frames_set_state(frames->mfn, frames->order, FRAME_BROKEN, FRAME_OWNER_HOST);
    else
        frames_free(frames->mfn, frames->order);
}

void p2m_host_assert_failed(const char *expression, const char *file, int line)
{
    panic("assertion failed: %s (%s, line %d)", expression, file, line);
}

/* ---- create --------------------------------------------------------------------------------- */

static const char *create_p2m(struct domain *domain, unsigned max_order)
{
    unsigned largest = vendor->has_1g() ? ORDER_1G : ORDER_2M;
    struct p2m_config config = {
        .format = vendor->format,
        .direct_map = direct_map(0),
        .end = domain->end,
        .mfn_end = MFN((uint64_t)1 << (cpu_physical_bits() - FRAME_SHIFT)),
        .max_order = max_order < largest ? max_order : largest,
        .table_quota = (domain->end.gfn >> ORDER_2M) + 64, /* all of it in 4 KB pieces */
    };

    return p2m_create(&domain->p2m, &config) == P2M_OK ? NULL : "no frame for the guest's map";
}

static bool special_alloc(struct domain *domain, struct special_page *page)
{
    mfn_t mfn = frames_alloc(0, FRAME_SPECIAL, domain->id);

    if (!mfn_is_valid(mfn))
        return false;
    *page = (struct special_page){ .mfn = mfn, .host = direct_map(mfn.mfn << FRAME_SHIFT) };
    memset(page->host, 0, FRAME_SIZE);
    return true;
}

static bool special_map(struct domain *domain, struct special_page *page, gfn_t gfn)
{
    struct p2m_mapping mapping = { .mfn = page->mfn, .order = 0, .type = P2M_SPECIAL };
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    enum p2m_error error = p2m_set_entry(locked, gfn, mapping, &debt);

    p2m_unlock(locked);
    flush_settle(domain, &debt);
    page->gfn = gfn;
    page->mapped = error == P2M_OK;
    slot_note(domain, gfn, SLOT_SPECIAL);
    return page->mapped;
}

static const char *create_special_pages(struct domain *domain)
{
    bool good = special_alloc(domain, &domain->shared_info) &&
                special_alloc(domain, &domain->grants) && special_alloc(domain, &domain->console) &&
                special_alloc(domain, &domain->store_ring) &&
                special_map(domain, &domain->console, GUEST_CONSOLE_GFN) &&
                special_map(domain, &domain->store_ring, GUEST_STORE_GFN);

    for (unsigned i = 0; good && i < GUEST_ACPI_FRAMES; i++)
        good = special_alloc(domain, &domain->acpi[i]) &&
               special_map(domain, &domain->acpi[i], gfn_add(GUEST_ACPI_GFN, i));
    return good ? NULL : "no frames for the pages that the guest shares with the host";
}

static const char *check_memory(const struct domain_config *config)
{
    static char error[120];
    struct frame_counts counts = frames_count();
    uint64_t has = counts.frames[FRAME_FREE], wants = config->memory_frames;

    if (wants == 0 || wants > (uint64_t)SLOTS_MAX / 2 << ORDER_1G)
        return "guest.memory is out of range (4K to 256G)";
    if (config->target_frames == 0 || config->target_frames > wants)
        return "guest.target is out of range: at most guest.memory";
    if (wants + (wants >> ORDER_2M) + 64 <= has)
        return NULL;
    format(error, sizeof(error),
           "the guest wants %lu MB, and the host has %lu MB free: lower guest.memory",
           wants >> (20 - FRAME_SHIFT), has >> (20 - FRAME_SHIFT));
    return error;
}

static const char *create_vcpu(struct domain *domain, const struct pvh_image *image)
{
    struct entry_state entry;
    const char *error = pvh_load(domain, image, &entry);

    if (error)
        return error;
    return vendor->vcpu_init(&domain->vcpu[0], entry) ? NULL : "no frames for the vCPU";
}

const char *domain_create(struct domain *domain, unsigned id, const struct domain_config *config)
{
    const char *error = check_memory(config);

    if (!error)
        error = pvh_check(&config->image);
    if (error)
        return error;
    *domain = (struct domain){ .id = id, .test_calls = config->test_calls };
    format(domain->name, sizeof(domain->name), "%s", config->name);
    build_layout(domain, config->memory_frames);
    domain->target_frames = config->target_frames;
    domain->tsc_offset = -clock_tsc();
    domain->wall_seconds = rtc_read();
    vcpu_init(&domain->vcpu[0], domain, 0);

    error = create_p2m(domain, config->max_order);
    if (error)
        return error;
    error = create_special_pages(domain);
    if (!error)
        error = build_memory(domain);
    if (!error) {
        events_init(domain);
        console_init(domain);
        xenstore_init(domain);
        error = create_vcpu(domain, &config->image);
    }
    if (error)
        domain_destroy(domain);
    return error;
}

/* ---- destroy -------------------------------------------------------------------------------- */

static void special_free(struct special_page *page)
{
    if (page->host)
        frames_free(page->mfn, 0);
    *page = (struct special_page){ 0 };
}

void domain_destroy(struct domain *domain)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked;

    guest_unpin(domain, &domain->vcpu[0].info_page);
    if (domain->vcpu[0].vendor)
        vendor->vcpu_destroy(&domain->vcpu[0]);
    locked = p2m_lock(&domain->p2m);
    p2m_destroy(locked, &debt);
    p2m_unlock(locked);
    flush_settle(domain, &debt);
    special_free(&domain->shared_info);
    special_free(&domain->grants);
    special_free(&domain->console);
    special_free(&domain->store_ring);
    for (unsigned i = 0; i < GUEST_ACPI_FRAMES; i++)
        special_free(&domain->acpi[i]);
}

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

static uint64_t audit_frames(const struct domain *domain, const struct p2m_audit *report,
                             uint64_t ram)
{
    struct frame_counts counts = frames_count_of(domain->id);
    struct p2m_unpaid unpaid = p2m_unpaid(&domain->p2m);
    const char *what = NULL;
    uint64_t errors = frames_audit(&what);

    if (errors)
        print("audit: machine frames: %s (%lu errors)\n", what, errors);
    if (counts.frames[FRAME_RAM] + counts.frames[FRAME_OWED] != ram + unpaid.ram ||
        counts.frames[FRAME_TABLE] != report->recounted.tables + unpaid.tables) {
        print("audit: the guest owns %lu RAM frames and %lu tables, its map holds %lu and "
              "%lu\n",
              counts.frames[FRAME_RAM], counts.frames[FRAME_TABLE], ram, report->recounted.tables);
        errors++;
    }
    return errors;
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
    p2m_unlock(locked);
    return errors + audit_frames(domain, &report, ram) + audit_slots(domain);
}

/* ---- slots ---------------------------------------------------------------------------------- */

/* The first entry of the slot that maps anything, or its empty last one. */
static struct p2m_entry first_in_slot(struct p2m_walking walking, gfn_t gfn)
{
    uint64_t end = gfn.gfn + order_frames(ORDER_1G);
    struct p2m_entry entry = p2m_get_entry(walking, gfn);

    while (entry.type == P2M_INVALID && gfn.gfn + order_frames(entry.order) < end) {
        gfn = gfn_add(gfn, order_frames(entry.order));
        entry = p2m_get_entry(walking, gfn);
    }
    return entry;
}

struct slot_summary domain_slots(struct domain *domain)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    struct slot_summary summary = { 0 };

    for (uint64_t slot = 0; slot < domain->end.gfn >> ORDER_1G && slot < SLOTS_MAX; slot++) {
        struct p2m_entry entry = first_in_slot(p2m_locked_walking(locked), GFN(slot << ORDER_1G));

        if (entry.type == P2M_INVALID)
            continue;
        summary.slots++;
        if (entry.order == ORDER_1G)
            summary.whole++;
        else
            summary.reasons[domain->slot_reason[slot]]++;
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
    };

    return names[reason];
}

const char *stop_reason_name(enum stop_reason reason)
{
    static const char *const names[STOP_REASONS] = {
        [STOP_NONE] = "running",
        [STOP_POWEROFF] = "poweroff",
        [STOP_REBOOT] = "reboot",
        [STOP_HALTED] = "halted",
        [STOP_CRASH] = "crash",
        [STOP_TRIPLE_FAULT] = "triple_fault",
        [STOP_BAD_ACCESS] = "bad_access",
        [STOP_BAD_STATE] = "bad_state",
        [STOP_UNKNOWN_EXIT] = "unknown_exit",
        [STOP_HOST_BUG] = "host_bug",
    };

    return names[reason];
}
