/* SPDX-License-Identifier: MIT */
/*
 * What a loader of the first protocol leaves: one structure of fixed fields, and flags that
 * say which of them count. [MB1 "Boot information format"]
 * Refuses to know what becomes of it.
 */
#include "multiboot_readers.h"

#include "cpu.h"

#define INFO_MEMORY  (1u << 0)
#define INFO_LINE    (1u << 2)
#define INFO_MODULES (1u << 3)
#define INFO_MAP     (1u << 6)

#define MEMORY_USABLE 1u
#define UPPER_MEMORY  0x100000u

struct info {
    uint32_t flags;
    uint32_t memory_lower, memory_upper; /* KB, from 0 and from 1 MB */
    uint32_t boot_device;
    uint32_t command_line;
    uint32_t module_count, modules;
    uint32_t symbols[4];
    uint32_t map_length, map;
};

struct module {
    uint32_t from, end;
    uint32_t text, reserved;
};

struct __attribute__((packed)) entry {
    uint32_t size; /* of what follows */
    uint64_t from, length;
    uint32_t type;
};

static const char *read_map(struct boot_info *info, uint32_t from, uint32_t length)
{
    uint64_t end = (uint64_t)from + length;
    const struct entry *entry;

    for (uint64_t at = from; at < end; at += entry->size + sizeof(entry->size)) {
        entry = boot_reach(at, sizeof(*entry));
        if (!entry || entry->size < sizeof(*entry) - sizeof(entry->size) ||
            entry->size + sizeof(entry->size) > end - at)
            return "the boot loader's memory map is damaged: an entry of it does not fit";
        boot_add_memory(info, entry->from, entry->length,
                        entry->type == MEMORY_USABLE ? BOOT_USABLE : BOOT_RESERVED);
    }
    return NULL;
}

static const char *read_modules(struct boot_info *info, uint32_t at, uint32_t count)
{
    for (uint32_t i = 0; i < count && i < BOOT_MODULES_MAX; i++) {
        const struct module *module =
            boot_reach(at + (uint64_t)i * sizeof(*module), sizeof(*module));

        if (!module)
            return "the boot loader's list of modules lies outside the first 4 GB";
        boot_add_module(info, module->from, module->end);
    }
    info->modules_given = count;
    return NULL;
}

const char *multiboot_1_read(struct boot_info *info, uint32_t physical)
{
    const struct info *in = boot_reach(physical, sizeof(*in));
    const char *wrong = NULL;

    if (!in)
        return "the boot loader's information lies outside the first 4 GB";
    info->protocol = "multiboot 1";
    if (in->flags & INFO_MAP) {
        wrong = read_map(info, in->map, in->map_length);
    } else if (in->flags & INFO_MEMORY) {
        boot_add_memory(info, 0, (uint64_t)in->memory_lower << 10, BOOT_USABLE);
        boot_add_memory(info, UPPER_MEMORY, (uint64_t)in->memory_upper << 10, BOOT_USABLE);
    }
    if (in->flags & INFO_LINE && boot_reach(in->command_line, 1))
        boot_set_line(info, direct_map(in->command_line), BOOT_MAP_END - in->command_line);
    if (!wrong && in->flags & INFO_MODULES)
        wrong = read_modules(info, in->modules, in->module_count);
    return wrong;
}
