/* SPDX-License-Identifier: MIT */
/*
 * Question: can a guest tell what its processor does from what the host does in the processor's
 * place? A step traps after an emulated instruction as after any other; CR8 and the APIC's task
 * priority are one register, and so are TSC_AUX and what RDTSCP gives; x87 and SSE start as after a
 * reset; what this guest is not told of is an invalid instruction.
 */
#include "guest.h"

const char test_name[] = "emulated: the host in the processor's place";

#define MSR_EFER        0xc0000080u
#define MSR_TSC_AUX     0xc0000103u
#define MSR_X2APIC_TPR  0x808u
#define DR6_SINGLE_STEP (1ull << 14)
#define CR4_OSFXSR      (1ull << 9)
#define UNDEFINED       6u
#define DEBUG           1u

extern volatile uint64_t trapped_vector, trapped_rip;
extern void on_debug(void), on_undefined(void);

/* Both note where; a step ends there, and an invalid instruction (3 bytes) is passed over. */
__asm__("        .data\n"
        "        .globl trapped_vector, trapped_rip\n"
        "trapped_vector: .quad 0\n"
        "trapped_rip:    .quad 0\n"
        "        .text\n"
        "        .globl on_debug, on_undefined\n"
        "on_debug:\n"
        "        movq $1, trapped_vector\n"
        "        push %rax\n"
        "        mov 8(%rsp), %rax\n"
        "        mov %rax, trapped_rip\n"
        "        andq $~0x100, 24(%rsp)\n" /* TF */
        "        pop %rax\n"
        "        iretq\n"
        "on_undefined:\n"
        "        movq $6, trapped_vector\n"
        "        addq $3, (%rsp)\n"
        "        iretq\n");

static void set_handlers(void)
{
    for (unsigned vector = 0; vector < 32; vector++)
        handle(vector, vector == DEBUG ? on_debug : on_undefined);
}

static uint64_t read_dr6(void)
{
    uint64_t value;

    __asm__ volatile("mov %%dr6, %0" : "=r"(value));
    return value;
}

/* A step over one instruction must end right behind it. */
#define STEP(instruction, title)                                                                   \
    do {                                                                                           \
        uint64_t rax = 0, rcx = MSR_EFER, rdx = 0, behind;                                         \
        trapped_vector = 0;                                                                        \
        __asm__ volatile("mov %0, %%dr6" : : "r"(0xffff0ff0ul));                                   \
        __asm__ volatile("mov $1f, %3\n"                                                           \
                         "pushfq; orq $0x100, (%%rsp); popfq\n" instruction                        \
                         "\n1: nop; nop; pushfq; andq $~0x100, (%%rsp); popfq"                     \
                         : "+a"(rax), "+c"(rcx), "+d"(rdx), "=&r"(behind)                          \
                         :                                                                         \
                         : "rbx", "memory", "cc");                                                 \
        check(trapped_vector == DEBUG, "no step: " title, 0);                                      \
        check(trapped_rip == behind, "a step too far: " title, 0);                                 \
        check(read_dr6() & DR6_SINGLE_STEP, "DR6 does not say so: " title, 0);                     \
    } while (0)

static void step(void)
{
    STEP("nop", "NOP");
    STEP("cpuid", "CPUID");
    STEP("rdmsr", "RDMSR");
    STEP("wbinvd", "WBINVD");
    STEP("in $0x61, %%al", "IN");
    if (processor_is_intel())
        STEP("vmcall", "VMCALL");
    else
        STEP("vmmcall", "VMMCALL");
}

static uint64_t read_msr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static void write_msr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static void task_priority(void)
{
    uint64_t value;

    __asm__ volatile("mov %0, %%cr8" : : "r"(5ul));
    check(read_msr(MSR_X2APIC_TPR) == 0x50, "the APIC does not know what CR8 was set to", 0);
    write_msr(MSR_X2APIC_TPR, 0x93);
    __asm__ volatile("mov %%cr8, %0" : "=r"(value));
    check(value == 9, "CR8 does not know what the APIC was told", 0);
    check(read_msr(MSR_X2APIC_TPR) == 0x93, "the lower half of the priority was lost", 0);
}

static void tsc_aux(void)
{
    uint32_t aux;

    write_msr(MSR_TSC_AUX, 0x12345);
    check(read_msr(MSR_TSC_AUX) == 0x12345, "TSC_AUX does not keep", 0);
    __asm__ volatile("rdtscp" : "=c"(aux) : : "rax", "rdx");
    check(aux == 0x12345, "RDTSCP gives another TSC_AUX", 0);
}

static void floating_point(void)
{
    uint64_t cr4;
    uint32_t mxcsr = 0;
    uint16_t control = 0;

    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSFXSR));
    __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(mxcsr), "=m"(control));
    check(mxcsr == 0x1f80, "MXCSR is not as after a reset", 0);
    check(control == 0x37f, "the x87 control word is not as after FNINIT", 0);
}

static void undefined(void)
{
    trapped_vector = 0;
    __asm__ volatile(".byte 0x0f, 0x01, 0xfd" : : "c"(0) : "rax", "rdx"); /* RDPRU */
    check(trapped_vector == UNDEFINED, "RDPRU runs", 0);
}

void test(void)
{
    set_handlers();
    step();
    task_priority();
    tsc_aux();
    floating_point();
    undefined();
}
