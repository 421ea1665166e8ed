/* SPDX-License-Identifier: MIT */
/*
 * MSR policy; see msr.h. Constants are a table. What a number means is in [APM "MSR
 * Cross-Reference"] and [SDM "Model-Specific Registers"].
 */
#include "msr.h"

#include "cpu.h"
#include "guest_clock.h"
#include "guest_memory.h"
#include "lapic.h"
#include "lib.h"
#include "vendor.h"

#define MSR_TSC               0x10u
#define MSR_MTRR_CAPABILITY   0xfeu
#define MSR_MTRR_VARIABLE     0x200u
#define MSR_MTRR_VARIABLE_END (MSR_MTRR_VARIABLE + MTRR_VARIABLE)
#define MSR_MTRR_DEFAULT      0x2ffu
#define MSR_HYPERCALL_PAGE    0x40000000u /* as CPUID leaf 0x40000002 says */

#define MTRR_CAPABILITY       0x508u /* eight variable ranges, fixed ranges, write-combining */
#define MTRR_DEFAULT_RESET    0xc06u /* enabled, fixed ones too; write-back */
#define MTRR_DEFAULT_WRITABLE 0xcffu

/* ---- constants ------------------------------------------------------------------------------ */

/* Reads give the value; writes go nowhere. */
static const struct {
    uint32_t first, last;
    uint64_t value;
} constants[] = {
    { 0x17, 0x17, 0 },                       /* platform id */
    { 0x3a, 0x3a, 1 },                       /* feature control: locked, nothing on */
    { 0x8b, 0x8b, 0 },                       /* microcode's patch level */
    { 0x1a0, 0x1a0, 1 | 1 << 11 | 1 << 12 }, /* no branch trace, no precise events */
    { 0xc0010000, 0xc0010007, 0 },           /* performance counters: none that keep a value */
    { 0xc0010010, 0xc0010010, 0 },           /* SYSCFG: no memory encryption */
    { 0xc0010015, 0xc0010015, 1 << 24 },     /* HWCR: the TSC counts at the P0 frequency */
    { 0xc001001f, 0xc001001f, 0 },           /* NB_CFG */
};

static bool find_constant(uint32_t msr, uint64_t *value)
{
    for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
        if (msr >= constants[i].first && msr <= constants[i].last) {
            *value = constants[i].value;
            return true;
        }
    }
    return false;
}

/* ---- what the guest's processor state holds, and only the vendor's file can reach ------------ */

static bool is_vendors(uint32_t msr)
{
    return msr == MSR_PAT || msr == MSR_EFER;
}

/* [APM "PAT MSR"]: 0 UC, 1 WC, 4 WT, 5 WP, 6 WB, 7 UC- */
static bool pat_is_valid(uint64_t pat)
{
    for (unsigned shift = 0; shift < 64; shift += 8) {
        unsigned type = pat >> shift & 0xff;

        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    return true;
}

/* LMA is the processor's to set, and LME may not change under paging. [APM "EFER"] */
static bool efer_is_valid(const struct vcpu *vcpu, uint64_t efer)
{
    bool lme_changes = (efer ^ vcpu->control.efer) & EFER_LME;

    return !(efer & ~EFER_OF_GUEST) && !(lme_changes && (vcpu->control.cr0 & CR0_PG));
}

static bool write_vendors(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    if (msr == MSR_EFER ? !efer_is_valid(vcpu, value) : !pat_is_valid(value))
        return false;
    if (msr == MSR_EFER)
        value = (value & ~EFER_LMA) | (vcpu->control.efer & EFER_LMA);
    vendor->msr_write(vcpu, msr, value);
    return true;
}

/* ---- a setting of AMD's ---------------------------------------------------------------------- */

/* As the host has set it, whatever that did. */
static uint64_t decode_configuration(void)
{
    return cpu_has_de_cfg() ? rdmsr(MSR_DE_CFG) & DE_CFG_LFENCE_SERIALISES : 0;
}

/* ---- memory types: remembered, and of no effect: nested paging decides here ----------------- */

static uint64_t *mtrr_register(struct vcpu *vcpu, uint32_t msr)
{
    static const uint32_t fixed[MTRR_FIXED] = { 0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
                                                0x26b, 0x26c, 0x26d, 0x26e, 0x26f };

    if (msr >= MSR_MTRR_VARIABLE && msr < MSR_MTRR_VARIABLE_END)
        return &vcpu->mtrr_variable[msr - MSR_MTRR_VARIABLE];
    for (unsigned i = 0; i < MTRR_FIXED; i++) {
        if (msr == fixed[i])
            return &vcpu->mtrr_fixed[i];
    }
    return msr == MSR_MTRR_DEFAULT ? &vcpu->mtrr_default : NULL;
}

void msr_init(struct vcpu *vcpu)
{
    vcpu->mtrr_default = MTRR_DEFAULT_RESET;
    memset(vcpu->mtrr_variable, 0, sizeof(vcpu->mtrr_variable));
    memset(vcpu->mtrr_fixed, 0, sizeof(vcpu->mtrr_fixed));
}

/* ---- the hypercall page --------------------------------------------------------------------- */

/*
 * One slot of 32 bytes for each hypercall: mov $number, %eax; the instruction; ret. The low bits of
 * the value say which page of the several that there could be: there is one.
 */
static bool write_hypercall_page(struct domain *domain, uint64_t value)
{
    const uint32_t slots = FRAME_SIZE / 32, iret = 23;

    if (value & (FRAME_SIZE - 1))
        return false;
    for (uint32_t i = 0; i < slots; i++) {
        uint8_t code[32] = { 0xb8, (uint8_t)i, 0, 0, 0 };

        memcpy(&code[5], vendor->hypercall, sizeof(vendor->hypercall));
        code[8] = 0xc3;
        if (i == iret) /* means nothing to a guest of this kind: #UD */
            memcpy(code, "\x0f\x0b", 2);
        if (!guest_copy_to(domain, value + i * sizeof(code), code, sizeof(code)))
            return false;
    }
    return true;
}

/* ---- RDMSR and WRMSR ------------------------------------------------------------------------ */

bool msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    const uint64_t *mtrr = mtrr_register(vcpu, msr);

    if (msr >= LAPIC_MSR_FIRST && msr <= LAPIC_MSR_LAST)
        return lapic_msr_read(vcpu, msr, value);
    if (find_constant(msr, value))
        return true;
    if (is_vendors(msr))
        *value = vendor->msr_read(vcpu, msr);
    else if (mtrr)
        *value = *mtrr;
    else if (msr == MSR_TSC)
        *value = guest_tsc(vcpu->domain);
    else if (msr == MSR_APIC_BASE)
        *value = vcpu->apic_base;
    else if (msr == MSR_MTRR_CAPABILITY)
        *value = MTRR_CAPABILITY;
    else if (msr == MSR_DE_CFG)
        *value = decode_configuration();
    else if (msr == MSR_TSC_AUX && cpu_has(CPU_RDTSCP))
        *value = vcpu->tsc_aux;
    else
        return false;
    return true;
}

bool msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    uint64_t *mtrr = mtrr_register(vcpu, msr);
    uint64_t constant;

    if (is_vendors(msr))
        return write_vendors(vcpu, msr, value);
    if (msr >= LAPIC_MSR_FIRST && msr <= LAPIC_MSR_LAST)
        return lapic_msr_write(vcpu, msr, value);
    if (find_constant(msr, &constant))
        return true;
    if (msr == MSR_MTRR_DEFAULT && value & ~(uint64_t)MTRR_DEFAULT_WRITABLE)
        return false;
    if (mtrr) {
        *mtrr = value;
        return true;
    }
    if (msr == MSR_DE_CFG) /* goes nowhere */
        return true;
    if (msr == MSR_TSC_AUX && cpu_has(CPU_RDTSCP)) {
        vcpu->tsc_aux = (uint32_t)value;
        return true;
    }
    if (msr == MSR_APIC_BASE) /* the APIC stays on, in x2APIC mode, where it is */
        return value == vcpu->apic_base;
    if (msr == MSR_HYPERCALL_PAGE)
        return write_hypercall_page(vcpu->domain, value);
    return false;
}
