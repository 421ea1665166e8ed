/* SPDX-License-Identifier: MIT */
/*
 * The loader of PVH kernels, elf_image.c and pvh.c, against kernels that are well made, badly made,
 * and made to do harm. A guest is 64 MB of the test's own memory here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <elf.h>

#include "elf_image.h"
#include "guest_memory.h"
#include "memory_map.h"
#include "pvh.h"
#include "xen_abi.h"

#include <xen/arch-x86/hvm/start_info.h>

#define GUEST_SIZE (64u << 20)
#define IMAGE_SIZE 8192u
#define LOAD_AT    0x1000000u
#define ENTRY      (LOAD_AT + 0x10)
#define CODE_AT    4096u /* in the image */
#define NOTE_AT    1024u

/* ---- the guest ------------------------------------------------------------------------------ */

static uint8_t *memory;
static uint8_t acpi_page[FRAME_SIZE];
static struct domain domain;

static bool in_memory(uint64_t physical, size_t size)
{
    return physical <= GUEST_SIZE && size <= GUEST_SIZE - physical;
}

bool guest_copy_to(struct domain *to, uint64_t physical, const void *from, size_t size)
{
    assert_ptr_equal(to, &domain);
    if (!in_memory(physical, size))
        return false;
    memcpy(memory + physical, from, size);
    return true;
}

bool guest_clear(struct domain *of, uint64_t physical, size_t size)
{
    assert_ptr_equal(of, &domain);
    if (!in_memory(physical, size))
        return false;
    memset(memory + physical, 0, size);
    return true;
}

static int set_up(void **state)
{
    (void)state;
    memory = malloc(GUEST_SIZE);
    memset(memory, 0xee, GUEST_SIZE);
    domain =
        (struct domain){ .ram = { { GFN(0), GFN(GUEST_SIZE >> FRAME_SHIFT) } }, .ram_count = 1 };
    domain.acpi[0].host = acpi_page;
    return memory ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    free(memory);
    return 0;
}

/* ---- kernels -------------------------------------------------------------------------------- */

/* A copy of the exact size, so that a sanitizer sees a byte read past its end. */
struct kernel {
    uint8_t *bytes;
    size_t size;
};

static struct kernel copy_of(const uint8_t *bytes, size_t size)
{
    struct kernel kernel = { malloc(size ? size : 1), size };

    memcpy(kernel.bytes, bytes, size);
    return kernel;
}

static uint32_t put_note(uint8_t *at, uint64_t entry, uint32_t bytes)
{
    const uint32_t header[3] = { 4, bytes, 18 };

    memcpy(at, header, sizeof(header));
    memcpy(at + 12, "Xen", 4);
    memcpy(at + 16, &entry, bytes);
    return 16 + bytes;
}

static void put_code(uint8_t *image)
{
    for (unsigned i = 0; i < 256; i++)
        image[CODE_AT + i] = (uint8_t)i;
}

static uint8_t image[IMAGE_SIZE];

/* 256 bytes of code, and as many that are to be zero. */
static Elf64_Phdr *make_wide(void)
{
    Elf64_Ehdr header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB },
                          .e_machine = EM_X86_64,
                          .e_phoff = 64,
                          .e_phentsize = sizeof(Elf64_Phdr),
                          .e_phnum = 2 };
    Elf64_Phdr *segment = (Elf64_Phdr *)(image + 64);

    memset(image, 0, sizeof(image));
    memcpy(image, &header, sizeof(header));
    segment[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
                               .p_offset = CODE_AT,
                               .p_vaddr = 0xffffffff81000000,
                               .p_paddr = LOAD_AT,
                               .p_filesz = 256,
                               .p_memsz = 512 };
    segment[1] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = NOTE_AT };
    segment[1].p_filesz = segment[1].p_memsz = put_note(image + NOTE_AT, ENTRY, 8);
    put_code(image);
    return segment;
}

static void make_narrow(void)
{
    Elf32_Ehdr header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB },
                          .e_machine = EM_386,
                          .e_phoff = 64,
                          .e_phentsize = sizeof(Elf32_Phdr),
                          .e_phnum = 2 };
    Elf32_Phdr *segment = (Elf32_Phdr *)(image + 64);

    memset(image, 0, sizeof(image));
    memcpy(image, &header, sizeof(header));
    segment[0] = (Elf32_Phdr){
        .p_type = PT_LOAD, .p_offset = CODE_AT, .p_paddr = LOAD_AT, .p_filesz = 256, .p_memsz = 512
    };
    segment[1] = (Elf32_Phdr){ .p_type = PT_NOTE, .p_offset = NOTE_AT };
    segment[1].p_filesz = segment[1].p_memsz = put_note(image + NOTE_AT, ENTRY, 4);
    put_code(image);
}

static const char *check_bytes(size_t size)
{
    struct kernel kernel = copy_of(image, size);
    struct pvh_image pvh = { .kernel = kernel.bytes, .kernel_size = kernel.size };
    const char *trouble = pvh_check(&pvh);

    free(kernel.bytes);
    return trouble;
}

/* ---- claims --------------------------------------------------------------------------------- */

static void check_loaded(const struct entry_state *entry)
{
    assert_int_equal(entry->rip, ENTRY);
    for (unsigned i = 0; i < 256; i++)
        assert_int_equal(memory[LOAD_AT + i], i);
    for (unsigned i = 256; i < 512; i++)
        assert_int_equal(memory[LOAD_AT + i], 0);
    assert_int_equal(memory[LOAD_AT + 512], 0xee);
    assert_int_equal(memory[LOAD_AT - 1], 0xee);
}

static void load_puts_segments_where_p_paddr_says_and_clears_the_rest(void **state)
{
    struct pvh_image pvh = { .kernel = image, .kernel_size = sizeof(image) };
    struct entry_state entry;

    (void)state;
    make_wide();
    assert_null(pvh_check(&pvh));
    assert_null(pvh_load(&domain, &pvh, &entry));
    check_loaded(&entry);
}

static void load_takes_elf32_with_a_note_of_4_bytes(void **state)
{
    struct pvh_image pvh = { .kernel = image, .kernel_size = sizeof(image) };
    struct entry_state entry;

    (void)state;
    make_narrow();
    assert_null(pvh_load(&domain, &pvh, &entry));
    check_loaded(&entry);
}

static uint8_t sum(const uint8_t *bytes, size_t size)
{
    uint8_t total = 0;

    while (size--)
        total = (uint8_t)(total + *bytes++);
    return total;
}

static void start_info_names_module_command_line_map_and_acpi(void **state)
{
    static const uint8_t initrd[5000] = { 1, 2, 3, 4, 5 };
    struct pvh_image pvh = { image, sizeof(image), initrd, sizeof(initrd), "console=hvc0 quiet" };
    struct hvm_modlist_entry module;
    struct hvm_memmap_table_entry map[3];
    struct hvm_start_info start;
    struct entry_state entry;

    (void)state;
    make_wide();
    assert_null(pvh_load(&domain, &pvh, &entry));
    memcpy(&start, memory + entry.rbx, sizeof(start));
    assert_int_equal(start.magic, XEN_HVM_START_MAGIC_VALUE);
    assert_int_equal(start.version, 1);
    assert_int_equal(start.nr_modules, 1);
    assert_string_equal(memory + start.cmdline_paddr, "console=hvc0 quiet");
    memcpy(&module, memory + start.modlist_paddr, sizeof(module));
    assert_int_equal(module.size, sizeof(initrd));
    assert_memory_equal(memory + module.paddr, initrd, sizeof(initrd));
    assert_int_equal(start.memmap_entries, 3);
    memcpy(map, memory + start.memmap_paddr, sizeof(map));
    assert_int_equal(map[0].size, GUEST_SIZE);
    assert_int_equal(map[0].type, MEMORY_MAP_RAM);
    assert_int_equal(start.rsdp_paddr >> FRAME_SHIFT, GUEST_ACPI_GFN.gfn);
    assert_memory_equal(acpi_page, "RSD PTR ", 8);
    assert_int_equal(sum(acpi_page, 20), 0);
    assert_int_equal(sum(acpi_page, 36), 0);
}

static void every_acpi_table_has_a_good_checksum(void **state)
{
    struct pvh_image pvh = { .kernel = image, .kernel_size = sizeof(image) };
    struct entry_state entry;
    uint64_t xsdt, table[2];
    uint32_t length;

    (void)state;
    make_wide();
    assert_null(pvh_load(&domain, &pvh, &entry));
    memcpy(&xsdt, acpi_page + 24, sizeof(xsdt));
    memcpy(table, acpi_page + (xsdt & 0xfff) + 36, sizeof(table));
    for (unsigned i = 0; i < 2; i++) {
        memcpy(&length, acpi_page + (table[i] & 0xfff) + 4, sizeof(length));
        assert_int_equal(sum(acpi_page + (table[i] & 0xfff), length), 0);
    }
}

static void check_refuses_what_is_not_a_kernel(void **state)
{
    (void)state;
    memset(image, 0x5a, sizeof(image));
    assert_string_equal(check_bytes(sizeof(image)), "the kernel is not an ELF image");
    assert_non_null(check_bytes(0));
    make_wide();
    image[4] = 7;
    assert_non_null(check_bytes(sizeof(image)));
    make_wide();
    image[18] = EM_AARCH64;
    assert_string_equal(check_bytes(sizeof(image)), "the kernel is not for x86");
}

static void check_refuses_a_kernel_without_the_note(void **state)
{
    (void)state;
    make_wide();
    image[NOTE_AT + 8] = 17;
    assert_non_null(strstr(check_bytes(sizeof(image)), "no PVH entry point"));
    make_wide();
    image[NOTE_AT + 4] = 6; /* neither 4 nor 8 bytes */
    assert_non_null(check_bytes(sizeof(image)));
}

static void check_refuses_segments_that_overflow(void **state)
{
    Elf64_Phdr *segment;

    (void)state;
    segment = make_wide();
    segment[0].p_offset = UINT64_MAX - 16;
    assert_non_null(check_bytes(sizeof(image)));
    segment = make_wide();
    segment[0].p_filesz = segment[0].p_memsz = UINT64_MAX;
    assert_non_null(check_bytes(sizeof(image)));
    segment = make_wide();
    segment[0].p_paddr = UINT64_MAX - 255;
    assert_non_null(check_bytes(sizeof(image)));
    segment = make_wide();
    segment[0].p_memsz = 128; /* less than in the file */
    assert_non_null(check_bytes(sizeof(image)));
    segment = make_wide();
    segment[1].p_offset = sizeof(image) - 1;
    assert_non_null(check_bytes(sizeof(image)));
}

static void check_refuses_an_entry_outside_of_the_segments(void **state)
{
    (void)state;
    make_wide();
    put_note(image + NOTE_AT, LOAD_AT + 256, 8);
    assert_non_null(check_bytes(sizeof(image)));
    put_note(image + NOTE_AT, 1ull << 32 | ENTRY, 8);
    assert_non_null(check_bytes(sizeof(image)));
}

static void check_survives_an_image_cut_off_anywhere(void **state)
{
    (void)state;
    make_wide();
    for (size_t size = 0; size < CODE_AT + 256; size++)
        assert_non_null(check_bytes(size));
    assert_null(check_bytes(CODE_AT + 256));
}

/* Every byte of the headers and of the notes, with every value that is most likely to hurt. */
static void check_and_load_survive_any_damaged_byte(void **state)
{
    static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };

    (void)state;
    for (unsigned at = 0; at < NOTE_AT + 64; at++) {
        for (unsigned i = 0; i < sizeof(values); i++) {
            make_wide();
            image[at] = values[i];
            struct kernel kernel = copy_of(image, CODE_AT + 256);
            struct pvh_image pvh = { .kernel = kernel.bytes, .kernel_size = kernel.size };
            struct entry_state entry;

            if (pvh_check(&pvh))
                assert_non_null(pvh_load(&domain, &pvh, &entry));
            else
                (void)pvh_load(&domain, &pvh, &entry);
            free(kernel.bytes);
        }
    }
}

static void load_refuses_what_does_not_fit(void **state)
{
    struct pvh_image pvh = { .kernel = image, .kernel_size = sizeof(image) };
    struct entry_state entry;
    Elf64_Phdr *segment = make_wide();

    (void)state;
    segment[0].p_memsz = GUEST_SIZE;
    assert_string_equal(pvh_load(&domain, &pvh, &entry),
                        "the guest's memory is too small for its kernel");
    make_wide();
    pvh.initrd = image;
    pvh.initrd_size = GUEST_SIZE;
    assert_string_equal(pvh_load(&domain, &pvh, &entry),
                        "the guest's memory is too small for its kernel and initrd");
    pvh.initrd_size = SIZE_MAX;
    assert_non_null(pvh_load(&domain, &pvh, &entry));
}

static void check_refuses_a_command_line_that_is_too_long(void **state)
{
    static char text[5000];
    struct pvh_image pvh = { .kernel = image, .kernel_size = sizeof(image), .command_line = text };

    (void)state;
    make_wide();
    memset(text, 'x', 4095);
    assert_null(pvh_check(&pvh));
    memset(text, 'x', 4096);
    assert_non_null(pvh_check(&pvh));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(load_puts_segments_where_p_paddr_says_and_clears_the_rest),
        cmocka_unit_test(load_takes_elf32_with_a_note_of_4_bytes),
        cmocka_unit_test(start_info_names_module_command_line_map_and_acpi),
        cmocka_unit_test(every_acpi_table_has_a_good_checksum),
        cmocka_unit_test(check_refuses_what_is_not_a_kernel),
        cmocka_unit_test(check_refuses_a_kernel_without_the_note),
        cmocka_unit_test(check_refuses_segments_that_overflow),
        cmocka_unit_test(check_refuses_an_entry_outside_of_the_segments),
        cmocka_unit_test(check_survives_an_image_cut_off_anywhere),
        cmocka_unit_test(check_and_load_survive_any_damaged_byte),
        cmocka_unit_test(load_refuses_what_does_not_fit),
        cmocka_unit_test(check_refuses_a_command_line_that_is_too_long),
    };

    return cmocka_run_group_tests_name("pvh", tests, set_up, tear_down);
}
