/* SPDX-License-Identifier: MIT */
/*
 * Records; see report.h. Numbers are counted where they happen; here they are only written down.
 */
#include "report.h"

#include <stddef.h>

#include "cpu.h"
#include "devices.h"
#include "domain.h"
#include "events.h"
#include "frames.h"
#include "lib.h"
#include "print.h"
#include "processors.h"
#include "stop.h"
#include "target.h"
#include "vcpu.h"
#include "vendor.h"

#define NS_PER_MS   1000000ul
#define NS_PER_S    1000000000ul
#define PATIENCE_NS (60 * NS_PER_S) /* for the host command */

static enum report_hold holding;

void report_init(enum report_hold hold)
{
    holding = hold;
}

/* ---- JSON, as far as it is needed ----------------------------------------------------------- */

static void put(void *to, char c)
{
    (void)to;
    uart_put(UART_RECORDS, c);
}

static void __attribute__((format(printf, 1, 2))) write(const char *text, ...)
{
    va_list arguments;

    va_start(arguments, text);
    format_each(put, NULL, text, arguments);
    va_end(arguments);
}

/* A string of ours or of the guest's: whatever JSON does not take as it is becomes a '?'. */
static void write_string(const char *name, const char *text)
{
    write("\"%s\":\"", name);
    for (; *text; text++)
        put(NULL, *text < ' ' || *text == '"' || *text == '\\' || *text > '~' ? '?' : *text);
    write("\",");
}

/* The last member has no comma after it: every object ends in one that every object has. */
static void write_end(void)
{
    write("\"ns\":%lu}\n", clock_ns());
}

static void write_by_size(const char *name, const uint64_t count[ORDER_SIZES])
{
    write("\"%s\":{\"1g\":%lu,\"2m\":%lu,\"4k\":%lu},", name, count[2], count[1], count[0]);
}

static void write_frames(void)
{
    static const char *const names[FRAME_STATES] = {
        [FRAME_HOST] = "host",     [FRAME_TABLE] = "table",   [FRAME_SPECIAL] = "special",
        [FRAME_RAM] = "ram",       [FRAME_CACHED] = "cached", [FRAME_OWED] = "owed",
        [FRAME_BROKEN] = "broken", [FRAME_FREE] = "free",
    };
    struct frame_counts counts = frames_count();
    uint64_t total = 0;

    write("\"frames\":{");
    for (unsigned state = FRAME_HOST; state < FRAME_STATES; state++) {
        write("\"%s\":%lu,", names[state], counts.frames[state]);
        total += counts.frames[state];
    }
    write("\"total\":%lu},", total);
}

/* ---- records -------------------------------------------------------------------------------- */

void report_host(void)
{
    write("{\"record\":\"host\",\"format\":\"%s\",\"vendor\":\"%s\",\"processor_has_1g\":%s,"
          "\"tsc_khz\":%lu,\"free_1g\":%lu,",
          p2m_format_name(vendor->format), vendor->name, vendor->has_1g() ? "true" : "false",
          clock_tsc_khz(), frames_free_blocks(ORDER_1G));
    write_frames();
    write_end();
}

static const char *phase_name(enum phase phase)
{
    static const char *const names[PHASES] = { "built", "used", "end", "ballooned" };

    return names[phase];
}

/*
 * The host command answers with an empty line when it has looked. The host's lock stays held: the
 * map must not change meanwhile.
 */
static void wait_for_host_command(struct domain *domain)
{
    uint64_t deadline = clock_ns() + PATIENCE_NS;

    if (holding == REPORT_RUN_ON || !uart_present(UART_RECORDS))
        return;
    while (!target_listen(domain)) {
        if (clock_ns() > deadline) {
            print("nobody has looked at memory for %lu s: going on without waiting for it\n",
                  PATIENCE_NS / NS_PER_S);
            holding = REPORT_RUN_ON;
            return;
        }
        cpu_pause();
    }
}

/* What only a walk can tell. */
struct look {
    uint64_t runs; /* stretches of RAM whose machine frames follow one another: fewer is better */
    uint64_t untouched;  /* 4K frames of RAM under leaves whose A is clear */
    uint64_t touched_1g; /* leaves of 1 GB whose A is set */
};

static struct look look_at(struct domain *domain)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    struct p2m_entry before = { .type = P2M_INVALID };
    struct look look = { 0 };
    gfn_t gfn = GFN(0);

    while (gfn.gfn < domain->end.gfn) {
        struct p2m_entry entry = p2m_get_entry(p2m_locked_walking(locked), gfn);
        uint64_t follows = before.mfn.mfn + order_frames(before.order);

        if (p2m_type_class(entry.type) == P2M_CLASS_RAM) {
            look.runs += before.type != entry.type || follows != entry.mfn.mfn;
            look.untouched += entry.accessed ? 0 : order_frames(entry.order);
            look.touched_1g += entry.accessed && entry.order == ORDER_1G;
        }
        before = entry;
        gfn = gfn_add(gfn, order_frames(entry.order));
    }
    p2m_unlock(locked);
    return look;
}

static void write_account(const struct domain *domain)
{
    struct pod_account account = pod_account(&domain->pod);

    write("\"entries\":%lu,\"cached\":%lu,\"populated\":%lu,\"granted\":%lu,", account.entries,
          account.cached, account.populated, account.granted);
}

static void write_pod(struct domain *domain, const struct p2m_counts *counts)
{
    struct pod_cache_counts cache = pod_cache_counts(&domain->pod);
    struct pod_events events = pod_events(&domain->pod);

    write("\"pod_1g\":%lu,\"pod_2m\":%lu,\"pod_4k\":%lu,", counts->markers[2], counts->markers[1],
          counts->markers[0]);
    write("\"cache_1g\":%lu,\"cache_2m\":%lu,\"cache_4k\":%lu,\"cache_clean\":%lu,"
          "\"cache_pages\":%lu,",
          cache.blocks[2], cache.blocks[1], cache.blocks[0], cache.clean, cache.pages);
    write_account(domain);
    write_by_size("populates", events.populates);
    write_by_size("reclaimed", events.reclaimed);
    write_by_size("sweeps", events.sweeps);
    write_by_size("moves", events.moves);
    write("\"gathered\":%lu,", events.gathered);
    write("\"reclaimed_unread_frames\":%lu,", events.unread);
    write("\"sweep_bytes_read\":%lu,\"ballooned_frames\":%lu,\"pause_ns_max\":%lu,",
          events.bytes_read, events.ballooned, domain->pause_ns_max);
}

void report_phase(struct domain *domain, enum phase phase)
{
    struct p2m_counts counts = p2m_counts(&domain->p2m);
    uint64_t special = counts.other[0] + counts.other[1] + counts.other[2];
    struct look look = look_at(domain);

    write("{\"record\":\"phase\",\"guest\":%u,\"name\":\"%s\",\"ram_1g\":%lu,\"ram_2m\":%lu,"
          "\"ram_4k\":%lu,\"special\":%lu,\"runs\":%lu,\"untouched_frames\":%lu,\"touched_1g\":%lu,"
          "\"faults\":%lu,\"table_pages\":%lu,\"root\":%lu,\"guest_ns\":%lu,",
          domain->id, phase_name(phase), counts.ram[2], counts.ram[1], counts.ram[0], special,
          look.runs, look.untouched, look.touched_1g, domain->faults, counts.tables,
          p2m_root_address(&domain->p2m), guest_time_ns(domain));
    write_pod(domain, &counts);
    write_end();
    wait_for_host_command(domain);
}

/* ---- waiting for memory --------------------------------------------------------------------- */

static void write_wait(struct domain *domain, const char *record)
{
    write("{\"record\":\"%s\",\"guest\":%u,", record, domain->id);
    write_account(domain);
    write_end();
}

void report_waiting(struct domain *domain)
{
    write_wait(domain, "waiting");
}

void report_resumed(struct domain *domain)
{
    write_wait(domain, "resumed");
}

/* ---- a guest's life ------------------------------------------------------------------------- */

static void write_slots(struct domain *domain)
{
    struct slot_summary summary = domain_slots(domain);

    write("\"slots\":%u,\"slots_whole\":%u,\"slots_promised\":%u,\"reasons\":{", summary.slots,
          summary.whole, summary.promised);
    for (unsigned reason = 0, first = 1; reason < SLOT_REASONS; reason++) {
        if (summary.reasons[reason] == 0)
            continue;
        write("%s\"%s\":%u", first ? "" : ",", slot_reason_name(reason), summary.reasons[reason]);
        first = 0;
    }
    write("},");
}

static uint64_t exits_of(const struct domain *domain, unsigned reason)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < domain->vcpu_count; i++)
        sum += domain->vcpu[i].exits[reason];
    return sum;
}

void report_guest(struct domain *domain, uint64_t audit_errors)
{
    struct p2m_events events = p2m_events(&domain->p2m);

    write("{\"record\":\"guest\",\"id\":%u,", domain->id);
    write_string("name", domain->name);
    write_string("exit_reason", stop_reason_name(domain->stop));
    write_string("details", domain->stop_details);
    write("\"memory_frames\":%lu,\"maxmem_frames\":%lu,\"audit_errors\":%lu,\"faults\":%lu,",
          domain->memory_frames, domain->maxmem_frames, audit_errors, domain->faults);
    write("\"waits\":%lu,\"pause_ms_max\":%lu,", domain->waits, domain->pause_ns_max / NS_PER_MS);
    write("\"splits\":{\"1g\":%lu,\"2m\":%lu},\"merges\":{\"1g\":%lu,\"2m\":%lu},",
          events.splits[2], events.splits[1], events.merges[2], events.merges[1]);
    write("\"exits\":{");
    for (unsigned reason = 0; reason < EXIT_REASONS; reason++)
        write("%s\"%s\":%lu", reason ? "," : "", exit_reason_name(reason),
              exits_of(domain, reason));
    write("},");
    write_slots(domain);
    write_end();
}

void report_end(const char *verdict)
{
    write("{\"record\":\"end\",");
    write_string("verdict", verdict);
    write("\"processors\":%u,\"kicks\":%lu,", processors_count(), processors_kicks());
    write_frames();
    write_end();
}

void report_refusal(const char *text)
{
    print("%s\n", text);
    write("{\"record\":\"error\",");
    write_string("text", text);
    write_end();
}
