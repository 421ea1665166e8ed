/* SPDX-License-Identifier: MIT */
/*
 * A guest kernel. A bzImage is a 16-bit set-up part with a header, and a payload whose last four
 * bytes are its uncompressed size: [Linux, "The Linux/x86 Boot Protocol"]. The payload is an ELF.
 * Those four bytes follow what is compressed, but with gzip, whose own last four bytes they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <libelf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"
#include "paths.h"
#include "unpack.h"

#define SETUP_SECTORS    0x1f1
#define BOOT_FLAG        0x1fe
#define HEADER_MAGIC     0x202
#define PROTOCOL_VERSION 0x206
#define PAYLOAD_OFFSET   0x248
#define PAYLOAD_LENGTH   0x24c
#define HEADER_END       0x250
#define UNPACKED_MAX     ((uint32_t)1 << 30)

#define NOTE_PHYS32_ENTRY 18 /* XEN_ELFNOTE_PHYS32_ENTRY of the public headers */

struct file {
    const char *path;
    const uint8_t *bytes;
    size_t size;
    struct stat status;
};

static uint32_t read_le(const uint8_t *bytes, unsigned size)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint32_t)bytes[i] << (8 * i);
    return value;
}

static enum outcome map_file(int fd, struct file *file)
{
    if (fstat(fd, &file->status) != 0)
        return bad_input("%s: %s", file->path, strerror(errno));
    if (!S_ISREG(file->status.st_mode))
        return bad_input("%s: not a file; give a kernel, a bzImage or an ELF vmlinux", file->path);
    if (file->status.st_size == 0)
        return bad_input("%s: an empty file; give a kernel", file->path);

    file->size = (size_t)file->status.st_size;
    void *bytes = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return failed("%s: %s", file->path, strerror(errno));
    file->bytes = bytes;
    return GOOD;
}

static void unmap_file(struct file *file)
{
    munmap((void *)(uintptr_t)file->bytes, file->size);
}

static bool is_elf(const struct file *file)
{
    return file->size >= SELFMAG && memcmp(file->bytes, ELFMAG, SELFMAG) == 0;
}

static bool is_bzimage(const struct file *file)
{
    return file->size >= HEADER_END && read_le(file->bytes + BOOT_FLAG, 2) == 0xaa55 &&
           memcmp(file->bytes + HEADER_MAGIC, "HdrS", 4) == 0;
}

/* ---- ELF ------------------------------------------------------------------------------------ */

static bool segment_has_entry(Elf *elf, const GElf_Phdr *segment)
{
    Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)segment->p_offset, segment->p_filesz,
                                          segment->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
    GElf_Nhdr note;
    size_t name, descriptor, next, offset = 0;

    while (data && (next = gelf_getnote(data, offset, &note, &name, &descriptor)) > offset) {
        const char *bytes = data->d_buf;
        if (note.n_type == NOTE_PHYS32_ENTRY && note.n_namesz == 4 &&
            memcmp(bytes + name, "Xen", 4) == 0 && (note.n_descsz == 4 || note.n_descsz == 8))
            return true;
        offset = next;
    }
    return false;
}

static const char *check_elf(const struct file *file)
{
    const char *wrong = "no PVH entry note in it; it needs CONFIG_PVH (or CONFIG_XEN_PVH)";
    GElf_Ehdr header;
    size_t segments = 0;

    elf_version(EV_CURRENT);
    Elf *elf = elf_memory((char *)(uintptr_t)file->bytes, file->size);
    if (!elf)
        return "not a sound ELF file";
    if (!gelf_getehdr(elf, &header) || elf_getphdrnum(elf, &segments) != 0 || segments == 0)
        wrong = "not a sound ELF program";
    else if (header.e_machine != EM_X86_64 && header.e_machine != EM_386)
        wrong = "an ELF file, but not for x86";
    for (size_t i = 0; i < segments; i++) {
        GElf_Phdr segment;
        if (gelf_getphdr(elf, (int)i, &segment) && segment.p_type == PT_NOTE &&
            segment_has_entry(elf, &segment)) {
            wrong = header.e_machine == EM_X86_64 || header.e_machine == EM_386 ? NULL : wrong;
            break;
        }
    }
    elf_end(elf);
    return wrong;
}

/* ---- bzImage -------------------------------------------------------------------------------- */

struct payload {
    const uint8_t *bytes;
    size_t size; /* of what is compressed */
    const char *method;
    uint32_t unpacked; /* what its last four bytes say */
};

static const char *find_payload(const struct file *file, struct payload *payload)
{
    if (read_le(file->bytes + PROTOCOL_VERSION, 2) < 0x208)
        return "a bzImage from before Linux 2.6.26: it does not say where its kernel is";

    uint64_t sectors = file->bytes[SETUP_SECTORS] ? file->bytes[SETUP_SECTORS] : 4;
    uint64_t from = (sectors + 1) * 512 + read_le(file->bytes + PAYLOAD_OFFSET, 4);
    uint64_t size = read_le(file->bytes + PAYLOAD_LENGTH, 4);
    if (from > file->size || size > file->size - from || size < 8)
        return "a bzImage that ends before its kernel does: the file is cut off";

    payload->bytes = file->bytes + from;
    payload->unpacked = read_le(payload->bytes + size - 4, 4);
    payload->method = unpack_method(payload->bytes, size);
    if (!payload->method)
        return "a bzImage compressed by none of xz, lz4, zstd, gzip";
    if (payload->unpacked == 0 || payload->unpacked > UNPACKED_MAX)
        return "a bzImage that says no sane size of its kernel";
    payload->size = strcmp(payload->method, "gzip") == 0 ? size : size - 4;
    return NULL;
}

static enum outcome unpack_to(const char *to, const struct file *file)
{
    struct payload payload;
    const char *wrong = find_payload(file, &payload);
    if (wrong)
        return bad_input("%s: %s", file->path, wrong);

    say("unpacking kernel %s (%s)", file->path, payload.method);
    char partial[PATH_SIZE + 16];
    snprintf(partial, sizeof partial, "%s.%d", to, (int)getpid());
    uint8_t *out = malloc(payload.unpacked);
    if (!out)
        return failed("no memory to unpack %s", file->path);

    enum outcome outcome = GOOD;
    wrong = unpack(payload.bytes, payload.size, out, payload.unpacked);
    if (wrong) {
        outcome = bad_input("%s: %s", file->path, wrong);
    } else {
        int fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        bool written = fd >= 0 && write_all(fd, out, payload.unpacked);
        if (fd >= 0 && close(fd) != 0)
            written = false;
        if (!written || rename(partial, to) != 0) {
            outcome = failed("%s: %s", partial, strerror(errno));
            unlink(partial);
        }
    }
    free(out);
    return outcome;
}

/* The name under which the unpacked kernel is kept; says which file it came from, and when. */
static enum outcome kept_name(const struct file *file, char path[PATH_SIZE])
{
    char name[512];
    const char *slash = strrchr(file->path, '/');

    if (!path_beside(path, "cache") || !path_make_directory(path))
        return failed("cannot make %s: %s", path, strerror(errno));
    snprintf(name, sizeof name, "cache/%.255s-%" PRIu64 "-%" PRIu64 ".%09ld.vmlinux",
             slash ? slash + 1 : file->path, (uint64_t)file->status.st_size,
             (uint64_t)file->status.st_mtim.tv_sec, file->status.st_mtim.tv_nsec);
    return path_beside(path, name) ? GOOD : failed("the name of %s is too long", file->path);
}

/* ---- either --------------------------------------------------------------------------------- */

static enum outcome open_elf(const char *path, const char *shown, int *fd, uint64_t *size)
{
    struct file file = { .path = shown };

    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return failed("%s: %s", path, strerror(errno));
    enum outcome outcome = map_file(*fd, &file);
    if (outcome != GOOD)
        return outcome;

    const char *wrong = check_elf(&file);
    *size = file.size;
    unmap_file(&file);
    return wrong ? bad_input("%s: %s", shown, wrong) : GOOD;
}

enum outcome kernel_open(const char *path, int *fd, uint64_t *size)
{
    struct file file = { .path = path };
    char kept[PATH_SIZE];

    int packed = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us up */
    if (packed < 0)
        return bad_input("no such kernel: %s: %s; give a file, or fetch Debian's by `make run` or "
                         "`tool/setup kernel 6.1`",
                         path, strerror(errno));
    enum outcome outcome = map_file(packed, &file);
    close(packed);
    if (outcome != GOOD)
        return outcome;

    const char *elf = path;
    if (is_bzimage(&file)) {
        outcome = kept_name(&file, kept);
        if (outcome == GOOD && access(kept, R_OK) != 0)
            outcome = unpack_to(kept, &file);
        elf = kept;
    } else if (!is_elf(&file)) {
        outcome = bad_input("%s: neither a bzImage nor an ELF file; give a kernel", path);
    }
    unmap_file(&file);
    return outcome == GOOD ? open_elf(elf, path, fd, size) : outcome;
}
