/* SPDX-License-Identifier: MIT */
/*
 * The walk of a guest's own page tables, guest_linear.c: every form of paging, every page size, and
 * tables that lie. A guest is 4 MB of the test's own memory here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu.h"
#include "guest_linear.h"
#include "guest_memory.h"

#define GUEST_SIZE (4u << 20)
#define ROOT       0x10000u
#define P          1u
#define PW         3u
#define LARGE      0x80u
#define NX         (1ull << 63)

static uint8_t memory[GUEST_SIZE];
static struct domain domain;
static struct vcpu vcpu;

static bool in_memory(uint64_t physical, size_t size)
{
    return physical <= GUEST_SIZE && size <= GUEST_SIZE - physical;
}

bool guest_copy_from(struct domain *from, void *to, uint64_t physical, size_t size)
{
    assert_ptr_equal(from, &domain);
    if (!in_memory(physical, size))
        return false;
    memcpy(to, memory + physical, size);
    return true;
}

bool guest_copy_to(struct domain *to, uint64_t physical, const void *from, size_t size)
{
    assert_ptr_equal(to, &domain);
    if (!in_memory(physical, size))
        return false;
    memcpy(memory + physical, from, size);
    return true;
}

static void use(uint64_t cr4, uint64_t efer)
{
    memset(memory, 0, sizeof(memory));
    vcpu = (struct vcpu){ .domain = &domain };
    vcpu.control =
        (struct control){ .cr0 = CR0_PE | CR0_PG | CR0_WP, .cr3 = ROOT, .cr4 = cr4, .efer = efer };
}

static void use_4_level(void)
{
    use(CR4_PAE, EFER_LME | EFER_LMA);
}

static void put64(uint64_t table, unsigned index, uint64_t entry)
{
    memcpy(memory + table + index * 8, &entry, 8);
}

static void put32(uint64_t table, unsigned index, uint32_t entry)
{
    memcpy(memory + table + index * 4, &entry, 4);
}

/* A page of 4K at this linear address, by tables that follow the root. */
static void map_4_level(uint64_t linear, uint64_t entry)
{
    put64(ROOT, linear >> 39 & 511, (ROOT + 0x1000) | PW);
    put64(ROOT + 0x1000, linear >> 30 & 511, (ROOT + 0x2000) | PW);
    put64(ROOT + 0x2000, linear >> 21 & 511, (ROOT + 0x3000) | PW);
    put64(ROOT + 0x3000, linear >> 12 & 511, entry);
}

static void check_maps(uint64_t linear, uint64_t expected)
{
    uint64_t physical = ~0ull;

    assert_true(guest_translate(&vcpu, linear, LINEAR_READ, &physical));
    assert_int_equal(physical, expected);
}

static void check_refused(uint64_t linear, enum linear_access access)
{
    uint64_t physical;

    assert_false(guest_translate(&vcpu, linear, access, &physical));
}

static void without_paging_an_address_is_its_own(void **state)
{
    (void)state;
    use(0, 0);
    vcpu.control.cr0 = CR0_PE;
    check_maps(0x12345, 0x12345);
    check_maps(0xffffffff00012345, 0x12345); /* 32 bits are all that it has */
}

static void four_level_pages_of_every_size(void **state)
{
    const uint64_t linear = 0xffff888001234567;

    (void)state;
    use_4_level();
    map_4_level(linear, 0x200000 | PW | NX);
    check_maps(linear, 0x200567);
    put64(ROOT + 0x2000, linear >> 21 & 511, 0x40000000 | PW | LARGE | NX | 1 << 12 /* PAT */);
    check_maps(linear, 0x40000000 + (linear & 0x1fffff));
    put64(ROOT + 0x1000, linear >> 30 & 511, 0x140000000 | PW | LARGE);
    check_maps(linear, 0x140000000 + (linear & 0x3fffffff));
}

static void a_top_level_entry_is_never_a_page(void **state)
{
    (void)state;
    use_4_level();
    map_4_level(0, 0x5000 | PW);
    put64(ROOT, 0, (ROOT + 0x1000) | PW | LARGE); /* a bit that means nothing there */
    check_maps(0x123, 0x5123);
}

static void addresses_that_are_not_canonical_are_refused(void **state)
{
    (void)state;
    use_4_level();
    map_4_level(0, 0x5000 | PW);
    check_refused(0x0000800000000000, LINEAR_READ);
    check_refused(0xffff000000000000, LINEAR_READ);
}

static void entries_not_present_are_refused_at_every_level(void **state)
{
    (void)state;
    for (unsigned level = 0; level < 4; level++) {
        use_4_level();
        map_4_level(0, 0x5000 | PW);
        check_maps(0, 0x5000);
        put64(ROOT + level * 0x1000, 0, 0xfffffffffffffffe);
        check_refused(0, LINEAR_READ);
    }
}

static void writing_needs_w_at_every_level(void **state)
{
    (void)state;
    for (unsigned level = 0; level < 4; level++) {
        uint64_t entry;

        use_4_level();
        map_4_level(0, 0x5000 | PW);
        memcpy(&entry, memory + ROOT + level * 0x1000, 8);
        put64(ROOT + level * 0x1000, 0, entry & ~2ull);
        check_maps(0, 0x5000);
        check_refused(0, LINEAR_WRITE);
        vcpu.control.cr0 &= ~(uint64_t)CR0_WP;
        uint64_t physical;
        assert_true(guest_translate(&vcpu, 0, LINEAR_WRITE, &physical));
    }
}

static void tables_outside_of_memory_are_refused(void **state)
{
    (void)state;
    use_4_level();
    vcpu.control.cr3 = 0x000ffffffffff000;
    check_refused(0, LINEAR_READ);
    use_4_level();
    put64(ROOT, 0, GUEST_SIZE | PW);
    check_refused(0, LINEAR_READ);
}

static void five_level_paging_is_refused(void **state)
{
    (void)state;
    use_4_level();
    map_4_level(0, 0x5000 | PW);
    vcpu.control.cr4 |= 1u << 12;
    check_refused(0, LINEAR_READ);
}

static void pae_pages_of_both_sizes(void **state)
{
    (void)state;
    use(CR4_PAE, 0);
    vcpu.control.cr3 = ROOT | 0x20; /* aligned to 32 bytes only */
    put64(ROOT + 0x20, 3, (ROOT + 0x1000) | P);
    put64(ROOT + 0x1000, 1, (ROOT + 0x2000) | PW);
    put64(ROOT + 0x2000, 2, 0x123000 | PW);
    put64(ROOT + 0x1000, 2, 0x100200000 | PW | LARGE);
    check_maps(0xc0202345, 0x123345);
    check_maps(0xffffffffc0202345, 0x123345);
    check_maps(0xc0412345, 0x100212345);
    uint64_t physical;
    assert_true(guest_translate(&vcpu, 0xc0202345, LINEAR_WRITE, &physical));
    check_refused(0x40000000, LINEAR_READ);
}

static void two_level_pages_of_both_sizes(void **state)
{
    (void)state;
    use(CR4_PSE, 0);
    put32(ROOT, 0x300, (ROOT + 0x1000) | PW);
    put32(ROOT + 0x1000, 5, 0x123000 | P);
    put32(ROOT, 0x301, 0x00800000 | PW | LARGE | 3u << 13); /* bits 33:32 of the address */
    check_maps(0xc0005678, 0x123678);
    check_maps(0xc0412345, 0x300812345);
    check_refused(0xc0005678, LINEAR_WRITE);
}

static void without_pse_a_large_entry_names_a_table(void **state)
{
    (void)state;
    use(0, 0);
    put32(ROOT, 0, (ROOT + 0x1000) | PW | LARGE);
    put32(ROOT + 0x1000, 1, 0x7000 | PW);
    check_maps(0x1234, 0x7234);
}

static void copies_cross_pages_that_lie_apart(void **state)
{
    static uint8_t out[6000], in[6000];

    (void)state;
    use_4_level();
    map_4_level(0x0000, 0x300000 | PW);
    put64(ROOT + 0x3000, 1, 0x100000 | PW);
    for (unsigned i = 0; i < sizeof(out); i++)
        out[i] = (uint8_t)(i * 7);
    assert_true(guest_copy_to_linear(&vcpu, 100, out, sizeof(out)));
    assert_memory_equal(memory + 0x300000 + 100, out, 3996);
    assert_memory_equal(memory + 0x100000, out + 3996, sizeof(out) - 3996);
    assert_true(guest_copy_from_linear(&vcpu, in, 100, sizeof(in)));
    assert_memory_equal(in, out, sizeof(in));
    assert_false(guest_copy_from_linear(&vcpu, in, 4000, sizeof(in)));
}

static void a_copy_over_the_end_of_the_address_space_is_refused(void **state)
{
    uint8_t bytes[16];

    (void)state;
    use_4_level();
    map_4_level(0xfffffffffffff000, 0x300000 | PW);
    assert_true(guest_copy_from_linear(&vcpu, bytes, 0xfffffffffffffff0, 16));
    memset(memory + ROOT, 0, 8); /* nothing at address 0 */
    assert_false(guest_copy_from_linear(&vcpu, bytes, 0xfffffffffffffff8, 16));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_paging_an_address_is_its_own),
        cmocka_unit_test(four_level_pages_of_every_size),
        cmocka_unit_test(a_top_level_entry_is_never_a_page),
        cmocka_unit_test(addresses_that_are_not_canonical_are_refused),
        cmocka_unit_test(entries_not_present_are_refused_at_every_level),
        cmocka_unit_test(writing_needs_w_at_every_level),
        cmocka_unit_test(tables_outside_of_memory_are_refused),
        cmocka_unit_test(five_level_paging_is_refused),
        cmocka_unit_test(pae_pages_of_both_sizes),
        cmocka_unit_test(two_level_pages_of_both_sizes),
        cmocka_unit_test(without_pse_a_large_entry_names_a_table),
        cmocka_unit_test(copies_cross_pages_that_lie_apart),
        cmocka_unit_test(a_copy_over_the_end_of_the_address_space_is_refused),
    };

    return cmocka_run_group_tests_name("guest_linear", tests, NULL, NULL);
}
