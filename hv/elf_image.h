/* SPDX-License-Identifier: MIT */
/*
 * Read an ELF image that lies in memory: its loadable segments, and the notes in it. 32-bit and
 * 64-bit, little-endian x86. Nothing in the image is believed: every offset is checked against the
 * size, every sum against overflow. Refuses to know what is loaded where.
 */
#ifndef HV_ELF_IMAGE_H
#define HV_ELF_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An image that elf_open accepted. */
struct elf {
    const uint8_t *bytes;
    size_t size;
    bool wide; /* ELF64 */
    uint64_t headers;
    unsigned header_size;
    unsigned header_count;
};

enum { ELF_LOAD = 1, ELF_NOTE = 4 };

struct elf_segment {
    uint32_t type;
    uint64_t physical;  /* p_paddr */
    uint64_t offset;    /* into the image */
    uint64_t file_size; /* no larger than memory_size */
    uint64_t memory_size;
};

/*
 * elf_open - is this an image that we can read?
 *   Units:   bytes; the image stays where it is as long as *elf is used.
 *   Errors:  NULL when all is well, else one line that says what is wrong.
 */
const char *elf_open(struct elf *elf, const void *bytes, size_t size);

/* The program header of this index, below elf->header_count; false when it reaches outside. */
bool elf_get_segment(const struct elf *elf, unsigned index, struct elf_segment *segment);

/*
 * elf_find_note - the number in the first note of this name and type.
 *   Errors:  false when there is none, or it is not of 4 or 8 bytes.
 */
bool elf_find_note(const struct elf *elf, const char *name, uint32_t type, uint64_t *value);

#endif
