/* SPDX-License-Identifier: MIT */
/*
 * The start of every tiny guest: from the PVH ABI's 32-bit state to 64-bit C, with the first 16 GB
 * mapped one to one by 2 MB pages. Refuses to know what is tested.
 */
#define TABLES 16 /* GBs mapped */

        .section .note.Xen, "a", @note
        .balign 4
        .long   4, 4, 18                /* "Xen\0", 4 bytes, XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz  "Xen"
        .long   start

        .section .bss
        .balign 4096
top:    .skip   4096
middle: .skip   4096
low:    .skip   4096 * TABLES
        .skip   16384
stack:

        .section .data
        .balign 8
        .globl  hypercall_instruction
hypercall_instruction:
        .quad   amd_hypercall
        .globl  second_main
second_main:
        .quad   0                       /* what it is to do */
gdt:    .quad   0
        .quad   0x00af9b000000ffff      /* 64-bit code */
        .quad   0x00cf93000000ffff      /* data */
gdt_end:
gdtr:   .word   gdt_end - gdt - 1
        .long   gdt

        .text
        .code32
        .globl  start
start:  mov     $stack, %esp
        mov     $guest_main, %ebp
        movl    $middle + 3, top
        mov     $TABLES, %ecx
1:      mov     %ecx, %eax
        dec     %eax
        shl     $12, %eax
        add     $low + 3, %eax
        mov     %eax, middle - 8(, %ecx, 8)
        loop    1b
        /* 512 entries a table, each 2 MB further, present, writable, large */
        xor     %ecx, %ecx
2:      mov     %ecx, %eax
        shl     $21, %eax
        or      $0x83, %eax
        mov     %eax, low(, %ecx, 8)
        mov     %ecx, %eax
        shr     $11, %eax
        mov     %eax, low + 4(, %ecx, 8)
        inc     %ecx
        cmp     $512 * TABLES, %ecx
        jne     2b

        xor     %eax, %eax
        cpuid
        cmp     $0x756e6547, %ebx       /* "Genu" of GenuineIntel */
        jne     3f
        movl    $intel_hypercall, hypercall_instruction
3:
long_mode:
        mov     $0x20, %eax             /* PAE */
        mov     %eax, %cr4
        mov     $top, %eax
        mov     %eax, %cr3
        mov     $0xc0000080, %ecx       /* EFER: LME */
        rdmsr
        or      $0x100, %eax
        wrmsr
        mov     $0x80000011, %eax       /* PG, ET, PE */
        mov     %eax, %cr0
        lgdt    gdtr
        ljmp    $8, $4f
        .code64
4:      mov     $16, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     %esp, %esp              /* the upper halves are anybody's guess */
        mov     %ebp, %ebp
        call    *%rbp
5:      cli
        hlt
        jmp     5b

/* Another vCPU begins here, with a stack in ebx; the tables are there. */
        .code32
        .globl  second_start
second_start:
        mov     %ebx, %esp
        mov     second_main, %ebp
        jmp     long_mode
        .code64

amd_hypercall:
        vmmcall
        ret
intel_hypercall:
        vmcall
        ret

        .section .note.GNU-stack, "", @progbits
