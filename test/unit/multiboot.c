/* SPDX-License-Identifier: MIT */
/*
 * What a boot loader hands over, sound and hostile, in a direct map of the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "cpu.h"
#include "multiboot.h"

#define MB           0x100000ull
#define GB           0x40000000ull
#define MAGIC_1      0x2badb002u
#define MAGIC_2      0x36d76289u
#define INFO         0x9000u
#define MODULES      0xa000u
#define MAP          0xb000u
#define LINE         0xc000u
#define USABLE       1u
#define RESERVED     2u
#define FLAG_LINE    (1u << 2)
#define FLAG_MODULES (1u << 3)
#define FLAG_MAP     (1u << 6)

/* The image, by hv.ld's names: here it lies outside all memory. */
extern const char image_start[], image_end[];
const char image_start[1], image_end[1];

static struct boot_info info;
static uint32_t map_used;   /* bytes at MAP */
static uint32_t info2_used; /* bytes at INFO */

static int set_up(void **state)
{
    void *at = (void *)(uintptr_t)DIRECT_MAP;

    *state = mmap(at, BOOT_MAP_END, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    map_used = 0;
    info2_used = 8;
    return *state == at ? 0 : -1;
}

static int tear_down(void **state)
{
    return munmap(*state, BOOT_MAP_END);
}

static uint32_t *info1(void)
{
    return direct_map(INFO);
}

static void add_entry1(uint64_t from, uint64_t length, uint32_t type)
{
    uint8_t *entry = (uint8_t *)direct_map(MAP) + map_used;
    const uint32_t size = 20;

    memcpy(entry, &size, 4);
    memcpy(entry + 4, &from, 8);
    memcpy(entry + 12, &length, 8);
    memcpy(entry + 20, &type, 4);
    map_used += 24;
    info1()[0] |= FLAG_MAP;
    info1()[11] = map_used;
    info1()[12] = MAP;
}

static void add_module1(uint32_t from, uint32_t end)
{
    uint32_t *module = (uint32_t *)direct_map(MODULES) + (size_t)4 * info1()[5];

    module[0] = from;
    module[1] = end;
    info1()[0] |= FLAG_MODULES;
    info1()[5]++;
    info1()[6] = MODULES;
}

static void add_tag2(uint32_t type, const void *contents, uint32_t size)
{
    uint8_t *tag = (uint8_t *)direct_map(INFO) + info2_used;
    uint32_t whole = size + 8;

    memcpy(tag, &type, 4);
    memcpy(tag + 4, &whole, 4);
    if (size)
        memcpy(tag + 8, contents, size);
    info2_used += (whole + 7) & ~7u;
    *(uint32_t *)direct_map(INFO) = info2_used;
}

/* The list as it stands, with an end that the next tag takes the place of. */
static const char *read2(void)
{
    const uint32_t used = info2_used;
    const char *wrong;

    add_tag2(0, NULL, 0);
    wrong = multiboot_read(MAGIC_2, INFO, &info);
    info2_used = used;
    return wrong;
}

static void add_map2(uint64_t from, uint64_t length, uint32_t type)
{
    struct {
        uint32_t size, version;
        uint64_t from, length;
        uint32_t type, reserved;
    } map = { 24, 0, from, length, type, 0 };

    add_tag2(6, &map, sizeof(map));
}

static void add_efi_map(uint32_t type, uint64_t from, uint64_t pages)
{
    struct {
        uint32_t size, version;
        uint32_t type, padding;
        uint64_t from, virtual_from, pages, attribute, later;
    } map = { 48, 1, type, 0, from, 0, pages, 0, 0 };

    add_tag2(17, &map, sizeof(map));
}

static void assert_damaged(void)
{
    const char *wrong = multiboot_read(MAGIC_2, INFO, &info);

    assert_non_null(wrong);
    assert_non_null(strstr(wrong, "damaged"));
}

static void assert_ram(unsigned index, uint64_t from, uint64_t end)
{
    assert_true(index < info.ram_count);
    assert_int_equal(info.ram[index].from, from);
    assert_int_equal(info.ram[index].end, end);
}

static void an_ordinary_pc_is_read(void **state)
{
    (void)state;
    add_entry1(0, 0x9fc00, USABLE);
    add_entry1(0x9fc00, 0x400, RESERVED);
    add_entry1(MB, GB - MB - 0x20000, USABLE);
    add_entry1(4 * GB, GB, USABLE);
    add_module1(0x200000, 0x300001);
    add_module1(0x400000, 0x400010);
    strcpy(direct_map(LINE), "image guest.memory=3G -- quiet");
    info1()[0] |= FLAG_LINE;
    info1()[4] = LINE;
    assert_null(multiboot_read(MAGIC_1, INFO, &info));
    assert_string_equal(info.command_line, "image guest.memory=3G -- quiet");
    assert_int_equal(info.ram_count, 3);
    assert_ram(0, 0, 0x9f000);
    assert_ram(1, MB, GB - 0x20000);
    assert_ram(2, 4 * GB, 5 * GB);
    assert_int_equal(info.module_count, 2);
    assert_int_equal(info.module[0].end, 0x300001);
    assert_int_equal(info.ram_dropped, 0);
}

static void the_second_protocol_says_the_same(void **state)
{
    const uint32_t module[2] = { 0x200000, 0x300001 };

    (void)state;
    add_tag2(1, "a=b -- c", 9);
    add_tag2(3, module, sizeof(module));
    add_map2(MB, GB - MB, USABLE);
    assert_null(read2());
    assert_string_equal(info.command_line, "a=b -- c");
    assert_int_equal(info.ram_count, 1);
    assert_ram(0, MB, GB);
    assert_int_equal(info.module_count, 1);
    assert_int_equal(info.module[0].end, 0x300001);
}

static void what_uefi_needs_no_more_is_usable(void **state)
{
    enum { RESERVED_0, LOADER = 2, BOOT_CODE, RUNTIME = 6, CONVENTIONAL, ACPI = 9 };

    (void)state;
    add_efi_map(RESERVED_0, 0, 1);
    add_efi_map(CONVENTIONAL, MB, 256);
    add_efi_map(LOADER, 2 * MB, 256);
    add_efi_map(BOOT_CODE, 3 * MB, 256);
    add_efi_map(RUNTIME, 4 * MB, 256);
    add_efi_map(CONVENTIONAL, 4 * GB, UINT64_MAX); /* no more than there can be */
    add_efi_map(ACPI, 5 * GB, 1);
    assert_null(read2());
    assert_string_equal(info.protocol, "multiboot 2 under UEFI");
    assert_int_equal(info.ram_count, 3);
    assert_ram(0, MB, 4 * MB);
    assert_ram(1, 4 * GB, 5 * GB);
    assert_int_equal(info.ram[2].from, 5 * GB + 0x1000);
}

static void of_two_maps_the_one_that_reserves_wins(void **state)
{
    (void)state;
    add_map2(MB, GB - MB, USABLE);
    add_efi_map(6, 16 * MB, 1);
    add_efi_map(7, 2 * GB, 1);
    add_map2(2 * GB, 0x1000, RESERVED);
    assert_null(read2());
    assert_int_equal(info.ram_count, 2);
    assert_ram(0, MB, 16 * MB);
    assert_ram(1, 16 * MB + 0x1000, GB);
}

static void boot_services_that_go_on_are_refused(void **state)
{
    (void)state;
    add_map2(MB, GB - MB, USABLE);
    add_tag2(18, NULL, 0);
    assert_non_null(strstr(read2(), "boot services"));
}

static void what_is_reserved_wins_and_disorder_is_sorted(void **state)
{
    (void)state;
    add_entry1(2 * GB, GB, USABLE);
    add_entry1(MB, GB, USABLE);
    add_entry1(GB, GB, USABLE); /* overlaps the one before, touches the first */
    add_entry1(GB + 5, 1, RESERVED);
    add_entry1(7 * GB, 0, USABLE);
    add_entry1(UINT64_MAX - 5, 100, USABLE);
    add_entry1(8 * GB, UINT64_MAX, RESERVED);
    assert_null(multiboot_read(MAGIC_1, INFO, &info));
    assert_int_equal(info.ram_count, 2);
    assert_ram(0, MB, GB);
    assert_ram(1, GB + 0x1000, 3 * GB);
}

static void too_many_entries_are_counted_and_do_no_harm(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 400; i++)
        add_entry1(MB + i * 0x4000ull, 0x2000, USABLE);
    assert_null(multiboot_read(MAGIC_1, INFO, &info));
    assert_int_equal(info.ram_count, BOOT_RANGES_MAX);
    assert_int_equal(info.ram_dropped, 400 - BOOT_RANGES_MAX);
}

static void a_reserved_stretch_is_never_forgotten(void **state)
{
    (void)state;
    add_entry1(MB, GB, USABLE);
    for (unsigned i = 0; i < 600; i++)
        add_entry1(MB + i * 0x1000ull, 0x1000, RESERVED); /* they touch: one stretch */
    assert_null(multiboot_read(MAGIC_1, INFO, &info));
    for (unsigned i = 0; i < 600; i++)
        add_entry1(MB + i * 0x4000ull, 0x1000, RESERVED);
    assert_non_null(strstr(multiboot_read(MAGIC_1, INFO, &info), "more reserved stretches"));
}

static void modules_beyond_the_last_are_counted(void **state)
{
    (void)state;
    add_entry1(MB, GB, USABLE);
    for (unsigned i = 0; i < 20; i++)
        add_module1(0x200000 + i * 0x2000, 0x200000 + i * 0x2000 + 1);
    assert_null(multiboot_read(MAGIC_1, INFO, &info));
    assert_int_equal(info.module_count, BOOT_MODULES_MAX);
    assert_int_equal(info.modules_given, 20);
}

static void what_makes_no_sense_is_refused_with_a_line(void **state)
{
    (void)state;
    assert_non_null(multiboot_read(0, INFO, &info));
    assert_non_null(multiboot_read(MAGIC_1, 0, &info));
    assert_non_null(multiboot_read(MAGIC_1, UINT32_MAX - 3, &info));
    assert_non_null(multiboot_read(MAGIC_1, INFO, &info)); /* no memory map */
    assert_non_null(strstr(read2(), "memory map"));
    memset(direct_map(INFO), 0, 64);
    add_entry1(MB, GB, USABLE);
    add_module1(0xf0000000, 0xf0001000); /* where there is no memory */
    assert_non_null(multiboot_read(MAGIC_1, INFO, &info));
    *(uint32_t *)direct_map(INFO) = UINT32_MAX;
    assert_non_null(multiboot_read(MAGIC_2, INFO, &info));
}

static void no_tag_of_any_size_does_harm(void **state)
{
    uint32_t *raw = direct_map(INFO);

    (void)state;
    for (uint32_t size = 0; size < 64; size++) {
        for (uint32_t type = 0; type < 20; type++) {
            raw[0] = 48;
            raw[2] = type;
            raw[3] = size;
            assert_non_null(multiboot_read(MAGIC_2, INFO, &info)); /* there is no memory */
            assert_true(info.module_count <= 1);
        }
    }
}

static void a_tag_cut_off_or_too_small_is_refused(void **state)
{
    uint32_t *raw = direct_map(INFO);

    (void)state;
    add_map2(MB, GB - MB, USABLE);
    assert_damaged(); /* no end */
    assert_null(read2());
    raw[3] -= 8; /* half an entry */
    assert_damaged();
    raw[3] += 8;
    raw[4] = 16; /* entries smaller than they must be */
    assert_damaged();
    raw[4] = 0;
    assert_damaged();
    raw[4] = 24;
    raw[3] = 4;
    assert_damaged();
    raw[3] = UINT32_MAX;
    assert_damaged();
    raw[3] = 40;
    assert_null(read2());
    add_tag2(3, raw, 7);
    assert_non_null(strstr(read2(), "damaged"));
}

static void an_entry_cut_off_is_refused(void **state)
{
    (void)state;
    add_entry1(MB, GB, USABLE);
    info1()[11]--;
    assert_non_null(strstr(multiboot_read(MAGIC_1, INFO, &info), "damaged"));
    info1()[11]++;
    *(uint32_t *)direct_map(MAP) = 19;
    assert_non_null(strstr(multiboot_read(MAGIC_1, INFO, &info), "damaged"));
    *(uint32_t *)direct_map(MAP) = UINT32_MAX;
    assert_non_null(strstr(multiboot_read(MAGIC_1, INFO, &info), "damaged"));
}

static const void *rsdp(void)
{
    return direct_map(info.rsdp);
}

static void acpis_root_is_kept_and_the_newer_one_wins(void **state)
{
    uint8_t old[20], new[40];

    (void)state;
    memset(old, 1, sizeof(old));
    memset(new, 2, sizeof(new));
    add_map2(MB, GB - MB, USABLE);
    assert_null(read2());
    assert_int_equal(info.rsdp, 0);
    add_tag2(14, old, sizeof(old));
    assert_null(read2());
    assert_memory_equal(rsdp(), old, sizeof(old));
    add_tag2(15, new, sizeof(new));
    add_tag2(14, old, sizeof(old));
    assert_null(read2());
    assert_memory_equal(rsdp(), new, BOOT_RSDP_SIZE);
    add_tag2(15, new, BOOT_RSDP_SIZE - 1);
    assert_non_null(strstr(read2(), "damaged"));
}

static void pages_are_taken_between_everything_else(void **state)
{
    uint64_t page, last = 0;

    (void)state;
    add_entry1(0, 2 * MB, USABLE);
    add_module1(0x141000, 0x142001);
    assert_null(multiboot_read(MAGIC_1, INFO, &info));
    for (unsigned pages = 0; (page = boot_take_page(&info)) != 0; pages++) {
        assert_true(page >= MB && page < 2 * MB && page > last);
        assert_true(page < 0x141000 || page >= 0x143000);
        last = page;
    }
    assert_int_equal(last, 2 * MB - 0x1000);
}

static void a_low_page_is_nobodys(void **state)
{
    (void)state;
    add_entry1(0x1000, 0xa800, USABLE); /* up to 0xb800 */
    add_entry1(MB, 2 * MB, USABLE);
    assert_null(multiboot_read(MAGIC_1, INFO, &info));
    assert_int_equal(boot_low_page(&info), 0x8000);
    add_module1(0x8800, 0x9001);
    assert_null(multiboot_read(MAGIC_1, INFO, &info));
    assert_int_equal(boot_low_page(&info), 0xa000);
    add_module1(0xa000, 0xa001);
    assert_null(multiboot_read(MAGIC_1, INFO, &info));
    assert_int_equal(boot_low_page(&info), 0); /* what is left is half a page */
}

static void a_command_line_that_is_too_long_is_refused_not_cut(void **state)
{
    char *line = direct_map(LINE);

    (void)state;
    add_entry1(MB, GB, USABLE);
    info1()[0] |= FLAG_LINE;
    info1()[4] = LINE;
    memset(line, 'a', BOOT_LINE_SIZE - 1);
    assert_null(multiboot_read(MAGIC_1, INFO, &info));
    assert_int_equal(strlen(info.command_line), BOOT_LINE_SIZE - 1);
    line[BOOT_LINE_SIZE - 1] = 'a'; /* and behind it is nothing that may be read */
    assert_int_equal(mprotect(line + BOOT_LINE_SIZE, BOOT_LINE_SIZE, PROT_NONE), 0);
    assert_non_null(strstr(multiboot_read(MAGIC_1, INFO, &info), "shorten"));
}

#define in_memory(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_memory(an_ordinary_pc_is_read),
        in_memory(the_second_protocol_says_the_same),
        in_memory(what_uefi_needs_no_more_is_usable),
        in_memory(of_two_maps_the_one_that_reserves_wins),
        in_memory(boot_services_that_go_on_are_refused),
        in_memory(what_is_reserved_wins_and_disorder_is_sorted),
        in_memory(too_many_entries_are_counted_and_do_no_harm),
        in_memory(a_reserved_stretch_is_never_forgotten),
        in_memory(modules_beyond_the_last_are_counted),
        in_memory(what_makes_no_sense_is_refused_with_a_line),
        in_memory(no_tag_of_any_size_does_harm),
        in_memory(a_tag_cut_off_or_too_small_is_refused),
        in_memory(an_entry_cut_off_is_refused),
        in_memory(acpis_root_is_kept_and_the_newer_one_wins),
        in_memory(pages_are_taken_between_everything_else),
        in_memory(a_low_page_is_nobodys),
        in_memory(a_command_line_that_is_too_long_is_refused_not_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
