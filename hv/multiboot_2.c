/* SPDX-License-Identifier: MIT */
/*
 * What a loader of the second protocol leaves: a list of tags, each with its size. One that is cut
 * off, too small for what it says it is, or without an end makes the whole list worth nothing.
 * [MB2 "Boot information format"]
 * Refuses to know what becomes of it.
 */
#include "multiboot_readers.h"

#include "p2m/frame.h"
#include "cpu.h"
#include "lib.h"

enum tag_type {
    TAG_END = 0,
    TAG_LINE = 1,
    TAG_MODULE = 3,
    TAG_MEMORY_MAP = 6,
    TAG_RSDP_OLD = 14,
    TAG_RSDP_NEW = 15,
    TAG_EFI_MAP = 17,
    TAG_EFI_SERVICES_ON = 18,
};

#define INFO_SIZE_MOST 0x100000u
#define RSDP_OLD_SIZE  20u

#define MEMORY_USABLE 1u

struct info {
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

/* Both maps: a list of entries that later editions may make longer. */
struct tag_map {
    struct tag head;
    uint32_t entry_size;
    uint32_t entry_version;
};

struct entry {
    uint64_t from, length;
    uint32_t type, reserved;
};

/* [UEFI "EFI_BOOT_SERVICES.GetMemoryMap()"] */
struct efi_entry {
    uint32_t type, padding;
    uint64_t from, virtual_from;
    uint64_t pages;
    uint64_t attribute;
};

static void add_entry(struct boot_info *info, const void *at)
{
    const struct entry *entry = at;

    boot_add_memory(info, entry->from, entry->length,
                    entry->type == MEMORY_USABLE ? BOOT_USABLE : BOOT_RESERVED);
}

/* The loader's own memory, and that of the boot services, which are over. */
static bool efi_is_usable(uint32_t type)
{
    enum { LOADER_CODE = 1, LOADER_DATA, BOOT_CODE, BOOT_DATA, CONVENTIONAL = 7 };

    return (type >= LOADER_CODE && type <= BOOT_DATA) || type == CONVENTIONAL;
}

static void add_efi_entry(struct boot_info *info, const void *at)
{
    const struct efi_entry *entry = at;
    uint64_t most = UINT64_MAX >> FRAME_SHIFT;

    boot_add_memory(info, entry->from, (entry->pages < most ? entry->pages : most) << FRAME_SHIFT,
                    efi_is_usable(entry->type) ? BOOT_USABLE : BOOT_RESERVED);
}

static bool read_map(struct boot_info *info, const struct tag *tag, size_t least,
                     void (*add)(struct boot_info *info, const void *entry))
{
    const struct tag_map *map = (const struct tag_map *)tag;
    const uint8_t *entry = (const uint8_t *)(map + 1), *end = (const uint8_t *)tag + tag->size;

    if (tag->size < sizeof(*map) || map->entry_size < least)
        return false;
    for (; (size_t)(end - entry) >= map->entry_size; entry += map->entry_size)
        add(info, entry);
    return entry == end;
}

static bool read_module(struct boot_info *info, const struct tag *tag)
{
    const struct tag_module *module = (const struct tag_module *)tag;

    if (tag->size < sizeof(*module))
        return false;
    boot_add_module(info, module->from, module->end);
    return true;
}

/* The new one says all that the old one does, and comes before or after it. */
static bool read_rsdp(struct boot_info *info, const struct tag *tag)
{
    const bool new = tag->type == TAG_RSDP_NEW;
    size_t size = new ? BOOT_RSDP_SIZE : RSDP_OLD_SIZE;

    if (tag->size - sizeof(*tag) < size)
        return false;
    if (info->rsdp && !new)
        return true;
    memset(info->rsdp_copy, 0, sizeof(info->rsdp_copy));
    memcpy(info->rsdp_copy, tag + 1, size);
    info->rsdp = physical_of(info->rsdp_copy);
    return true;
}

/* False when it is not what its type says. */
static bool read_tag(struct boot_info *info, const struct tag *tag)
{
    switch (tag->type) {
    case TAG_LINE:
        boot_set_line(info, (const char *)(tag + 1), tag->size - sizeof(*tag));
        return true;
    case TAG_MODULE:
        return read_module(info, tag);
    case TAG_MEMORY_MAP:
        return read_map(info, tag, sizeof(struct entry), add_entry);
    case TAG_RSDP_OLD:
    case TAG_RSDP_NEW:
        return read_rsdp(info, tag);
    case TAG_EFI_MAP:
        info->protocol = "multiboot 2 under UEFI";
        return read_map(info, tag, sizeof(struct efi_entry), add_efi_entry);
    default:
        return true;
    }
}

const char *multiboot_2_read(struct boot_info *info, uint32_t physical)
{
    const struct info *in = boot_reach(physical, sizeof(*in));
    uint64_t at = sizeof(*in);

    if (!in || in->size > INFO_SIZE_MOST || !boot_reach(physical, in->size))
        return "the boot loader's information lies outside the first 4 GB, or is over 1 MB large";
    info->protocol = "multiboot 2";
    while (at + sizeof(struct tag) <= in->size) {
        const struct tag *tag = direct_map(physical + at);

        if (tag->type == TAG_END)
            return NULL;
        if (tag->type == TAG_EFI_SERVICES_ON)
            return "the boot loader left UEFI's boot services on: use one that ends them, as GRUB "
                   "does";
        if (tag->size < sizeof(*tag) || tag->size > in->size - at || !read_tag(info, tag))
            break;
        at += ((uint64_t)tag->size + 7) & ~7ull;
    }
    return "the boot loader's list of tags is damaged: one of them is cut off, or the last is "
           "missing";
}
