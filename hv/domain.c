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
#include "number.h"
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
    struct domain *domain = domain_of(p2m);

    if (p2m_type_class(frames->type) != P2M_CLASS_RAM)
        return;
    if (frames->became == P2M_BROKEN)
        frames_set_state(frames->mfn, frames->order, FRAME_BROKEN, FRAME_OWNER_HOST);
    else if (pod_accept((struct p2m_locked){ p2m }, &domain->pod, frames))
        frames_set_state(frames->mfn, frames->order, FRAME_CACHED, domain->id);
    else
        frames_free(frames->mfn, frames->order);
}

/* A map needs at most a table for each 2 MB, whatever is in it, and the cache a node. */
static uint64_t table_quota(const struct domain *domain)
{
    uint64_t regions = domain->end.gfn >> ORDER_2M;

    return regions + regions / 16 + 64;
}

/* What this guest's tables may still want stays with the host: memory without tables is none. */
mfn_t p2m_host_alloc_frames(struct p2m *p2m, unsigned order)
{
    const struct domain *domain = domain_of(p2m);
    uint64_t free = frames_count_of(FRAME_OWNER_HOST).frames[FRAME_FREE];
    uint64_t has = frames_count_of(domain->id).frames[FRAME_TABLE];

    if (free + has < table_quota(domain) + order_frames(order))
        return INVALID_MFN;
    return frames_alloc(order, FRAME_CACHED, domain->id);
}

void p2m_host_free_frames(struct p2m *p2m, mfn_t mfn, unsigned order)
{
    (void)p2m;
    frames_free(mfn, order);
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
        .table_quota = table_quota(domain),
    };

    if (p2m_create(&domain->p2m, &config) != P2M_OK)
        return "no frame for the guest's map";
    pod_create(&domain->pod, &domain->p2m, domain->pod_max_order);
    pod_set_debt_order(&domain->pod, domain->pod_debt_order);
    return NULL;
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

static const char *check_memory(const struct domain *domain)
{
    static char error[160];
    uint64_t has = frames_count_of(FRAME_OWNER_HOST).frames[FRAME_FREE];
    uint64_t wants = domain->memory_frames, tables = table_quota(domain);

    if (wants + tables <= has)
        return NULL;
    if (wants > has)
        format(error, sizeof(error),
               "the guest wants %lu MB, and the host has %lu MB free: lower guest.memory",
               megabytes(wants), megabytes(has));
    else
        format(
            error, sizeof(error),
            "the host has %lu MB free; the guest wants %lu MB, and %lu MB for the tables of what "
            "it is promised: lower guest.maxmem",
            megabytes(has), megabytes(wants), megabytes(tables));
    return error;
}

static const char *check_config(const struct domain_config *config)
{
    if (config->maxmem_frames == 0 || config->maxmem_frames > (uint64_t)SLOTS_MAX / 2 << ORDER_1G)
        return "guest.maxmem is out of range (4K to 256G)";
    if (config->memory_frames == 0 || config->memory_frames > config->maxmem_frames)
        return "guest.memory is out of range: at most guest.maxmem";
    return pvh_check(&config->image);
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
    const char *error = check_config(config);

    if (error)
        return error;
    *domain = (struct domain){
        .id = id,
        .vcpu_count = 1,
        .memory_frames = config->memory_frames,
        .pod_max_order = config->pod_max_order,
        .pod_debt_order = config->pod_debt_order,
        .patience_ns = config->patience_ns,
        .has_target = config->has_target,
        .test_calls = config->test_calls,
    };
    format(domain->name, sizeof(domain->name), "%s", config->name);
    build_layout(domain, config->maxmem_frames);
    error = check_memory(domain);
    if (error)
        return error;
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

static void empty_hand(struct domain *domain)
{
    enum p2m_error error;

    do {
        struct p2m_locked locked = p2m_lock(&domain->p2m);

        error = pod_empty(locked, &domain->pod);
        p2m_unlock(locked);
    } while (error == P2M_AGAIN);
}

void domain_destroy(struct domain *domain)
{
    struct p2m_debt debt = P2M_NO_DEBT;
    struct p2m_locked locked;

    for (unsigned i = 0; i < domain->vcpu_count; i++)
        guest_unpin(domain, &domain->vcpu[i].info_page);
    if (domain->vcpu[0].vendor)
        vendor->vcpu_destroy(&domain->vcpu[0]);
    empty_hand(domain);
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
