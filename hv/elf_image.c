/* SPDX-License-Identifier: MIT */
/*
 * ELF images; see elf_image.h. The two widths differ in where a field stands and how long it is:
 * that is a table, and the code is written once.
 */
#include "elf_image.h"

#include "lib.h"

/* A number in the image: its offset within the structure, and its bytes. */
struct field {
    uint8_t offset, bytes;
};

static const struct layout {
    unsigned header_size; /* of the ELF header */
    struct field program_headers, program_header_size, program_header_count;
    unsigned segment_size; /* of a program header, at least */
    struct field type, offset, physical, file_size, memory_size;
} narrow = { .header_size = 52,
             .program_headers = { 28, 4 },
             .program_header_size = { 42, 2 },
             .program_header_count = { 44, 2 },
             .segment_size = 32,
             .type = { 0, 4 },
             .offset = { 4, 4 },
             .physical = { 12, 4 },
             .file_size = { 16, 4 },
             .memory_size = { 20, 4 } },
  wide = { .header_size = 64,
           .program_headers = { 32, 8 },
           .program_header_size = { 54, 2 },
           .program_header_count = { 56, 2 },
           .segment_size = 56,
           .type = { 0, 4 },
           .offset = { 8, 8 },
           .physical = { 24, 8 },
           .file_size = { 32, 8 },
           .memory_size = { 40, 8 } };

enum { IDENT_CLASS = 4, IDENT_DATA = 5, IDENT_SIZE = 16 };
enum { CLASS_32 = 1, CLASS_64 = 2, DATA_LITTLE = 1 };
#define MACHINE_AT     18u
#define MACHINE_386    3u
#define MACHINE_X86_64 62u

/* Does [offset, offset + length) lie in the image? */
static bool inside(const struct elf *elf, uint64_t offset, uint64_t length)
{
    return offset <= elf->size && length <= elf->size - offset;
}

/* The caller has checked that the structure is inside. */
static uint64_t read_field(const uint8_t *structure, struct field field)
{
    uint64_t value = 0;

    memcpy(&value, structure + field.offset, field.bytes);
    return value;
}

static const struct layout *layout_of(const struct elf *elf)
{
    return elf->wide ? &wide : &narrow;
}

const char *elf_open(struct elf *elf, const void *bytes, size_t size)
{
    *elf = (struct elf){ .bytes = bytes, .size = size };
    if (size < IDENT_SIZE || memcmp(bytes, "\177ELF", 4) != 0)
        return "the kernel is not an ELF image";
    if (elf->bytes[IDENT_DATA] != DATA_LITTLE ||
        (elf->bytes[IDENT_CLASS] != CLASS_32 && elf->bytes[IDENT_CLASS] != CLASS_64))
        return "the kernel is an ELF image of an unknown kind";
    elf->wide = elf->bytes[IDENT_CLASS] == CLASS_64;

    const struct layout *layout = layout_of(elf);

    if (!inside(elf, 0, layout->header_size))
        return "the kernel's ELF header is cut off";
    uint64_t machine = read_field(elf->bytes, (struct field){ MACHINE_AT, 2 });

    if (machine != MACHINE_386 && machine != MACHINE_X86_64)
        return "the kernel is not for x86";
    elf->headers = read_field(elf->bytes, layout->program_headers);
    elf->header_size = (unsigned)read_field(elf->bytes, layout->program_header_size);
    elf->header_count = (unsigned)read_field(elf->bytes, layout->program_header_count);
    if (elf->header_count == 0 || elf->header_size < layout->segment_size ||
        !inside(elf, elf->headers, (uint64_t)elf->header_size * elf->header_count))
        return "the kernel's ELF program headers are damaged or missing";
    return NULL;
}

bool elf_get_segment(const struct elf *elf, unsigned index, struct elf_segment *segment)
{
    const struct layout *layout = layout_of(elf);
    const uint8_t *header = elf->bytes + elf->headers + (uint64_t)index * elf->header_size;

    if (index >= elf->header_count)
        return false;
    *segment = (struct elf_segment){
        .type = (uint32_t)read_field(header, layout->type),
        .physical = read_field(header, layout->physical),
        .offset = read_field(header, layout->offset),
        .file_size = read_field(header, layout->file_size),
        .memory_size = read_field(header, layout->memory_size),
    };
    if (segment->file_size > segment->memory_size && segment->type == ELF_LOAD)
        return false;
    return inside(elf, segment->offset, segment->file_size);
}

/* ---- notes ---------------------------------------------------------------------------------- */

struct note {
    const uint8_t *name, *value;
    uint32_t name_size, value_size, type;
};

static uint64_t padded(uint32_t size)
{
    return ((uint64_t)size + 3) & ~3ull;
}

/* Reads the note at *at and moves *at past it; false at the end, or where a note is cut off. */
static bool next_note(const uint8_t **at, const uint8_t *end, struct note *note)
{
    const uint64_t header = 3 * sizeof(uint32_t);
    uint64_t left = (uint64_t)(end - *at);

    if (left < header)
        return false;
    left -= header;
    note->name_size = (uint32_t)read_field(*at, (struct field){ 0, 4 });
    note->value_size = (uint32_t)read_field(*at, (struct field){ 4, 4 });
    note->type = (uint32_t)read_field(*at, (struct field){ 8, 4 });
    if (padded(note->name_size) > left)
        return false;
    left -= padded(note->name_size);
    note->name = *at + header;
    note->value = note->name + padded(note->name_size);
    if (note->value_size > left)
        return false;
    /* The last note of a segment may go without its padding. */
    *at = padded(note->value_size) > left ? end : note->value + padded(note->value_size);
    return true;
}

static bool note_is(const struct note *note, const char *name, uint32_t type)
{
    return note->type == type && note->name_size == strlen(name) + 1 &&
           memcmp(note->name, name, note->name_size) == 0;
}

static bool find_in_segment(const struct elf *elf, const struct elf_segment *segment,
                            const char *name, uint32_t type, struct note *note)
{
    const uint8_t *at = elf->bytes + segment->offset;
    const uint8_t *end = at + segment->file_size;

    while (next_note(&at, end, note)) {
        if (note_is(note, name, type))
            return true;
    }
    return false;
}

bool elf_find_note(const struct elf *elf, const char *name, uint32_t type, uint64_t *value)
{
    for (unsigned i = 0; i < elf->header_count; i++) {
        struct elf_segment segment;
        struct note note;

        if (!elf_get_segment(elf, i, &segment) || segment.type != ELF_NOTE ||
            !find_in_segment(elf, &segment, name, type, &note))
            continue;
        if (note.value_size != 4 && note.value_size != 8)
            return false;
        *value = read_field(note.value, (struct field){ 0, (uint8_t)note.value_size });
        return true;
    }
    return false;
}
