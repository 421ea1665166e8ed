/* SPDX-License-Identifier: MIT */
/*
 * What the boot loader left us, in one form. The memory map is cleaned by asking, for each stretch
 * between two neighbouring edges, who claims it: no order or overlap of the entries can confuse
 * that. Refuses to know what modules and command line mean.
 */
#include "multiboot_readers.h"

#include "p2m/frame.h"

#include "lib.h"
#include "cpu.h"

#define MAGIC_1 0x2badb002u
#define MAGIC_2 0x36d76289u

#define LOW_MEMORY     0x100000ull
#define LOW_PAGE_LEAST 0x8000u /* what firmware keeps in RAM lies below */
#define ENTRIES_MAX    512

extern const char image_start[], image_end[]; /* hv.ld */

/* ---- memory --------------------------------------------------------------------------------- */

/* The loader's memory map as it stands; `taken` is all that is not usable. */
static struct memory_range usable[ENTRIES_MAX], reserved[ENTRIES_MAX];
static struct survey survey = { .ram = usable, .taken = reserved };
static bool reserved_dropped;

static bool add_entry(struct memory_range *list, unsigned *count, struct memory_range range)
{
    if (*count > 0 && list[*count - 1].end == range.from) {
        list[*count - 1].end = range.end;
        return true;
    }
    if (*count == ENTRIES_MAX)
        return false;
    list[(*count)++] = range;
    return true;
}

void boot_add_memory(struct boot_info *info, uint64_t from, uint64_t length,
                     enum boot_memory memory)
{
    uint64_t end = length > UINT64_MAX - from ? UINT64_MAX : from + length;
    struct memory_range range = { from, end };

    if (memory == BOOT_RESERVED)
        reserved_dropped = !add_entry(reserved, &survey.taken_count, range) || reserved_dropped;
    else if (!add_entry(usable, &survey.ram_count, range))
        info->ram_dropped++;
}

static void add_ram(struct boot_info *info, uint64_t from, uint64_t end)
{
    unsigned count = info->ram_count;

    if (count > 0 && info->ram[count - 1].end == from)
        info->ram[count - 1].end = end;
    else if (count < BOOT_RANGES_MAX)
        info->ram[info->ram_count++] = (struct memory_range){ from, end };
    else
        info->ram_dropped++;
}

static void clean_memory(struct boot_info *info)
{
    uint64_t end;

    for (uint64_t from = 0; (end = survey_next(&survey, from)) != SURVEY_END; from = end)
        if (survey_use(&survey, from) == MEMORY_FREE)
            add_ram(info, from << FRAME_SHIFT, end << FRAME_SHIFT);
}

static uint64_t page_up(uint64_t address)
{
    return (address + FRAME_SIZE - 1) & ~(uint64_t)(FRAME_SIZE - 1);
}

static bool overlaps(struct memory_range range, uint64_t from, uint64_t end)
{
    return range.from < end && from < range.end;
}

/* The lowest address from `from` up at which no taken stretch touches the page. */
static uint64_t skip_taken(const struct boot_info *info, uint64_t from)
{
    for (unsigned i = 0; i < info->taken_count; i++) {
        if (overlaps(info->taken[i], from, from + FRAME_SIZE)) {
            from = page_up(info->taken[i].end);
            i = UINT32_MAX; /* what was passed already may touch it now */
        }
    }
    return from;
}

static bool take(struct boot_info *info, uint64_t from, uint64_t end)
{
    unsigned count = info->taken_count;

    if (count > 0 && info->taken[count - 1].end == from) {
        info->taken[count - 1].end = end;
        return true;
    }
    if (count == BOOT_TAKEN_MAX)
        return false;
    info->taken[info->taken_count++] = (struct memory_range){ from, end };
    return true;
}

uint64_t boot_take_page(struct boot_info *info)
{
    for (unsigned i = 0; i < info->ram_count; i++) {
        uint64_t page = info->ram[i].from < LOW_MEMORY ? LOW_MEMORY : info->ram[i].from;

        page = skip_taken(info, page);
        if (page + FRAME_SIZE > info->ram[i].end || page + FRAME_SIZE > BOOT_MAP_END)
            continue;
        return take(info, page, page + FRAME_SIZE) ? page : 0;
    }
    return 0;
}

static bool is_in_ram(const struct boot_info *info, struct memory_range range)
{
    for (unsigned i = 0; i < info->ram_count; i++)
        if (range.from >= info->ram[i].from && range.end <= info->ram[i].end)
            return true;
    return range.from == range.end;
}

static bool is_in_module(const struct boot_info *info, uint64_t page)
{
    for (unsigned i = 0; i < info->module_count; i++)
        if (page < info->module[i].end && page + FRAME_SIZE > info->module[i].from)
            return true;
    return false;
}

uint64_t boot_low_page(const struct boot_info *info)
{
    for (uint64_t page = LOW_PAGE_LEAST; page < LOW_MEMORY; page += FRAME_SIZE) {
        if (is_in_ram(info, (struct memory_range){ page, page + FRAME_SIZE }) &&
            !is_in_module(info, page))
            return page;
    }
    return 0;
}

/* ---- what the readers find ------------------------------------------------------------------ */

const void *boot_reach(uint64_t physical, uint64_t size)
{
    return physical && physical + size <= BOOT_MAP_END ? direct_map(physical) : NULL;
}

void boot_set_line(struct boot_info *info, const char *line, uint64_t size)
{
    size_t length = strnlen(line, size < BOOT_LINE_SIZE ? size : BOOT_LINE_SIZE);

    info->command_line_cut = length >= BOOT_LINE_SIZE;
    if (info->command_line_cut)
        length = BOOT_LINE_SIZE - 1;
    memcpy(info->command_line, line, length);
    info->command_line[length] = '\0';
}

void boot_add_module(struct boot_info *info, uint32_t from, uint32_t end)
{
    info->modules_given++;
    if (info->module_count == BOOT_MODULES_MAX)
        return;
    if (end < from)
        end = from; /* an empty one keeps its place: they are known by their order */
    info->module[info->module_count++] = (struct memory_range){ from, end };
}

/* ---- both ----------------------------------------------------------------------------------- */

static const char *take_all(struct boot_info *info)
{
    bool fits =
        take(info, 0, LOW_MEMORY) && take(info, physical_of(image_start), physical_of(image_end));

    for (unsigned i = 0; i < info->module_count; i++) {
        if (!is_in_ram(info, info->module[i]))
            return "the boot loader put a module where the memory map has no usable memory";
        if (info->module[i].from < info->module[i].end)
            fits = fits && take(info, info->module[i].from, info->module[i].end);
    }
    return fits ? NULL : "the boot loader's modules are too many";
}

const char *multiboot_read(uint32_t magic, uint32_t physical, struct boot_info *info)
{
    const char *wrong = "not started by a multiboot loader: use GRUB, or QEMU's -kernel";

    *info = (struct boot_info){ 0 };
    survey.ram_count = 0;
    survey.taken_count = 0;
    reserved_dropped = false;
    if (magic == MAGIC_1)
        wrong = multiboot_1_read(info, physical);
    else if (magic == MAGIC_2)
        wrong = multiboot_2_read(info, physical);
    if (wrong)
        return wrong;
    if (info->command_line_cut)
        return "the command line is longer than 4095 characters: shorten it";
    if (reserved_dropped)
        return "the boot loader's memory map has more reserved stretches than can be kept in mind";
    clean_memory(info);
    if (info->ram_count == 0)
        return "the boot loader gave no memory map with usable memory in it";
    return take_all(info);
}
