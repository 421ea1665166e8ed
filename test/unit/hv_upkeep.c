/* SPDX-License-Identifier: MIT */
/*
 * Upkeep and gathering, as the host drives them: when each ends, and what is noted of slots and of
 * machine frames. hv/upkeep.c and hv/gather.c, with an engine that answers as the test wants.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "clear.h"
#include "cpu.h"
#include "devices.h"
#include "flush.h"
#include "frames.h"
#include "guest_memory.h"
#include "lib.h"
#include "types.h"
#include "upkeep.h"

#define MOVES_MOST 10000u
#define SLOTS      8u
#define MACHINE    (8u << 20) /* bytes that there are to copy from and to */
#define PAGE_GFN   GFN(77)    /* where the host's own pointer points */

static struct domain domain;
static struct pod_account account;
static struct p2m_entry (*look)(gfn_t gfn);
static bool has_candidates;
static uint64_t now;

/* Gathering: */
static bool is_worth_it, is_written_to; /* the latter: every move is in vain */
static unsigned move_order, moves, looks, unpins, pins;
static uint64_t made_ram, merged; /* frames; a bit a slot */
static unsigned small_merged;     /* 2 MB that were tried */

/* ---- the engine ----------------------------------------------------------------------------- */

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
    return look(gfn);
}

enum p2m_class p2m_type_class(enum p2m_type type)
{
    return type == P2M_RAM_RW ? P2M_CLASS_RAM : P2M_CLASS_NONE;
}

bool types_step(struct domain *of)
{
    assert_ptr_equal(of, &domain);
    return false;
}

bool p2m_has_candidates(const struct p2m *p2m)
{
    (void)p2m;
    return has_candidates;
}

enum p2m_error p2m_merge(struct p2m_locked locked, gfn_t gfn, unsigned order, struct p2m_debt *debt)
{
    (void)locked, (void)debt;
    if (order == ORDER_2M) {
        small_merged++;
        return P2M_UNEQUAL;
    }
    assert_int_equal(order, ORDER_1G);
    merged |= 1u << (gfn.gfn >> ORDER_1G);
    return gfn.gfn >> ORDER_1G == 1 ? P2M_OK : P2M_UNEQUAL;
}

struct pod_account pod_account(const struct pod *pod)
{
    (void)pod;
    return account;
}

bool pod_clean_begin(struct p2m_locked locked, struct pod *pod, struct pod_grant *grant)
{
    (void)locked, (void)pod, (void)grant;
    return false;
}

void pod_clean_end(struct p2m_locked locked, struct pod *pod, const struct pod_grant *grant)
{
    (void)locked, (void)pod, (void)grant;
    fail();
}

enum p2m_error pod_gather_start(struct p2m_locked locked, struct pod *pod)
{
    (void)locked, (void)pod;
    looks++;
    return is_worth_it ? P2M_OK : P2M_EMPTY;
}

gfn_t pod_gather_slot(const struct pod *pod)
{
    (void)pod;
    return GFN(UINT64_MAX);
}

enum p2m_error pod_gather_next(struct p2m_locked locked, struct pod *pod, struct pod_move *move,
                               struct p2m_debt *debt)
{
    (void)locked, (void)pod, (void)debt;
    assert_true(moves < MOVES_MOST);
    moves++;
    *move = (struct pod_move){ .from = MFN(0), .to = { GFN(512), MFN(512), move_order } };
    return P2M_OK;
}

bool pod_move_unmap(struct p2m_locked locked, struct pod *pod, const struct pod_move *move,
                    struct p2m_debt *debt)
{
    (void)locked, (void)pod, (void)move, (void)debt;
    return !is_written_to;
}

void pod_move_finish(struct p2m_locked locked, struct pod *pod, const struct pod_move *move)
{
    (void)locked, (void)pod, (void)move;
}

/* ---- the host ------------------------------------------------------------------------------- */

uint64_t clock_ns(void)
{
    return now;
}

void clear_block(mfn_t mfn, unsigned order)
{
    (void)mfn, (void)order;
}

void flush_settle(struct domain *of, struct p2m_debt *debt)
{
    assert_ptr_equal(of, &domain);
    *debt = P2M_NO_DEBT;
}

void flush_merge(struct domain *of)
{
    assert_ptr_equal(of, &domain);
    has_candidates = false;
}

void frames_set_state(mfn_t mfn, unsigned order, enum frame_state state, unsigned owner)
{
    assert_true(mfn.mfn >= 512 && mfn.mfn + order_frames(order) <= 1024);
    assert_int_equal(state, FRAME_RAM);
    assert_int_equal(owner, domain.id);
    made_ram += order_frames(order);
}

bool guest_pin(struct domain *of, gfn_t gfn, struct guest_pointer *pointer)
{
    assert_ptr_equal(of, &domain);
    assert_int_equal(gfn.gfn, PAGE_GFN.gfn);
    *pointer = (struct guest_pointer){ .host = &domain, .gfn = gfn };
    pins++;
    return true;
}

void guest_unpin(struct domain *of, struct guest_pointer *pointer)
{
    assert_ptr_equal(of, &domain);
    assert_non_null(pointer->host);
    pointer->host = NULL;
    unpins++;
}

/* ---- what the map says ---------------------------------------------------------------------- */

static struct p2m_entry nothing(gfn_t gfn)
{
    (void)gfn;
    return (struct p2m_entry){ .mfn = INVALID_MFN, .order = ORDER_2M };
}

/* Slot 1 is one leaf, slot 2 one mark, all else is in pieces. */
static struct p2m_entry two_are_whole(gfn_t gfn)
{
    uint64_t slot = gfn.gfn >> ORDER_1G;
    struct p2m_entry entry = nothing(gfn);

    entry.type = slot == 2 ? P2M_POD : P2M_RAM_RW;
    entry.order = slot == 1 || slot == 2 ? ORDER_1G : ORDER_2M;
    return entry;
}

static struct p2m_entry all_of_the_copy(gfn_t gfn)
{
    return (struct p2m_entry){ .mfn = MFN(gfn.gfn), .order = move_order, .type = P2M_RAM_RW };
}

/* The guest gave back all but 100 frames while they were copied. */
static struct p2m_entry a_part_of_the_copy(gfn_t gfn)
{
    struct p2m_entry entry = { .mfn = INVALID_MFN, .order = ORDER_4K };

    if (gfn.gfn % 512 >= 100 && gfn.gfn % 512 < 200)
        entry = (struct p2m_entry){ .mfn = MFN(gfn.gfn), .type = P2M_RAM_RW };
    return entry;
}

static int set_up(void **state)
{
    (void)state;
    memset(&domain, 0, sizeof(domain));
    domain.id = 1;
    domain.pod_debt_order = ORDER_2M;
    small_merged = 0;
    domain.end = GFN((uint64_t)SLOTS << ORDER_1G);
    domain.vcpu[0].domain = &domain;
    domain.vcpu[0].info_page = (struct guest_pointer){ &domain, PAGE_GFN };
    account = (struct pod_account){ .entries = 10, .cached = 10 };
    look = nothing;
    has_candidates = is_worth_it = is_written_to = false;
    move_order = ORDER_4K;
    moves = looks = unpins = pins = 0;
    made_ram = merged = 0;
    now = 1;
    return 0;
}

/* ---- gathering ------------------------------------------------------------------------------ */

static void what_was_copied_in_vain_is_work_too(void **state)
{
    (void)state;
    is_worth_it = is_written_to = true;
    assert_int_equal(upkeep_gather(&domain, 512), 512);
    assert_int_equal(moves, 512);
    assert_int_equal(made_ram, 0);
    assert_int_equal(domain.vcpu[0].info_page.gfn.gfn, PAGE_GFN.gfn);
    assert_non_null(domain.vcpu[0].info_page.host);
}

static void the_hosts_pointer_stays_where_nothing_moves(void **state)
{
    (void)state;
    assert_int_equal(upkeep_gather(&domain, 512), 0);
    assert_int_equal(looks, 1);
    assert_int_equal(upkeep_gather(&domain, 512), 0);
    assert_int_equal(looks, 1); /* not soon again */
    assert_int_equal(unpins + pins, 0);
}

static void the_copy_is_the_guests(void **state)
{
    (void)state;
    is_worth_it = true;
    move_order = ORDER_2M;
    look = all_of_the_copy;
    assert_int_equal(upkeep_gather(&domain, 1), 512);
    assert_int_equal(moves, 1);
    assert_int_equal(made_ram, 512);
    assert_int_equal(unpins, 1);
    assert_int_equal(pins, 1);
}

static void what_is_not_mapped_of_the_copy_is_not_the_guests(void **state)
{
    (void)state;
    is_worth_it = true;
    move_order = ORDER_2M;
    look = a_part_of_the_copy;
    assert_int_equal(upkeep_gather(&domain, 1), 512);
    assert_int_equal(made_ram, 100);
}

/* ---- slots ---------------------------------------------------------------------------------- */

static void a_debt_that_was_paid_merges_slots_once(void **state)
{
    (void)state;
    domain.merge_slots_later = true;
    domain.slot_reason[1] = SLOT_POPULATED_IN_DEBT;
    domain.slot_reason[2] = SLOT_SPLIT_BY_TEST;
    domain.slot_reason[3] = SLOT_RECLAIMED;
    account.entries++;
    assert_false(upkeep_step(&domain));
    assert_int_equal(merged, 0);
    account.entries--;
    assert_true(upkeep_step(&domain));
    assert_int_equal(merged, 1 << 1 | 1 << 3);
    assert_int_equal(domain.slot_reason[1], SLOT_WHOLE);
    assert_int_equal(domain.slot_reason[3], SLOT_RECLAIMED);
    merged = 0;
    assert_false(upkeep_step(&domain));
    assert_int_equal(merged, 0);
}

static void small_leaves_are_merged_before_their_slot(void **state)
{
    (void)state;
    domain.pod_debt_order = ORDER_4K;
    domain.merge_slots_later = true;
    domain.slot_reason[1] = SLOT_POPULATED_IN_DEBT;
    assert_true(upkeep_step(&domain));
    assert_int_equal(small_merged, 512);
    assert_int_equal(merged, 1 << 1);
}

static void what_is_one_entry_again_has_no_reason(void **state)
{
    (void)state;
    has_candidates = true;
    look = two_are_whole;
    for (unsigned slot = 1; slot < 4; slot++)
        domain.slot_reason[slot] = SLOT_BALLOONED;
    assert_true(upkeep_step(&domain));
    assert_int_equal(domain.slot_reason[1], SLOT_WHOLE);
    assert_int_equal(domain.slot_reason[2], SLOT_WHOLE);
    assert_int_equal(domain.slot_reason[3], SLOT_BALLOONED);
}

#define CLAIM(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(what_was_copied_in_vain_is_work_too),
        CLAIM(the_hosts_pointer_stays_where_nothing_moves),
        CLAIM(the_copy_is_the_guests),
        CLAIM(what_is_not_mapped_of_the_copy_is_not_the_guests),
        CLAIM(a_debt_that_was_paid_merges_slots_once),
        CLAIM(small_leaves_are_merged_before_their_slot),
        CLAIM(what_is_one_entry_again_has_no_reason),
    };

    if (mmap(direct_map(0), MACHINE, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED) {
        perror("no room for the machine's memory");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
