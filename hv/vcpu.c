/* SPDX-License-Identifier: MIT */
/*
 * Run, dispatch by exit reason, repeat. One handler an exit reason; a handler that emulated an
 * instruction moves rip past it. Refuses to know what CPUID, MSRs, ports and hypercalls do.
 */
#include "vcpu.h"

#include "console.h"
#include "cpu.h"
#include "cpuid.h"
#include "devices.h"
#include "events.h"
#include "fault.h"
#include "flush.h"
#include "hypercall.h"
#include "lapic.h"
#include "lock.h"
#include "msr.h"
#include "port.h"
#include "print.h"
#include "processors.h"
#include "stop.h"
#include "target.h"
#include "test_calls_oracle.h"
#include "upkeep.h"
#include "vendor.h"

#define POLL_NS   20000000u /* how long a byte for the guest's console may wait */
#define UPKEEP_NS 5000000u  /* between two steps of upkeep while the guest is busy */
#define SHADOW_NS 50000u    /* how long the instruction after STI is given to run */
#define FAR_NS    1000000000u

void vcpu_init(struct vcpu *vcpu, struct domain *domain, unsigned id)
{
    *vcpu = (struct vcpu){ .domain = domain, .id = id, .state = VCPU_RUNNABLE };
    vcpu->cpu = cpu_number();
    msr_init(vcpu);
    lapic_init(vcpu);
    fpu_reset(); /* this vCPU's: the host has none, and this processor runs no other */
}

/* The instruction has run, and leaves what each leaves: its shadow and RF over, a step taken. */
static void skip(struct vcpu *vcpu)
{
    struct registers *registers = &vcpu->registers;

    registers->rip += vcpu->exit.length;
    if (!vcpu->control.code64)
        registers->rip &= 0xffffffff;
    registers->rflags &= ~(uint64_t)RFLAGS_RESUME;
    vcpu->shadow_rip = 0;
    if (registers->rflags & RFLAGS_TRAP)
        vendor->raise_single_step(vcpu);
}

static void skip_or_fault(struct vcpu *vcpu, bool emulated)
{
    if (emulated)
        skip(vcpu);
    else
        vendor->raise_exception(vcpu, EXCEPTION_GP);
}

static void stop(struct vcpu *vcpu, enum stop_reason reason)
{
    domain_stop(vcpu->domain, reason, "exit 0x%lx info 0x%lx 0x%lx", vcpu->exit.code,
                vcpu->exit.info[0], vcpu->exit.info[1]);
}

/* ---- one handler an exit reason ------------------------------------------------------------- */

static void on_fault(struct vcpu *vcpu)
{
    if (!oracle_takes_fault(vcpu))
        fault_handle(vcpu);
}

static void on_hypercall(struct vcpu *vcpu)
{
    if (hypercall(vcpu))
        skip(vcpu);
}

static void on_cpuid(struct vcpu *vcpu)
{
    cpuid_emulate(vcpu);
    skip(vcpu);
}

static void on_msr_read(struct vcpu *vcpu)
{
    struct registers *registers = &vcpu->registers;
    uint64_t value;
    bool known = msr_read(vcpu, (uint32_t)registers->rcx, &value);

    if (known) {
        registers->rax = (uint32_t)value;
        registers->rdx = value >> 32;
    }
    skip_or_fault(vcpu, known);
}

static void on_msr_write(struct vcpu *vcpu)
{
    struct registers *registers = &vcpu->registers;
    uint64_t value = (uint32_t)registers->rax | registers->rdx << 32;

    skip_or_fault(vcpu, msr_write(vcpu, (uint32_t)registers->rcx, value));
}

static void on_port_in(struct vcpu *vcpu)
{
    skip_or_fault(vcpu, port_in(vcpu));
}

static void on_port_out(struct vcpu *vcpu)
{
    skip_or_fault(vcpu, port_out(vcpu));
}

/* With interrupts off nothing will ever end it: with its first vCPU, the guest has gone. */
static void on_halt(struct vcpu *vcpu)
{
    skip(vcpu);
    if (vcpu->registers.rflags & RFLAGS_INTERRUPT || vcpu->id > 0) {
        vcpu->state = VCPU_HALTED;
        return;
    }
    domain_stop(vcpu->domain, STOP_HALTED, "interrupts are off, for good");
}

static void on_xsetbv(struct vcpu *vcpu)
{
    const struct registers *registers = &vcpu->registers;
    uint64_t value = (uint32_t)registers->rax | registers->rdx << 32;
    uint64_t allowed = cpuid_xcr0_allowed();
    bool valid = vcpu->control.cpl == 0 && (uint32_t)registers->rcx == 0 && (value & 1) &&
                 !(value & ~allowed) && !((value & 4) && !(value & 2));

    if (valid)
        vcpu->xcr0 = value;
    skip_or_fault(vcpu, valid);
}

static void on_exception(struct vcpu *vcpu)
{
    vendor->raise_exception(vcpu, vcpu->exit.exception);
}

/* Not of this guest's doing, and not known to be over: nothing here can be trusted any more. */
static void on_machine_check(struct vcpu *vcpu)
{
    vendor->dump(vcpu);
    panic("machine check while %s ran", vcpu->domain->name);
}

static void on_shutdown(struct vcpu *vcpu)
{
    stop(vcpu, STOP_TRIPLE_FAULT);
}

static void on_invalid(struct vcpu *vcpu)
{
    stop(vcpu, STOP_BAD_STATE);
}

static void on_unknown(struct vcpu *vcpu)
{
    stop(vcpu, STOP_UNKNOWN_EXIT);
}

/* Bytes from people, and from the host command: an answer that comes this late is for nobody. */
static void listen(struct domain *domain)
{
    console_input(domain);
    (void)target_listen(domain);
}

/* A guest that never sleeps gets what an idle one gets, a bounded step at a time. */
static void keep_up(struct domain *domain)
{
    if (clock_ns() - domain->upkeep_ns < UPKEEP_NS)
        return;
    (void)upkeep_step(domain);
    domain->upkeep_ns = clock_ns();
}

/* The first processor looks after the guest; on all others a vCPU has its own timer alone. */
static bool looks_after(const struct vcpu *vcpu)
{
    return vcpu->cpu == 0;
}

/* The timer's, or a kick. */
static void on_interrupt(struct vcpu *vcpu)
{
    if (!looks_after(vcpu))
        return;
    listen(vcpu->domain);
    keep_up(vcpu->domain);
}

static void on_again(struct vcpu *vcpu)
{
    (void)vcpu;
}

struct exit_handler {
    const char *name; /* as reports spell it */
    void (*handle)(struct vcpu *vcpu);
};

/* clang-format off */
static const struct exit_handler exit_handlers[EXIT_REASONS] = {
    [EXIT_FAULT]     = { "fault",     on_fault },
    [EXIT_HYPERCALL] = { "hypercall", on_hypercall },
    [EXIT_CPUID]     = { "cpuid",     on_cpuid },
    [EXIT_MSR_READ]  = { "msr_read",  on_msr_read },
    [EXIT_MSR_WRITE] = { "msr_write", on_msr_write },
    [EXIT_PORT_IN]   = { "port_in",   on_port_in },
    [EXIT_PORT_OUT]  = { "port_out",  on_port_out },
    [EXIT_HALT]      = { "halt",      on_halt },
    [EXIT_INTERRUPT] = { "interrupt", on_interrupt },
    [EXIT_AGAIN]     = { "again",     on_again },
    [EXIT_CACHE]     = { "cache",     skip },
    [EXIT_XSETBV]    = { "xsetbv",    on_xsetbv },
    [EXIT_EXCEPTION] = { "exception", on_exception },
    [EXIT_FORBIDDEN] = { "forbidden", on_exception },
    [EXIT_SHUTDOWN]  = { "shutdown",  on_shutdown },
    [EXIT_MACHINE_CHECK] = { "machine_check", on_machine_check },
    [EXIT_INVALID]   = { "invalid",   on_invalid },
    [EXIT_UNKNOWN]   = { "unknown",   on_unknown },
};
/* clang-format on */

const char *exit_reason_name(enum exit_reason reason)
{
    return exit_handlers[reason].name;
}

/* ---- interrupts and time -------------------------------------------------------------------- */

static struct interrupt wanted_interrupt(struct vcpu *vcpu)
{
    uint8_t vector = events_vector(vcpu);

    if (vector)
        return (struct interrupt){ vector, INTERRUPT_EVENT };
    return (struct interrupt){ lapic_vector(vcpu), INTERRUPT_APIC };
}

/* The guest's clock counts the same seconds as the host's: a deadline is that far from now. */
static void arm(const struct vcpu *vcpu)
{
    uint64_t deadline = vcpu->timer_deadline, guest_now = guest_time_ns(vcpu->domain);
    uint64_t wait = looks_after(vcpu) ? POLL_NS : FAR_NS;

    if (!deadline && !looks_after(vcpu))
        return;
    if (deadline && deadline < guest_now + wait)
        wait = deadline <= guest_now ? 0 : deadline - guest_now;
    timer_arm(clock_ns() + wait);
}

/*
 * An interrupt of the host's can end the guest's run between STI and the instruction after it,
 * which the guest relies on (STI; HLT), and not every processor remembers that. Nothing is offered
 * until that instruction has run; the timer sees to it that we look again soon.
 */
static bool in_shadow(struct vcpu *vcpu)
{
    if (vcpu->shadow_rip == 0 || vcpu->shadow_rip != vcpu->registers.rip) {
        vcpu->shadow_rip = 0;
        return false;
    }
    return true;
}

/* Returns what is offered. */
static struct interrupt prepare_entry(struct vcpu *vcpu)
{
    bool shadow = in_shadow(vcpu);
    struct interrupt offer = shadow ? (struct interrupt){ 0 } : wanted_interrupt(vcpu);

    vendor->offer_interrupt(vcpu, offer);
    if (shadow)
        timer_arm(clock_ns() + SHADOW_NS);
    else
        arm(vcpu);
    return offer;
}

/* Nothing else but a kick wakes the host from here: the timer is set anew. */
static void wait_for_timer(struct vcpu *vcpu)
{
    timer_disarm();
    arm(vcpu);
    host_sleep();
}

static void run_timers(struct domain *domain)
{
    for (unsigned i = 0; i < domain->vcpu_count; i++)
        events_run_timers(&domain->vcpu[i], guest_time_ns(domain));
}

/* With interrupts off, nothing wakes it. */
static bool is_woken(struct vcpu *vcpu)
{
    return vcpu->registers.rflags & RFLAGS_INTERRUPT && wanted_interrupt(vcpu).vector;
}

/* While another vCPU may end it all, and wants its exits answered. */
static void wait_for_event(struct vcpu *vcpu)
{
    struct domain *domain = vcpu->domain;

    while (domain->stop == STOP_NONE && !is_woken(vcpu)) {
        if (looks_after(vcpu) && upkeep_step(domain))
            host_yield();
        else
            wait_for_timer(vcpu);
        if (looks_after(vcpu))
            listen(domain);
        run_timers(domain);
    }
    vcpu->state = VCPU_RUNNABLE;
}

/*
 * The lock is free while the guest runs. Out of guest mode comes first, for who holds it waits;
 * then the interrupt that ended the run, whose handler may ask for it.
 */
static void enter(struct vcpu *vcpu)
{
    host_unlock();
    flush_enter(vcpu);
    vendor->run(vcpu);
    flush_leave(vcpu);
    if (vcpu->exit.reason == EXIT_INTERRUPT)
        interrupts_take();
    host_lock();
}

static void run_once(struct vcpu *vcpu)
{
    struct interrupt offered = prepare_entry(vcpu);

    enter(vcpu);
    if (vcpu->domain->stop != STOP_NONE)
        return; /* another vCPU ended it while this one waited for its turn */
    /* Only the APIC's own interrupts must be told; an event is a level. */
    if (offered.vector && offered.from == INTERRUPT_APIC && vendor->offer_taken(vcpu))
        lapic_accept(vcpu, offered.vector);
    vcpu->exits[vcpu->exit.reason]++;
    exit_handlers[vcpu->exit.reason].handle(vcpu);
}

/* Asleep or in guest mode, they look again. */
static void kick_others(const struct vcpu *vcpu)
{
    for (unsigned i = 0; i < vcpu->domain->vcpu_count; i++)
        processors_kick(vcpu->domain->vcpu[i].cpu);
}

void vcpu_run(struct vcpu *vcpu)
{
    struct domain *domain = vcpu->domain;

    while (domain->stop == STOP_NONE) {
        run_timers(domain);
        if (vcpu->state == VCPU_HALTED)
            wait_for_event(vcpu);
        else
            run_once(vcpu);
    }
    if (!domain->is_over && !stop_is_good(domain->stop))
        vendor->dump(vcpu); /* the one that stopped it: it has had the lock since then */
    domain->is_over = true;
    kick_others(vcpu);
    console_drain(domain);
    timer_disarm();
}

void vcpu_wait_for_others(const struct domain *domain)
{
    for (unsigned i = 0; i < CPUS_MAX; i++)
        while (cpus[i].vcpu && cpus[i].vcpu->domain == domain)
            host_yield();
}
