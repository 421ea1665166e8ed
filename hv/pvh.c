/* SPDX-License-Identifier: MIT */
/*
 * The PVH boot protocol; see pvh.h, and Xen's public start_info.h.
 *
 *     0     1 MB        16 MB                 end of the kernel, rounded up, and 2 MB
 *     +-----+-----------+---------------------+-----------+-------------+----------------+
 *     | the guest's own | kernel's segments   | its slack | start_info, | initrd         |
 *     |                 |                     |           | command line|                |
 *     +-----------------+---------------------+-----------+-------------+----------------+
 *
 * start_info and what it points to stay below 1 GB: a kernel's first page tables reach no further.
 */
#include "pvh.h"

#include "acpi.h"
#include "elf_image.h"
#include "guest_memory.h"
#include "lib.h"
#include "memory_map.h"
#include "xen_abi.h"

#include <xen/arch-x86/hvm/start_info.h>
#include <xen/elfnote.h>

#define MB               (1ull << 20)
#define GB               (1ull << 30)
#define KERNEL_SLACK     (2 * MB) /* kernels take a little past their end before they look around */
#define SEGMENTS_MAX     64u
#define COMMAND_LINE_MAX FRAME_SIZE /* with its NUL */

/* Two pages of the guest's: what the kernel is told. */
struct boot_pages {
    struct hvm_start_info start;
    struct hvm_modlist_entry module;
    struct hvm_memmap_table_entry map[MEMORY_MAP_MAX];
    char command_line[COMMAND_LINE_MAX] __attribute__((aligned(FRAME_SIZE)));
};

_Static_assert(sizeof(struct hvm_start_info) == 56, "the ABI's start_info, version 1");
_Static_assert(sizeof(struct hvm_modlist_entry) == 32, "the ABI's module");
_Static_assert(sizeof(struct hvm_memmap_table_entry) == 24, "the ABI's memory map entry");
_Static_assert(sizeof(struct boot_pages) == 2 * FRAME_SIZE, "two pages");

/* What pvh_check found out, and where everything goes. */
struct plan {
    struct elf elf;
    uint64_t entry;
    uint64_t kernel_end;
    uint64_t boot_pages;
    uint64_t initrd;
};

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) & ~(unit - 1);
}

/* ---- can it be started? --------------------------------------------------------------------- */

/* Each segment lies below 4 GB, all together are no more than that, and one has the entry. */
static const char *check_segments(struct plan *plan)
{
    uint64_t total = 0;
    unsigned count = 0;
    bool has_entry = false;

    for (unsigned i = 0; i < plan->elf.header_count; i++) {
        struct elf_segment segment;

        if (!elf_get_segment(&plan->elf, i, &segment))
            return "the kernel is damaged: a segment reaches outside of the file";
        if (segment.type != ELF_LOAD || segment.memory_size == 0)
            continue;
        if (segment.memory_size > 4 * GB || segment.physical > 4 * GB - segment.memory_size)
            return "the kernel wants to be loaded above 4 GB";
        total += segment.memory_size;
        if (++count > SEGMENTS_MAX || total > 4 * GB)
            return "the kernel has more segments than makes sense";
        if (plan->entry >= segment.physical && plan->entry - segment.physical < segment.file_size)
            has_entry = true;
        if (segment.physical + segment.memory_size > plan->kernel_end)
            plan->kernel_end = segment.physical + segment.memory_size;
    }
    return has_entry ? NULL : "the kernel's PVH entry point lies in none of its segments";
}

static const char *check(const struct pvh_image *image, struct plan *plan)
{
    const char *trouble = elf_open(&plan->elf, image->kernel, image->kernel_size);

    if (trouble)
        return trouble;
    if (!elf_find_note(&plan->elf, "Xen", XEN_ELFNOTE_PHYS32_ENTRY, &plan->entry))
        return "the kernel has no PVH entry point: it needs CONFIG_PVH (ELF note Xen, type 18)";
    if (plan->entry > UINT32_MAX)
        return "the kernel's PVH entry point lies above 4 GB";
    if (image->command_line && strlen(image->command_line) >= COMMAND_LINE_MAX)
        return "the guest's command line is longer than 4095 characters";
    return check_segments(plan);
}

const char *pvh_check(const struct pvh_image *image)
{
    struct plan plan = { 0 };

    return check(image, &plan);
}

/* ---- where things go ------------------------------------------------------------------------ */

static const char *make_room(const struct domain *domain, const struct pvh_image *image,
                             struct plan *plan)
{
    uint64_t end = domain->ram[0].end.gfn << FRAME_SHIFT;

    plan->boot_pages = round_up(plan->kernel_end + KERNEL_SLACK, 2 * MB);
    plan->initrd = plan->boot_pages + sizeof(struct boot_pages);
    if (plan->kernel_end > end)
        return "the guest's memory is too small for its kernel";
    if (plan->initrd > end || image->initrd_size > end - plan->initrd)
        return "the guest's memory is too small for its kernel and initrd";
    if (plan->initrd > GB)
        return "the kernel leaves no room for its start_info below 1 GB";
    return NULL;
}

/* ---- loading -------------------------------------------------------------------------------- */

static bool load_kernel(struct domain *domain, const struct elf *elf)
{
    for (unsigned i = 0; i < elf->header_count; i++) {
        struct elf_segment segment;

        if (!elf_get_segment(elf, i, &segment))
            return false;
        if (segment.type != ELF_LOAD)
            continue;
        if (!guest_copy_to(domain, segment.physical, elf->bytes + segment.offset,
                           segment.file_size) ||
            !guest_clear(domain, segment.physical + segment.file_size,
                         segment.memory_size - segment.file_size))
            return false;
    }
    return true;
}

static unsigned fill_memory_map(const struct domain *domain,
                                struct hvm_memmap_table_entry map[MEMORY_MAP_MAX])
{
    struct memory_map_entry entries[MEMORY_MAP_MAX];
    unsigned count = memory_map_of(domain, entries);

    for (unsigned i = 0; i < count; i++)
        map[i] = (struct hvm_memmap_table_entry){ .addr = entries[i].address,
                                                  .size = entries[i].size,
                                                  .type = (uint32_t)entries[i].type };
    return count;
}

/* Too large for a stack; used once per guest, before it runs. */
static struct boot_pages pages;

static bool write_boot_pages(struct domain *domain, const struct pvh_image *image,
                             const struct plan *plan, uint64_t rsdp)
{
    uint64_t at = plan->boot_pages;

    memset(&pages, 0, sizeof(pages));
    pages.start = (struct hvm_start_info){
        .magic = XEN_HVM_START_MAGIC_VALUE,
        .version = 1,
        .cmdline_paddr = at + offsetof(struct boot_pages, command_line),
        .rsdp_paddr = rsdp,
        .memmap_paddr = at + offsetof(struct boot_pages, map),
        .memmap_entries = fill_memory_map(domain, pages.map),
    };
    if (image->initrd) {
        pages.start.nr_modules = 1;
        pages.start.modlist_paddr = at + offsetof(struct boot_pages, module);
        pages.module.paddr = plan->initrd;
        pages.module.size = image->initrd_size;
    }
    if (image->command_line)
        memcpy(pages.command_line, image->command_line, strlen(image->command_line));
    return guest_copy_to(domain, at, &pages, sizeof(pages));
}

const char *pvh_load(struct domain *domain, const struct pvh_image *image,
                     struct entry_state *entry)
{
    struct plan plan = { 0 };
    const char *trouble = check(image, &plan);

    if (!trouble)
        trouble = make_room(domain, image, &plan);
    if (trouble)
        return trouble;
    if (!load_kernel(domain, &plan.elf))
        return "the kernel wants to be loaded where the guest has no memory";
    if (image->initrd && !guest_copy_to(domain, plan.initrd, image->initrd, image->initrd_size))
        return "the initrd does not fit into the guest's memory";
    if (!write_boot_pages(domain, image, &plan, acpi_build(domain)))
        return "start_info does not fit into the guest's memory";
    *entry = (struct entry_state){ .rip = (uint32_t)plan.entry, .rbx = (uint32_t)plan.boot_pages };
    return NULL;
}
