/* SPDX-License-Identifier: MIT */
/*
 * VMX by the manual's names and numbers: capabilities, controls, fields, exits, and the
 * instructions that reach them. [SDM "Field Encoding in VMCS"], [SDM "VMX Capability Reporting
 * Facility"]
 * Refuses to know what is done with them: that is the files vmx*.c, which alone include this.
 */
#ifndef HV_VMX_H
#define HV_VMX_H

#include <stdint.h>

#include "cpu.h"
#include "guest.h"
#include "vendor.h"

#define CR0_NE   (1ull << 5)
#define CR0_NW   (1ull << 29)
#define CR0_CD   (1ull << 30)
#define CR4_VMXE (1ull << 13)
#define DR6_HITS ((uint64_t)0xf)
#define DR6_BD   ((uint64_t)1 << 13)
#define DR6_BS   ((uint64_t)1 << 14)
#define DR7_GD   ((uint64_t)1 << 13)

/* ---- capabilities --------------------------------------------------------------------------- */

#define MSR_FEATURE_CONTROL  0x3au
#define MSR_VMX_BASIC        0x480u
#define MSR_VMX_MISC         0x485u
#define MSR_VMX_CR0_FIXED0   0x486u
#define MSR_VMX_CR4_FIXED0   0x488u
#define MSR_VMX_SECONDARY    0x48bu
#define MSR_VMX_EPT_VPID     0x48cu
#define MSR_VMX_TRUE_PIN     0x48du
#define MSR_VMX_TRUE_PRIMARY 0x48eu
#define MSR_VMX_TRUE_EXIT    0x48fu
#define MSR_VMX_TRUE_ENTRY   0x490u

#define FEATURE_CONTROL_LOCK ((uint64_t)1 << 0)
#define FEATURE_CONTROL_VMX  ((uint64_t)1 << 2) /* outside SMX */
#define VMX_BASIC_TRUE       ((uint64_t)1 << 55)
#define VMX_MISC_TIMER_RATE  0x1fu /* the preemption timer counts when this bit of the TSC moves */

#define EPT_WALK_4        ((uint64_t)1 << 6)
#define EPT_WRITE_BACK    ((uint64_t)1 << 14)
#define EPT_2M            ((uint64_t)1 << 16)
#define EPT_1G            ((uint64_t)1 << 17)
#define EPT_INVEPT        ((uint64_t)1 << 20)
#define EPT_ACCESSED      ((uint64_t)1 << 21)
#define EPT_INVEPT_SINGLE ((uint64_t)1 << 25)

/* ---- controls ------------------------------------------------------------------------------- */

#define PIN_EXTERNAL_INTERRUPT (1u << 0)
#define PIN_NMI                (1u << 3)
#define PIN_PREEMPTION_TIMER   (1u << 6)

#define PRIMARY_INTERRUPT_WINDOW (1u << 2)
#define PRIMARY_TSC_OFFSET       (1u << 3)
#define PRIMARY_HLT              (1u << 7)
#define PRIMARY_MWAIT            (1u << 10)
#define PRIMARY_RDPMC            (1u << 11)
#define PRIMARY_TPR_SHADOW       (1u << 21)
#define PRIMARY_PORTS            (1u << 24)
#define PRIMARY_MSR_BITMAP       (1u << 28)
#define PRIMARY_MONITOR          (1u << 29)
#define PRIMARY_SECONDARY        (1u << 31)

#define SECONDARY_EPT          (1u << 1)
#define SECONDARY_RDTSCP       (1u << 3)
#define SECONDARY_VPID         (1u << 5)
#define SECONDARY_WBINVD       (1u << 6)
#define SECONDARY_UNRESTRICTED (1u << 7)

#define EXIT_CONTROL_SAVE_DEBUG (1u << 2)
#define EXIT_CONTROL_HOST_64    (1u << 9)
#define EXIT_CONTROL_LOAD_PAT   (1u << 19)
#define EXIT_CONTROL_SAVE_EFER  (1u << 20)
#define EXIT_CONTROL_LOAD_EFER  (1u << 21)

#define ENTRY_CONTROL_LOAD_DEBUG (1u << 2)
#define ENTRY_CONTROL_LONG_MODE  (1u << 9)
#define ENTRY_CONTROL_LOAD_PAT   (1u << 14)
#define ENTRY_CONTROL_LOAD_EFER  (1u << 15)

#define EPTP_WRITE_BACK ((uint64_t)6)
#define EPTP_WALK_4     ((uint64_t)3 << 3)
#define EPTP_ACCESSED   ((uint64_t)1 << 6)

/* ---- fields of the VMCS --------------------------------------------------------------------- */

enum vmcs_field {
    /* 16 bits */
    VMCS_VPID = 0x0000,
    VMCS_GUEST_ES = 0x0800, /* CS, SS, DS, FS, GS, LDTR, TR follow at steps of 2, as below */
    VMCS_GUEST_CS = 0x0802,
    VMCS_GUEST_TR = 0x080e,
    VMCS_HOST_ES = 0x0c00,
    VMCS_HOST_CS = 0x0c02,
    VMCS_HOST_SS = 0x0c04,
    VMCS_HOST_DS = 0x0c06,
    VMCS_HOST_TR = 0x0c0c,
    /* 64 bits */
    VMCS_MSR_BITMAP = 0x2004,
    VMCS_TSC_OFFSET = 0x2010,
    VMCS_VIRTUAL_APIC = 0x2012,
    VMCS_EPTP = 0x201a,
    VMCS_GUEST_PHYSICAL = 0x2400,
    VMCS_LINK = 0x2800,
    VMCS_GUEST_PAT = 0x2804,
    VMCS_GUEST_EFER = 0x2806,
    VMCS_HOST_PAT = 0x2c00,
    VMCS_HOST_EFER = 0x2c02,
    /* 32 bits */
    VMCS_PIN = 0x4000,
    VMCS_PRIMARY = 0x4002,
    VMCS_EXCEPTIONS = 0x4004,
    VMCS_EXIT_CONTROLS = 0x400c,
    VMCS_ENTRY_CONTROLS = 0x4012,
    VMCS_ENTRY_EVENT = 0x4016,
    VMCS_ENTRY_ERROR_CODE = 0x4018,
    VMCS_SECONDARY = 0x401e,
    VMCS_INSTRUCTION_ERROR = 0x4400,
    VMCS_EXIT_REASON = 0x4402,
    VMCS_EXIT_EVENT = 0x4404,
    VMCS_VECTORING_EVENT = 0x4408,
    VMCS_VECTORING_ERROR_CODE = 0x440a,
    VMCS_EXIT_LENGTH = 0x440c,
    VMCS_GUEST_ES_LIMIT = 0x4800,
    VMCS_GUEST_GDTR_LIMIT = 0x4810,
    VMCS_GUEST_IDTR_LIMIT = 0x4812,
    VMCS_GUEST_ES_RIGHTS = 0x4814,
    VMCS_GUEST_CS_RIGHTS = 0x4816,
    VMCS_GUEST_SS_RIGHTS = 0x4818,
    VMCS_GUEST_INTERRUPTIBILITY = 0x4824,
    VMCS_PREEMPTION_TIMER = 0x482e,
    /* as wide as a register */
    VMCS_CR0_MASK = 0x6000,
    VMCS_CR4_MASK = 0x6002,
    VMCS_CR0_SHADOW = 0x6004,
    VMCS_CR4_SHADOW = 0x6006,
    VMCS_QUALIFICATION = 0x6400,
    VMCS_GUEST_CR0 = 0x6800,
    VMCS_GUEST_CR3 = 0x6802,
    VMCS_GUEST_CR4 = 0x6804,
    VMCS_GUEST_CS_BASE = 0x6808,
    VMCS_GUEST_DR7 = 0x681a,
    VMCS_GUEST_RSP = 0x681c,
    VMCS_GUEST_RIP = 0x681e,
    VMCS_GUEST_RFLAGS = 0x6820,
    VMCS_GUEST_PENDING_DEBUG = 0x6822,
    VMCS_HOST_CR0 = 0x6c00,
    VMCS_HOST_CR3 = 0x6c02,
    VMCS_HOST_CR4 = 0x6c04,
    VMCS_HOST_TR_BASE = 0x6c0a,
    VMCS_HOST_GDTR_BASE = 0x6c0c,
    VMCS_HOST_IDTR_BASE = 0x6c0e,
    VMCS_HOST_RIP = 0x6c16,
    VMCS_FIELDS = 0x7000
};

/* A segment's selector, limit, rights: so far behind ES', in this order. */
enum { VMCS_ES, VMCS_CS, VMCS_SS, VMCS_DS, VMCS_FS, VMCS_GS, VMCS_LDTR, VMCS_TR };

#define RIGHTS_DPL(rights) ((rights) >> 5 & 3)
#define RIGHTS_CODE64      (1u << 13)
#define RIGHTS_UNUSABLE    (1u << 16)

#define BLOCKED_BY_STI    (1u << 0)
#define BLOCKED_BY_MOV_SS (1u << 1)

#define EVENT_VALID         (1u << 31)
#define EVENT_HAS_CODE      (1u << 11)
#define EVENT_DEFINED       (EVENT_VALID | 0xfffu) /* the other bits are anything */
#define EVENT_TYPE(event)   ((event) >> 8 & 7)
#define EVENT_VECTOR(event) ((event)&0xff)
enum { EVENT_INTERRUPT = 0, EVENT_NMI = 2, EVENT_EXCEPTION = 3 };

/* ---- exits ---------------------------------------------------------------------------------- */

/* [SDM "VMX Basic Exit Reasons"] */
enum vmx_reason {
    VMX_EVENT = 0, /* an exception or an NMI */
    VMX_EXTERNAL_INTERRUPT = 1,
    VMX_TRIPLE_FAULT = 2,
    VMX_INIT = 3,
    VMX_INTERRUPT_WINDOW = 7,
    VMX_TASK_SWITCH = 9,
    VMX_CPUID = 10,
    VMX_GETSEC = 11,
    VMX_HLT = 12,
    VMX_INVD = 13,
    VMX_RDPMC = 15,
    VMX_VMCALL = 18,
    VMX_VMCLEAR = 19,
    VMX_VMLAUNCH = 20,
    VMX_VMPTRLD = 21,
    VMX_VMPTRST = 22,
    VMX_VMREAD = 23,
    VMX_VMRESUME = 24,
    VMX_VMWRITE = 25,
    VMX_VMXOFF = 26,
    VMX_VMXON = 27,
    VMX_CONTROL_REGISTER = 28,
    VMX_PORT = 30,
    VMX_RDMSR = 31,
    VMX_WRMSR = 32,
    VMX_BAD_GUEST_STATE = 33,
    VMX_BAD_MSR_LOAD = 34,
    VMX_MWAIT = 36,
    VMX_MONITOR = 39,
    VMX_MACHINE_CHECK = 41, /* during the entry */
    VMX_EPT_VIOLATION = 48,
    VMX_EPT_MISCONFIGURATION = 49,
    VMX_INVEPT = 50,
    VMX_PREEMPTION_TIMER = 52,
    VMX_INVVPID = 53,
    VMX_WBINVD = 54,
    VMX_XSETBV = 55,
};
#define VMX_REASON(reason) ((enum vmx_reason)((reason)&0xffff))

#define VIOLATION_READ   (1u << 0)
#define VIOLATION_WRITE  (1u << 1)
#define VIOLATION_FETCH  (1u << 2)
#define VIOLATION_LINEAR (1u << 7) /* there was a linear address, and ... */
#define VIOLATION_FINAL  (1u << 8) /* ... the access was to its translation, not on the way */

#define PORT_SIZE(qualification) (((qualification)&7) + 1)
#define PORT_IN                  (1u << 3)
#define PORT_STRING              (1u << 4)
#define PORT_REP                 (1u << 5)

#define CONTROL_REGISTER(qualification)        ((unsigned)(qualification)&0xf)
#define CONTROL_REGISTER_IS_MOV(qualification) (((qualification)&0x30) == 0)
#define CONTROL_REGISTER_SOURCE(qualification) ((unsigned)(qualification) >> 8 & 0xf)

/* What a VMCS says of an exit. */
struct vmcs_exit {
    uint32_t reason, event, length;
    uint64_t qualification, guest_physical;
};

void vmx_read_exit(const struct vmcs_exit *from, struct vm_exit *exit);

/* ---- controls and first state: vmx_state.c -------------------------------------------------- */

/* As this processor wants them; the same for all guests. */
struct vmx_controls {
    uint32_t pin, primary, secondary, exit, entry;
};

/* NULL, or one line that says what this processor lacks. */
const char *vmx_choose_controls(struct vmx_controls *controls);

/* CR0 and CR4: bits that the guest sees as it sets them, and the processor does not. */
#define CR0_KEPT (CR0_NE | CR0_NW | CR0_CD)
#define CR4_KEPT CR4_VMXE

/* All of the current VMCS but what belongs to this one guest's memory and time. */
void vmx_write_zeroes(void);
void vmx_write_controls(const struct vmx_controls *controls);
void vmx_write_host_state(void);
void vmx_write_guest_state(struct entry_state entry);

/* ---- a vCPU --------------------------------------------------------------------------------- */

#define LIVE_MSRS 5u /* that nobody switches */

/* One a vCPU, in a page of its own beside the two that the processor reads. */
struct vmx_vcpu {
    void *vmcs;
    uint8_t *virtual_apic;
    bool launched;
    uint64_t eptp;
    uint64_t live_msr[LIVE_MSRS], cr2, dr6; /* while another vCPU has the processor */
    uint64_t exit_rip;                      /* the host has moved rip since: so much has run */
    uint32_t event, error_code;             /* to be delivered at the next entry; 0: none */
    uint8_t offered;
    bool injected; /* the one offered */
    bool taken;
};

/* ---- events: vmx_event.c -------------------------------------------------------------------- */

/* This exception, at the next entry; in place of what an exit cut short. */
void vmx_event_raise(struct vmx_vcpu *self, uint8_t vector);

/* Before an entry: what is to be delivered, with these primary controls. After one: what was. */
void vmx_event_load(struct vmx_vcpu *self, const struct registers *registers, uint32_t primary);
void vmx_event_recover(struct vmx_vcpu *self);

/* A #DB that ended the guest's run, for these reasons. */
void vmx_event_note_debug(uint64_t what);

/* ---- instructions --------------------------------------------------------------------------- */

/* Of those that a refusal is told of: false. [SDM "Conventions" in "VMX Instruction Reference"] */
static inline bool vmxon(uint64_t region)
{
    bool failed;

    __asm__ volatile("vmxon %1; setna %0" : "=q"(failed) : "m"(region) : "cc", "memory");
    return !failed;
}

static inline bool vmclear(uint64_t vmcs)
{
    bool failed;

    __asm__ volatile("vmclear %1; setna %0" : "=q"(failed) : "m"(vmcs) : "cc", "memory");
    return !failed;
}

static inline bool vmptrld(uint64_t vmcs)
{
    bool failed;

    __asm__ volatile("vmptrld %1; setna %0" : "=q"(failed) : "m"(vmcs) : "cc", "memory");
    return !failed;
}

static inline bool invept_single(uint64_t eptp)
{
    const struct {
        uint64_t eptp, reserved;
    } descriptor = { eptp, 0 };
    bool failed;

    __asm__ volatile("invept %1, %2; setna %0"
                     : "=q"(failed)
                     : "m"(descriptor), "r"((uint64_t)1)
                     : "cc", "memory");
    return !failed;
}

static inline uint64_t vmread(enum vmcs_field field)
{
    uint64_t value = 0;

    __asm__ volatile("vmread %1, %0" : "+r"(value) : "r"((uint64_t)field) : "cc");
    return value;
}

/* Every processor that has the controls which we want has the fields that are written here. */
static inline void vmwrite(enum vmcs_field field, uint64_t value)
{
    __asm__ volatile("vmwrite %1, %0" : : "r"((uint64_t)field), "r"(value) : "cc", "memory");
}

struct __attribute__((packed)) table_register {
    uint16_t limit;
    uint64_t base;
};

static inline struct table_register read_gdtr(void)
{
    struct table_register value;

    __asm__ volatile("sgdt %0" : "=m"(value));
    return value;
}

static inline struct table_register read_idtr(void)
{
    struct table_register value;

    __asm__ volatile("sidt %0" : "=m"(value));
    return value;
}

static inline void write_dr6(uint64_t value)
{
    __asm__ volatile("mov %0, %%dr6" : : "r"(value));
}

static inline uint64_t read_dr6(void)
{
    uint64_t value;

    __asm__ volatile("mov %%dr6, %0" : "=r"(value));
    return value;
}

#endif
