/* SPDX-License-Identifier: MIT */
/*
 * bool vmx_enter(struct registers *guest, uint64_t launched)
 *
 * Into the guest and back; false when the processor refused the current VMCS. rsp, rip and rflags
 * travel in the VMCS; the rest is loaded and saved here. Interrupts are off before and after, and
 * in between one that arrives ends the guest's run and waits. [SDM "VM Entries"]
 * Refuses to know what is in the VMCS, and why the run ended.
 */
#define VMCS_HOST_RSP 0x6c14

#include "registers.h"

        .text
        .globl  vmx_enter
        .type   vmx_enter, @function
vmx_enter:
        push    %rbp
        push    %rbx
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        push    %rdi                    /* guest */
        mov     $VMCS_HOST_RSP, %eax
        vmwrite %rsp, %rax
        test    %rsi, %rsi              /* launched */
        each_register load              /* leaves the flags alone */
        mov     0x00(%rdi), %rax
        mov     0x28(%rdi), %rdi
        jnz     1f
        vmlaunch
        jmp     2f
1:      vmresume
2:      pop     %rdi                    /* refused: still here, with the guest's registers */
        xor     %eax, %eax
        jmp     3f

        .globl  vmx_exit_point
vmx_exit_point:
        push    %rdi
        mov     8(%rsp), %rdi           /* guest */
        mov     %rax, 0x00(%rdi)
        each_register save
        pop     %rax
        mov     %rax, 0x28(%rdi)        /* the guest's rdi */
        pop     %rdi
        mov     $1, %eax
3:      pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbx
        pop     %rbp
        ret
        .size   vmx_enter, . - vmx_enter

        .section .note.GNU-stack, "", @progbits
