/* SPDX-License-Identifier: MIT */
/*
 * The ACPI tables of a guest that has no hardware: RSDP, XSDT, FADT (hardware-reduced), MADT, DSDT.
 * They say three things: how many processors there are, that nothing legacy is there to be probed,
 * and how to power off. Refuses to know who reads them.
 */
#ifndef HV_ACPI_H
#define HV_ACPI_H

#include "guest.h"

/*
 * acpi_build - fill domain->acpi[0], which the guest sees at GUEST_ACPI_GFN.
 *   Units:   returns the guest-physical address of the RSDP.
 *   Context: the guest has not run.
 */
uint64_t acpi_build(struct domain *domain);

#endif
