/* SPDX-License-Identifier: MIT */
/*
 * From boot.S to a working host: ports, traps, memory, clock, in that order, each with one clear
 * line where it cannot be. Refuses to know guests: those are podium_main's.
 */
#include "lib.h"
#include "cpu.h"
#include "lock.h"
#include "devices.h"
#include "print.h"
#include "trap.h"
#include "frames.h"
#include "multiboot.h"
#include "number.h"
#include "paging.h"
#include "main.h"

#ifndef PODIUM_VERSION
#define PODIUM_VERSION "0.1"
#endif

_Noreturn void boot(uint32_t magic, uint32_t info_physical); /* from boot.S */

static _Noreturn void refuse(const char *why)
{
    print("%s\n", why);
    record_error("%s", why);
    machine_exit(EXIT_CODE_BAD_INPUT);
}

static uint64_t ram_bytes(const struct boot_info *info)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < info->ram_count; i++)
        bytes += info->ram[i].end - info->ram[i].from;
    return bytes;
}

static void say_what_is_here(const struct boot_info *info)
{
    print("Podium %s, started by %s\n", PODIUM_VERSION, info->protocol);
    print("memory: %lu MB in %u ranges, %lu whole 1 GB blocks free, %lu MB free\n",
          ram_bytes(info) >> 20, info->ram_count, frames_free_blocks(ORDER_1G),
          megabytes(frames_count().frames[FRAME_FREE]));
    if (info->ram_dropped)
        print("memory map: %u entries were too many, and are left out\n", info->ram_dropped);
    print("clock: TSC at %lu.%03lu MHz\n", clock_tsc_khz() / 1000, clock_tsc_khz() % 1000);
    if (info->modules_given > info->module_count)
        print("modules: only the first %u are looked at\n", info->module_count);
}

void boot(uint32_t magic, uint32_t info_physical)
{
    static struct boot_info info;
    const char *wrong;

    host_lock();
    uart_init();
    trap_init(0);
    write_cr4(read_cr4() | CR4_OSFXSR | (cpu_has(CPU_XSAVE) ? CR4_OSXSAVE : 0));
    wrong = multiboot_read(magic, info_physical, &info);
    if (wrong)
        refuse(wrong);
    madt_read(info.rsdp, &info.processors);
    if (!paging_init(&info))
        refuse("no room for the host's page tables below 4 GB: give the machine more memory");
    if (!frames_init(info.ram, info.ram_count, info.taken, info.taken_count))
        refuse("no room for the records of memory: give the machine more memory");
    if (!clock_init())
        refuse("this processor has no usable local APIC, or no timer to calibrate it by");
    say_what_is_here(&info);
    machine_exit((uint8_t)podium_main(&info));
}
