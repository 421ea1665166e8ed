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

/* The second protocol's memory map, of one entry. */
struct map2 {
    uint32_t size, version;
    uint64_t from, length;
    uint32_t type, reserved;
};

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
    memcpy(tag + 8, contents, size);
    info2_used += (whole + 7) & ~7u;
    *(uint32_t *)direct_map(INFO) = info2_used;
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
    const uint32_t end[1] = { 0 };
    struct map2 map = { 24, 0, MB, GB - MB, USABLE, 0 };

    (void)state;
    add_tag2(1, "a=b -- c", 9);
    add_tag2(3, module, sizeof(module));
    add_tag2(6, &map, sizeof(map));
    add_tag2(0, end, 0);
    assert_null(multiboot_read(MAGIC_2, INFO, &info));
    assert_string_equal(info.command_line, "a=b -- c");
    assert_int_equal(info.ram_count, 1);
    assert_ram(0, MB, GB);
    assert_int_equal(info.module_count, 1);
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
    add_entry1(MB, GB, USABLE);
    add_module1(0xf0000000, 0xf0001000); /* where there is no memory */
    assert_non_null(multiboot_read(MAGIC_1, INFO, &info));
    *(uint32_t *)direct_map(INFO) = UINT32_MAX;
    assert_non_null(multiboot_read(MAGIC_2, INFO, &info));
}

static void a_tag_cut_off_or_too_small_ends_the_list(void **state)
{
    uint32_t *raw = direct_map(INFO);

    (void)state;
    for (uint32_t size = 0; size < 64; size++) {
        for (uint32_t type = 0; type < 16; type++) {
            raw[0] = 48;
            raw[2] = type;
            raw[3] = size;
            (void)multiboot_read(MAGIC_2, INFO, &info);
            assert_true(info.module_count <= 1);
        }
    }
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
    add_tag2(6, &(struct map2){ 24, 0, MB, GB - MB, USABLE, 0 }, sizeof(struct map2));
    assert_null(multiboot_read(MAGIC_2, INFO, &info));
    assert_int_equal(info.rsdp, 0);
    add_tag2(14, old, sizeof(old) - 1); /* cut off: as good as none */
    add_tag2(15, new, BOOT_RSDP_SIZE - 1);
    assert_null(multiboot_read(MAGIC_2, INFO, &info));
    assert_int_equal(info.rsdp, 0);
    add_tag2(14, old, sizeof(old));
    assert_null(multiboot_read(MAGIC_2, INFO, &info));
    assert_memory_equal(rsdp(), old, sizeof(old));
    add_tag2(15, new, sizeof(new));
    add_tag2(14, old, sizeof(old));
    assert_null(multiboot_read(MAGIC_2, INFO, &info));
    assert_memory_equal(rsdp(), new, BOOT_RSDP_SIZE);
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
    line[BOOT_LINE_SIZE - 1] = 'a';
    assert_non_null(strstr(multiboot_read(MAGIC_1, INFO, &info), "shorten"));
}

#define in_memory(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_memory(an_ordinary_pc_is_read),
        in_memory(the_second_protocol_says_the_same),
        in_memory(what_is_reserved_wins_and_disorder_is_sorted),
        in_memory(too_many_entries_are_counted_and_do_no_harm),
        in_memory(modules_beyond_the_last_are_counted),
        in_memory(what_makes_no_sense_is_refused_with_a_line),
        in_memory(a_tag_cut_off_or_too_small_ends_the_list),
        in_memory(acpis_root_is_kept_and_the_newer_one_wins),
        in_memory(pages_are_taken_between_everything_else),
        in_memory(a_low_page_is_nobodys),
        in_memory(a_command_line_that_is_too_long_is_refused_not_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
