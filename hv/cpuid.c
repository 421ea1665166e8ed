/* SPDX-License-Identifier: MIT */
/*
 * CPUID policy; see cpuid.h. Feature words are lists of what is let through, never of what is
 * hidden: a feature that nobody here has thought about is not there. [APM "Obtaining Processor
 * Information Via the CPUID Instruction"], [SDM "CPUID"], and the public cpuid.h of Xen's ABI.
 */
#include "cpuid.h"

#include "cpu.h"
#include "devices.h"
#include "guest_clock.h"
#include "xen_abi.h"

#include <xen/arch-x86/cpuid.h>

#define LAST_BASIC    0xdu
#define EXTENDED      0x80000000u
#define LAST_EXTENDED 0x80000008u
#define HYPERVISOR    0x40000000u /* up to, not including, 0x40010000: ours to answer */

/*
 * Leaf 1 ECX: SSE3 PCLMUL SSSE3 FMA CX16 SSE4.1 SSE4.2 x2APIC MOVBE POPCNT AES XSAVE AVX F16C
 * RDRAND.
 */
#define LEAF1_ECX             0x76f83203u
#define LEAF1_ECX_X2APIC      (1u << 21)
#define LEAF1_ECX_XSAVE       (1u << 26)
#define LEAF1_ECX_OSXSAVE     (1u << 27)
#define LEAF1_ECX_HYPERVISOR  (1u << 31)
/* What needs the state that XSAVE saves: FMA AVX F16C. */
#define LEAF1_ECX_AVX         (1u << 12 | 1u << 28 | 1u << 29)
/* Leaf 1 EDX: all up to SSE2 but VME, machine checks, thermal and debug-store things, threads. */
#define LEAF1_EDX             0x078bbb7du
#define LEAF1_EDX_APIC        (1u << 9)
#define LEAF1_EDX_MTRR        (1u << 12)
/* Leaf 7 EBX: FSGSBASE BMI1 AVX2 BMI2 ADX CLFLUSHOPT. No SMEP, SMAP: not yet tried here. */
#define LEAF7_EBX             0x00880129u
#define LEAF7_EBX_AVX2        (1u << 5)
#define LEAF6_EAX_ARAT        (1u << 2)
/* Leaf 0x80000001: LAHF, CR8 by LOCK, ABM, SSE4A; SYSCALL NX FXSR 1G-pages RDTSCP LM and such. */
#define EXT1_ECX              0x00000071u
#define EXT1_EDX              0x2dd3bb7du
#define EXT7_EDX_CONSTANT_TSC (1u << 8)
#define TIME_RELIABLE         (1u << 1) /* Xen's leaf 3: the host's TSC is good; and RDTSCP */
#define TIME_RDTSCP           (1u << 2)
#define XCR0_OFFERED          7u /* x87, SSE, AVX */
#define XSAVE_OFFERED         5u /* XSAVEOPT, XGETBV with ECX 1: nothing that needs an MSR */
#define XSAVE_HEADER_END      576u
#define CACHE_SHARING         0x03ffc000u /* leaf 4 EAX: how many share it; and above, cores */

/* QEMU's models without XSAVEOPT take CR4.OSXSAVE for a reserved bit: no XSAVE at all then. */
uint64_t cpuid_xcr0_allowed(void)
{
    if (!cpu_has(CPU_XSAVE) || !cpuid_if_present(0xd, 1).eax)
        return 0;
    return cpuid_if_present(0xd, 0).eax & XCR0_OFFERED;
}

/* ---- the processor's leaves ----------------------------------------------------------------- */

static void leaf_features(const struct vcpu *vcpu, struct cpuid *out)
{
    out->ebx = (out->ebx & 0xff00u) | vcpu->id << 24; /* keep the size of a CLFLUSH line */
    out->ecx &= LEAF1_ECX;
    out->ecx |= LEAF1_ECX_X2APIC | LEAF1_ECX_HYPERVISOR;
    if (!cpuid_xcr0_allowed())
        out->ecx &= ~(LEAF1_ECX_XSAVE | LEAF1_ECX_AVX);
    else if (vcpu->control.cr4 & CR4_OSXSAVE)
        out->ecx |= LEAF1_ECX_OSXSAVE;
    out->edx &= LEAF1_EDX;
    out->edx |= LEAF1_EDX_APIC | LEAF1_EDX_MTRR;
}

static void leaf_more_features(uint32_t subleaf, struct cpuid *out)
{
    uint32_t features = subleaf == 0 ? out->ebx & LEAF7_EBX : 0;

    if (!cpuid_xcr0_allowed())
        features &= ~LEAF7_EBX_AVX2;
    *out = (struct cpuid){ .ebx = features };
}

/* How much XSAVE writes with these bits in XCR0. */
static uint32_t xsave_size(uint64_t xcr0)
{
    uint32_t size = XSAVE_HEADER_END;

    for (unsigned i = 2; i < 63; i++) {
        if (xcr0 >> i & 1) {
            struct cpuid part = cpuid(0xd, i);
            uint32_t end = part.eax + part.ebx;

            size = end > size ? end : size;
        }
    }
    return size;
}

static void leaf_xsave(const struct vcpu *vcpu, uint32_t subleaf, struct cpuid *out)
{
    uint64_t allowed = cpuid_xcr0_allowed();

    if (!allowed)
        *out = (struct cpuid){ 0 };
    else if (subleaf == 0)
        *out = (struct cpuid){ .eax = (uint32_t)allowed,
                               .ebx = xsave_size(vcpu->xcr0 & allowed),
                               .ecx = xsave_size(allowed) };
    else if (subleaf == 1)
        *out = (struct cpuid){ .eax = out->eax & XSAVE_OFFERED };
    else if (subleaf >= 63 || !(allowed >> subleaf & 1))
        *out = (struct cpuid){ 0 };
}

static struct cpuid basic_leaf(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid out = cpuid_if_present(leaf, subleaf);

    switch (leaf) {
    case 0:
        out.eax = out.eax < LAST_BASIC ? out.eax : LAST_BASIC;
        break;
    case 1:
        leaf_features(vcpu, &out);
        break;
    case 2: /* caches, in Intel's words */
        break;
    case 4:
        out.eax &= ~(CACHE_SHARING | 0xfc000000u); /* nobody shares them: one core, one thread */
        break;
    case 6:
        out = (struct cpuid){ .eax = LEAF6_EAX_ARAT };
        break;
    case 7:
        leaf_more_features(subleaf, &out);
        break;
    case 0xd:
        leaf_xsave(vcpu, subleaf, &out);
        break;
    default:
        out = (struct cpuid){ 0 };
        break;
    }
    return out;
}

static struct cpuid extended_leaf(uint32_t leaf)
{
    struct cpuid out = cpuid_if_present(leaf, 0);

    switch (leaf) {
    case EXTENDED:
        out.eax = out.eax < LAST_EXTENDED ? out.eax : LAST_EXTENDED;
        break;
    case EXTENDED + 1:
        out.ecx &= EXT1_ECX;
        out.edx &= EXT1_EDX;
        break;
    case EXTENDED + 2: /* the processor's name */
    case EXTENDED + 3:
    case EXTENDED + 4:
    case EXTENDED + 5: /* caches, in AMD's words */
    case EXTENDED + 6:
        break;
    case EXTENDED + 7:
        out = (struct cpuid){ .edx = EXT7_EDX_CONSTANT_TSC };
        break;
    case EXTENDED + 8:
        out = (struct cpuid){ .eax = out.eax & 0xffff };
        break;
    default:
        out = (struct cpuid){ 0 };
        break;
    }
    return out;
}

/* ---- the leaves of a Xen guest -------------------------------------------------------------- */

static struct cpuid time_leaf(uint32_t subleaf)
{
    struct clock_scale scale = guest_clock_scale();
    const uint32_t never_emulated = 2; /* tsc_mode */

    switch (subleaf) {
    case 0:
        return (struct cpuid){ .eax = TIME_RELIABLE | (cpu_has(CPU_RDTSCP) ? TIME_RDTSCP : 0),
                               .ebx = never_emulated,
                               .ecx = (uint32_t)clock_tsc_khz() };
    case 1: /* the guest's TSC starts at 0, and so does its clock */
        return (struct cpuid){ .ecx = scale.multiplier, .edx = (uint32_t)scale.shift };
    case 2:
        return (struct cpuid){ .eax = (uint32_t)clock_tsc_khz() };
    default:
        return (struct cpuid){ 0 };
    }
}

static struct cpuid xen_leaf(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
    switch (leaf - HYPERVISOR) {
    case 0:
        return (struct cpuid){ HYPERVISOR + 5, XEN_CPUID_SIGNATURE_EBX, XEN_CPUID_SIGNATURE_ECX,
                               XEN_CPUID_SIGNATURE_EDX };
    case 1: /* the version of the interface that we keep to: 4.17 */
        return (struct cpuid){ .eax = 4u << 16 | 17 };
    case 2: /* one hypercall page, written by this MSR */
        return (struct cpuid){ .eax = 1, .ebx = HYPERVISOR };
    case 3:
        return time_leaf(subleaf);
    case 4:
        if (subleaf)
            return (struct cpuid){ 0 };
        return (struct cpuid){ .eax = XEN_HVM_CPUID_VCPU_ID_PRESENT | XEN_HVM_CPUID_DOMID_PRESENT,
                               .ebx = vcpu->id,
                               .ecx = vcpu->domain->id };
    default: /* guests look here for other hypervisors: nothing must look like one */
        return (struct cpuid){ 0 };
    }
}

void cpuid_emulate(struct vcpu *vcpu)
{
    struct registers *registers = &vcpu->registers;
    uint32_t leaf = (uint32_t)registers->rax;
    uint32_t subleaf = (uint32_t)registers->rcx;
    struct cpuid out = { 0 };

    if (leaf <= LAST_BASIC)
        out = basic_leaf(vcpu, leaf, subleaf);
    else if (leaf >> 16 == HYPERVISOR >> 16)
        out = xen_leaf(vcpu, leaf, subleaf);
    else if (leaf >= EXTENDED && leaf <= LAST_EXTENDED)
        out = extended_leaf(leaf);
    registers->rax = out.eax;
    registers->rbx = out.ebx;
    registers->rcx = out.ecx;
    registers->rdx = out.edx;
}
