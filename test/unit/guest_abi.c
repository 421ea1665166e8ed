/* SPDX-License-Identifier: MIT */
/*
 * What a guest can do to the host through the pages that the two share, and through the registers
 * of its APIC: events.c, console.c, lapic.c, with guests that keep to the rules and guests that do
 * not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "console.h"
#include "devices.h"
#include "events.h"
#include "guest_linear.h"
#include "guest_memory.h"
#include "lapic.h"
#include "processors.h"
#include "xen_abi.h"

#include <xen/event_channel.h>
#include <xen/io/console.h>
#include <xen/vcpu.h>

/* ---- the host, and a guest whose linear addresses are the test's own ------------------------ */

static struct domain domain;
static struct vcpu *const vcpu = &domain.vcpu[0];
static _Alignas(4096) uint8_t shared_page[FRAME_SIZE];
static _Alignas(4096) uint8_t console_page[FRAME_SIZE];
static _Alignas(4096) uint8_t pinned_page[FRAME_SIZE];
static struct shared_info *const shared = (struct shared_info *)shared_page;
static struct xencons_interface *const ring = (struct xencons_interface *)console_page;

static uint64_t tsc, khz = 2000000;
static char printed[8192];
static size_t printed_size;
static const char *typed = "";

uint64_t clock_tsc(void)
{
    return tsc;
}

uint64_t clock_tsc_khz(void)
{
    return khz;
}

void uart_put(enum uart uart, char c)
{
    assert_int_equal(uart, UART_CONSOLE);
    assert_true(printed_size < sizeof(printed));
    printed[printed_size++] = c;
}

int uart_get(enum uart uart)
{
    (void)uart;
    return *typed ? *typed++ : -1;
}

bool guest_copy_from_linear(struct vcpu *from, void *to, uint64_t linear, size_t size)
{
    (void)from;
    if (!linear)
        return false;
    memcpy(to, (void *)(uintptr_t)linear, size);
    return true;
}

bool guest_copy_to_linear(struct vcpu *to, uint64_t linear, const void *from, size_t size)
{
    (void)to;
    memcpy((void *)(uintptr_t)linear, from, size);
    return true;
}

static unsigned pins;
static bool sleeps_meanwhile; /* and another caller is done before */

bool guest_pin(struct domain *of, gfn_t gfn, struct guest_pointer *pointer)
{
    (void)of;
    *pointer = (struct guest_pointer){ .host = gfn.gfn == 7 ? pinned_page : NULL, .gfn = gfn };
    pins += pointer->host != NULL;
    if (sleeps_meanwhile)
        vcpu->info_page = (struct guest_pointer){ .host = pinned_page, .gfn = gfn };
    return pointer->host;
}

void guest_unpin(struct domain *of, struct guest_pointer *pointer)
{
    (void)of;
    pins--;
    pointer->host = NULL;
}

static unsigned kicks, kicked;

void processors_kick(unsigned number)
{
    kicks++;
    kicked = number;
}

static int set_up(void **state)
{
    (void)state;
    memset(&domain, 0, sizeof(domain));
    domain.vcpu_count = 1;
    kicks = 0;
    vcpu->domain = &domain;
    domain.id = 1;
    domain.shared_info.host = shared_page;
    domain.console.host = console_page;
    domain.callback = 2ull << 56 | 0xf3;
    tsc = 0;
    khz = 2000000;
    printed_size = 0;
    typed = "";
    events_init(&domain);
    console_init(&domain);
    lapic_init(vcpu);
    return 0;
}

static int64_t operate(unsigned command, void *argument)
{
    return events_op(vcpu, command, (uintptr_t)argument);
}

static unsigned bind_timer(void)
{
    struct evtchn_bind_virq bind = { .virq = VIRQ_TIMER };

    assert_int_equal(operate(EVTCHNOP_bind_virq, &bind), 0);
    return bind.port;
}

static void unmask(unsigned port)
{
    struct evtchn_unmask unmask = { .port = port };

    assert_int_equal(operate(EVTCHNOP_unmask, &unmask), 0);
}

/* ---- events --------------------------------------------------------------------------------- */

static void a_masked_event_waits_for_its_unmask(void **state)
{
    unsigned port = bind_timer();

    (void)state;
    events_raise_virq(vcpu, VIRQ_TIMER);
    assert_int_equal(events_vector(vcpu), 0);
    assert_int_equal(shared->evtchn_pending[0], 1ul << port);
    unmask(port);
    assert_int_equal(events_vector(vcpu), 0xf3);
    assert_int_equal(shared->vcpu_info[0].evtchn_pending_sel, 1);
}

/* Once: as long as it has not looked, it need not be told again. */
static void an_events_processor_is_told_to_look(void **state)
{
    unsigned port = bind_timer();

    (void)state;
    unmask(port);
    domain.vcpu_count = 2;
    domain.vcpu[1] = (struct vcpu){ .domain = &domain, .id = 1, .cpu = 5 };
    domain.port[port].kind = PORT_IPI;
    domain.port[port].vcpu = 1;
    events_send(&domain, port);
    events_send(&domain, port);
    assert_int_equal(kicks, 1);
    assert_int_equal(kicked, 5);
    assert_int_equal(events_vector(vcpu), 0);
    assert_int_equal(events_vector(&domain.vcpu[1]), 0xf3);
}

static void the_vector_is_offered_until_the_guest_clears_its_byte(void **state)
{
    unsigned port = bind_timer();

    (void)state;
    unmask(port);
    events_raise_virq(vcpu, VIRQ_TIMER);
    assert_int_equal(events_vector(vcpu), 0xf3);
    assert_int_equal(events_vector(vcpu), 0xf3);
    shared->vcpu_info[0].evtchn_upcall_pending = 0;
    assert_int_equal(events_vector(vcpu), 0);
    events_raise_virq(vcpu, VIRQ_TIMER); /* still pending: no second upcall */
    assert_int_equal(events_vector(vcpu), 0);
}

static void a_timer_fires_once_when_it_is_due(void **state)
{
    unsigned port = bind_timer();

    (void)state;
    unmask(port);
    assert_int_equal(events_set_timer(vcpu, 1000, 0), 0);
    assert_int_equal(domain.vcpu[0].timer_deadline, 1000);
    events_run_timers(vcpu, 999);
    assert_int_equal(events_vector(vcpu), 0);
    events_run_timers(vcpu, 1000);
    assert_int_equal(events_vector(vcpu), 0xf3);
    assert_int_equal(domain.vcpu[0].timer_deadline, 0);
}

static void a_time_past_is_etime_only_when_asked(void **state)
{
    (void)state;
    tsc = 4000000; /* 2 ms */
    assert_int_equal(events_set_timer(vcpu, 1000, VCPU_SSHOTTMR_future), -XEN_ETIME);
    assert_int_equal(events_set_timer(vcpu, 1000, 0), 0);
}

static void guest_and_host_read_the_same_time(void **state)
{
    static const uint64_t speeds[] = { 100000, 250000, 499999, 500000, 1000000, 2000000, 5500000 };

    (void)state;
    for (unsigned i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++) {
        khz = speeds[i];
        tsc = khz * 1000 * 3600; /* an hour */
        events_init(&domain);
        struct vcpu_time_info *time = &shared->vcpu_info[0].time;
        uint64_t ns =
            (uint64_t)((unsigned __int128)(tsc << time->tsc_shift) * time->tsc_to_system_mul >> 32);

        assert_true(time->tsc_to_system_mul != 0);
        assert_int_equal(ns, guest_time_ns(&domain));
        assert_true(ns > 3599999000000 && ns <= 3600000000000);
    }
}

static void ports_run_out_and_come_back(void **state)
{
    struct evtchn_bind_ipi bind = { 0 };
    struct evtchn_close close;
    unsigned count = 0;

    (void)state;
    while (operate(EVTCHNOP_bind_ipi, &bind) == 0)
        count++;
    assert_int_equal(count, PORTS_MAX - 3); /* port 0, and the two it was born with */
    assert_int_equal(operate(EVTCHNOP_bind_ipi, &bind), -XEN_ENOSPC);
    close.port = 100;
    assert_int_equal(operate(EVTCHNOP_close, &close), 0);
    assert_int_equal(operate(EVTCHNOP_close, &close), -XEN_EINVAL);
    assert_int_equal(operate(EVTCHNOP_bind_ipi, &bind), 0);
    assert_int_equal(bind.port, 100);
}

static void a_second_bind_of_a_virq_is_refused(void **state)
{
    struct evtchn_bind_virq bind = { .virq = VIRQ_TIMER };
    struct evtchn_close close = { .port = bind_timer() };

    (void)state;
    assert_int_equal(operate(EVTCHNOP_bind_virq, &bind), -XEN_EEXIST);
    assert_int_equal(operate(EVTCHNOP_close, &close), 0);
    assert_int_equal(operate(EVTCHNOP_bind_virq, &bind), 0);
}

static void numbers_out_of_range_are_refused(void **state)
{
    static const uint32_t numbers[] = { 0, PORTS_MAX, 4095, 4096, INT32_MAX, UINT32_MAX };

    (void)state;
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct evtchn_send send = { .port = numbers[i] };
        struct evtchn_bind_vcpu bind_vcpu = { .port = numbers[i] };
        struct evtchn_status status = { .dom = DOMID_SELF, .port = numbers[i] };

        assert_int_equal(operate(EVTCHNOP_send, &send), -XEN_EINVAL);
        assert_int_equal(operate(EVTCHNOP_unmask, &send), -XEN_EINVAL);
        assert_int_equal(operate(EVTCHNOP_close, &send), -XEN_EINVAL);
        assert_int_equal(operate(EVTCHNOP_bind_vcpu, &bind_vcpu), -XEN_EINVAL);
        assert_int_equal(operate(EVTCHNOP_status, &status), -XEN_EINVAL);
        events_send(&domain, numbers[i]);
    }
    struct evtchn_bind_virq virq = { .virq = NR_VIRQS };
    struct evtchn_bind_ipi ipi = { .vcpu = 1 };

    assert_int_equal(operate(EVTCHNOP_bind_virq, &virq), -XEN_EINVAL);
    assert_int_equal(operate(EVTCHNOP_bind_ipi, &ipi), -XEN_ENOENT);
    assert_int_equal(operate(99, &ipi), -XEN_ENOSYS);
    assert_int_equal(events_op(vcpu, EVTCHNOP_bind_ipi, 0), -XEN_EFAULT);
}

static void a_registered_info_sees_every_event_again(void **state)
{
    struct vcpu_info *info = (struct vcpu_info *)(pinned_page + 0x100);

    (void)state;
    assert_int_equal(events_register_info(vcpu, GFN(8), 0), -XEN_EINVAL);
    assert_int_equal(events_register_info(vcpu, GFN(7), 4096 - 56), -XEN_EINVAL);
    assert_int_equal(events_register_info(vcpu, GFN(7), UINT32_MAX - 7), -XEN_EINVAL);
    assert_int_equal(events_register_info(vcpu, GFN(7), 0x101), -XEN_EINVAL);
    assert_int_equal(events_register_info(vcpu, GFN(7), 0x100), 0);
    assert_int_equal(info->evtchn_upcall_pending, 1);
    assert_true(info->evtchn_pending_sel == ~0ul);
    assert_true(info->time.tsc_to_system_mul != 0);
    assert_int_equal(events_vector(vcpu), 0xf3);
    assert_int_equal(events_register_info(vcpu, GFN(7), 0x100), -XEN_EINVAL);
}

static void of_two_who_register_one_does(void **state)
{
    (void)state;
    pins = 0;
    sleeps_meanwhile = true;
    assert_int_equal(events_register_info(vcpu, GFN(7), 0x100), -XEN_EINVAL);
    sleeps_meanwhile = false;
    assert_int_equal(pins, 0);
    assert_non_null(vcpu->info_page.host);
}

/* ---- console -------------------------------------------------------------------------------- */

static void what_the_guest_writes_is_printed_once(void **state)
{
    (void)state;
    ring->out_cons = ring->out_prod = UINT32_MAX - 2; /* indices wrap */
    for (const char *c = "hello"; *c; c++)
        ring->out[ring->out_prod++ % sizeof(ring->out)] = *c;
    console_drain(&domain);
    console_drain(&domain);
    assert_int_equal(printed_size, 5);
    assert_memory_equal(printed, "hello", 5);
    assert_int_equal(ring->out_cons, ring->out_prod);
}

static void wild_indices_print_at_most_a_ring(void **state)
{
    static const uint32_t wild[] = { 2048, 2049, 0x7fffffff, 0x80000000, UINT32_MAX };

    (void)state;
    for (unsigned i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
        printed_size = 0;
        ring->out_cons = 5;
        ring->out_prod = 5 + wild[i];
        console_drain(&domain);
        assert_int_equal(printed_size, wild[i] == 2048 ? 2048 : 0);
        assert_int_equal(ring->out_cons, ring->out_prod);
        ring->in_cons = 5;
        ring->in_prod = 5 + wild[i];
        typed = "x";
        console_input(&domain);
        assert_int_equal(ring->in_prod, 5 + wild[i]);
    }
}

static void what_is_typed_waits_while_the_ring_is_full(void **state)
{
    static char text[2000];

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    typed = text;
    unmask(GUEST_PORT_CONSOLE);
    console_input(&domain);
    assert_int_equal(ring->in_prod, sizeof(ring->in));
    assert_int_equal(events_vector(vcpu), 0xf3);
    console_input(&domain);
    assert_int_equal(ring->in_prod, sizeof(ring->in));
    ring->in_cons += 10;
    console_input(&domain);
    assert_int_equal(ring->in_prod, sizeof(ring->in) + 10);
}

/* ---- APIC ----------------------------------------------------------------------------------- */

static void a_self_ipi_is_requested_served_and_ended(void **state)
{
    uint64_t value;

    (void)state;
    assert_true(lapic_msr_write(vcpu, 0x83f, 0x41)); /* the APIC is off: nothing comes of it */
    assert_int_equal(lapic_vector(vcpu), 0);
    assert_true(lapic_msr_write(vcpu, 0x80f, 0x1ff));
    assert_true(lapic_msr_write(vcpu, 0x83f, 0x41));
    assert_int_equal(lapic_vector(vcpu), 0x41);
    lapic_accept(vcpu, 0x41);
    assert_true(lapic_msr_read(vcpu, 0x812, &value));
    assert_int_equal(value, 2);
    assert_true(lapic_msr_write(vcpu, 0x83f, 0x45)); /* the same class waits */
    assert_int_equal(lapic_vector(vcpu), 0);
    assert_true(lapic_msr_write(vcpu, 0x83f, 0x51)); /* a higher one does not */
    assert_int_equal(lapic_vector(vcpu), 0x51);
    lapic_accept(vcpu, 0x51);
    assert_true(lapic_msr_write(vcpu, 0x80b, 0));
    assert_true(lapic_msr_write(vcpu, 0x80b, 0));
    assert_int_equal(lapic_vector(vcpu), 0x45);
    assert_true(lapic_msr_write(vcpu, 0x808, 0x40));
    assert_int_equal(lapic_vector(vcpu), 0);
}

static void no_register_write_breaks_the_apic(void **state)
{
    static const uint64_t values[] = {
        0, 1, 0x0f, 0xff, 0x4500, 0xc4500, 0x80000, UINT32_MAX, UINT64_MAX, 0xffffffff000000f3
    };
    uint64_t value;

    (void)state;
    assert_true(lapic_msr_write(vcpu, 0x80f, 0x1ff));
    for (uint32_t msr = LAPIC_MSR_FIRST; msr <= LAPIC_MSR_LAST; msr++) {
        for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
            (void)lapic_msr_write(vcpu, msr, values[i]);
            (void)lapic_msr_read(vcpu, msr, &value);
            uint8_t vector = lapic_vector(vcpu);
            assert_true(vector == 0 || vector >= 16);
        }
    }
    assert_false(lapic_msr_write(vcpu, 0x80b, 1));
    assert_false(lapic_msr_read(vcpu, 0x80b, &value));
    assert_false(lapic_msr_write(vcpu, 0x802, 0));
}

#define CLAIM(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_masked_event_waits_for_its_unmask),
        CLAIM(an_events_processor_is_told_to_look),
        CLAIM(the_vector_is_offered_until_the_guest_clears_its_byte),
        CLAIM(a_timer_fires_once_when_it_is_due),
        CLAIM(a_time_past_is_etime_only_when_asked),
        CLAIM(guest_and_host_read_the_same_time),
        CLAIM(ports_run_out_and_come_back),
        CLAIM(a_second_bind_of_a_virq_is_refused),
        CLAIM(numbers_out_of_range_are_refused),
        CLAIM(a_registered_info_sees_every_event_again),
        CLAIM(of_two_who_register_one_does),
        CLAIM(what_the_guest_writes_is_printed_once),
        CLAIM(wild_indices_print_at_most_a_ring),
        CLAIM(what_is_typed_waits_while_the_ring_is_full),
        CLAIM(a_self_ipi_is_requested_served_and_ended),
        CLAIM(no_register_write_breaks_the_apic),
    };

    return cmocka_run_group_tests_name("guest_abi", tests, NULL, NULL);
}
