/* SPDX-License-Identifier: MIT */
/*
 * The few verbs that SVM and VMX both speak. One `const struct vendor` each, chosen once at boot.
 * Refuses to know what an exit is answered with: it turns hardware into `struct vm_exit` and back.
 */
#ifndef HV_VENDOR_H
#define HV_VENDOR_H

#include "guest.h"

/* A vCPU's first state, as the PVH ABI wants it: 32-bit, flat, paging off. */
struct entry_state {
    uint32_t rip;
    uint32_t rbx;
};

/* An interrupt for the guest. */
struct interrupt {
    uint8_t vector;                                /* 0: none */
    enum { INTERRUPT_EVENT, INTERRUPT_APIC } from; /* the task priority holds back the APIC's */
};

struct vendor {
    const char *name;               /* "svm", "vmx" */
    const struct pt_format *format; /* of the tables that it walks */
    uint8_t hypercall[3];           /* VMMCALL or VMCALL, as bytes of code */

    /* NULL when this processor can run guests, else one line that says what is missing. */
    const char *(*missing)(void);
    bool (*has_1g)(void); /* 1 GB second-stage leaves */
    bool (*enable)(void); /* on the calling CPU, each once; the first one first */

    /* A vCPU is made, run and destroyed on one and the same CPU. */
    bool (*vcpu_init)(struct vcpu *vcpu, struct entry_state entry);
    void (*vcpu_destroy)(struct vcpu *vcpu);

    /*
     * Enter the guest until something happens; fills registers, control and exit. Interrupts are
     * off before and after; one that ended the run is still waiting: the caller takes it.
     */
    void (*run)(struct vcpu *vcpu);

    /* Offer this on the next entry, to be taken as soon as the guest can. */
    void (*offer_interrupt)(struct vcpu *vcpu, struct interrupt interrupt);
    bool (*offer_taken)(struct vcpu *vcpu); /* did the guest take it? */

    /* An exception at the next entry, with the error code 0 where it has one. */
    void (*raise_exception)(struct vcpu *vcpu, uint8_t vector);
    void (*raise_single_step)(struct vcpu *vcpu); /* #DB, and DR6 says why */

    /* PAT and EFER, which only the vendor's file can reach; what is written makes sense. */
    uint64_t (*msr_read)(struct vcpu *vcpu, uint32_t msr);
    void (*msr_write)(struct vcpu *vcpu, uint32_t msr, uint64_t value);

    /* Forget this vCPU's translations before the next entry. */
    void (*flush)(struct vcpu *vcpu);
    void (*dump)(struct vcpu *vcpu); /* the guest's state for people, through print */
};

extern const struct vendor svm_vendor, vmx_vendor;
extern const struct vendor *vendor; /* the one chosen; set by boot.c */

#endif
