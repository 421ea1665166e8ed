/* SPDX-License-Identifier: MIT */
/*
 * Second-stage faults: which verb each becomes, and how many spurious ones in a row are too many.
 * hv/fault.c, with a map of one entry.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"
#include "lib.h"
#include "populate.h"
#include "reclaim.h"
#include "stop.h"
#include "types.h"
#include "vendor.h"

#define ROW 1000 /* spurious faults that are borne */

static struct domain domain;
static struct vcpu *const vcpu = &domain.vcpu[0];
static struct p2m_entry entry;
static unsigned populates, releases, flushes, noted;
static bool is_pending; /* a change of type, until it is touched */

static void count_flush(struct vcpu *of)
{
    assert_ptr_equal(of, vcpu);
    flushes++;
}

static const struct vendor the_vendor = { .flush = count_flush };
const struct vendor *vendor = &the_vendor;

struct p2m_locked p2m_lock(struct p2m *p2m)
{
    return (struct p2m_locked){ p2m };
}

void p2m_unlock(struct p2m_locked locked)
{
    assert_ptr_equal(locked.p2m, &domain.p2m);
}

struct p2m_entry p2m_get_entry(struct p2m_walking walking, gfn_t gfn)
{
    (void)walking;
    assert_int_equal(gfn.gfn, 5);
    return entry;
}

const char *p2m_type_name(enum p2m_type type)
{
    return type == P2M_INVALID ? "invalid" : "other";
}

enum p2m_class p2m_type_class(enum p2m_type type)
{
    return type == P2M_POD ? P2M_CLASS_MARKER : P2M_CLASS_RAM;
}

bool p2m_type_is_held(enum p2m_type type)
{
    return type == P2M_RAM_HELD || type == P2M_RAM_COPIED;
}

unsigned p2m_type_rights(enum p2m_type type)
{
    if (p2m_type_is_held(type))
        return P2M_READ | P2M_EXECUTE;
    return type == P2M_RAM_RW ? P2M_READ | P2M_WRITE | P2M_EXECUTE : 0;
}

bool populate(struct domain *of, gfn_t gfn)
{
    assert_int_equal(gfn.gfn, 5);
    assert_ptr_equal(of, &domain);
    populates++;
    return true;
}

void reclaim_release(struct domain *of, gfn_t gfn)
{
    assert_int_equal(gfn.gfn, 5);
    assert_ptr_equal(of, &domain);
    releases++;
}

bool types_touch(struct domain *of, gfn_t gfn)
{
    bool was_pending = is_pending;

    assert_int_equal(gfn.gfn, 5);
    assert_ptr_equal(of, &domain);
    is_pending = false;
    return was_pending;
}

void types_log_write(struct domain *of, gfn_t gfn)
{
    assert_int_equal(gfn.gfn, 5);
    assert_ptr_equal(of, &domain);
    noted++;
}

static int set_up(void **state)
{
    (void)state;
    memset(&domain, 0, sizeof(domain));
    vcpu->domain = &domain;
    vcpu->exit.fault = (struct fault){ .address = 0x5000, .access = FAULT_WRITE };
    vcpu->registers.rip = 0x1234;
    populates = releases = flushes = noted = 0;
    return 0;
}

static void fault_at(enum p2m_type type, unsigned times)
{
    entry = (struct p2m_entry){ .mfn = MFN(5), .type = type };
    for (unsigned i = 0; i < times; i++)
        fault_handle(vcpu);
}

static void each_type_has_its_verb(void **state)
{
    (void)state;
    fault_at(P2M_POD, 1);
    assert_int_equal(populates, 1);
    fault_at(P2M_RAM_HELD, 1);
    fault_at(P2M_RAM_COPIED, 1);
    assert_int_equal(releases, 2);
    fault_at(P2M_RAM_LOGDIRTY, 1);
    assert_int_equal(noted, 1);
    fault_at(P2M_RAM_RW, 1);
    assert_int_equal(flushes, 1);
    assert_int_equal(domain.stop, STOP_NONE);
    assert_int_equal(domain.faults, 5);
}

static void nothing_there_is_the_guests_fault(void **state)
{
    (void)state;
    fault_at(P2M_INVALID, 1);
    assert_int_equal(domain.stop, STOP_BAD_ACCESS);
    assert_non_null(strstr(domain.stop_details, "write to guest address 0x5000"));
}

/* It may be one that another vCPU has mended meanwhile: then it is gone when it is looked at again.
 */
static void an_entry_that_stays_malformed_is_ours(void **state)
{
    (void)state;
    vcpu->exit.fault.reserved = true;
    fault_at(P2M_RAM_RW, ROW);
    assert_int_equal(domain.stop, STOP_NONE);
    fault_at(P2M_RAM_RW, 1);
    assert_int_equal(domain.stop, STOP_HOST_BUG);
}

/* Of all kinds of fault: on Intel this is a malformed entry, on AMD one without rights. */
static void a_change_of_type_is_carried_out_first(void **state)
{
    (void)state;
    for (unsigned times = 0; times < 2 * ROW; times++) {
        is_pending = true;
        vcpu->exit.fault.reserved = times & 1;
        fault_at(times & 2 ? P2M_RAM_RW : P2M_INVALID, 1);
        assert_false(is_pending);
    }
    assert_int_equal(domain.stop, STOP_NONE);
    assert_int_equal(flushes, 0);
}

static void too_many_in_a_row_are_a_bug(void **state)
{
    (void)state;
    fault_at(P2M_RAM_RW, ROW);
    assert_int_equal(domain.stop, STOP_NONE);
    fault_at(P2M_RAM_RW, 1);
    assert_int_equal(domain.stop, STOP_HOST_BUG);
}

static void another_instruction_begins_anew(void **state)
{
    (void)state;
    fault_at(P2M_RAM_RW, ROW);
    vcpu->registers.rip++;
    fault_at(P2M_RAM_RW, ROW);
    assert_int_equal(domain.stop, STOP_NONE);
}

/* An instruction of long life, as a string copy, meets faults of all kinds. */
static void another_fault_ends_the_row(void **state)
{
    static const enum p2m_type others[] = { P2M_POD, P2M_RAM_HELD, P2M_RAM_COPIED };

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        fault_at(P2M_RAM_RW, ROW);
        fault_at(others[i], 1);
        fault_at(P2M_RAM_RW, ROW);
        assert_int_equal(domain.stop, STOP_NONE);
        fault_at(others[i], 1);
    }
}

#define CLAIM(name) cmocka_unit_test_setup(name, set_up)

static void the_first_reason_stays(void **state)
{
    struct domain domain = { .id = 1 };

    (void)state;
    domain_stop(&domain, STOP_POWEROFF, "by vCPU %u", 0);
    domain_stop(&domain, STOP_OUT_OF_MEMORY, "by vCPU %u", 1);
    assert_int_equal(domain.stop, STOP_POWEROFF);
    assert_string_equal(domain.stop_details, "by vCPU 0");
    assert_true(stop_is_good(domain.stop));
    assert_string_equal(stop_reason_name(domain.stop), "poweroff");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(each_type_has_its_verb),
        CLAIM(nothing_there_is_the_guests_fault),
        CLAIM(an_entry_that_stays_malformed_is_ours),
        CLAIM(a_change_of_type_is_carried_out_first),
        CLAIM(too_many_in_a_row_are_a_bug),
        CLAIM(another_instruction_begins_anew),
        CLAIM(another_fault_ends_the_row),
        CLAIM(the_first_reason_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
