/* SPDX-License-Identifier: MIT */
/*
 * Port I/O policy. There are no devices: reads give all ones (which is how a PC says "nothing
 * here"), writes go nowhere, but for the few ports below.
 * Refuses to know string instructions: nobody who finds no device uses them.
 */
#ifndef HV_PORT_H
#define HV_PORT_H

#include "guest.h"

#define PORT_SLEEP_CONTROL 0x600 /* the FADT's SLEEP_CONTROL_REG */
#define PORT_SLEEP_STATUS  0x601 /* the FADT's SLEEP_STATUS_REG */
#define PORT_PHASE         0x604 /* OUT of a byte n: the guest marks phase n of its work */

#define SLEEP_TYPE_S5 5u /* _S5 in the DSDT; what powers the guest off */

/*
 * port_in, port_out - the access in vcpu->exit.io, with the data in rax.
 *   Errors:  false for what is not emulated: the guest gets #GP.
 */
bool port_in(struct vcpu *vcpu);
bool port_out(struct vcpu *vcpu);

#endif
