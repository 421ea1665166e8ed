/* SPDX-License-Identifier: MIT */
/*
 * The host's own page tables. New tables are written through boot.S' direct map of the low 4 GB,
 * then CR3 moves to them.
 * Refuses to know who uses the memory.
 */
#include "paging.h"

#include "p2m/frame.h"
#include "lib.h"
#include "cpu.h"
#include "this_cpu.h"

#define PTE_P       (1ull << 0)
#define PTE_W       (1ull << 1)
#define PTE_PWT     (1ull << 3)
#define PTE_PCD     (1ull << 4)
#define PTE_A       (1ull << 5)
#define PTE_D       (1ull << 6)
#define PTE_PS      (1ull << 7)
#define PTE_G       (1ull << 8)
#define PTE_NX      (1ull << 63)
#define PTE_ADDRESS 0x000ffffffffff000ull

#define TABLE_BITS    9
#define TABLE_ENTRIES 512u
#define LEVEL_TOP     3

/* From hv.ld and boot.S. */
extern const char image_text[], image_text_end[], image_rodata[], image_rodata_end[], image_data[],
    image_end[], boot_stacks_end[];

struct paging {
    struct boot_info *info;
    uint64_t *top;
    unsigned largest; /* level of the largest leaf: 2 with 1 GB pages, else 1 */
    uint64_t allowed; /* bits of an entry that this processor knows */
    bool failed;
};

static unsigned level_shift(unsigned level)
{
    return FRAME_SHIFT + level * TABLE_BITS;
}

static uint64_t *table_new(struct paging *paging)
{
    uint64_t page = boot_take_page(paging->info);

    if (!page) {
        paging->failed = true;
        return NULL;
    }
    return memset(direct_map(page), 0, FRAME_SIZE);
}

static uint64_t *table_below(struct paging *paging, uint64_t *entry)
{
    uint64_t *table;

    if (*entry & PTE_P)
        return direct_map(*entry & PTE_ADDRESS);
    table = table_new(paging);
    if (table)
        *entry = physical_of(table) | PTE_P | PTE_W | PTE_A;
    return table;
}

static void map_one(struct paging *paging, uint64_t address, uint64_t value, unsigned level)
{
    uint64_t *table = paging->top;

    for (unsigned at = LEVEL_TOP; at > level && table; at--)
        table = table_below(paging, &table[address >> level_shift(at) & (TABLE_ENTRIES - 1)]);
    if (table)
        table[address >> level_shift(level) & (TABLE_ENTRIES - 1)] = value;
}

/* The largest leaf that both addresses and the length allow. */
static unsigned leaf_level(const struct paging *paging, uint64_t alignment, uint64_t length)
{
    unsigned level = paging->largest;

    while (level > 0 &&
           (alignment & ((1ull << level_shift(level)) - 1) || length < 1ull << level_shift(level)))
        level--;
    return level;
}

static void map(struct paging *paging, uint64_t address, struct memory_range range, uint64_t flags)
{
    flags = (flags | PTE_P | PTE_A | PTE_D | PTE_G) & paging->allowed;
    while (range.from < range.end && !paging->failed) {
        unsigned level = leaf_level(paging, address | range.from, range.end - range.from);

        map_one(paging, address, range.from | flags | (level > 0 ? PTE_PS : 0), level);
        address += 1ull << level_shift(level);
        range.from += 1ull << level_shift(level);
    }
}

static void map_image(struct paging *paging, const char *from, const char *end, uint64_t flags)
{
    struct memory_range range = { physical_of(from), physical_of(end) };

    map(paging, (uintptr_t)from, range, flags);
}

static void map_lapic(struct paging *paging)
{
    uint64_t page;

    if (!cpu_has(CPU_APIC))
        return; /* clock_init will say so */
    page = rdmsr(MSR_APIC_BASE) & PTE_ADDRESS;
    map(paging, LAPIC_MAP, (struct memory_range){ page, page + FRAME_SIZE },
        PTE_W | PTE_NX | PTE_PCD | PTE_PWT);
}

bool paging_init(struct boot_info *info)
{
    struct paging paging = {
        .info = info,
        .largest = cpu_has(CPU_1G_PAGES) ? 2 : 1,
        .allowed = cpu_has(CPU_NX) ? UINT64_MAX : ~PTE_NX,
    };

    paging.top = table_new(&paging);
    if (!paging.top)
        return false;
    for (unsigned i = 0; i < info->ram_count; i++)
        map(&paging, DIRECT_MAP + info->ram[i].from, info->ram[i], PTE_W | PTE_NX);
    map_image(&paging, image_text, image_text_end, 0);
    map_image(&paging, image_rodata, image_rodata_end, PTE_NX);
    map_image(&paging, image_data, boot_stacks[0], PTE_W | PTE_NX);
    for (unsigned i = 0; i < CPUS_MAX; i++)
        map_image(&paging, boot_stacks[i] + STACK_GUARD, boot_stacks[i + 1], PTE_W | PTE_NX);
    map_image(&paging, boot_stacks_end, image_end, PTE_W | PTE_NX);
    map_lapic(&paging);
    if (paging.failed)
        return false;
    write_cr3(physical_of(paging.top));
    if (cpu_has(CPU_PGE)) /* only now: nothing of boot.S' map may stay in the TLB */
        write_cr4(read_cr4() | CR4_PGE);
    return true;
}
