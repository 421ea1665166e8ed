/* SPDX-License-Identifier: MIT */
/*
 * The VMCB, by the manual's names and offsets. [APM "VMCB Layout"]
 * Refuses to know what is done with it: that is svm.c and svm_exit.c, which alone include this.
 */
#ifndef HV_SVM_H
#define HV_SVM_H

#include <stddef.h>
#include <stdint.h>

#include "guest.h"

struct vmcb_segment {
    uint16_t selector;
    uint16_t attributes; /* type, S, DPL, P in bits 0-7; AVL, L, DB, G in 8-11 */
    uint32_t limit;
    uint64_t base;
};

struct vmcb {
    /* control area */
    uint32_t intercept_cr, intercept_dr, intercept_exceptions;
    uint32_t intercept_misc[3];
    uint8_t reserved_18[0x40 - 0x18];
    uint64_t iopm_base, msrpm_base;
    uint64_t tsc_offset;
    uint32_t asid;
    uint32_t tlb_control;
    uint64_t virtual_interrupt;
    uint64_t interrupt_shadow;
    uint64_t exit_code, exit_info_1, exit_info_2, exit_interrupt;
    uint64_t nested_enable;
    uint8_t reserved_98[0xa8 - 0x98];
    uint64_t event_injection;
    uint64_t nested_cr3;
    uint64_t lbr_enable;
    uint64_t clean;
    uint64_t next_rip;
    uint8_t reserved_d0[0x400 - 0xd0];

    /* state save area */
    struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    uint8_t reserved_4a0[0x4cb - 0x4a0];
    uint8_t cpl;
    uint32_t reserved_4cc;
    uint64_t efer;
    uint8_t reserved_4d8[0x548 - 0x4d8];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
    uint8_t reserved_580[0x5d8 - 0x580];
    uint64_t rsp;
    uint8_t reserved_5e0[0x5f8 - 0x5e0];
    uint64_t rax, star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip, cr2;
    uint8_t reserved_648[0x668 - 0x648];
    uint64_t pat;
    uint8_t reserved_670[0x1000 - 0x670];
};

_Static_assert(offsetof(struct vmcb, iopm_base) == 0x40, "VMCB");
_Static_assert(offsetof(struct vmcb, asid) == 0x58, "VMCB");
_Static_assert(offsetof(struct vmcb, exit_code) == 0x70, "VMCB");
_Static_assert(offsetof(struct vmcb, event_injection) == 0xa8, "VMCB");
_Static_assert(offsetof(struct vmcb, es) == 0x400, "VMCB");
_Static_assert(offsetof(struct vmcb, efer) == 0x4d0, "VMCB");
_Static_assert(offsetof(struct vmcb, rip) == 0x578, "VMCB");
_Static_assert(offsetof(struct vmcb, cr2) == 0x640, "VMCB");
_Static_assert(sizeof(struct vmcb) == 0x1000, "VMCB");

#define DR6_SINGLE_STEP ((uint64_t)1 << 14)

/* Intercepts: word and bit. */
#define INTERCEPT_INTR     0, 0
#define INTERCEPT_NMI      0, 1
#define INTERCEPT_SMI      0, 2
#define INTERCEPT_INIT     0, 3
#define INTERCEPT_RDPMC    0, 15
#define INTERCEPT_CPUID    0, 18
#define INTERCEPT_INVD     0, 22
#define INTERCEPT_HLT      0, 24
#define INTERCEPT_INVLPGA  0, 26
#define INTERCEPT_IOIO     0, 27
#define INTERCEPT_MSR      0, 28
#define INTERCEPT_SHUTDOWN 0, 31
#define INTERCEPT_VMRUN    1, 0
#define INTERCEPT_VMMCALL  1, 1
#define INTERCEPT_VMLOAD   1, 2
#define INTERCEPT_VMSAVE   1, 3
#define INTERCEPT_STGI     1, 4
#define INTERCEPT_CLGI     1, 5
#define INTERCEPT_SKINIT   1, 6
#define INTERCEPT_WBINVD   1, 9
#define INTERCEPT_MONITOR  1, 10
#define INTERCEPT_MWAIT    1, 11
#define INTERCEPT_XSETBV   1, 13
#define INTERCEPT_RDPRU    1, 14

/* Exit codes. [APM "SVM Intercept Exit Codes"] */
#define VMEXIT_EXCEPTION(vector) (0x40u + (vector))

#define VMEXIT_INTR     0x60u
#define VMEXIT_NMI      0x61u
#define VMEXIT_SMI      0x62u
#define VMEXIT_INIT     0x63u
#define VMEXIT_RDPMC    0x6fu
#define VMEXIT_CPUID    0x72u
#define VMEXIT_INVD     0x76u
#define VMEXIT_HLT      0x78u
#define VMEXIT_INVLPGA  0x7au
#define VMEXIT_IOIO     0x7bu
#define VMEXIT_MSR      0x7cu
#define VMEXIT_SHUTDOWN 0x7fu
#define VMEXIT_VMRUN    0x80u
#define VMEXIT_VMMCALL  0x81u
#define VMEXIT_VMLOAD   0x82u
#define VMEXIT_VMSAVE   0x83u
#define VMEXIT_STGI     0x84u
#define VMEXIT_CLGI     0x85u
#define VMEXIT_SKINIT   0x86u
#define VMEXIT_WBINVD   0x89u
#define VMEXIT_MONITOR  0x8au
#define VMEXIT_MWAIT    0x8bu
#define VMEXIT_XSETBV   0x8du
#define VMEXIT_RDPRU    0x8eu
#define VMEXIT_NPF      0x400u
#define VMEXIT_INVALID  0xffffffffu

#define VINTR_TPR            ((uint64_t)0xf)
#define VINTR_REQUEST        ((uint64_t)1 << 8)
#define VINTR_PRIORITY_SHIFT 16
#define VINTR_IGNORE_TPR     ((uint64_t)1 << 20)
#define VINTR_MASKING        ((uint64_t)1 << 24)
#define VINTR_VECTOR_SHIFT   32

#define EVENT_VALID         ((uint64_t)1 << 31)
#define EVENT_HAS_CODE      ((uint64_t)1 << 11)
#define EVENT_TYPE(event)   ((unsigned)((event) >> 8 & 7))
#define EVENT_VECTOR(event) ((unsigned)((event)&0xff))
enum { EVENT_INTERRUPT = 0, EVENT_NMI = 2, EVENT_EXCEPTION = 3, EVENT_SOFTWARE = 4 };

#define NPF_WRITE    ((uint64_t)1 << 1)
#define NPF_RESERVED ((uint64_t)1 << 3)
#define NPF_FETCH    ((uint64_t)1 << 4)
#define NPF_WALK     ((uint64_t)1 << 33)

#define IOIO_IN         (1u << 0)
#define IOIO_STRING     (1u << 2)
#define IOIO_REP        (1u << 3)
#define IOIO_SIZE(info) ((info) >> 4 & 7)

#define TLB_FLUSH_ALL 1u

void svm_read_exit(const struct vmcb *vmcb, struct vm_exit *exit);
void svm_read_control(const struct vmcb *vmcb, struct control *control);

#endif
