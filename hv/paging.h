/* SPDX-License-Identifier: MIT */
/*
 * The host's own page tables: all RAM in the direct map, the image by the rights of its sections,
 * the local APIC's page. Built once, never changed.
 * Refuses to know second-stage tables, and maps nothing that is not RAM but that one page.
 */
#ifndef HV_PAGING_H
#define HV_PAGING_H

#include "multiboot.h"

/*
 * paging_init - build the tables out of early pages and switch to them; address 0 and boot.S' map
 * are gone afterwards. 1 GB pages for whole GBs of RAM where the processor has them.
 *   Units:   none.
 *   Context: once, after multiboot_read.
 *   Errors:  false when the low 4 GB have no room for the tables.
 *   Debts:   none.
 */
bool paging_init(struct boot_info *info);

#endif
