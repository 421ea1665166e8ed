/* SPDX-License-Identifier: MIT */
/*
 * void svm_enter(struct registers *guest, uint64_t vmcb, uint64_t host_vmcb)
 *
 * Into the guest and back. rax, rsp, rip and rflags travel in the VMCB; the rest is loaded and
 * saved here. Interrupts are off before and after; in between they are on with GIF clear, so that
 * one that arrives ends the guest's run and waits. [APM "VMRUN"]
 * Refuses to know what is in the VMCB, and why the run ended.
 */

#include "registers.h"

        .text
        .globl  svm_enter
        .type   svm_enter, @function
svm_enter:
        push    %rbp
        push    %rbx
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        push    %rdx                    /* host_vmcb */
        push    %rdi                    /* guest */
        clgi
        sti
        mov     %rsi, %rax              /* vmcb: vmload, vmrun and vmsave take it in rax */
        each_register load
        mov     0x28(%rdi), %rdi
        vmload
        vmrun
        vmsave                          /* rax is the host's again: the VMCB */
        push    %rdi
        mov     8(%rsp), %rdi           /* guest */
        each_register save
        pop     %rax
        mov     %rax, 0x28(%rdi)        /* the guest's rdi */
        pop     %rdi
        pop     %rax
        vmload                          /* host_vmcb: TR, FS, GS and the system-call MSRs */
        cli
        stgi
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbx
        pop     %rbp
        ret
        .size   svm_enter, . - svm_enter

        .section .note.GNU-stack, "", @progbits
