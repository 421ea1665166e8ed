/* SPDX-License-Identifier: MIT */
/*
 * From a multiboot loader (1 or 2) to C: long mode, a first map of the low 4 GB, a stack, boot().
 * Refuses to know anything of the machine but that it is 64-bit; says so where it is not.
 */
#define MULTIBOOT1_MAGIC 0x1badb002
#define MULTIBOOT1_FLAGS 0x00010003             /* modules on pages, memory map, addresses below */
#define MULTIBOOT2_MAGIC 0xe85250d6

#define IMAGE_MAP       0xffffffff80000000      /* as in cpu.h */
#define PHYSICAL(label) (label - IMAGE_MAP)

#define CPUS        8                           /* as in this_cpu.h, and these two */
#define STACK_GUARD 0x1000
#define STACK_SIZE  0x8000
#define COM1       0x3f8
#define DEBUG_EXIT 0xf4
#define BAD_INPUT  0x12

#define PTE_TABLE 0x003                         /* present, writable */
#define PTE_2M    0x083                         /* present, writable, page size */

        .section .boot, "ax"

        /*
         * The addresses make the loader take the file as it lies, so that one that knows no 64-bit
         * ELF is content. hv.ld keeps the file's order that of memory.
         */
        .balign 8
multiboot1_header:
        .long   MULTIBOOT1_MAGIC
        .long   MULTIBOOT1_FLAGS
        .long   -(MULTIBOOT1_MAGIC + MULTIBOOT1_FLAGS)
        .long   PHYSICAL(multiboot1_header)
        .long   PHYSICAL(image_start)
        .long   PHYSICAL(image_load_end)
        .long   PHYSICAL(image_end)
        .long   PHYSICAL(start)

        .balign 8
multiboot2_header:
        .long   MULTIBOOT2_MAGIC
        .long   0                               /* i386, protected mode */
        .long   multiboot2_end - multiboot2_header
        .long   -(MULTIBOOT2_MAGIC + 0 + (multiboot2_end - multiboot2_header))
        .balign 8
        .short  6, 0                            /* modules on page boundaries */
        .long   8
        .balign 8
        .short  0, 0                            /* end of tags */
        .long   8
multiboot2_end:

        .code32
        .globl  start
start:
        cli
        cld
        movl    $PHYSICAL(boot_stacks) + STACK_GUARD + STACK_SIZE, %esp
        movl    %eax, %edi                      /* boot()'s arguments */
        movl    %ebx, %esi

        movl    $0x80000000, %eax
        cpuid
        cmpl    $0x80000001, %eax
        jb      no_long_mode
        movl    $0x80000001, %eax
        cpuid
        btl     $29, %edx                       /* LM */
        jnc     no_long_mode
        movl    %edx, %ebp                      /* bit 20: NX */

        /* 4 x 512 entries of 2 MB, seen at 0 and by the direct map; the first GB by the image. */
        movl    $PHYSICAL(boot_pd), %ebx
        movl    $PTE_2M, %eax
1:      movl    %eax, (%ebx)
        addl    $8, %ebx
        addl    $0x200000, %eax
        jnc     1b
        movl    $(PHYSICAL(boot_pd) + PTE_TABLE), %eax
        movl    %eax, PHYSICAL(boot_pdpt_image) + 510 * 8
        movl    %eax, PHYSICAL(boot_pdpt)
        addl    $0x1000, %eax
        movl    %eax, PHYSICAL(boot_pdpt) + 8
        addl    $0x1000, %eax
        movl    %eax, PHYSICAL(boot_pdpt) + 16
        addl    $0x1000, %eax
        movl    %eax, PHYSICAL(boot_pdpt) + 24
        movl    $(PHYSICAL(boot_pdpt) + PTE_TABLE), PHYSICAL(boot_pml4)
        movl    $(PHYSICAL(boot_pdpt) + PTE_TABLE), PHYSICAL(boot_pml4) + 256 * 8
        movl    $(PHYSICAL(boot_pdpt_image) + PTE_TABLE), PHYSICAL(boot_pml4) + 511 * 8

        movl    $0x20, %eax                     /* CR4: PAE */
        movl    %eax, %cr4
        movl    $PHYSICAL(boot_pml4), %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx               /* EFER: LME, and NXE where there is NX */
        rdmsr
        orl     $0x100, %eax
        btl     $20, %ebp
        jnc     2f
        orl     $0x800, %eax
2:      wrmsr
        movl    $0x80010031, %eax               /* CR0: PG, WP, NE, ET, PE */
        movl    %eax, %cr0
        lgdt    PHYSICAL(boot_gdt_pointer)
        ljmp    $0x08, $PHYSICAL(long_mode)

no_long_mode:
        movl    $PHYSICAL(no_long_mode_text), %esi
        movw    $COM1, %dx
3:      lodsb
        testb   %al, %al
        jz      4f
        outb    %al, %dx
        jmp     3b
4:      movb    $BAD_INPUT, %al
        outb    %al, $DEBUG_EXIT
5:      hlt
        jmp     5b

        .code64
long_mode:                              /* the other segments wait for trap_init */
        movq    $boot_stacks + STACK_GUARD + STACK_SIZE, %rsp
        xorl    %ebp, %ebp
        movq    $boot, %rax
        call    *%rax                           /* never returns */
        ud2

        .balign 8
        .globl  boot_gdt                /* processors.S begins with it as well */
boot_gdt:
        .quad   0
        .quad   0x00209b0000000000              /* 0x08: 64-bit code */
        .quad   0x00cf93000000ffff              /* 0x10: data */
        .quad   0x00cf9b000000ffff              /* 0x18: 32-bit code */
boot_gdt_end:
boot_gdt_pointer:
        .short  boot_gdt_end - boot_gdt - 1
        .long   PHYSICAL(boot_gdt)
no_long_mode_text:
        .asciz  "podium: this processor has no 64-bit mode; use one that has\r\n"

        .section .bss.boot, "aw", @nobits
        .balign 4096
        .globl  boot_pml4
boot_pml4:
        .skip   4096
boot_pdpt:
        .skip   4096
boot_pdpt_image:
        .skip   4096
boot_pd:
        .skip   4 * 4096
        /* One a processor; below each a page that paging.c does not map: one too deep faults. */
        .globl  boot_stacks, boot_stacks_end
boot_stacks:
        .skip   CPUS * (STACK_GUARD + STACK_SIZE)
boot_stacks_end:

        .section .note.GNU-stack, "", @progbits
