/* SPDX-License-Identifier: MIT */
/*
 * A second-stage fault becomes one verb: look it up, let the type say what it means, act.
 * Refuses to know how a vendor reports faults.
 */
#ifndef HV_FAULT_H
#define HV_FAULT_H

#include "guest.h"

/* Deal with vcpu->exit.fault; the access is tried again unless domain->stop is set. */
void fault_handle(struct vcpu *vcpu);

#endif
