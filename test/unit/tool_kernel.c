/* SPDX-License-Identifier: MIT */
/*
 * tool/kernel.c, with small bzImages made here: one of each compression comes out as the ELF that
 * went in, and what is wrong with a file is said.
 */
#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tool/kernel.h"
#include "tool_pack.h"
#include "tool_said.h"

#define ELF_SIZE  200000u
#define SETUP     (5 * 512u) /* the boot sector and four more */
#define SLACK     64u        /* between the set-up part and the payload */
#define NOTE_PVH  18u
#define NOTE_NAME "Xen"

/* A program of nothing but a note, which a PVH kernel has. */
struct program {
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    Elf64_Nhdr note;
    char name[4];
    uint32_t entry;
};

static char directory[] = "/tmp/podium-kernel.XXXXXX";
static char file_path[64];

static uint8_t *make_elf(uint32_t note_type)
{
    struct program program = {
        .header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
                    .e_type = ET_EXEC,
                    .e_machine = EM_X86_64,
                    .e_version = EV_CURRENT,
                    .e_ehsize = sizeof(Elf64_Ehdr),
                    .e_phoff = offsetof(struct program, segment),
                    .e_phentsize = sizeof(Elf64_Phdr),
                    .e_phnum = 1 },
        .segment = { .p_type = PT_NOTE,
                     .p_offset = offsetof(struct program, note),
                     .p_filesz = sizeof(struct program) - offsetof(struct program, note),
                     .p_align = 4 },
        .note = { .n_namesz = 4, .n_descsz = 4, .n_type = note_type },
        .name = NOTE_NAME,
        .entry = 0x1000000,
    };
    uint8_t *elf = pack_sample(ELF_SIZE);

    program.segment.p_filesz = sizeof program.note + sizeof program.name + sizeof program.entry;
    memcpy(elf, &program, sizeof program);
    return elf;
}

static void put_le(uint8_t *bytes, uint32_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

/* As the kernel's build does: the size is appended, but for gzip, which ends with it. */
static uint8_t *make_bzimage(const char *method, const uint8_t *elf, size_t *size)
{
    size_t packed_size, appended = strcmp(method, "gzip") == 0 ? 0 : 4;
    uint8_t *packed = pack(method, elf, ELF_SIZE, &packed_size);

    *size = SETUP + SLACK + packed_size + appended + 100;
    uint8_t *image = calloc(1, *size);
    assert_non_null(image);
    image[0x1f1] = 4;
    put_le(image + 0x1fe, 0xaa55, 2);
    memcpy(image + 0x202, "HdrS", 4);
    put_le(image + 0x206, 0x20f, 2);
    put_le(image + 0x248, SLACK, 4);
    put_le(image + 0x24c, (uint32_t)(packed_size + appended), 4);
    memcpy(image + SETUP + SLACK, packed, packed_size);
    put_le(image + SETUP + SLACK + packed_size + appended - 4, ELF_SIZE, 4);
    free(packed);
    return image;
}

static void write_file(const uint8_t *bytes, size_t size)
{
    int fd = open(file_path, O_WRONLY | O_CREAT | O_TRUNC, 0666);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

/* The unpacked kernel is kept beside this program: not for longer than the test. */
static void forget_kept(int fd)
{
    char link[64], kept[4096];

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, kept, sizeof kept - 1);
    assert_true(length > 0);
    kept[length] = '\0';
    if (strcmp(kept, file_path) != 0)
        unlink(kept);
    close(fd);
}

static void assert_opens_as(const uint8_t *elf)
{
    uint8_t *bytes = malloc(ELF_SIZE);
    uint64_t size = 0;
    int fd = -1;

    assert_int_equal(kernel_open(file_path, &fd, &size), GOOD);
    assert_int_equal(size, ELF_SIZE);
    assert_int_equal(pread(fd, bytes, ELF_SIZE, 0), ELF_SIZE);
    assert_memory_equal(bytes, elf, ELF_SIZE);
    free(bytes);
    forget_kept(fd);
}

static void assert_refused(const char *words)
{
    uint64_t size;
    int fd = -1;

    said_nothing();
    assert_int_equal(kernel_open(file_path, &fd, &size), BAD_INPUT);
    assert_non_null(strstr(said(), words));
    assert_non_null(strstr(said(), file_path));
    if (fd >= 0)
        forget_kept(fd);
}

/* ---- what is taken -------------------------------------------------------------------------- */

static void a_bzimage_of_each_compression_is_unpacked_whole(void **state)
{
    uint8_t *elf = make_elf(NOTE_PVH);

    (void)state;
    for (unsigned i = 0; i < PACK_METHODS; i++) {
        size_t size;
        uint8_t *image = make_bzimage(pack_method[i], elf, &size);
        write_file(image, size);
        assert_opens_as(elf);
        assert_non_null(strstr(said(), pack_method[i]));
        free(image);
    }
    free(elf);
}

static void an_unpacked_kernel_is_opened_as_it_is(void **state)
{
    uint8_t *elf = make_elf(NOTE_PVH);

    (void)state;
    write_file(elf, ELF_SIZE);
    assert_opens_as(elf);
    free(elf);
}

/* ---- what is refused ------------------------------------------------------------------------ */

static void a_kernel_without_the_note_is_refused(void **state)
{
    uint8_t *elf = make_elf(NOTE_PVH + 1);
    size_t size;
    uint8_t *image = make_bzimage("gzip", elf, &size);

    (void)state;
    write_file(elf, ELF_SIZE);
    assert_refused("no PVH entry note");
    write_file(image, size);
    assert_refused("no PVH entry note");
    free(image);
    free(elf);
}

static void a_bzimage_with_a_wrong_header_is_refused(void **state)
{
    static const struct {
        unsigned at, size;
        uint32_t value;
        const char *words;
    } wrong[] = {
        { 0x206, 2, 0x207, "before Linux 2.6.26" },
        { 0x248, 4, 0xffffffff, "cut off" },
        { 0x24c, 4, 0xffffffff, "cut off" },
        { 0x24c, 4, 7, "cut off" },
        { 0x248, 4, SLACK + 1, "none of xz, lz4, zstd, gzip" },
        { 0x202, 4, 0, "neither a bzImage nor an ELF" },
    };
    uint8_t *elf = make_elf(NOTE_PVH);

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        size_t size;
        uint8_t *image = make_bzimage("xz", elf, &size);
        put_le(image + wrong[i].at, wrong[i].value, wrong[i].size);
        write_file(image, size);
        assert_refused(wrong[i].words);
        free(image);
    }
    free(elf);
}

static void a_size_that_is_none_is_refused(void **state)
{
    static const uint32_t sizes[] = { 0, 0x40000001, 0xffffffff };
    uint8_t *elf = make_elf(NOTE_PVH);

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t size;
        uint8_t *image = make_bzimage("zstd", elf, &size);
        put_le(image + size - 100 - 4, sizes[i], 4);
        write_file(image, size);
        assert_refused("no sane size");
        free(image);
    }
    free(elf);
}

static void a_damaged_payload_is_refused(void **state)
{
    uint8_t *elf = make_elf(NOTE_PVH);

    (void)state;
    for (unsigned i = 0; i < PACK_METHODS; i++) {
        size_t size;
        uint8_t *image = make_bzimage(pack_method[i], elf, &size);
        memset(image + SETUP + SLACK + 6, 0xff, 300); /* behind the longest magic number */
        write_file(image, size);
        assert_refused("damaged");
        free(image);
    }
    free(elf);
}

static void what_is_no_file_is_refused_at_once(void **state)
{
    (void)state;
    unlink(file_path);
    assert_refused("no such kernel");
    assert_int_equal(mkfifo(file_path, 0666), 0);
    assert_refused("not a file"); /* and nobody waits for who would write to it */
    unlink(file_path);
    assert_int_equal(mkdir(file_path, 0777), 0);
    assert_refused("not a file");
    rmdir(file_path);
    write_file(NULL, 0);
    assert_refused("empty");
}

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(file_path, sizeof file_path, "%s/kernel", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(file_path);
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bzimage_of_each_compression_is_unpacked_whole),
        cmocka_unit_test(an_unpacked_kernel_is_opened_as_it_is),
        cmocka_unit_test(a_kernel_without_the_note_is_refused),
        cmocka_unit_test(a_bzimage_with_a_wrong_header_is_refused),
        cmocka_unit_test(a_size_that_is_none_is_refused),
        cmocka_unit_test(a_damaged_payload_is_refused),
        cmocka_unit_test(what_is_no_file_is_refused_at_once),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
