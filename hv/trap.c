/* SPDX-License-Identifier: MIT */
/*
 * Exceptions and interrupts of the host itself.
 * Refuses to know guests, and to go on after an exception: there is none that we expect.
 */
#include "trap.h"

#include <assert.h>

#include "lib.h"
#include "cpu.h"
#include "this_cpu.h"
#include "lock.h"
#include "apic.h"
#include "devices.h"
#include "print.h"
#include "processors.h"

#define VECTORS      256
#define EXCEPTIONS   32
#define VECTOR_NMI   2
#define VECTOR_DF    8
#define VECTOR_PF    14
#define PIC_VECTORS  0x20 /* where devices.c put the masked 8259s: 16, spurious ones at most */
#define ENTRY_STRIDE 16   /* trap.S */

struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss; /* by the processor */
};
static_assert(sizeof(struct trap_frame) == 22 * 8, "trap.S pushes these");

/* trap.S */
extern const char trap_entries[];
void trap_load_segments(unsigned task);
void trap(const struct trap_frame *frame);

/* ---- tables that the processor reads -------------------------------------------------------- */

struct gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t stack;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};
static_assert(sizeof(struct gate) == 16, "[SDM \"64-Bit Mode IDT\"]");

struct __attribute__((packed)) task_state {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t stack[7]; /* IST 1 to 7 */
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map;
};
static_assert(sizeof(struct task_state) == 104, "[SDM \"TSS\"]");

struct __attribute__((packed)) table_pointer {
    uint16_t limit;
    uint64_t base;
};

#define GATE_INTERRUPT 0x8e
#define SEGMENT_CODE64 0x00209b0000000000ull
#define SEGMENT_DATA   0x00cf93000000ffffull
#define SEGMENT_TSS    0x0000890000000000ull
#define OWN_STACK_SIZE 4096
#define STACKS         3

enum own_stack { STACK_NONE, STACK_DF, STACK_NMI, STACK_PF }; /* IST numbers */

#define GDT_WORDS (SELECTOR_TSS(CPUS_MAX) / 8)

static struct gate idt[VECTORS] __attribute__((aligned(16)));
static uint64_t gdt[GDT_WORDS];

/* One a processor. */
static struct task_state task_state[CPUS_MAX];
static uint8_t own_stack[CPUS_MAX][STACKS][OWN_STACK_SIZE] __attribute__((aligned(16)));

static void gate_set(unsigned vector, enum own_stack stack)
{
    uint64_t entry = (uintptr_t)trap_entries + (uint64_t)vector * ENTRY_STRIDE;

    idt[vector] = (struct gate){
        .offset_low = (uint16_t)entry,
        .selector = SELECTOR_CODE,
        .stack = (uint8_t)stack,
        .type = GATE_INTERRUPT,
        .offset_middle = (uint16_t)(entry >> 16),
        .offset_high = (uint32_t)(entry >> 32),
    };
}

/* A descriptor's base lies in three pieces, and its last one in the next eight bytes. */
static void task_state_set(unsigned number)
{
    struct task_state *task = &task_state[number];
    uint64_t *descriptor = &gdt[SELECTOR_TSS(number) / 8], base = (uintptr_t)task;

    for (unsigned i = 0; i < STACKS; i++)
        task->stack[i] = (uintptr_t)own_stack[number][i] + OWN_STACK_SIZE;
    task->io_map = sizeof(*task);
    descriptor[0] =
        SEGMENT_TSS | (sizeof(*task) - 1) | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
    descriptor[1] = base >> 32;
}

static void tables_make(void)
{
    gdt[SELECTOR_CODE / 8] = SEGMENT_CODE64;
    gdt[SELECTOR_DATA / 8] = SEGMENT_DATA;
    for (unsigned i = 0; i < CPUS_MAX; i++)
        task_state_set(i);
    for (unsigned i = 0; i < VECTORS; i++)
        gate_set(i, STACK_NONE);
    gate_set(VECTOR_DF, STACK_DF);
    gate_set(VECTOR_NMI, STACK_NMI);
    gate_set(VECTOR_PF, STACK_PF); /* the stack itself may have run into its guard page */
}

void trap_init(unsigned number)
{
    struct table_pointer gdt_pointer = { sizeof(gdt) - 1, (uintptr_t)gdt };
    struct table_pointer idt_pointer = { sizeof(idt) - 1, (uintptr_t)idt };

    if (number == 0)
        tables_make();
    __asm__ volatile("lgdt %0; lidt %1" : : "m"(gdt_pointer), "m"(idt_pointer) : "memory");
    trap_load_segments(SELECTOR_TSS(number));
}

/* ---- what comes ----------------------------------------------------------------------------- */

static const char *const exception_name[EXCEPTIONS] = {
    [0] = "#DE divide error",
    [1] = "#DB debug",
    [2] = "NMI",
    [3] = "#BP breakpoint",
    [4] = "#OF overflow",
    [5] = "#BR bound range",
    [6] = "#UD invalid opcode",
    [7] = "#NM device not available",
    [8] = "#DF double fault",
    [10] = "#TS invalid TSS",
    [11] = "#NP segment not present",
    [12] = "#SS stack fault",
    [13] = "#GP general protection",
    [14] = "#PF page fault",
    [16] = "#MF x87 error",
    [17] = "#AC alignment check",
    [18] = "#MC machine check",
    [19] = "#XM SIMD error",
    [20] = "#VE virtualization",
    [21] = "#CP control protection",
    [28] = "#HV hypervisor",
    [29] = "#VC VMM communication",
    [30] = "#SX security",
};

static _Noreturn void die(const struct trap_frame *f)
{
    const char *name = exception_name[f->vector] ? exception_name[f->vector] : "reserved";

    last_words();
    print("panic: exception %lu (%s), error code 0x%lx\n", f->vector, name, f->error);
    print("rip %016lx  cs %04lx  rflags %08lx\n", f->rip, f->cs, f->rflags);
    print("rsp %016lx  ss %04lx  cr2 %016lx  cr3 %016lx\n", f->rsp, f->ss, read_cr2(), read_cr3());
    print("rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
    print("rsi %016lx  rdi %016lx  rbp %016lx  cr0 %016lx\n", f->rsi, f->rdi, f->rbp, read_cr0());
    print("r8  %016lx  r9  %016lx  r10 %016lx  r11 %016lx\n", f->r8, f->r9, f->r10, f->r11);
    print("r12 %016lx  r13 %016lx  r14 %016lx  r15 %016lx\n", f->r12, f->r13, f->r14, f->r15);
    print_stack((const uint64_t *)(uintptr_t)f->rsp);
    record_error("the hypervisor died of exception %lu (%s) at %lx, error code 0x%lx", f->vector,
                 name, f->rip, f->error);
    machine_exit(EXIT_CODE_BAD);
}

/* The lock is free, and nobody waits for this processor: interrupts are on only there. */
static void complain(uint64_t vector)
{
    host_lock();
    print("interrupt 0x%lx that nobody asked for\n", vector);
    host_unlock();
}

void trap(const struct trap_frame *frame)
{
    if (frame->vector < EXCEPTIONS)
        die(frame);
    if (frame->vector == VECTOR_SPURIOUS || frame->vector >> 4 == PIC_VECTORS >> 4)
        return; /* neither wants an acknowledgement */
    if (frame->vector == VECTOR_TIMER)
        timer_acknowledge();
    else if (frame->vector == VECTOR_KICK)
        processors_kicked();
    else
        complain(frame->vector);
    if (frame->vector != VECTOR_TIMER)
        apic_acknowledge();
}
