/* SPDX-License-Identifier: MIT */
/*
 * void svm_enter(struct registers *guest, uint64_t vmcb, uint64_t host_vmcb)
 *
 * Into the guest and back. rax, rsp, rip and rflags travel in the VMCB; the rest is loaded and saved
 * here, in the order of struct registers. Interrupts are off before and after; in between they are
 * on with GIF clear, so that one that arrives ends the guest's run and waits. [APM "VMRUN"]
 */
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
        mov     0x08(%rdi), %rbx
        mov     0x10(%rdi), %rcx
        mov     0x18(%rdi), %rdx
        mov     0x20(%rdi), %rsi
        mov     0x30(%rdi), %rbp
        mov     0x40(%rdi), %r8
        mov     0x48(%rdi), %r9
        mov     0x50(%rdi), %r10
        mov     0x58(%rdi), %r11
        mov     0x60(%rdi), %r12
        mov     0x68(%rdi), %r13
        mov     0x70(%rdi), %r14
        mov     0x78(%rdi), %r15
        mov     0x28(%rdi), %rdi
        vmload
        vmrun
        vmsave                          /* rax is the host's again: the VMCB */
        push    %rdi
        mov     8(%rsp), %rdi           /* guest */
        mov     %rbx, 0x08(%rdi)
        mov     %rcx, 0x10(%rdi)
        mov     %rdx, 0x18(%rdi)
        mov     %rsi, 0x20(%rdi)
        mov     %rbp, 0x30(%rdi)
        mov     %r8, 0x40(%rdi)
        mov     %r9, 0x48(%rdi)
        mov     %r10, 0x50(%rdi)
        mov     %r11, 0x58(%rdi)
        mov     %r12, 0x60(%rdi)
        mov     %r13, 0x68(%rdi)
        mov     %r14, 0x70(%rdi)
        mov     %r15, 0x78(%rdi)
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
