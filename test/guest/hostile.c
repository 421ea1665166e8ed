/* SPDX-License-Identifier: MIT */
/*
 * Question: is there a hypercall, an MSR, a port or a CPUID leaf by which a guest can hurt the
 * host?
 *
 * Seeded nonsense, some of it near sense: real commands with wild arguments, pointers to nowhere,
 * to the last byte of memory and across its end, structures full of plausible numbers. What faults
 * is skipped. Calls that end or stop this guest on purpose are left out. The host's audit at the
 * end is the judge, and that the guest gets there.
 */
#include "guest.h"

const char test_name[] = "hostile: nonsense at every door";

#define ROUNDS 60000

extern volatile uint64_t hostile_resume; /* where the exception handler goes on */
extern void hostile_handler(void);

/* Every exception: forget the frame, go on at hostile_resume. */
__asm__("        .data\n"
        "        .globl hostile_resume\n"
        "hostile_resume: .quad 0\n"
        "        .text\n"
        "        .globl hostile_handler\n"
        "hostile_handler:\n"
        "        cld\n"
        "        mov hostile_stack, %rsp\n"
        "        jmp *hostile_resume\n"
        "        .data\n"
        "        .globl hostile_stack\n"
        "hostile_stack: .quad 0\n"
        "        .text\n");

static uint64_t seed = 88172645463325252ull;

static uint64_t next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void set_handlers(void)
{
    for (unsigned vector = 0; vector < VECTORS; vector++)
        handle(vector, hostile_handler);
}

/* Registers in, one instruction, and on whether it faulted or not. */
#define TRY(instruction, a, b, c, d)                                                               \
    do {                                                                                           \
        uint64_t rax = (a), rdi = (b), rsi = (c), rdx = (d);                                       \
        __asm__ volatile("push %%rbp; push %%rbx\n"                                                \
                         "mov %%rsp, hostile_stack\n"                                              \
                         "movq $7f, hostile_resume\n" instruction "\n7: pop %%rbx; pop %%rbp"      \
                         : "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx)                              \
                         :                                                                         \
                         : "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory",  \
                           "cc");                                                                  \
    } while (0)

static uint64_t buffer[1024] __attribute__((aligned(4096)));

/* Numbers that mean something somewhere: frames of RAM above this guest, ends, holes, ports. */
static uint64_t plausible(void)
{
    static const uint64_t values[] = {
        0,          1,          2,          3,          7,          15,       64,       4096,
        0x7ff0,     0x7fff,     0x1000,     0x1001,     0x1fff,     0x3fff,   0x4000,   0x8000,
        0xffff,     0xc0000,    0xfeffc,    0xfefff,    0xfefe0,    0x100000, 0x13ffff, 0x140000,
        1ull << 31, 1ull << 32, 1ull << 36, 1ull << 52, 1ull << 63, -1ull,    -4096ull, 0x2000,
    };

    return next() & 7 ? values[next() % (sizeof(values) / sizeof(values[0]))] : next();
}

static uint64_t pointer(void)
{
    switch (next() % 8) {
    case 0:
        return plausible();
    case 1:
        return 16 * GB - next() % 64; /* the end of what is mapped */
    case 2:
        return (uint64_t)buffer + PAGE - next() % 64;
    default:
        return (uint64_t)buffer + next() % 256;
    }
}

static void fill_buffer(void)
{
    for (unsigned i = 0; i < 64; i++)
        buffer[i] = next() & 1 ? plausible() : plausible() | plausible() << 32;
}

/* Calls that end this guest, put it to sleep for ever or take its code away are no test. */
static bool is_suicide(uint64_t number, uint64_t command)
{
    if (number == 12 && (command & 63) == 1)
        return true;
    if (number == 63 && (uint32_t)command >= 12 && (uint32_t)command <= 18) /* the oracle's */
        return true;
    return number == 29 && ((uint32_t)command == 1 || (uint32_t)command == 2);
}

static void one_hypercall(void)
{
    static const uint64_t numbers[] = {
        12, 12, 17, 18, 24, 24, 29, 32, 32, 34, 34, 63, 63, 15, 20
    };
    uint64_t number = next() & 15 ? numbers[next() % 15] : plausible();
    uint64_t command = next() & 7 ? next() % 32 : plausible();
    uint64_t second = pointer(), third = next() & 1 ? pointer() : plausible();

    fill_buffer();
    if (number == 24) /* vcpu_op: the vCPU comes second */
        second = next() & 7 ? 0 : plausible();
    if (number == 18) /* console_io: silence, mostly */
        second = next() % 2 ? 0 : plausible() | 1ull << 40;
    if (number == 63) /* the tests' own: a frame comes second */
        second = next() & 1 ? 0x2000 + next() % 0x1000 : plausible();
    if (number == 63 && command == 4)
        return; /* prints */
    if (!is_suicide(number, command))
        TRY(HYPERCALL, number, command, second, third);
}

static void one_msr(void)
{
    static const uint64_t bases[] = { 0,          0x10,       0x1b,       0x170,      0x200,
                                      0x250,      0x277,      0x2ff,      0x800,      0x830,
                                      0x40000000, 0xc0000080, 0xc0000100, 0xc0010000, 0xc0010110 };
    uint64_t msr = (bases[next() % 15] + next() % 32) & 0xffffffff;
    uint64_t value = next() & 1 ? plausible() : next();

    TRY("mov %%edi, %%ecx; rdmsr", 0, msr, 0, 0);
    /* Its own stack, entry points and long mode it keeps. */
    if (msr != 0xc0000080 && msr != 0xc0000101)
        TRY("mov %%edi, %%ecx; wrmsr", value & 0xffffffff, msr, 0, value >> 32);
}

static void one_port(void)
{
    uint64_t port = next() & 1 ? next() & 0xffff : 0x40 + next() % 64;

    if (port == 0x600 || (port >= 0x5fd && port <= 0x600))
        return; /* power */
    TRY("in %%dx, %%al", 0, 0, 0, port);
    TRY("in %%dx, %%ax", 0, 0, 0, port);
    TRY("in %%dx, %%eax", 0, 0, 0, port);
    TRY("out %%al, %%dx", next(), 0, 0, port);
    TRY("out %%eax, %%dx", next(), 0, 0, port);
    TRY("outsb", 0, 0, (uint64_t)buffer, port);
}

static void one_instruction(void)
{
    uint64_t value = next();

    TRY("mov %%rdi, %%rcx; xor %%ecx, %%ecx; cpuid", plausible(), 0, 0, 0);
    TRY("vmmcall", plausible() | 64, 0, 0, 0);
    TRY("vmcall", plausible() | 64, 0, 0, 0);
    TRY("vmxon buffer", 0, 0, 0, 0);
    TRY("vmclear buffer", 0, 0, 0, 0);
    TRY("vmptrld buffer", 0, 0, 0, 0);
    TRY("vmptrst buffer", 0, 0, 0, 0);
    TRY("vmread %%rax, %%rdi", value & 0xffff, 0, 0, 0);
    TRY("vmwrite %%rdi, %%rax", value & 0xffff, value, 0, 0);
    TRY("vmlaunch", 0, 0, 0, 0);
    TRY("vmresume", 0, 0, 0, 0);
    TRY("vmxoff", 0, 0, 0, 0);
    TRY("invept buffer, %%rax", 2, 0, 0, 0);
    TRY("invvpid buffer, %%rax", 2, 0, 0, 0);
    TRY("getsec", 0, 0, 0, 0);
    TRY("vmrun", plausible(), 0, 0, 0);
    TRY("vmload", plausible(), 0, 0, 0);
    TRY("vmsave", plausible(), 0, 0, 0);
    TRY("clgi", 0, 0, 0, 0);
    TRY("stgi", 0, 0, 0, 0);
    TRY("invlpga %%rax, %%ecx", 0, 0, 0, 0);
    TRY("monitor", 0, 0, 0, 0);
    TRY("wbinvd", 0, 0, 0, 0);
    TRY("mov %%edi, %%ecx; rdpmc", 0, value, 0, 0);
    TRY("mov %%edi, %%ecx; xsetbv", value & 0xff, value & 1, 0, 0);
}

/* Of the other vendor's emulated processor, neither gives the #GP that it should (bad_state.c). */
static void one_control_register(void)
{
    TRY("mov %%cr4, %%rax; bts $13, %%rax; mov %%rax, %%cr4", 0, 0, 0, 0);
    TRY("mov %%cr0, %%rax; bts $29, %%rax; mov %%rax, %%cr0", 0, 0, 0, 0);
}

void test(void)
{
    bool intel = processor_is_intel();

    set_handlers();
    for (unsigned round = 0; round < ROUNDS; round++) {
        one_hypercall();
        if (round % 4 == 0)
            one_msr();
        if (round % 16 == 0)
            one_port();
        if (round % 64 == 0)
            one_instruction();
        if (round % 64 == 0 && intel)
            one_control_register();
    }
    check(true, "still here", 0);
}
