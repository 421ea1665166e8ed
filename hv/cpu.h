/* SPDX-License-Identifier: MIT */
/*
 * The processor: instructions that C has no words for, what it says it can do, and the places in
 * the address space where this program sees machine memory.
 * Refuses to know devices, guests and page tables; has no state.
 */
#ifndef HV_CPU_H
#define HV_CPU_H

#include <stdbool.h>
#include <stdint.h>

/* ---- the host's address space --------------------------------------------------------------- */

/* All RAM, at one distance from its machine address. A host test moves it to where it has room. */
#ifndef DIRECT_MAP
#define DIRECT_MAP 0xffff800000000000ull
#endif
#define DIRECT_MAP_SIZE (1ull << 44)          /* the most RAM that we can use: 16 TB */
#define IMAGE_MAP       0xffffffff80000000ull /* machine address 0, as far as the image reaches */
#define LAPIC_MAP       0xffffffffc0000000ull /* one uncached page: the local APIC's registers */

static inline void *direct_map(uint64_t physical)
{
    return (void *)(uintptr_t)(DIRECT_MAP + physical);
}

/* Of a pointer into the direct map or into this image. */
static inline uint64_t physical_of(const void *pointer)
{
    uint64_t address = (uintptr_t)pointer;

    return address >= IMAGE_MAP ? address - IMAGE_MAP : address - DIRECT_MAP;
}

/* ---- instructions --------------------------------------------------------------------------- */

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid out;

    __asm__ volatile("cpuid"
                     : "=a"(out.eax), "=b"(out.ebx), "=c"(out.ecx), "=d"(out.edx)
                     : "a"(leaf), "c"(subleaf));
    return out;
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

static inline uint64_t xgetbv(uint32_t index)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(index));
    return (uint64_t)high << 32 | low;
}

static inline void xsetbv(uint32_t index, uint64_t value)
{
    __asm__ volatile("xsetbv"
                     :
                     : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

/* Not before what precedes it has been read. [SDM "RDTSC"] */
static inline uint64_t rdtsc(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void cpu_pause(void)
{
    __asm__ volatile("pause" : : : "memory");
}

static inline void sti(void)
{
    __asm__ volatile("sti" : : : "memory");
}

static inline void cli(void)
{
    __asm__ volatile("cli" : : : "memory");
}

/* Take one interrupt that is waiting, if there is one; off before and after. */
static inline void interrupts_take(void)
{
    __asm__ volatile("sti; nop; cli" : : : "memory");
}

/* As if an NMI came now; off before and after. */
static inline void interrupt_nmi(void)
{
    __asm__ volatile("int $2" : : : "memory");
}

/* Sleep until an interrupt has been taken; off before and after. STI's shadow covers the HLT. */
static inline void interrupts_wait(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

static inline _Noreturn void cpu_halt(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* Save FS, GS, TR, LDTR and the system-call MSRs into the VMCB at this machine address. */
static inline void vmsave(uint64_t vmcb)
{
    __asm__ volatile("vmsave" : : "a"(vmcb) : "memory");
}

/* x87 and SSE registers as FNINIT and a reset leave them. Context: CR4.OSFXSR is set. */
static inline void fpu_reset(void)
{
    static const struct {
        uint16_t control, status, tags, opcode;
        uint64_t instruction, data;
        uint32_t mxcsr, mxcsr_mask;
        uint8_t registers[480];
    } __attribute__((aligned(16))) image = { .control = 0x37f, .mxcsr = 0x1f80 };

    __asm__ volatile("fxrstor64 %0" : : "m"(image));
}

static inline void invlpg(uint64_t address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

#define CPU_CONTROL_REGISTER(name)                                                                 \
    static inline uint64_t read_##name(void)                                                       \
    {                                                                                              \
        uint64_t value;                                                                            \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(value) : : "memory");                        \
        return value;                                                                              \
    }                                                                                              \
    static inline void write_##name(uint64_t value)                                                \
    {                                                                                              \
        __asm__ volatile("mov %0, %%" #name : : "r"(value) : "memory");                            \
    }

CPU_CONTROL_REGISTER(cr0)
CPU_CONTROL_REGISTER(cr2)
CPU_CONTROL_REGISTER(cr3)
CPU_CONTROL_REGISTER(cr4)

/* ---- bits and numbers, by the manuals' names ------------------------------------------------ */

#define CR0_PE (1ull << 0)
#define CR0_ET (1ull << 4)
#define CR0_WP (1ull << 16)
#define CR0_PG (1ull << 31)

#define CR4_PSE     (1ull << 4)
#define CR4_PAE     (1ull << 5)
#define CR4_PGE     (1ull << 7)
#define CR4_OSFXSR  (1ull << 9)
#define CR4_OSXSAVE (1ull << 18)

#define EFER_SCE  (1ull << 0)
#define EFER_LME  (1ull << 8)
#define EFER_LMA  (1ull << 10)
#define EFER_NXE  (1ull << 11)
#define EFER_SVME (1ull << 12)

/* What a guest may see and set. */
#define EFER_OF_GUEST ((uint64_t)(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE))

#define DE_CFG_LFENCE_SERIALISES (1ull << 1)

#define MSR_APIC_BASE      0x1bu
#define MSR_SYSENTER_CS    0x174u
#define MSR_SYSENTER_ESP   0x175u
#define MSR_SYSENTER_EIP   0x176u
#define MSR_PAT            0x277u
#define MSR_EFER           0xc0000080u
#define MSR_STAR           0xc0000081u
#define MSR_LSTAR          0xc0000082u
#define MSR_CSTAR          0xc0000083u
#define MSR_SFMASK         0xc0000084u
#define MSR_FS_BASE        0xc0000100u
#define MSR_GS_BASE        0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_TSC_AUX        0xc0000103u
#define MSR_VM_CR          0xc0010114u
#define MSR_DE_CFG         0xc0011029u
#define MSR_VM_HSAVE_PA    0xc0010117u

enum {
    EXCEPTION_DB = 1,
    EXCEPTION_BP = 3,
    EXCEPTION_OF = 4,
    EXCEPTION_UD = 6,
    EXCEPTION_GP = 13,
    EXCEPTION_AC = 17,
    EXCEPTION_MC = 18,
};

/* ---- what it can do ------------------------------------------------------------------------- */

enum cpuid_register { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX };

struct cpu_feature {
    uint32_t leaf;
    enum cpuid_register in;
    unsigned bit;
};

#define CPU_VMX      ((struct cpu_feature){ 1, CPUID_ECX, 5 })
#define CPU_XSAVE    ((struct cpu_feature){ 1, CPUID_ECX, 26 })
#define CPU_APIC     ((struct cpu_feature){ 1, CPUID_EDX, 9 })
#define CPU_PGE      ((struct cpu_feature){ 1, CPUID_EDX, 13 })
#define CPU_SVM      ((struct cpu_feature){ 0x80000001, CPUID_ECX, 2 })
#define CPU_NX       ((struct cpu_feature){ 0x80000001, CPUID_EDX, 20 })
#define CPU_1G_PAGES ((struct cpu_feature){ 0x80000001, CPUID_EDX, 26 })
#define CPU_RDTSCP   ((struct cpu_feature){ 0x80000001, CPUID_EDX, 27 })

/* A leaf above the last one reads as nothing, not as what the processor makes of it. */
static inline struct cpuid cpuid_if_present(uint32_t leaf, uint32_t subleaf)
{
    uint32_t last = cpuid(leaf & 0xffff0000u, 0).eax;

    if (leaf > last || (last ^ leaf) >> 16 != 0)
        return (struct cpuid){ 0 };
    return cpuid(leaf, subleaf);
}

static inline bool cpu_has(struct cpu_feature feature)
{
    struct cpuid leaf = cpuid_if_present(feature.leaf, 0);
    const uint32_t value[] = { leaf.eax, leaf.ebx, leaf.ecx, leaf.edx };

    return value[feature.in] >> feature.bit & 1;
}

/* DE_CFG is in AMD's (and Hygon's) processors from family 0x10 on, but for 0x11. */
static inline bool cpu_has_de_cfg(void)
{
    uint32_t maker = cpuid(0, 0).ebx, version = cpuid(1, 0).eax;
    uint32_t family = (version >> 8 & 0xf) + (version >> 20 & 0xff);
    bool amd = maker == 0x68747541 || maker == 0x6f677948; /* "Auth", "Hygo" */

    return amd && family >= 0x10 && family != 0x11;
}

/* Physical address bits; 36 is what every processor with long mode has at least. */
static inline unsigned cpu_physical_bits(void)
{
    unsigned bits = cpuid_if_present(0x80000008, 0).eax & 0xff;

    return bits ? bits : 36;
}

#endif
