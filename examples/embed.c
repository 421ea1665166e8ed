/* SPDX-License-Identifier: MIT */
/* libp2m in a program: the machine is 4 MB from malloc, and guest memory beyond it only numbers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <p2m/pod.h>

#define TABLES      32u      /* the first frames of the machine */
#define BLOCK       MFN(512) /* its upper 2 MB, for populate-on-demand */
#define ONE_GB      order_frames(ORDER_1G)
#define MUST(truth) ((truth) ? (void)0 : p2m_host_assert_failed(#truth, __FILE__, __LINE__))

struct guest {
    struct p2m p2m; /* first: its address is the guest's */
    struct p2m_table_info info[TABLES];
    unsigned pages, pages_back, frames_back, blocks;
};

mfn_t p2m_host_alloc_table(struct p2m *p2m)
{
    struct guest *guest = (struct guest *)p2m;
    return guest->pages < TABLES ? MFN(guest->pages++) : INVALID_MFN;
}
void p2m_host_free_table(struct p2m *p2m, mfn_t table)
{
    ((struct guest *)p2m)->pages_back += table.mfn < TABLES;
}
struct p2m_table_info *p2m_host_table_info(const struct p2m *p2m, mfn_t table)
{
    return &((struct guest *)p2m)->info[table.mfn];
}
void p2m_host_put_frames(struct p2m *p2m, const struct p2m_frames *frames)
{
    ((struct guest *)p2m)->frames_back += (unsigned)order_frames(frames->order);
}
mfn_t p2m_host_alloc_frames(struct p2m *p2m, unsigned order)
{
    struct guest *guest = (struct guest *)p2m;
    return order == ORDER_2M && guest->blocks > 0 ? guest->blocks--, BLOCK : INVALID_MFN;
}
void p2m_host_free_frames(struct p2m *p2m, mfn_t mfn, unsigned order)
{
    ((struct guest *)p2m)->blocks += mfn.mfn == BLOCK.mfn && order == ORDER_2M;
}
_Noreturn void p2m_host_assert_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, expression);
    abort();
}

static void settle_and_pay(struct p2m_locked locked, struct p2m_debt *debt)
{
    p2m_unlock(locked); /* between begin and end: every processor forgets what it had cached */
    p2m_end_settle(locked.p2m, p2m_begin_settle(locked.p2m));
    MUST(p2m_pay(p2m_lock(locked.p2m), debt) == P2M_OK); /* in one call: it is so little */
}
int main(void)
{
    static struct guest guest = { .blocks = 1 };
    static struct pod pod;
    struct p2m_mapping gigabyte = { MFN(ONE_GB), 18, P2M_RAM_RW }, hole = { INVALID_MFN, 0, 0 };
    struct gfn_range range = { GFN(ONE_GB), GFN(ONE_GB + 512) };
    char *machine = aligned_alloc(FRAME_SIZE, 1024 * FRAME_SIZE);
    struct p2m_config config = { &npt_format, machine, range.end, MFN(2 * ONE_GB), 18, TABLES, 0 };
    const uint64_t looks[] = { 4, 5, 512, ONE_GB + 7 };
    struct p2m_debt debt = P2M_NO_DEBT;
    struct pod_grant grant;
    struct p2m_audit map;
    struct pod_audit hand;

    MUST(machine && p2m_create(&guest.p2m, &config) == P2M_OK);
    pod_create(&pod, &guest.p2m, ORDER_1G);
    struct p2m_locked locked = p2m_lock(&guest.p2m);
    MUST(p2m_set_entry(locked, GFN(0), gigabyte, &debt) == P2M_OK);
    MUST(p2m_set_entry(locked, GFN(5), hole, &debt) == P2M_OK); /* splits twice, owes a frame */
    settle_and_pay(locked, &debt);
    printf("frames back %u\n", guest.frames_back);

    MUST(pod_mark(locked, &pod, &range, &debt) == P2M_OK);
    MUST(pod_set_cache_target(locked, &pod, 512) == P2M_OK);
    MUST(pod_demand_populate(locked, &pod, GFN(ONE_GB + 7), &grant) == P2M_UNCLEAN);
    memset(machine + grant.mfn.mfn * FRAME_SIZE, 0, order_frames(grant.order) * FRAME_SIZE);
    MUST(pod_finish_populate(locked, &pod, &grant) == P2M_OK);
    for (unsigned i = 0; i < 4; i++) {
        struct p2m_entry at = p2m_get_entry(p2m_locked_walking(locked), GFN(looks[i]));
        printf("gfn %#x: %s, order %u\n", (unsigned)looks[i], p2m_type_name(at.type), at.order);
    }
    p2m_audit(locked, &map);
    pod_audit(locked, &pod, &hand);
    printf("errors %u\n", (unsigned)(map.errors + hand.errors));
    MUST(pod_empty(locked, &pod) == P2M_OK);
    p2m_destroy(locked, &debt);
    settle_and_pay(locked, &debt);
    free(machine);
    printf("frames back %u, ", guest.frames_back);
    printf("pages back %u of %u\n", guest.pages_back, guest.pages);
    return 0;
}
