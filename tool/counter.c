/* SPDX-License-Identifier: MIT */
/*
 * A plugin of QEMU's that counts instructions by where they lie: each block of the hypervisor's by
 * itself, and everything else, the guest's, in one sum. Whenever one address is reached, all counts
 * are written out. It hangs on QEMU's public interface for plugins, version 1, which is declared
 * here because Debian ships no header of it. Refuses to know what lies at any address.
 *
 * In the environment: COUNTER_FROM and COUNTER_END, the hypervisor's code; COUNTER_MARK, the
 * address; COUNTER_OUT, the file. There, at each mark: "mark", "elsewhere COUNT", and "ADDRESS COUNT" of
 * every block that ran.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb; /* instructions that are run together, from the first */

enum { INLINE_ADD_U64 };
enum { NO_REGISTERS };

typedef void translated(uint64_t plugin, struct qemu_plugin_tb *block);
typedef void executed(unsigned processor, void *data);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t plugin, translated *call);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, executed *call, int flags,
                                          void *data);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, int operation, void *to,
                                              uint64_t value);

EXPORT extern int qemu_plugin_version;
EXPORT int qemu_plugin_install(uint64_t plugin, const void *info, int count, char **words);

int qemu_plugin_version = 1;

static uint64_t from, end, mark;
static uint64_t *counts, elsewhere;
static FILE *out;

static void write_counts(unsigned processor, void *data)
{
    (void)processor, (void)data;
    fprintf(out, "mark\nelsewhere %" PRIu64 "\n", elsewhere);
    for (uint64_t i = 0; i < end - from; i++) {
        if (counts[i])
            fprintf(out, "%" PRIx64 " %" PRIu64 "\n", from + i, counts[i]);
    }
    fflush(out);
}

static void count_block(uint64_t plugin, struct qemu_plugin_tb *block)
{
    uint64_t address = qemu_plugin_tb_vaddr(block);
    uint64_t *count = address >= from && address < end ? &counts[address - from] : &elsewhere;

    (void)plugin;
    qemu_plugin_register_vcpu_tb_exec_inline(block, INLINE_ADD_U64, count,
                                             qemu_plugin_tb_n_insns(block));
    if (address == mark)
        qemu_plugin_register_vcpu_tb_exec_cb(block, write_counts, NO_REGISTERS, NULL);
}

static uint64_t number(const char *name)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 16) : 0;
}

int qemu_plugin_install(uint64_t plugin, const void *info, int count, char **words)
{
    const char *name = getenv("COUNTER_OUT");

    (void)info, (void)count, (void)words;
    from = number("COUNTER_FROM");
    end = number("COUNTER_END");
    mark = number("COUNTER_MARK");
    if (!name || end <= from)
        return -1;
    counts = calloc(end - from, sizeof *counts);
    out = fopen(name, "we");
    if (!counts || !out)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(plugin, count_block);
    return 0;
}
