/* SPDX-License-Identifier: MIT */
/*
 * Where a processor that is started begins: real mode, in a page below 1 MB that the first one has
 * copied the trampoline to. From there to C, by boot.S' first map: processor_main(number).
 * Refuses to know how many there are, and what they are for.
 */
#define IMAGE_MAP       0xffffffff80000000      /* as in cpu.h */
#define PHYSICAL(label) (label - IMAGE_MAP)

        .section .boot, "ax"
        .code16
        .globl  processor_trampoline, processor_trampoline_end
processor_trampoline:
        cli
        cld
        lgdtl   %cs:gdt_pointer - processor_trampoline
        movl    $0x11, %eax                     /* CR0: ET, PE; caches on */
        movl    %eax, %cr0
        ljmpl   $0x18, $PHYSICAL(processor_flat)
gdt_pointer:
        .short  4 * 8 - 1
        .long   PHYSICAL(boot_gdt)
processor_trampoline_end:

        .code32
processor_flat:
        movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        xorl    %edi, %edi
        xchgl   %edi, PHYSICAL(processor_begin) /* the number: only one gets it */
        testl   %edi, %edi
        jz      too_late
        movl    $0x20, %eax                     /* CR4: PAE */
        movl    %eax, %cr4
        movl    $PHYSICAL(boot_pml4), %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx               /* EFER */
        rdmsr
        orl     PHYSICAL(processor_begin) + 4, %eax
        wrmsr
        movl    $0x80010031, %eax               /* CR0: PG, WP, NE, ET, PE */
        movl    %eax, %cr0
        ljmp    $0x08, $PHYSICAL(processor_long)
too_late:
        cli
        hlt
        jmp     too_late

        .code64
processor_long:
        imull   $0x9000, %edi, %eax             /* this number's stack ends where the next begins */
        leaq    boot_stacks + 0x9000(%rax), %rsp
        xorl    %ebp, %ebp
        movq    $processor_main, %rax
        call    *%rax                           /* never returns */
        ud2

        .section .note.GNU-stack, "", @progbits
