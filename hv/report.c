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
#include "vcpu.h"
#include "vendor.h"

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

/* The host command answers with one byte when it has looked. */
static void wait_for_host_command(void)
{
    uint64_t deadline = clock_ns() + PATIENCE_NS;

    if (holding == REPORT_RUN_ON || !uart_present(UART_RECORDS))
        return;
    while (uart_get(UART_RECORDS) != '\n') {
        if (clock_ns() > deadline) {
            print("nobody has looked at memory for %lu s: going on without waiting for it\n",
                  PATIENCE_NS / NS_PER_S);
            holding = REPORT_RUN_ON;
            return;
        }
        cpu_pause();
    }
}

/* Stretches of guest RAM whose machine frames follow one another: fewer is better memory. */
static uint64_t count_runs(struct domain *domain)
{
    struct p2m_locked locked = p2m_lock(&domain->p2m);
    struct p2m_entry before = { .type = P2M_INVALID };
    uint64_t runs = 0;
    gfn_t gfn = GFN(0);

    while (gfn.gfn < domain->end.gfn) {
        struct p2m_entry entry = p2m_get_entry(p2m_locked_walking(locked), gfn);
        uint64_t follows = before.mfn.mfn + order_frames(before.order);

        if (p2m_type_class(entry.type) == P2M_CLASS_RAM)
            runs += before.type != entry.type || follows != entry.mfn.mfn;
        before = entry;
        gfn = gfn_add(gfn, order_frames(entry.order));
    }
    p2m_unlock(locked);
    return runs;
}

void report_phase(struct domain *domain, enum phase phase)
{
    struct p2m_counts counts = p2m_counts(&domain->p2m);
    uint64_t special = counts.other[0] + counts.other[1] + counts.other[2];

    write("{\"record\":\"phase\",\"guest\":%u,\"name\":\"%s\",\"ram_1g\":%lu,\"ram_2m\":%lu,"
          "\"ram_4k\":%lu,\"special\":%lu,\"runs\":%lu,\"table_pages\":%lu,\"root\":%lu,\"guest_"
          "ns\":%lu,",
          domain->id, phase_name(phase), counts.ram[2], counts.ram[1], counts.ram[0], special,
          count_runs(domain), counts.tables, p2m_root_address(&domain->p2m), guest_time_ns(domain));
    write_end();
    wait_for_host_command();
}

static void write_slots(struct domain *domain)
{
    struct slot_summary summary = domain_slots(domain);

    write("\"slots\":%u,\"slots_whole\":%u,\"reasons\":{", summary.slots, summary.whole);
    for (unsigned reason = 0, first = 1; reason < SLOT_REASONS; reason++) {
        if (summary.reasons[reason] == 0)
            continue;
        write("%s\"%s\":%u", first ? "" : ",", slot_reason_name(reason), summary.reasons[reason]);
        first = 0;
    }
    write("},");
}

void report_guest(struct domain *domain, uint64_t audit_errors)
{
    struct p2m_events events = p2m_events(&domain->p2m);

    write("{\"record\":\"guest\",\"id\":%u,", domain->id);
    write_string("name", domain->name);
    write_string("exit_reason", stop_reason_name(domain->stop));
    write_string("details", domain->stop_details);
    write("\"target_frames\":%lu,", domain->target_frames);
    write("\"memory_frames\":%lu,\"audit_errors\":%lu,\"faults\":%lu,", domain->memory_frames,
          audit_errors, domain->faults);
    write("\"splits\":{\"1g\":%lu,\"2m\":%lu},\"merges\":{\"1g\":%lu,\"2m\":%lu},",
          events.splits[2], events.splits[1], events.merges[2], events.merges[1]);
    write("\"exits\":{");
    for (unsigned reason = 0; reason < EXIT_REASONS; reason++)
        write("%s\"%s\":%lu", reason ? "," : "", exit_reason_name(reason),
              domain->vcpu[0].exits[reason]);
    write("},");
    write_slots(domain);
    write_end();
}

void report_end(const char *verdict)
{
    write("{\"record\":\"end\",");
    write_string("verdict", verdict);
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
