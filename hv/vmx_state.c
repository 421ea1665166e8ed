/* SPDX-License-Identifier: MIT */
/*
 * What a VMCS holds before its first entry: controls as this processor wants them, the host to come
 * back to, and the guest's first state. [SDM "VM-Execution Control Fields",
 * "Host-State Area"]
 * Refuses to know what happens afterwards.
 */
#include "vmx.h"

#include "cpu.h"
#include "lib.h"
#include "this_cpu.h"

void vmx_exit_point(void); /* vmx_enter.S */

#define PAT_AT_RESET  0x0007040600070406u
#define DR7_AT_RESET  0x400u
#define RFLAGS_ALWAYS 2u

#define EPT_NEEDED                                                                                 \
    (EPT_WALK_4 | EPT_WRITE_BACK | EPT_2M | EPT_INVEPT | EPT_ACCESSED | EPT_INVEPT_SINGLE)
#define PIN_WANTED (PIN_EXTERNAL_INTERRUPT | PIN_NMI | PIN_PREEMPTION_TIMER)
#define PRIMARY_WANTED                                                                             \
    (PRIMARY_TSC_OFFSET | PRIMARY_HLT | PRIMARY_MWAIT | PRIMARY_RDPMC | PRIMARY_TPR_SHADOW |       \
     PRIMARY_PORTS | PRIMARY_MSR_BITMAP | PRIMARY_MONITOR | PRIMARY_SECONDARY)
#define SECONDARY_WANTED                                                                           \
    (SECONDARY_EPT | SECONDARY_VPID | SECONDARY_WBINVD | SECONDARY_UNRESTRICTED)
#define EXIT_WANTED                                                                                \
    (EXIT_CONTROL_SAVE_DEBUG | EXIT_CONTROL_HOST_64 | EXIT_CONTROL_LOAD_PAT |                      \
     EXIT_CONTROL_SAVE_EFER | EXIT_CONTROL_LOAD_EFER)
#define ENTRY_WANTED (ENTRY_CONTROL_LOAD_DEBUG | ENTRY_CONTROL_LOAD_PAT | ENTRY_CONTROL_LOAD_EFER)

/* ---- controls ------------------------------------------------------------------------------- */

/* The low half of a capability is what must be 1, the high half what may be. */
static bool adjust(uint64_t capability, uint32_t wanted, uint32_t *value)
{
    uint32_t must = (uint32_t)capability, may = (uint32_t)(capability >> 32);

    *value = wanted | must;
    return !(*value & ~may);
}

static bool may_be_set(uint32_t capability, uint32_t bit)
{
    return rdmsr(capability) >> 32 & bit;
}

static bool choose_secondary(uint32_t *value)
{
    uint32_t wanted = SECONDARY_WANTED;

    if (may_be_set(MSR_VMX_SECONDARY, SECONDARY_RDTSCP)) /* else the guest has no RDTSCP */
        wanted |= SECONDARY_RDTSCP;
    return adjust(rdmsr(MSR_VMX_SECONDARY), wanted, value);
}

/* NULL, or what is missing before there is any control to choose. */
static const char *vmx_is_off(void)
{
    const uint64_t switched_off = FEATURE_CONTROL_LOCK;

    if ((rdmsr(MSR_FEATURE_CONTROL) & (FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX)) == switched_off)
        return "VMX is switched off by the firmware: turn it on in the firmware's set-up";
    if (!cpu_has(CPU_NX))
        return "this processor has no NX (or it is switched off): podium's page tables need it";
    if (!(rdmsr(MSR_VMX_BASIC) & VMX_BASIC_TRUE))
        return "this processor's VMX is too old for podium: it has no \"true\" controls";
    return NULL;
}

static const char *nested_paging_lacks(void)
{
    if (!may_be_set(MSR_VMX_TRUE_PRIMARY, PRIMARY_SECONDARY) ||
        !may_be_set(MSR_VMX_SECONDARY, SECONDARY_EPT))
        return "this processor has VMX but no nested paging: podium needs EPT to run guests";
    if (!may_be_set(MSR_VMX_SECONDARY, SECONDARY_UNRESTRICTED))
        return "this processor has VMX but no unrestricted guests: podium needs them";
    if ((rdmsr(MSR_VMX_EPT_VPID) & EPT_NEEDED) != EPT_NEEDED)
        return "this processor's EPT lacks something that podium needs: 2 MB pages, accessed and "
               "dirty flags, INVEPT";
    return NULL;
}

const char *vmx_choose_controls(struct vmx_controls *controls)
{
    const char *lacks = vmx_is_off();

    if (!lacks)
        lacks = nested_paging_lacks();
    if (lacks)
        return lacks;
    if (!adjust(rdmsr(MSR_VMX_TRUE_PIN), PIN_WANTED, &controls->pin))
        return "this processor's VMX has no preemption timer: podium needs it";
    if (!adjust(rdmsr(MSR_VMX_TRUE_EXIT), EXIT_WANTED, &controls->exit) ||
        !adjust(rdmsr(MSR_VMX_TRUE_ENTRY), ENTRY_WANTED, &controls->entry))
        return "this processor's VMX does not switch PAT and EFER: podium needs that";
    if (!adjust(rdmsr(MSR_VMX_TRUE_PRIMARY), PRIMARY_WANTED, &controls->primary) ||
        !choose_secondary(&controls->secondary))
        return "this processor's VMX lacks controls that podium needs: VPID, TPR shadow, exits on "
               "ports and MSRs";
    return NULL;
}

/*
 * What a new VMCS holds is anybody's guess, and all of it counts: what nobody writes below is 0.
 * [SDM "Software Use of Virtual-Machine Control Structures"]
 */
void vmx_write_zeroes(void)
{
    static const struct {
        uint16_t first, last;
    } fields[] = {
        { 0x0800, 0x080e }, /* the guest's selectors */
        { 0x0c00, 0x0c0c }, /* the host's */
        { 0x2802, 0x2802 }, /* the guest's DEBUGCTL ... */
        { 0x2806, 0x2806 }, /* ... and EFER */
        { 0x4006, 0x400a }, /* page faults that exit; CR3s that do not */
        { 0x400e, 0x4010 }, /* MSRs stored and loaded at an exit */
        { 0x4014, 0x401c }, /* MSRs loaded at an entry, an event, the threshold of the TPR */
        { 0x4800, 0x4826 }, /* the guest's limits and rights; interruptibility, activity */
        { 0x482a, 0x482a }, /* its SYSENTER_CS */
        { 0x4c00, 0x4c00 }, /* the host's */
        { 0x6006, 0x6006 }, /* the guest's CR4 as it sees it */
        { 0x6802, 0x6818 }, /* its CR3, CR4 and bases */
        { 0x681c, 0x681c }, /* RSP */
        { 0x6822, 0x6826 }, /* debug exceptions to come; SYSENTER_ESP, _EIP */
        { 0x6c06, 0x6c08 }, /* the host's FS and GS */
        { 0x6c10, 0x6c12 }, /* its SYSENTER_ESP, _EIP */
    };

    for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        for (unsigned field = fields[i].first; field <= fields[i].last; field += 2)
            vmwrite(field, 0);
    }
}

/*
 * #DB and #AC, because a guest can make their delivery raise them again, without end and with no
 * instruction between at which an interrupt could come: by way of the host, one can. A machine
 * check is the host's own.
 */
void vmx_write_controls(const struct vmx_controls *controls)
{
    vmwrite(VMCS_PIN, controls->pin);
    vmwrite(VMCS_PRIMARY, controls->primary);
    vmwrite(VMCS_SECONDARY, controls->secondary);
    vmwrite(VMCS_EXIT_CONTROLS, controls->exit);
    vmwrite(VMCS_ENTRY_CONTROLS, controls->entry);
    vmwrite(VMCS_EXCEPTIONS, 1u << EXCEPTION_DB | 1u << EXCEPTION_AC | 1u << EXCEPTION_MC);
    vmwrite(VMCS_CR0_MASK, CR0_KEPT);
    vmwrite(VMCS_CR4_MASK, CR4_KEPT);
}

/* ---- the host ------------------------------------------------------------------------------- */

/* A descriptor's base lies in three pieces, and its last one in the next eight bytes. */
static uint64_t task_state_base(const uint64_t *gdt)
{
    const uint64_t *descriptor = &gdt[SELECTOR_TSS(cpu_number()) / 8];
    uint64_t low = descriptor[0], high = descriptor[1];

    return (low >> 16 & 0xffffff) | low >> 56 << 24 | high << 32;
}

/* FS, GS and the SYSENTER MSRs come back as 0: the host uses none of them. */
void vmx_write_host_state(void)
{
    uint64_t gdt = read_gdtr().base;

    vmwrite(VMCS_HOST_CR0, read_cr0());
    vmwrite(VMCS_HOST_CR3, read_cr3());
    vmwrite(VMCS_HOST_CR4, read_cr4());
    vmwrite(VMCS_HOST_EFER, rdmsr(MSR_EFER));
    vmwrite(VMCS_HOST_PAT, rdmsr(MSR_PAT));
    vmwrite(VMCS_HOST_CS, SELECTOR_CODE);
    vmwrite(VMCS_HOST_SS, SELECTOR_DATA);
    vmwrite(VMCS_HOST_DS, SELECTOR_DATA);
    vmwrite(VMCS_HOST_ES, SELECTOR_DATA);
    vmwrite(VMCS_HOST_TR, SELECTOR_TSS(cpu_number()));
    vmwrite(VMCS_HOST_TR_BASE, task_state_base((const uint64_t *)(uintptr_t)gdt));
    vmwrite(VMCS_HOST_GDTR_BASE, gdt);
    vmwrite(VMCS_HOST_IDTR_BASE, read_idtr().base);
    vmwrite(VMCS_HOST_RIP, (uintptr_t)vmx_exit_point);
}

/* ---- the guest ------------------------------------------------------------------------------ */

static void write_segment(unsigned segment, uint32_t rights, uint32_t limit)
{
    vmwrite(VMCS_GUEST_ES_RIGHTS + 2 * segment, rights);
    vmwrite(VMCS_GUEST_ES_LIMIT + 2 * segment, limit);
}

/* Flat 32-bit protected mode, paging off: the PVH ABI's first state. */
void vmx_write_guest_state(struct entry_state entry)
{
    static const unsigned data[] = { VMCS_ES, VMCS_SS, VMCS_DS, VMCS_FS, VMCS_GS };

    for (unsigned i = 0; i < sizeof(data) / sizeof(data[0]); i++)
        write_segment(data[i], 0xc093, UINT32_MAX);
    write_segment(VMCS_CS, 0xc09b, UINT32_MAX);
    write_segment(VMCS_TR, 0x008b, 0x67);
    write_segment(VMCS_LDTR, RIGHTS_UNUSABLE, 0);
    vmwrite(VMCS_GUEST_CR0, CR0_PE | CR0_ET | CR0_NE);
    vmwrite(VMCS_CR0_SHADOW, CR0_PE | CR0_ET);
    vmwrite(VMCS_GUEST_CR4, CR4_VMXE);
    vmwrite(VMCS_GUEST_PAT, PAT_AT_RESET);
    vmwrite(VMCS_GUEST_DR7, DR7_AT_RESET);
    vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_ALWAYS);
    vmwrite(VMCS_GUEST_RIP, entry.rip);
    vmwrite(VMCS_LINK, UINT64_MAX); /* none */
}
