/* SPDX-License-Identifier: MIT */
/*
 * void svm_enter(struct registers *guest, uint64_t vmcb, uint64_t host_vmcb)
 *
 * Into the guest and back. rax, rsp, rip and rflags travel in the VMCB; the rest is loaded and
 * saved here. Interrupts are off before and after; in between they are on with GIF clear, so that
 * one that arrives ends the guest's run and waits. [APM "VMRUN"]
 * Refuses to know what is in the VMCB, and why the run ended.
 */

/* Where each is in struct registers; rdi, at 0x28, is the pointer to it and goes by itself. */
        .macro  each_register what
        \what   %rbx, 0x08(%rdi)
        \what   %rcx, 0x10(%rdi)
        \what   %rdx, 0x18(%rdi)
        \what   %rsi, 0x20(%rdi)
        \what   %rbp, 0x30(%rdi)
        \what   %r8, 0x40(%rdi)
        \what   %r9, 0x48(%rdi)
        \what   %r10, 0x50(%rdi)
        \what   %r11, 0x58(%rdi)
        \what   %r12, 0x60(%rdi)
        \what   %r13, 0x68(%rdi)
        \what   %r14, 0x70(%rdi)
        \what   %r15, 0x78(%rdi)
        .endm

        .macro  load register:req, from:vararg
        mov     \from, \register
        .endm

        .macro  save register:req, to:vararg
        mov     \register, \to
        .endm

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
