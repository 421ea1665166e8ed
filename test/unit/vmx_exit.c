/* SPDX-License-Identifier: MIT */
/*
 * hv/vmx_exit.c: what an exit means, put in no vendor's words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "vmx.h"

static struct vm_exit exit_of(struct vmcs_exit from)
{
    struct vm_exit exit;

    vmx_read_exit(&from, &exit);
    return exit;
}

static void faults_are_the_same_as_the_other_vendors(void **state)
{
    static const struct {
        uint64_t qualification;
        unsigned access;
        bool page_walk;
    } all[] = {
        { 0x181, FAULT_READ, false },  { 0x182, FAULT_WRITE, false }, { 0x184, FAULT_FETCH, false },
        { 0x1aa, FAULT_WRITE, false }, { 0x19c, FAULT_FETCH, false }, { 0x082, FAULT_WRITE, true },
        { 0x081, FAULT_READ, true },   { 0x001, FAULT_READ, false },
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct vm_exit exit = exit_of((struct vmcs_exit){ .reason = VMX_EPT_VIOLATION,
                                                          .qualification = all[i].qualification,
                                                          .guest_physical = 0x123456 });

        assert_int_equal(exit.reason, EXIT_FAULT);
        assert_int_equal(exit.fault.address, 0x123456);
        assert_int_equal(exit.fault.access, all[i].access);
        assert_int_equal(exit.fault.page_walk, all[i].page_walk);
        assert_false(exit.fault.reserved);
        assert_int_equal(exit.fault.code, all[i].qualification);
    }
}

static void a_misconfiguration_is_our_bug(void **state)
{
    struct vm_exit exit = exit_of((struct vmcs_exit){
        .reason = VMX_EPT_MISCONFIGURATION, .qualification = 0x182, .guest_physical = 0x7000 });

    (void)state;
    assert_int_equal(exit.reason, EXIT_FAULT);
    assert_true(exit.fault.reserved);
    assert_int_equal(exit.fault.address, 0x7000);
    assert_int_equal(exit.fault.code, 0); /* what stands in the field means nothing */
}

static void ports_are_read_from_the_qualification(void **state)
{
    struct vm_exit in =
        exit_of((struct vmcs_exit){ .reason = VMX_PORT, .qualification = 0x3fd0008, .length = 1 });
    struct vm_exit out =
        exit_of((struct vmcs_exit){ .reason = VMX_PORT, .qualification = 0xcf80003, .length = 1 });
    struct vm_exit string =
        exit_of((struct vmcs_exit){ .reason = VMX_PORT, .qualification = 0x600031 });

    (void)state;
    assert_int_equal(in.reason, EXIT_PORT_IN);
    assert_int_equal(in.io.port, 0x3fd);
    assert_int_equal(in.io.size, 1);
    assert_int_equal(in.length, 1);
    assert_false(in.io.string);
    assert_int_equal(out.reason, EXIT_PORT_OUT);
    assert_int_equal(out.io.port, 0xcf8);
    assert_int_equal(out.io.size, 4);
    assert_int_equal(string.io.size, 2);
    assert_true(string.io.string);
}

static void the_instructions_of_vmx_do_not_exist(void **state)
{
    static const enum vmx_reason all[] = { VMX_VMCLEAR, VMX_VMLAUNCH, VMX_VMPTRLD, VMX_VMPTRST,
                                           VMX_VMREAD,  VMX_VMRESUME, VMX_VMWRITE, VMX_VMXOFF,
                                           VMX_VMXON,   VMX_INVEPT,   VMX_INVVPID, VMX_GETSEC };

    (void)state;
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct vm_exit exit = exit_of((struct vmcs_exit){ .reason = all[i] });

        assert_int_equal(exit.reason, EXIT_FORBIDDEN);
        assert_int_equal(exit.exception, EXCEPTION_UD);
    }
}

static void a_state_that_is_refused_is_known_by_the_low_half(void **state)
{
    (void)state;
    assert_int_equal(exit_of((struct vmcs_exit){ .reason = 0x80000021 }).reason, EXIT_INVALID);
    assert_int_equal(exit_of((struct vmcs_exit){ .reason = 0x1234 }).reason, EXIT_UNKNOWN);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_are_the_same_as_the_other_vendors),
        cmocka_unit_test(a_misconfiguration_is_our_bug),
        cmocka_unit_test(ports_are_read_from_the_qualification),
        cmocka_unit_test(the_instructions_of_vmx_do_not_exist),
        cmocka_unit_test(a_state_that_is_refused_is_known_by_the_low_half),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
