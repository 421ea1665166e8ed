/* SPDX-License-Identifier: MIT */
/*
 * Event channels and timers; see events.h.
 *
 * The guest may write shared_info and vcpu_info at any instant, so each word there is touched by
 * one atomic instruction and nothing read back is believed: a guest that scribbles over its own
 * bits loses events of its own.
 */
#include "events.h"

#include "guest_linear.h"
#include "guest_memory.h"
#include "lib.h"
#include "processors.h"
#include "xen_abi.h"

#include <xen/event_channel.h>
#include <xen/hvm/params.h>
#include <xen/vcpu.h>

#define WORD_BITS 64u

_Static_assert(sizeof(struct vcpu_info) == 64, "the ABI's vcpu_info");
_Static_assert(sizeof(struct vcpu_time_info) == 32, "the ABI's vcpu_time_info");
_Static_assert(sizeof(struct shared_info) <= FRAME_SIZE, "shared_info is one page");
_Static_assert(PORTS_MAX <= WORD_BITS * WORD_BITS, "the two-level ABI has no more ports");

static struct shared_info *shared_info_of(const struct domain *domain)
{
    return domain->shared_info.host;
}

static struct vcpu_info *info_of(const struct vcpu *vcpu)
{
    if (vcpu->info_page.host)
        return (struct vcpu_info *)((uint8_t *)vcpu->info_page.host + vcpu->info_offset);
    return &shared_info_of(vcpu->domain)->vcpu_info[vcpu->id];
}

struct vcpu *events_vcpu(struct domain *domain, uint64_t id)
{
    return id < domain->vcpu_count ? &domain->vcpu[id] : NULL;
}

/* ---- signalling ----------------------------------------------------------------------------- */

/* Was the bit clear before? */
static bool set_bit(unsigned long *words, unsigned bit)
{
    unsigned long mask = 1ul << (bit % WORD_BITS);

    return !(__atomic_fetch_or(&words[bit / WORD_BITS], mask, __ATOMIC_SEQ_CST) & mask);
}

static void clear_bit(unsigned long *words, unsigned bit)
{
    __atomic_fetch_and(&words[bit / WORD_BITS], ~(1ul << (bit % WORD_BITS)), __ATOMIC_SEQ_CST);
}

static bool test_bit(const unsigned long *words, unsigned bit)
{
    unsigned long word = __atomic_load_n(&words[bit / WORD_BITS], __ATOMIC_SEQ_CST);

    return word >> (bit % WORD_BITS) & 1;
}

/* The upper of the two levels: the port's word has something, and the vCPU is to look. */
static void select_word(struct vcpu *vcpu, unsigned port)
{
    struct vcpu_info *info = info_of(vcpu);

    if (!set_bit(&info->evtchn_pending_sel, port / WORD_BITS))
        return;
    __atomic_store_n(&info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST);
    processors_kick(vcpu->cpu);
}

static bool port_in_use(const struct domain *domain, unsigned port)
{
    return port > 0 && port < PORTS_MAX && domain->port[port].kind != PORT_FREE;
}

void events_send(struct domain *domain, unsigned port)
{
    struct shared_info *shared = shared_info_of(domain);

    if (!port_in_use(domain, port))
        return;
    if (set_bit(shared->evtchn_pending, port) && !test_bit(shared->evtchn_mask, port))
        select_word(&domain->vcpu[domain->port[port].vcpu], port);
}

void events_raise_virq(struct vcpu *vcpu, unsigned virq)
{
    if (virq < NR_VIRQS && vcpu->virq_port[virq])
        events_send(vcpu->domain, vcpu->virq_port[virq]);
}

uint8_t events_vector(struct vcpu *vcpu)
{
    uint64_t callback = vcpu->domain->callback;

    if (!__atomic_load_n(&info_of(vcpu)->evtchn_upcall_pending, __ATOMIC_SEQ_CST))
        return 0;
    return callback >> 56 == HVM_PARAM_CALLBACK_TYPE_VECTOR ? (uint8_t)callback : 0;
}

/* ---- event_channel_op ----------------------------------------------------------------------- */

union argument {
    struct evtchn_bind_virq bind_virq;
    struct evtchn_close close;
    struct evtchn_send send;
    struct evtchn_status status;
    struct evtchn_alloc_unbound alloc_unbound;
    struct evtchn_bind_ipi bind_ipi;
    struct evtchn_bind_vcpu bind_vcpu;
    struct evtchn_unmask unmask;
};

/* A free port becomes this; 0 when none is left. */
static unsigned take_port(struct domain *domain, struct port port)
{
    for (unsigned i = 1; i < PORTS_MAX; i++) {
        if (domain->port[i].kind == PORT_FREE) {
            domain->port[i] = port;
            return i;
        }
    }
    return 0;
}

static int64_t bind_virq(struct vcpu *caller, union argument *argument)
{
    struct evtchn_bind_virq *bind = &argument->bind_virq;
    struct vcpu *vcpu = events_vcpu(caller->domain, bind->vcpu);

    if (!vcpu)
        return -XEN_ENOENT;
    if (bind->virq >= NR_VIRQS)
        return -XEN_EINVAL;
    if (vcpu->virq_port[bind->virq])
        return -XEN_EEXIST;
    bind->port = take_port(
        caller->domain,
        (struct port){ .kind = PORT_VIRQ, .virq = (uint8_t)bind->virq, .vcpu = (uint8_t)vcpu->id });
    if (!bind->port)
        return -XEN_ENOSPC;
    vcpu->virq_port[bind->virq] = (uint16_t)bind->port;
    return 0;
}

static int64_t bind_ipi(struct vcpu *caller, union argument *argument)
{
    struct evtchn_bind_ipi *bind = &argument->bind_ipi;

    if (!events_vcpu(caller->domain, bind->vcpu))
        return -XEN_ENOENT;
    bind->port =
        take_port(caller->domain, (struct port){ .kind = PORT_IPI, .vcpu = (uint8_t)bind->vcpu });
    return bind->port ? 0 : -XEN_ENOSPC;
}

static int64_t alloc_unbound(struct vcpu *caller, union argument *argument)
{
    struct evtchn_alloc_unbound *alloc = &argument->alloc_unbound;

    if (!names_caller(caller->domain, alloc->dom))
        return -XEN_EPERM;
    alloc->port = take_port(caller->domain, (struct port){ .kind = PORT_UNBOUND });
    return alloc->port ? 0 : -XEN_ENOSPC;
}

/* The ports that a guest was born with stay: their other end is the host, for good. */
static int64_t close_port(struct vcpu *caller, union argument *argument)
{
    struct domain *domain = caller->domain;
    unsigned number = argument->close.port;

    if (!port_in_use(domain, number))
        return -XEN_EINVAL;
    struct port *port = &domain->port[number];

    if (port->kind == PORT_CONSOLE || port->kind == PORT_XENSTORE || port->kind == PORT_RESERVED)
        return -XEN_EINVAL;
    if (port->kind == PORT_VIRQ)
        domain->vcpu[port->vcpu].virq_port[port->virq] = 0;
    *port = (struct port){ .kind = PORT_FREE };
    clear_bit(shared_info_of(domain)->evtchn_pending, number);
    return 0;
}

static int64_t send(struct vcpu *caller, union argument *argument)
{
    unsigned number = argument->send.port;

    if (!port_in_use(caller->domain, number) || caller->domain->port[number].kind == PORT_VIRQ)
        return -XEN_EINVAL;
    if (caller->domain->port[number].kind == PORT_IPI)
        events_send(caller->domain, number);
    return 0; /* of the others, the host or nobody is the other end */
}

static int64_t status(struct vcpu *caller, union argument *argument)
{
    static const uint32_t words[] = {
        [PORT_FREE] = EVTCHNSTAT_closed,
        [PORT_RESERVED] = EVTCHNSTAT_closed,
        [PORT_UNBOUND] = EVTCHNSTAT_unbound,
        [PORT_VIRQ] = EVTCHNSTAT_virq,
        [PORT_IPI] = EVTCHNSTAT_ipi,
        [PORT_CONSOLE] = EVTCHNSTAT_interdomain,
        [PORT_XENSTORE] = EVTCHNSTAT_interdomain,
    };
    struct evtchn_status *status = &argument->status;

    if (!names_caller(caller->domain, status->dom))
        return -XEN_ESRCH;
    if (status->port == 0 || status->port >= PORTS_MAX)
        return -XEN_EINVAL;
    const struct port *port = &caller->domain->port[status->port];

    status->status = words[port->kind];
    status->vcpu = port->vcpu;
    memset(&status->u, 0, sizeof(status->u)); /* the host, DOMID 0, is at the far end */
    if (port->kind == PORT_VIRQ)
        status->u.virq = port->virq;
    return 0;
}

static int64_t bind_vcpu(struct vcpu *caller, union argument *argument)
{
    const struct evtchn_bind_vcpu *bind = &argument->bind_vcpu;

    if (!events_vcpu(caller->domain, bind->vcpu))
        return -XEN_ENOENT;
    if (!port_in_use(caller->domain, bind->port))
        return -XEN_EINVAL;
    struct port *port = &caller->domain->port[bind->port];

    if (port->kind == PORT_VIRQ ||
        port->kind == PORT_IPI) /* theirs was said when they were bound */
        return port->vcpu == bind->vcpu ? 0 : -XEN_EINVAL;
    port->vcpu = (uint8_t)bind->vcpu;
    return 0;
}

/* What became pending while the port was masked is signalled now. */
static int64_t unmask(struct vcpu *caller, union argument *argument)
{
    struct domain *domain = caller->domain;
    struct shared_info *shared = shared_info_of(domain);
    unsigned port = argument->unmask.port;

    if (!port_in_use(domain, port))
        return -XEN_EINVAL;
    clear_bit(shared->evtchn_mask, port);
    if (test_bit(shared->evtchn_pending, port))
        select_word(&domain->vcpu[domain->port[port].vcpu], port);
    return 0;
}

static const struct {
    int64_t (*run)(struct vcpu *caller, union argument *argument);
    size_t size;
    bool answers; /* the structure goes back to the guest */
} operations[] = {
    [EVTCHNOP_bind_virq] = { bind_virq, sizeof(struct evtchn_bind_virq), true },
    [EVTCHNOP_close] = { close_port, sizeof(struct evtchn_close), false },
    [EVTCHNOP_send] = { send, sizeof(struct evtchn_send), false },
    [EVTCHNOP_status] = { status, sizeof(struct evtchn_status), true },
    [EVTCHNOP_alloc_unbound] = { alloc_unbound, sizeof(struct evtchn_alloc_unbound), true },
    [EVTCHNOP_bind_ipi] = { bind_ipi, sizeof(struct evtchn_bind_ipi), true },
    [EVTCHNOP_bind_vcpu] = { bind_vcpu, sizeof(struct evtchn_bind_vcpu), false },
    [EVTCHNOP_unmask] = { unmask, sizeof(struct evtchn_unmask), false },
};

int64_t events_op(struct vcpu *vcpu, unsigned command, uint64_t address)
{
    union argument argument = { 0 };
    int64_t result;

    if (command >= sizeof(operations) / sizeof(operations[0]) || !operations[command].run)
        return -XEN_ENOSYS;
    if (!guest_copy_from_linear(vcpu, &argument, address, operations[command].size))
        return -XEN_EFAULT;
    result = operations[command].run(vcpu, &argument);
    if (result == 0 && operations[command].answers &&
        !guest_copy_to_linear(vcpu, address, &argument, operations[command].size))
        return -XEN_EFAULT;
    return result;
}

/* ---- timers --------------------------------------------------------------------------------- */

/* Written once: the TSC is constant, and so is its offset. The guest is not reading yet. */
static void write_time(struct vcpu_info *info)
{
    struct clock_scale scale = guest_clock_scale();

    info->time = (struct vcpu_time_info){
        .version = 2,
        .tsc_to_system_mul = scale.multiplier,
        .tsc_shift = scale.shift,
    };
}

int64_t events_set_timer(struct vcpu *vcpu, uint64_t ns, uint32_t flags)
{
    if (ns && flags & VCPU_SSHOTTMR_future && ns < guest_time_ns(vcpu->domain))
        return -XEN_ETIME;
    vcpu->timer_deadline = ns;
    return 0;
}

void events_run_timers(struct vcpu *vcpu, uint64_t ns)
{
    if (!vcpu->timer_deadline || ns < vcpu->timer_deadline)
        return;
    vcpu->timer_deadline = 0;
    events_raise_virq(vcpu, VIRQ_TIMER);
}

/* ---- the guest's pages ---------------------------------------------------------------------- */

void events_init(struct domain *domain)
{
    struct shared_info *shared = shared_info_of(domain);

    memset(shared, 0, FRAME_SIZE);
    memset(shared->evtchn_mask, 0xff, sizeof(shared->evtchn_mask));
    shared->wc_version = 2;
    shared->wc_sec = (uint32_t)domain->wall_seconds;
    shared->wc_sec_hi = (uint32_t)(domain->wall_seconds >> 32);
    for (unsigned i = 0; i < VCPUS_MAX; i++)
        write_time(&shared->vcpu_info[i]);
    memset(domain->port, 0, sizeof(domain->port));
    domain->port[0].kind = PORT_RESERVED;
    domain->port[GUEST_PORT_CONSOLE].kind = PORT_CONSOLE;
    domain->port[GUEST_PORT_STORE].kind = PORT_XENSTORE;
}

int64_t events_register_info(struct vcpu *vcpu, gfn_t gfn, uint32_t offset)
{
    struct guest_pointer page;
    struct vcpu_info *info;

    if (vcpu->info_page.host || offset > FRAME_SIZE - sizeof(*info) || offset % sizeof(uint64_t))
        return -XEN_EINVAL;
    if (!guest_pin(vcpu->domain, gfn, &page))
        return -XEN_EINVAL;
    if (vcpu->info_page.host) { /* another one did, while this one waited for memory */
        guest_unpin(vcpu->domain, &page);
        return -XEN_EINVAL;
    }
    info = (struct vcpu_info *)((uint8_t *)page.host + offset);
    *info = *info_of(vcpu);
    write_time(info);
    /* An event that came between the copy and now must not be lost: let the guest look at all. */
    __atomic_store_n(&info->evtchn_pending_sel, ~0ul, __ATOMIC_SEQ_CST);
    __atomic_store_n(&info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST);
    vcpu->info_offset = offset;
    vcpu->info_page = page;
    processors_kick(vcpu->cpu);
    return 0;
}
