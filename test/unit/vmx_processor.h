/* SPDX-License-Identifier: MIT */
/*
 * A processor with VMX of the test's own. The files under test are included here, so that the
 * instructions in them can be exchanged; each test program has all of it to itself.
 * Refuses to know what is tested.
 */
#ifndef TEST_UNIT_VMX_PROCESSOR_H
#define TEST_UNIT_VMX_PROCESSOR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "p2m/format.h"

#include "cpu.h"
#include "this_cpu.h"
#include "vmx.h"

#define PAGES 64u
#define ALL   UINT32_MAX

/* ---- the processor -------------------------------------------------------------------------- */

static struct {
    unsigned number;
    bool has_nx, has_rdtscp, refuses_vmxon;
    uint64_t feature_control, basic, ept;
    uint32_t must[5], may[5]; /* pin, primary, exit, entry, secondary */
    uint64_t tsc_aux, live[5], cr0, cr2, cr4, dr6, xcr0;
    unsigned tsc_aux_writes, nmis, flushes;
    uint64_t flushed;
    uint64_t *vmcs; /* the current one */
} processor;

static uint64_t vmcs_of_page[PAGES][VMCS_FIELDS];

enum { PIN, PRIMARY, EXIT, ENTRY, SECONDARY };

static uint64_t capability(unsigned which)
{
    return processor.must[which] | (uint64_t)processor.may[which] << 32;
}

static uint64_t *live_register(uint32_t msr)
{
    static const uint32_t msrs[] = { MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK,
                                     MSR_KERNEL_GS_BASE };

    for (unsigned i = 0; i < 5; i++) {
        if (msrs[i] == msr)
            return &processor.live[i];
    }
    return NULL;
}

static uint64_t fake_rdmsr(uint32_t msr)
{
    switch (msr) {
    case MSR_FEATURE_CONTROL:
        return processor.feature_control;
    case MSR_VMX_BASIC:
        return processor.basic;
    case MSR_VMX_EPT_VPID:
        return processor.ept;
    case MSR_VMX_TRUE_PIN:
        return capability(PIN);
    case MSR_VMX_TRUE_PRIMARY:
        return capability(PRIMARY);
    case MSR_VMX_TRUE_EXIT:
        return capability(EXIT);
    case MSR_VMX_TRUE_ENTRY:
        return capability(ENTRY);
    case MSR_VMX_SECONDARY:
        return capability(SECONDARY);
    case MSR_VMX_CR0_FIXED0:
        return CR0_NE;
    case MSR_VMX_CR4_FIXED0:
        return CR4_VMXE;
    case MSR_VMX_MISC:
        return 5;
    case MSR_TSC_AUX:
        return processor.tsc_aux;
    default:
        return live_register(msr) ? *live_register(msr) : 0;
    }
}

static void fake_wrmsr(uint32_t msr, uint64_t value)
{
    if (live_register(msr))
        *live_register(msr) = value;
    if (msr == MSR_FEATURE_CONTROL)
        processor.feature_control = value;
    if (msr != MSR_TSC_AUX)
        return;
    processor.tsc_aux = value;
    processor.tsc_aux_writes++;
}

static bool fake_has(struct cpu_feature feature)
{
    if (feature.bit == CPU_NX.bit && feature.leaf == CPU_NX.leaf)
        return processor.has_nx;
    return true;
}

static bool fake_vmptrld(uint64_t physical)
{
    processor.vmcs = vmcs_of_page[physical / FRAME_SIZE];
    return true;
}

static bool fake_vmclear(uint64_t physical)
{
    (void)physical;
    return true;
}

static bool fake_invept(uint64_t eptp)
{
    processor.flushes++;
    processor.flushed = eptp;
    return true;
}

static const uint64_t fake_gdt[5] = { 0, 0, 0, 0x12008b345678ffffull, 0x9a };

#define cpu_has(feature)      fake_has(feature)
#define rdmsr(msr)            fake_rdmsr(msr)
#define wrmsr(msr, value)     fake_wrmsr(msr, value)
#define xgetbv(index)         processor.xcr0
#define xsetbv(index, value)  (processor.xcr0 = (value))
#define read_cr0()            processor.cr0
#define write_cr0(value)      (processor.cr0 = (value))
#define read_cr2()            processor.cr2
#define write_cr2(value)      (processor.cr2 = (value))
#define read_cr3()            0x5000u
#define read_cr4()            processor.cr4
#define write_cr4(value)      (processor.cr4 = (value))
#define cpu_number()          processor.number
#define read_dr6()            processor.dr6
#define write_dr6(value)      (processor.dr6 = (value))
#define read_gdtr()           ((struct table_register){ sizeof(fake_gdt) - 1, (uintptr_t)fake_gdt })
#define read_idtr()           ((struct table_register){ 0, 0x7000 })
#define vmxon(region)         ((void)(region), !processor.refuses_vmxon)
#define vmclear(vmcs)         fake_vmclear(vmcs)
#define vmptrld(vmcs)         fake_vmptrld(vmcs)
#define invept_single(eptp)   fake_invept(eptp)
#define vmread(field)         (processor.vmcs[field])
#define vmwrite(field, value) ((void)(processor.vmcs[field] = (value)))
#define interrupt_nmi()       ((void)processor.nmis++)
#include "../../hv/vmx_state.c"
#include "../../hv/vmx_event.c"
#include "../../hv/vmx.c"

/* ---- what stands around the files ----------------------------------------------------------- */

static bool page_used[PAGES];
static unsigned frames_left;

mfn_t frames_alloc(unsigned order, enum frame_state state, unsigned owner)
{
    (void)state;
    (void)owner;
    assert_int_equal(order, ORDER_4K);
    for (unsigned page = 1; page < PAGES && frames_left; page++) {
        if (page_used[page])
            continue;
        page_used[page] = true;
        frames_left--;
        return MFN(page);
    }
    return INVALID_MFN;
}

void frames_free(mfn_t mfn, unsigned order)
{
    assert_int_equal(order, ORDER_4K);
    assert_true(page_used[mfn.mfn]);
    page_used[mfn.mfn] = false;
    frames_left++;
}

const struct pt_format ept_format;

uint64_t p2m_root_address(const struct p2m *p2m)
{
    (void)p2m;
    return 0x123000;
}

uint64_t clock_tsc_khz(void)
{
    return 3200000;
}

void print(const char *text, ...)
{
    (void)text;
}

void panic(const char *text, ...)
{
    fail_msg("%s", text);
    abort();
}

void vmx_exit_point(void)
{
    abort();
}

/* What the next run does, between what was loaded and what will be found. */
static uint64_t loaded[VMCS_FIELDS];
static uint64_t launched_before;
static void (*run_does)(void);
static bool refuses;

bool vmx_enter(struct registers *guest, uint64_t launched)
{
    (void)guest;
    memcpy(loaded, processor.vmcs, sizeof(loaded));
    launched_before = launched;
    vmwrite(VMCS_EXIT_REASON, VMX_HLT);
    vmwrite(VMCS_EXIT_EVENT, 0);
    vmwrite(VMCS_VECTORING_EVENT, 0);
    vmwrite(VMCS_QUALIFICATION, 0);
    if (run_does)
        run_does();
    return !refuses;
}

static struct domain domain, other;
static struct vcpu *const vcpu = &domain.vcpu[0];

static int set_up(void **state)
{
    void *at = (void *)(uintptr_t)DIRECT_MAP;

    *state = mmap(at, (size_t)PAGES * FRAME_SIZE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    memset(page_used, false, sizeof(page_used));
    memset(vmcs_of_page, 0xa5, sizeof(vmcs_of_page)); /* what a new one holds is anybody's guess */
    frames_left = PAGES;
    processor = (__typeof__(processor)){
        .has_nx = true,
        .basic = VMX_BASIC_TRUE | 0x11,
        .ept = UINT64_MAX,
        .may = { ALL, ALL, ALL, ALL, ALL },
        .xcr0 = 1,
    };
    memset(&vmx, 0, sizeof(vmx));
    memset(vmx_cpu, 0, sizeof(vmx_cpu));
    memset(&domain, 0, sizeof(domain));
    memset(&other, 0, sizeof(other));
    vcpu->domain = &domain;
    other.vcpu[0].domain = &other;
    run_does = NULL;
    refuses = false;
    return *state == at && !vmx_missing() && vmx_enable() &&
                   vmx_vcpu_init(vcpu, (struct entry_state){ .rip = 0x1000 })
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    return munmap(*state, (size_t)PAGES * FRAME_SIZE);
}

#define on_vmx(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
