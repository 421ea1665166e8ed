/* SPDX-License-Identifier: MIT */
/*
 * What the boot loader left us, in one form. The memory map is cleaned by asking, for each stretch
 * between two neighbouring edges, who claims it: no order or overlap of the entries can confuse
 * that. Refuses to know what modules and command line mean.
 */
#include "multiboot.h"

#include "p2m/frame.h"

#include "lib.h"
#include "cpu.h"

#define MAGIC_1 0x2badb002u
#define MAGIC_2 0x36d76289u

#define MEMORY_USABLE  1 /* the same type number in both protocols */
#define LOW_MEMORY     0x100000ull
#define LOW_PAGE_LEAST 0x8000u /* what firmware keeps in RAM lies below */
#define ENTRIES_MAX    256

extern const char image_start[], image_end[]; /* hv.ld */

/* ---- memory --------------------------------------------------------------------------------- */

/* The loader's memory map as it stands; `taken` is all that is not usable. */
static struct memory_range usable[ENTRIES_MAX], reserved[ENTRIES_MAX];
static struct survey survey = { .ram = usable, .taken = reserved };

static void add_memory(struct boot_info *info, uint64_t from, uint64_t length, uint32_t type)
{
    uint64_t end = length > UINT64_MAX - from ? UINT64_MAX : from + length;
    unsigned *count = type == MEMORY_USABLE ? &survey.ram_count : &survey.taken_count;

    if (*count == ENTRIES_MAX)
        info->ram_dropped++;
    else
        (type == MEMORY_USABLE ? usable : reserved)[(*count)++] =
            (struct memory_range){ from, end };
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

/* ---- what both protocols bring -------------------------------------------------------------- */

static void set_command_line(struct boot_info *info, const char *line, size_t size)
{
    size_t length = strnlen(line, size);

    info->command_line_cut = length >= BOOT_LINE_SIZE;
    if (info->command_line_cut)
        length = BOOT_LINE_SIZE - 1;
    memcpy(info->command_line, line, length);
    info->command_line[length] = '\0';
}

static void add_module(struct boot_info *info, uint32_t from, uint32_t end)
{
    info->modules_given++;
    if (info->module_count == BOOT_MODULES_MAX)
        return;
    if (end < from)
        end = from; /* an empty one keeps its place: they are known by their order */
    info->module[info->module_count++] = (struct memory_range){ from, end };
}

/* ---- multiboot 1 ---------------------------------------------------------------------------- */

#define INFO1_MEMORY  (1u << 0)
#define INFO1_LINE    (1u << 2)
#define INFO1_MODULES (1u << 3)
#define INFO1_MAP     (1u << 6)

struct info1 {
    uint32_t flags;
    uint32_t memory_lower, memory_upper; /* KB, from 0 and from 1 MB */
    uint32_t boot_device;
    uint32_t command_line;
    uint32_t module_count, modules;
    uint32_t symbols[4];
    uint32_t map_length, map;
};

struct module1 {
    uint32_t from, end;
    uint32_t text, reserved;
};

struct __attribute__((packed)) entry1 {
    uint32_t size; /* of what follows */
    uint64_t from, length;
    uint32_t type;
};

/* A pointer to what lies at this address, if all of it is mapped yet. */
static const void *reach(uint64_t physical, uint64_t size)
{
    return physical && physical + size <= BOOT_MAP_END ? direct_map(physical) : NULL;
}

static void read_map1(struct boot_info *info, uint32_t from, uint32_t length)
{
    uint64_t end = (uint64_t)from + length;
    const struct entry1 *entry;

    for (uint64_t at = from; at + sizeof(*entry) <= end; at += entry->size + sizeof(entry->size)) {
        entry = reach(at, sizeof(*entry));
        if (!entry || entry->size < sizeof(*entry) - sizeof(entry->size))
            break;
        add_memory(info, entry->from, entry->length, entry->type);
    }
}

static void read_modules1(struct boot_info *info, uint32_t at, uint32_t count)
{
    for (uint32_t i = 0; i < count && i < BOOT_MODULES_MAX; i++) {
        const struct module1 *module = reach(at + (uint64_t)i * sizeof(*module), sizeof(*module));

        if (!module)
            break;
        add_module(info, module->from, module->end);
    }
    info->modules_given = count;
}

static const char *read_1(struct boot_info *info, uint32_t physical)
{
    const struct info1 *in = reach(physical, sizeof(*in));

    if (!in)
        return "the boot loader's information lies outside the first 4 GB";
    info->protocol = "multiboot 1";
    if (in->flags & INFO1_MAP) {
        read_map1(info, in->map, in->map_length);
    } else if (in->flags & INFO1_MEMORY) {
        add_memory(info, 0, (uint64_t)in->memory_lower << 10, MEMORY_USABLE);
        add_memory(info, LOW_MEMORY, (uint64_t)in->memory_upper << 10, MEMORY_USABLE);
    }
    if (in->flags & INFO1_LINE && reach(in->command_line, 1))
        set_command_line(info, direct_map(in->command_line), BOOT_MAP_END - in->command_line);
    if (in->flags & INFO1_MODULES)
        read_modules1(info, in->modules, in->module_count);
    return NULL;
}

/* ---- multiboot 2 ---------------------------------------------------------------------------- */

enum tag_type {
    TAG_END = 0,
    TAG_LINE = 1,
    TAG_MODULE = 3,
    TAG_MEMORY_MAP = 6,
    TAG_RSDP_OLD = 14,
    TAG_RSDP_NEW = 15,
};

#define INFO2_SIZE_MOST 0x100000u
#define RSDP_OLD_SIZE   20u

struct info2 {
    uint32_t size;
    uint32_t reserved;
};

struct tag {
    uint32_t type;
    uint32_t size; /* of all, head included; the next starts 8-aligned */
};

struct tag_module {
    struct tag head;
    uint32_t from, end;
};

struct tag_map {
    struct tag head;
    uint32_t entry_size;
    uint32_t entry_version;
};

struct entry2 {
    uint64_t from, length;
    uint32_t type, reserved;
};

static void read_map2(struct boot_info *info, const struct tag_map *map)
{
    const uint8_t *entry = (const uint8_t *)(map + 1);
    const uint8_t *end = (const uint8_t *)map + map->head.size;

    if (map->head.size < sizeof(*map) || map->entry_size < sizeof(struct entry2))
        return;
    for (; (size_t)(end - entry) >= map->entry_size; entry += map->entry_size) {
        const struct entry2 *e = (const struct entry2 *)entry;
        add_memory(info, e->from, e->length, e->type);
    }
}

/* The new one says all that the old one does, and comes before or after it. */
static void set_rsdp(struct boot_info *info, const struct tag *tag)
{
    const bool new = tag->type == TAG_RSDP_NEW;
    size_t size = tag->size - sizeof(*tag);

    if (size < (new ? BOOT_RSDP_SIZE : RSDP_OLD_SIZE) || (info->rsdp && !new))
        return;
    memset(info->rsdp_copy, 0, sizeof(info->rsdp_copy));
    memcpy(info->rsdp_copy, tag + 1, new ? BOOT_RSDP_SIZE : RSDP_OLD_SIZE);
    info->rsdp = physical_of(info->rsdp_copy);
}

static void read_tag(struct boot_info *info, const struct tag *tag)
{
    const struct tag_module *module = (const struct tag_module *)tag;

    switch (tag->type) {
    case TAG_LINE:
        set_command_line(info, (const char *)(tag + 1), tag->size - sizeof(*tag));
        break;
    case TAG_MODULE:
        if (tag->size >= sizeof(*module))
            add_module(info, module->from, module->end);
        break;
    case TAG_MEMORY_MAP:
        read_map2(info, (const struct tag_map *)tag);
        break;
    case TAG_RSDP_OLD:
    case TAG_RSDP_NEW:
        set_rsdp(info, tag);
        break;
    default:
        break;
    }
}

static const char *read_2(struct boot_info *info, uint32_t physical)
{
    const struct info2 *in = reach(physical, sizeof(*in));
    uint64_t at = sizeof(*in);

    if (!in || in->size > INFO2_SIZE_MOST || !reach(physical, in->size))
        return "the boot loader's information lies outside the first 4 GB, or is over 1 MB large";
    info->protocol = "multiboot 2";
    while (at + sizeof(struct tag) <= in->size) {
        const struct tag *tag = direct_map(physical + at);

        if (tag->type == TAG_END || tag->size < sizeof(*tag) || tag->size > in->size - at)
            break;
        read_tag(info, tag);
        at += ((uint64_t)tag->size + 7) & ~7ull;
    }
    return NULL;
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
    if (magic == MAGIC_1)
        wrong = read_1(info, physical);
    else if (magic == MAGIC_2)
        wrong = read_2(info, physical);
    if (wrong)
        return wrong;
    if (info->command_line_cut)
        return "the command line is longer than 4095 characters: shorten it";
    clean_memory(info);
    if (info->ram_count == 0)
        return "the boot loader gave no memory map with usable memory in it";
    return take_all(info);
}
