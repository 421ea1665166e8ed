/* SPDX-License-Identifier: MIT */
/*
 * One entry point per vector, 16 bytes apart: make all frames look alike, save the registers, call
 * trap() in C. Refuses to know what any vector means.
 */
        .text
        .code64

        .balign 16
        .globl  trap_entries
trap_entries:
        .set    vector, 0
        .rept   256
        .balign 16
        /* #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX bring a code of their own. */
        .if     !((vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || \
                  (vector == 21) || (vector == 29) || (vector == 30))
        pushq   $0
        .endif
        pushq   $vector
        jmp     trap_common
        .set    vector, vector + 1
        .endr

/* The order is struct trap_frame's in trap.c, from its end to its start. */
trap_common:
        pushq   %rax
        pushq   %rbx
        pushq   %rcx
        pushq   %rdx
        pushq   %rsi
        pushq   %rdi
        pushq   %rbp
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        cld
        movq    %rsp, %rdi
        call    trap                    /* 22 words from an aligned top: the stack is aligned */
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %r11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rbp
        popq    %rdi
        popq    %rsi
        popq    %rdx
        popq    %rcx
        popq    %rbx
        popq    %rax
        addq    $16, %rsp               /* vector, error code */
        iretq

/* void trap_load_segments(unsigned task): CS from the new GDT by a far return, the others, TR. */
        .globl  trap_load_segments
trap_load_segments:
        popq    %rax
        pushq   $0x08                   /* SELECTOR_CODE */
        pushq   %rax
        movl    $0x10, %eax             /* SELECTOR_DATA */
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        xorl    %eax, %eax
        movl    %eax, %fs
        movl    %eax, %gs
        ltr     %di
        lretq

        .section .note.GNU-stack, "", @progbits
