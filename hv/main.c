/* SPDX-License-Identifier: MIT */
/*
 * One guest from the boot loader's modules: check the machine, build, run, audit, report. All that
 * can be refused is refused here, with one clear line.
 */
#include "main.h"

#include <stddef.h>

#include "cpu.h"
#include "devices.h"
#include "domain.h"
#include "frames.h"
#include "lib.h"
#include "number.h"
#include "options.h"
#include "patience.h"
#include "print.h"
#include "processors.h"
#include "report.h"
#include "stop.h"
#include "test_calls.h"
#include "vcpu.h"
#include "vendor.h"

#define GUEST_ID 1u
#define NS_PER_S 1000000000ul

const struct vendor *vendor;

static struct domain the_domain;

/* The one place that knows which vendors there are. */
static const char *choose_vendor(void)
{
    const char *missing;

    if (!cpu_has(CPU_SVM) && !cpu_has(CPU_VMX))
        return "this processor has no SVM and no VMX (or they are hidden): podium needs AMD-V or "
               "VT-x to run guests";
    vendor = cpu_has(CPU_SVM) ? &svm_vendor : &vmx_vendor;
    missing = vendor->missing();
    if (missing)
        return missing;
    return vendor->enable() ? NULL : "no frames to run guests with: give the machine more memory";
}

static void apply_fragment(unsigned order)
{
    uint64_t held;

    if (order == ORDER_1G)
        return;
    held = frames_fragment(order);
    print("fragment: holding %lu frames, so that no free block is as large as %s\n", held,
          order == ORDER_2M ? "1 GB" : "2 MB");
}

static void describe_machine(void)
{
    struct frame_counts counts = frames_count();

    print("%s with %s tables, leaves up to %s; %lu MB free, %lu whole GBs among it\n", vendor->name,
          p2m_format_name(vendor->format), vendor->has_1g() ? "1 GB" : "2 MB",
          megabytes(counts.frames[FRAME_FREE]), frames_free_blocks(ORDER_1G));
    if (!vendor->has_1g())
        print("this processor has no 1 GB pages: going on with 2 MB\n");
}

static void describe_map(struct domain *domain, const char *when)
{
    struct p2m_counts counts = p2m_counts(&domain->p2m);
    struct pod_account account = pod_account(&domain->pod);

    print("%s: %s has %lu x 1 GB, %lu x 2 MB, %lu x 4 KB of RAM in %lu table pages\n", domain->name,
          when, counts.ram[2], counts.ram[1], counts.ram[0], counts.tables);
    if (account.entries > 0)
        print("%s: %lu MB more are promised, and %lu MB are in hand for it\n", domain->name,
              megabytes(account.entries), megabytes(account.cached));
}

static void on_phase(struct domain *domain, unsigned phase)
{
    if (phase != PHASE_USED || domain->phases & 1u << phase)
        return;
    domain->phases |= 1u << phase;
    describe_map(domain, "used");
    report_phase(domain, PHASE_USED);
}

static void on_target(struct domain *domain)
{
    describe_map(domain, "ballooned");
    report_phase(domain, PHASE_BALLOONED);
}

static const char *create_guest(const struct boot_info *info, const struct options *options)
{
    uint64_t maxmem = options->guest_maxmem ? options->guest_maxmem : options->guest_memory;
    struct domain_config config = {
        .name = options->guest_name,
        .memory_frames = options->guest_memory >> FRAME_SHIFT,
        .maxmem_frames = maxmem >> FRAME_SHIFT,
        .max_order = options->max_order,
        .pod_max_order = options->pod_max_order,
        .pod_debt_order = options->pod_debt_order,
        .patience_ns = options->pod_patience * NS_PER_S,
        .has_target = options->guest_balloon,
        .test_calls = options->test_calls,
    };

    if (info->module_count == 0)
        return "no guest kernel: give one as the first module";
    config.image.kernel = direct_map(info->module[0].from);
    config.image.kernel_size = info->module[0].end - info->module[0].from;
    if (info->module_count > 1) {
        config.image.initrd = direct_map(info->module[1].from);
        config.image.initrd_size = info->module[1].end - info->module[1].from;
    }
    config.image.command_line = options->guest_line;
    return domain_create(&the_domain, GUEST_ID, &config);
}

static const char *verdict_on(enum stop_reason reason)
{
    if (stop_is_good(reason))
        return "ok";
    return reason == STOP_HALTED ? "the guest halted without powering off" : "the guest died";
}

static const char *run_guest(struct domain *domain)
{
    uint64_t audit_errors;

    domain->on_phase = on_phase;
    domain->on_target = on_target;
    domain->on_dry = patience_wait;
    describe_map(domain, "built");
    report_phase(domain, PHASE_BUILT);
    vcpu_run(&domain->vcpu[0]);
    vcpu_wait_for_others(domain);
    test_calls_end(domain);

    print("%s: ended: %s%s%s\n", domain->name, stop_reason_name(domain->stop),
          *domain->stop_details ? ", " : "", domain->stop_details);
    describe_map(domain, "end");
    report_phase(domain, PHASE_END);
    audit_errors = domain_audit(domain);
    print("audit: %lu errors\n", audit_errors);
    report_guest(domain, audit_errors);
    domain_destroy(domain);
    return audit_errors ? "the audit found errors" : verdict_on(domain->stop);
}

/* Every frame that the guest had must be back, and all others where they were. */
static const char *check_frames(const struct frame_counts *before, const char *verdict)
{
    struct frame_counts after = frames_count();

    if (memcmp(before, &after, sizeof(after)) == 0)
        return verdict;
    return strcmp(verdict, "ok") == 0 ? "frames were lost" : verdict;
}

int podium_main(const struct boot_info *info)
{
    struct options options;
    struct frame_counts before;
    const char *error = options_parse(info->command_line, &options), *verdict;

    report_init(options.hold ? REPORT_HOLD : REPORT_RUN_ON);
    if (!error)
        error = choose_vendor();
    if (error) {
        report_refusal(error);
        return EXIT_CODE_BAD_INPUT;
    }
    processors_start(&info->processors, boot_low_page(info));
    apply_fragment(options.fragment);
    describe_machine();
    report_host();
    before = frames_count();
    error = create_guest(info, &options);
    if (error) {
        report_refusal(error);
        return EXIT_CODE_BAD_INPUT;
    }
    verdict = check_frames(&before, run_guest(&the_domain));
    report_end(verdict);
    print("verdict: %s\n", verdict);
    return strcmp(verdict, "ok") == 0 ? EXIT_CODE_GOOD : EXIT_CODE_BAD;
}
