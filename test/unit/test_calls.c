/* SPDX-License-Identifier: MIT */
/*
 * The private hypercall: nobody has it who was not given it, whatever it is asked, and the oracle's
 * calls least of all, for they may spoil anything. hv/test_calls.c; what stands around it must not
 * be reached.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flush.h"
#include "guest_memory.h"
#include "hypercall_memory.h"
#include "print.h"
#include "slots.h"
#include "target.h"
#include "test_calls.h"
#include "test_calls_oracle.h"
#include "test_processors.h"
#include "test_types.h"
#include "xen_abi.h"

#define CALLS 64u

static struct domain domain;
static struct vcpu *const vcpu = &domain.vcpu[0];
static unsigned oracle_calls;

void oracle_end(struct domain *of)
{
    assert_ptr_equal(of, &domain);
}

int64_t oracle_call(struct vcpu *of, uint64_t operation, uint64_t number, uint64_t value)
{
    assert_ptr_equal(of, vcpu);
    assert_in_range(operation, TEST_EXPECT, TEST_PLANT);
    assert_int_equal(number, UINT64_MAX); /* a place, an address: not a frame that has an end */
    assert_int_equal(value, 7);
    oracle_calls++;
    return 42;
}

/* ---- what must not be reached --------------------------------------------------------------- */

/* clang-format off */
#define NOT_REACHED { fail(); __builtin_unreachable(); }
struct p2m_locked p2m_lock(struct p2m *p2m) { (void)p2m; NOT_REACHED }
void p2m_unlock(struct p2m_locked locked) { (void)locked; NOT_REACHED }
struct p2m_entry p2m_get_entry(struct p2m_walking walking, gfn_t gfn)
{ (void)walking, (void)gfn; NOT_REACHED }
enum p2m_error p2m_split(struct p2m_locked locked, gfn_t gfn, unsigned order)
{ (void)locked, (void)gfn, (void)order; NOT_REACHED }
enum p2m_error p2m_merge(struct p2m_locked locked, gfn_t gfn, unsigned order, struct p2m_debt *debt)
{ (void)locked, (void)gfn, (void)order, (void)debt; NOT_REACHED }
struct pod_account pod_account(const struct pod *pod) { (void)pod; NOT_REACHED }
struct pod_cache_counts pod_cache_counts(const struct pod *pod) { (void)pod; NOT_REACHED }
enum p2m_error pod_sweep_protect(struct p2m_locked locked, struct pod *pod,
                                 struct pod_sweep_kind kind, struct pod_sweep *sweep,
                                 struct p2m_debt *debt)
{ (void)locked, (void)pod, (void)kind, (void)sweep, (void)debt; NOT_REACHED }
void pod_sweep_scan(struct pod *pod, struct pod_sweep *sweep, unsigned index)
{ (void)pod, (void)sweep, (void)index; NOT_REACHED }
uint64_t pod_sweep_finish(struct p2m_locked locked, struct pod *pod, struct pod_sweep *sweep,
                          struct p2m_debt *debt)
{ (void)locked, (void)pod, (void)sweep, (void)debt; NOT_REACHED }
void flush_settle(struct domain *of, struct p2m_debt *debt) { (void)of, (void)debt; NOT_REACHED }
bool guest_copy_from(struct domain *of, void *to, uint64_t physical, size_t size)
{ (void)of, (void)to, (void)physical, (void)size; NOT_REACHED }
bool guest_copy_to(struct domain *of, uint64_t physical, const void *from, size_t size)
{ (void)of, (void)physical, (void)from, (void)size; NOT_REACHED }
int64_t test_processors_call(struct vcpu *of, uint64_t operation, uint64_t number, uint64_t value)
{ (void)of, (void)operation, (void)number, (void)value; NOT_REACHED }
void test_processors_end(struct domain *of) { (void)of; NOT_REACHED }
int64_t test_types_call(struct domain *of, uint64_t operation, gfn_t gfn, uint64_t value)
{ (void)of, (void)operation, (void)gfn, (void)value; NOT_REACHED }
int64_t hypercall_map_error(enum p2m_error error) { (void)error; NOT_REACHED }
enum p2m_error target_set(struct domain *of, uint64_t frames)
{ (void)of, (void)frames; NOT_REACHED }
void print(const char *text, ...) { (void)text; NOT_REACHED }
/* clang-format on */

/* ---- claims --------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    (void)state;
    domain = (struct domain){ .end = GFN(0x1000) };
    vcpu->domain = &domain;
    oracle_calls = 0;
    return 0;
}

static void nobody_has_it_who_was_not_given_it(void **state)
{
    (void)state;
    for (uint64_t call = 0; call < CALLS; call++)
        for (uint64_t number = 0; number < 3; number++)
            assert_int_equal(test_call(vcpu, call, number * 0xfff, 7), -XEN_ENOSYS);
    assert_int_equal(oracle_calls, 0);
}

static void the_oracles_calls_are_passed_on_as_they_are(void **state)
{
    (void)state;
    domain.test_calls = true;
    for (uint64_t call = TEST_EXPECT; call <= TEST_PLANT; call++)
        assert_int_equal(test_call(vcpu, call, UINT64_MAX, 7), 42);
    assert_int_equal(oracle_calls, TEST_PLANT - TEST_EXPECT + 1);
}

static void a_frame_beyond_the_end_is_none(void **state)
{
    (void)state;
    domain.test_calls = true;
    for (uint64_t call = TEST_SPLIT; call <= TEST_HELD; call++)
        if (call != TEST_PRINT)
            assert_int_equal(test_call(vcpu, call, domain.end.gfn, 7), -XEN_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nobody_has_it_who_was_not_given_it, set_up),
        cmocka_unit_test_setup(the_oracles_calls_are_passed_on_as_they_are, set_up),
        cmocka_unit_test_setup(a_frame_beyond_the_end_is_none, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
