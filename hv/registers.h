/* SPDX-License-Identifier: MIT */
/*
 * For svm_enter.S and vmx_enter.S: a guest's registers from struct registers into the processor,
 * and back. Refuses to know what travels in a VMCB or VMCS instead.
 */
#ifndef HV_REGISTERS_H
#define HV_REGISTERS_H

/* Where each is; rax at 0 is the caller's, for not both vendors leave it alone, and so is rdi at
 * 0x28, the pointer to it all. */
/* clang-format off */
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
/* clang-format on */

#endif
