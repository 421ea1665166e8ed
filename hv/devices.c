/* SPDX-License-Identifier: MIT */
/*
 * The host's own few devices: two serial ports, the local APICs' timers, the time-stamp counter.
 * Refuses to know guests, and what is said over the ports.
 */
#include "devices.h"

#include <stddef.h>

#include "cpu.h"
#include "this_cpu.h"
#include "apic.h"

/* ---- serial ports, 16550 -------------------------------------------------------------------- */

#define UART_DATA            0 /* with DLAB: divisor, low */
#define UART_INTERRUPTS      1 /* with DLAB: divisor, high */
#define UART_FIFO            2
#define UART_LINE_CONTROL    3
#define UART_MODEM_CONTROL   4
#define UART_LINE_STATUS     5
#define UART_SCRATCH         7
#define UART_8N1             0x03
#define UART_DLAB            0x80
#define UART_DATA_READY      0x01
#define UART_HOLDING_EMPTY   0x20
#define UART_TRANSMITTER_OFF 0x40

#define UART_PATIENCE    10000000u /* polls; seconds on any machine, a byte takes 87 us */
#define UART_NO_PATIENCE 1000u     /* for one that was stuck the last time */

struct uart_state {
    uint16_t port;
    bool present;
    bool mid_line;
    bool stuck; /* it did not take the last byte: do not wait as long for the next */
};

static struct uart_state uart_state[UARTS] = {
    [UART_CONSOLE] = { .port = 0x3f8 },
    [UART_RECORDS] = { .port = 0x2f8 },
};

static bool uart_answers(uint16_t port)
{
    out8(port + UART_SCRATCH, 0x5a);
    if (in8(port + UART_SCRATCH) != 0x5a)
        return false;
    out8(port + UART_SCRATCH, 0xa5);
    return in8(port + UART_SCRATCH) == 0xa5;
}

bool uart_present(enum uart uart)
{
    return uart_state[uart].present;
}

bool uart_mid_line(enum uart uart)
{
    return uart_state[uart].mid_line;
}

static bool uart_wait(struct uart_state *uart, uint8_t status)
{
    unsigned polls = uart->stuck ? UART_NO_PATIENCE : UART_PATIENCE;

    for (unsigned i = 0; i < polls; i++) {
        if (in8(uart->port + UART_LINE_STATUS) & status)
            return true;
        cpu_pause();
    }
    return false;
}

void uart_put(enum uart which, char c)
{
    struct uart_state *uart = &uart_state[which];

    if (!uart->present)
        return;
    uart->stuck = !uart_wait(uart, UART_HOLDING_EMPTY);
    if (uart->stuck)
        return; /* rather lose a byte than hang */
    out8(uart->port + UART_DATA, (uint8_t)c);
    if (c != '\r')
        uart->mid_line = c != '\n';
}

int uart_get(enum uart which)
{
    struct uart_state *uart = &uart_state[which];

    if (!uart->present || !(in8(uart->port + UART_LINE_STATUS) & UART_DATA_READY))
        return -1;
    return in8(uart->port + UART_DATA);
}

static void uart_say(enum uart uart, const char *text)
{
    while (*text)
        uart_put(uart, *text++);
}

void uart_init(void)
{
    for (struct uart_state *uart = uart_state; uart < uart_state + UARTS; uart++) {
        uart->present = uart_answers(uart->port);
        if (!uart->present)
            continue;
        out8(uart->port + UART_INTERRUPTS, 0);
        out8(uart->port + UART_LINE_CONTROL, UART_DLAB);
        out8(uart->port + UART_DATA, 1); /* 115200 baud */
        out8(uart->port + UART_INTERRUPTS, 0);
        out8(uart->port + UART_LINE_CONTROL, UART_8N1);
        out8(uart->port + UART_FIFO, 0x07);          /* on, and both emptied */
        out8(uart->port + UART_MODEM_CONTROL, 0x03); /* DTR, RTS */
    }
    uart_say(UART_RECORDS, "\n"); /* a firmware may have left a line unfinished there */
}

/* ---- clock ---------------------------------------------------------------------------------- */

/* The two 8259s: away from the exceptions' vectors, then silent. */
static void pic_mask(void)
{
    static const struct {
        uint16_t port;
        uint8_t value;
    } sequence[] = {
        { 0x20, 0x11 }, { 0xa0, 0x11 }, { 0x21, 0x20 }, { 0xa1, 0x28 }, { 0x21, 0x04 },
        { 0xa1, 0x02 }, { 0x21, 0x01 }, { 0xa1, 0x01 }, { 0x21, 0xff }, { 0xa1, 0xff },
    };

    for (size_t i = 0; i < sizeof(sequence) / sizeof(*sequence); i++)
        out8(sequence[i].port, sequence[i].value);
}

#define PIT_HZ         1193182u
#define PIT_CHANNEL_2  0x42
#define PIT_COMMAND    0x43
#define PIT_GATE       0x61
#define PIT_GATE_OPEN  0x01
#define PIT_SPEAKER    0x02
#define PIT_OUT        0x20
#define CALIBRATION_MS 50
#define ROUNDS         3

/* Over a second on any machine; and the rates in kHz that a machine can have. */
#define CALIBRATION_TICKS_MOST (1ull << 33)
#define RATE_LEAST             1000u
#define RATE_MOST              10000000u
#define TOLD_TOLERANCE         4 /* what is told may be this part off what is measured */

#define LEAF_TSC            0x15u
#define LEAF_HYPERVISOR_KHZ 0x40000010u

#define NS_PER_MS     1000000u
#define TIMER_MOST_NS 1000000000ull

static uint64_t tsc_khz;
static uint64_t tsc_base;
static uint64_t ns_per_tick; /* 32.32 fixed point */
static uint64_t apic_khz;

/* One a processor: when its timer's interrupt comes; 0: it does not, or has come. */
static uint64_t armed_ns[CPUS_MAX];

struct ticks {
    uint64_t tsc;
    uint64_t apic;
};

/* Channel 2 counts down once, and its output rises at the end. [8254 "Mode 0"] All 0: never. */
static struct ticks count_ticks(void)
{
    const unsigned count = PIT_HZ * CALIBRATION_MS / 1000;
    uint8_t gate = in8(PIT_GATE) & (uint8_t) ~(PIT_GATE_OPEN | PIT_SPEAKER);
    struct ticks ticks;
    bool done;

    out8(PIT_GATE, gate);
    out8(PIT_COMMAND, 0xb0); /* channel 2, low then high byte, mode 0, binary */
    out8(PIT_CHANNEL_2, count & 0xff);
    out8(PIT_CHANNEL_2, count >> 8);
    apic_write(APIC_TIMER_INITIAL, UINT32_MAX);
    out8(PIT_GATE, gate | PIT_GATE_OPEN);
    ticks.tsc = rdtsc();
    ticks.apic = apic_read(APIC_TIMER_CURRENT);
    do
        done = in8(PIT_GATE) & PIT_OUT;
    while (!done && rdtsc() - ticks.tsc < CALIBRATION_TICKS_MOST);
    ticks.tsc = rdtsc() - ticks.tsc;
    ticks.apic -= apic_read(APIC_TIMER_CURRENT);
    apic_write(APIC_TIMER_INITIAL, 0);
    out8(PIT_GATE, gate);
    return done ? ticks : (struct ticks){ 0 };
}

static uint64_t median(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t low = a < b ? a : b;
    uint64_t high = a < b ? b : a;

    return c < low ? low : c > high ? high : c;
}

/* What the processor or the hypervisor below says of its TSC; 0: nothing. */
static uint64_t tsc_khz_as_told(void)
{
    struct cpuid ratio = cpuid_if_present(LEAF_TSC, 0);

    if (ratio.eax && ratio.ebx && ratio.ecx)
        return (uint64_t)ratio.ecx * ratio.ebx / ratio.eax / 1000;
    return cpuid_if_present(LEAF_HYPERVISOR_KHZ, 0).eax;
}

static bool rate_is_sane(uint64_t khz)
{
    return khz >= RATE_LEAST && khz <= RATE_MOST;
}

/* The middle one of three: a busy machine below can stretch or shrink any one of them. */
static bool calibrate(void)
{
    struct ticks round[ROUNDS];
    uint64_t told = tsc_khz_as_told(), off;

    for (unsigned i = 0; i < ROUNDS; i++) {
        round[i] = count_ticks();
        if (!round[i].tsc)
            return false; /* one wait for a PIT that is not there is enough */
    }
    tsc_khz = median(round[0].tsc, round[1].tsc, round[2].tsc) / CALIBRATION_MS;
    apic_khz = median(round[0].apic, round[1].apic, round[2].apic) / CALIBRATION_MS;
    off = told > tsc_khz ? told - tsc_khz : tsc_khz - told;
    if (off <= tsc_khz / TOLD_TOLERANCE)
        tsc_khz = told; /* exact, and what others on this machine count by */
    return rate_is_sane(tsc_khz) && rate_is_sane(apic_khz);
}

bool clock_init(void)
{
    pic_mask();
    if (!apic_init() || !calibrate())
        return false;
    ns_per_tick = ((uint64_t)NS_PER_MS << 32) / tsc_khz;
    tsc_base = rdtsc();
    return true;
}

uint64_t clock_tsc_khz(void)
{
    return tsc_khz;
}

uint64_t clock_tsc(void)
{
    return rdtsc();
}

uint64_t clock_ns(void)
{
    return (uint64_t)((unsigned __int128)(rdtsc() - tsc_base) * ns_per_tick >> 32);
}

void timer_arm(uint64_t ns)
{
    uint64_t now = clock_ns();
    uint64_t wait = ns > now ? ns - now : 0;
    uint64_t ticks, *armed = &armed_ns[cpu_number()];

    if (*armed > now && *armed <= ns)
        return;
    if (wait > TIMER_MOST_NS)
        wait = TIMER_MOST_NS;
    *armed = now + wait;
    ticks = wait * apic_khz / NS_PER_MS + 1;
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
    apic_write(APIC_TIMER_INITIAL, ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks);
}

void timer_disarm(void)
{
    armed_ns[cpu_number()] = 0;
    apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED | VECTOR_TIMER);
    apic_write(APIC_TIMER_INITIAL, 0);
}

/* The interrupt may have come before its time: whoever waits for a later one must arm again. */
void timer_acknowledge(void)
{
    armed_ns[cpu_number()] = 0;
    apic_acknowledge();
}

/* ---- the end -------------------------------------------------------------------------------- */

#define QEMU_DEBUG_EXIT 0xf4
#define BOCHS_SHUTDOWN  0x8900

/* For whoever cannot see the machine's exit status, or sees one that says nothing. */
static void record_exit(uint8_t code)
{
    const char number[] = { (char)('0' + code / 100), (char)('0' + code / 10 % 10),
                            (char)('0' + code % 10), '\0' };
    unsigned zeroes = code >= 100 ? 0 : code >= 10 ? 1 : 2;

    uart_say(UART_RECORDS, uart_mid_line(UART_RECORDS) ? "\n" : "");
    uart_say(UART_RECORDS, "{\"record\":\"exit\",\"code\":");
    uart_say(UART_RECORDS, number + zeroes);
    uart_say(UART_RECORDS, "}\n");
}

void machine_exit(uint8_t code)
{
    cli();
    record_exit(code);
    for (struct uart_state *uart = uart_state; uart < uart_state + UARTS; uart++)
        if (uart->present)
            uart_wait(uart, UART_TRANSMITTER_OFF); /* let the last line out */
    out8(QEMU_DEBUG_EXIT, code);
    for (const char *c = "Shutdown"; *c; c++)
        out8(BOCHS_SHUTDOWN, (uint8_t)*c);
    uart_say(UART_CONSOLE, "podium: halted; it is safe to turn the machine off\r\n");
    cpu_halt();
}
