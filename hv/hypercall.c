/* SPDX-License-Identifier: MIT */
/*
 * The hypercall table; see hypercall.h. Structures come from the guest by copy, once, and are
 * judged after that: the guest cannot change them under our eyes.
 */
#include "hypercall.h"

#include "console.h"
#include "events.h"
#include "guest_linear.h"
#include "hypercall_memory.h"
#include "lib.h"
#include "stop.h"
#include "test_calls.h"
#include "xen_abi.h"
#include "xenstore.h"

#include <xen/features.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

/* What the guest passed: the command and the argument of most calls, the third of a few. */
struct arguments {
    uint64_t first, second, third;
};

#define CONSOLE_WRITE_MAX 4096u /* bytes that one console_io may print */

/* ---- xen_version ---------------------------------------------------------------------------- */

static const uint32_t features = 1u << XENFEAT_writable_page_tables |
                                 1u << XENFEAT_auto_translated_physmap |
                                 1u << XENFEAT_hvm_callback_vector |
                                 1u << XENFEAT_hvm_safe_pvclock | 1u << XENFEAT_not_direct_mapped;

static int64_t get_features(struct vcpu *vcpu, uint64_t argument)
{
    struct xen_feature_info info;

    if (!guest_copy_from_linear(vcpu, &info, argument, sizeof(info)))
        return -XEN_EFAULT;
    if (info.submap_idx >= XENFEAT_NR_SUBMAPS)
        return -XEN_EINVAL;
    info.submap = features;
    return guest_copy_to_linear(vcpu, argument, &info, sizeof(info)) ? 0 : -XEN_EFAULT;
}

static int64_t version_op(struct vcpu *vcpu, const struct arguments *arguments)
{
    const xen_extraversion_t extra = ".0-podium";

    switch (arguments->first) {
    case XENVER_version: /* the same as CPUID says */
        return 4 << 16 | 17;
    case XENVER_extraversion:
        return guest_copy_to_linear(vcpu, arguments->second, extra, sizeof(extra)) ? 0
                                                                                   : -XEN_EFAULT;
    case XENVER_get_features:
        return get_features(vcpu, arguments->second);
    case XENVER_pagesize:
        return FRAME_SIZE;
    default:
        return -XEN_ENOSYS;
    }
}

/* ---- vcpu_op -------------------------------------------------------------------------------- */

/* Written once, and true for ever: the vCPU has been running since its clock was 0. */
static int64_t register_runstate(struct vcpu *vcpu, uint64_t argument)
{
    struct vcpu_register_runstate_memory_area area;
    struct vcpu_runstate_info runstate;

    memset(&runstate, 0, sizeof(runstate)); /* what lies between its members goes out as well */
    runstate.state = RUNSTATE_running;
    if (!guest_copy_from_linear(vcpu, &area, argument, sizeof(area)) ||
        !guest_copy_to_linear(vcpu, area.addr.p, &runstate, sizeof(runstate)))
        return -XEN_EFAULT;
    return 0;
}

static int64_t register_info(struct vcpu *vcpu, struct vcpu *target, uint64_t argument)
{
    struct vcpu_register_vcpu_info info;

    if (!guest_copy_from_linear(vcpu, &info, argument, sizeof(info)))
        return -XEN_EFAULT;
    return events_register_info(target, GFN(info.mfn), info.offset);
}

static int64_t set_singleshot(struct vcpu *vcpu, uint64_t argument)
{
    struct vcpu_set_singleshot_timer timer;

    if (!guest_copy_from_linear(vcpu, &timer, argument, sizeof(timer)))
        return -XEN_EFAULT;
    /* 0 is a time long past, not "off": due at once, as any other. */
    return events_set_timer(vcpu, timer.timeout_abs_ns ? timer.timeout_abs_ns : 1, timer.flags);
}

static int64_t vcpu_op(struct vcpu *vcpu, const struct arguments *arguments)
{
    struct vcpu *target = events_vcpu(vcpu->domain, arguments->second);

    if (!target)
        return -XEN_ENOENT;
    switch (arguments->first) {
    case VCPUOP_is_up:
        return 1;
    case VCPUOP_register_vcpu_info:
        return register_info(vcpu, target, arguments->third);
    case VCPUOP_stop_periodic_timer: /* never started */
        return 0;
    default:
        break;
    }
    if (target != vcpu) /* what follows, each does for itself */
        return -XEN_EINVAL;
    switch (arguments->first) {
    case VCPUOP_register_runstate_memory_area:
        return register_runstate(vcpu, arguments->third);
    case VCPUOP_set_singleshot_timer:
        return set_singleshot(vcpu, arguments->third);
    case VCPUOP_stop_singleshot_timer:
        return events_set_timer(vcpu, 0, 0);
    default:
        return -XEN_ENOSYS;
    }
}

static int64_t set_timer_op(struct vcpu *vcpu, const struct arguments *arguments)
{
    return events_set_timer(vcpu, arguments->first, 0);
}

/* ---- sched_op ------------------------------------------------------------------------------- */

static int64_t shut_down(struct vcpu *vcpu, uint64_t argument)
{
    static const struct {
        enum stop_reason stop;
        const char *name;
    } reasons[] = {
        [SHUTDOWN_poweroff] = { STOP_POWEROFF, "poweroff" },
        [SHUTDOWN_reboot] = { STOP_REBOOT, "reboot" },
        [SHUTDOWN_crash] = { STOP_CRASH, "crash" },
        [SHUTDOWN_watchdog] = { STOP_CRASH, "watchdog" },
        [SHUTDOWN_soft_reset] = { STOP_REBOOT, "soft reset" },
    };
    struct domain *domain = vcpu->domain;
    struct sched_shutdown shutdown;

    if (!guest_copy_from_linear(vcpu, &shutdown, argument, sizeof(shutdown)))
        return -XEN_EFAULT;
    if (shutdown.reason >= sizeof(reasons) / sizeof(reasons[0]) ||
        reasons[shutdown.reason].stop == STOP_NONE)
        return -XEN_EINVAL;
    console_drain(domain);
    domain_stop(domain, reasons[shutdown.reason].stop, "shutdown hypercall: %s",
                reasons[shutdown.reason].name);
    return 0;
}

/*
 * Poll returns at once, which its callers take for a wake-up that was not for them: they look
 * again.
 */
static int64_t sched_op(struct vcpu *vcpu, const struct arguments *arguments)
{
    switch (arguments->first) {
    case SCHEDOP_yield:
    case SCHEDOP_poll:
        console_drain(vcpu->domain); /* the reason to yield is a full ring */
        return 0;
    case SCHEDOP_block:
        if (!events_vector(vcpu))
            vcpu->state = VCPU_HALTED;
        return 0;
    case SCHEDOP_shutdown:
        return shut_down(vcpu, arguments->second);
    default:
        return -XEN_ENOSYS;
    }
}

/* ---- hvm_op --------------------------------------------------------------------------------- */

static int64_t get_parameter(const struct domain *domain, struct xen_hvm_param *parameter)
{
    switch (parameter->index) {
    case HVM_PARAM_CALLBACK_IRQ:
        parameter->value = domain->callback;
        return 0;
    case HVM_PARAM_STORE_PFN:
        parameter->value = GUEST_STORE_GFN.gfn;
        return 0;
    case HVM_PARAM_STORE_EVTCHN:
        parameter->value = GUEST_PORT_STORE;
        return 0;
    case HVM_PARAM_CONSOLE_PFN:
        parameter->value = GUEST_CONSOLE_GFN.gfn;
        return 0;
    case HVM_PARAM_CONSOLE_EVTCHN:
        parameter->value = GUEST_PORT_CONSOLE;
        return 0;
    default:
        return -XEN_EINVAL;
    }
}

/* A vector below 16 would be taken for an exception. */
static int64_t set_parameter(struct domain *domain, const struct xen_hvm_param *parameter)
{
    if (parameter->index != HVM_PARAM_CALLBACK_IRQ)
        return -XEN_EINVAL;
    if (parameter->value >> 56 == HVM_PARAM_CALLBACK_TYPE_VECTOR && (parameter->value & 0xff) < 16)
        return -XEN_EINVAL;
    domain->callback = parameter->value;
    return 0;
}

static int64_t hvm_op(struct vcpu *vcpu, const struct arguments *arguments)
{
    struct domain *domain = vcpu->domain;
    struct xen_hvm_param parameter;
    int64_t result;

    if (arguments->first != HVMOP_set_param && arguments->first != HVMOP_get_param)
        return -XEN_ENOSYS;
    if (!guest_copy_from_linear(vcpu, &parameter, arguments->second, sizeof(parameter)))
        return -XEN_EFAULT;
    if (!names_caller(domain, parameter.domid))
        return -XEN_EPERM;
    if (arguments->first == HVMOP_set_param)
        return set_parameter(domain, &parameter);
    result = get_parameter(domain, &parameter);
    if (result == 0 &&
        !guest_copy_to_linear(vcpu, arguments->second, &parameter, sizeof(parameter)))
        return -XEN_EFAULT;
    return result;
}

/* ---- the rest ------------------------------------------------------------------------------- */

static int64_t memory_op(struct vcpu *vcpu, const struct arguments *arguments)
{
    return hypercall_memory(vcpu, arguments->first, arguments->second);
}

static int64_t console_io(struct vcpu *vcpu, const struct arguments *arguments)
{
    uint64_t left = arguments->second;
    uint64_t from = arguments->third;
    char piece[128];

    if (arguments->first != CONSOLEIO_write)
        return -XEN_ENOSYS;
    if (left > CONSOLE_WRITE_MAX)
        return -XEN_E2BIG;
    while (left) {
        size_t size = left < sizeof(piece) ? left : sizeof(piece);

        if (!guest_copy_from_linear(vcpu, piece, from, size))
            return -XEN_EFAULT;
        for (size_t i = 0; i < size; i++)
            console_put(piece[i]);
        from += size;
        left -= size;
    }
    return 0;
}

/* A guest that sends to its console's or its xenstore's port has done something to the ring. */
static int64_t event_channel_op(struct vcpu *vcpu, const struct arguments *arguments)
{
    int64_t result = events_op(vcpu, (unsigned)arguments->first, arguments->second);

    console_drain(vcpu->domain);
    xenstore_serve(vcpu->domain);
    return result;
}

static int64_t test_op(struct vcpu *vcpu, const struct arguments *arguments)
{
    return test_call(vcpu, arguments->first, arguments->second, arguments->third);
}

static int64_t (*const table[])(struct vcpu *vcpu, const struct arguments *arguments) = {
    [__HYPERVISOR_memory_op] = memory_op,
    [__HYPERVISOR_set_timer_op] = set_timer_op,
    [__HYPERVISOR_xen_version] = version_op,
    [__HYPERVISOR_console_io] = console_io,
    [__HYPERVISOR_vcpu_op] = vcpu_op,
    [__HYPERVISOR_sched_op] = sched_op,
    [__HYPERVISOR_event_channel_op] = event_channel_op,
    [__HYPERVISOR_hvm_op] = hvm_op,
    [HYPERCALL_TEST] = test_op,
};

bool hypercall(struct vcpu *vcpu)
{
    struct registers *registers = &vcpu->registers;
    struct arguments arguments = { registers->rdi, registers->rsi, registers->rdx };
    uint64_t number = registers->rax;
    int64_t result;

    if (vcpu->control.cpl != 0) {
        registers->rax = (uint64_t)-XEN_EPERM;
    } else if (!vcpu->control.code64) { /* structures and registers are others there */
        registers->rax = (uint32_t)-XEN_ENOSYS;
    } else if (number >= sizeof(table) / sizeof(table[0]) || !table[number]) {
        registers->rax = (uint64_t)-XEN_ENOSYS;
    } else {
        /* The first argument of every call but one is a command of 32 bits. */
        if (number != __HYPERVISOR_set_timer_op)
            arguments.first = (uint32_t)arguments.first;
        vcpu->call_again = false;
        result = table[number](vcpu, &arguments);
        if (vcpu->call_again)
            return false;
        registers->rax = (uint64_t)result;
    }
    return true;
}
