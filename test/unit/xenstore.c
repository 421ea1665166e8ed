/* SPDX-License-Identifier: MIT */
/*
 * A guest and its xenstore: store.c and xenstore.c, with a guest that keeps to the protocol, in
 * pieces as small as it likes, and guests that do not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "events.h"
#include "lib.h"
#include "xen_abi.h"
#include "xenstore.h"

#include <xen/io/xs_wire.h>

/* ---- the guest ------------------------------------------------------------------------------ */

static struct domain domain;
static _Alignas(4096) uint8_t page[FRAME_SIZE];
static struct xenstore_domain_interface *const ring = (struct xenstore_domain_interface *)page;
static unsigned raised;

void events_send(struct domain *to, unsigned port)
{
    assert_ptr_equal(to, &domain);
    assert_int_equal(port, GUEST_PORT_STORE);
    raised++;
}

static int set_up(void **state)
{
    (void)state;
    memset(&domain, 0, sizeof(domain));
    memset(page, 0xee, sizeof(page));
    domain.id = 1;
    domain.store_ring.host = page;
    domain.maxmem_frames = 786432;
    domain.memory_frames = 262144;
    domain.has_target = true;
    raised = 0;
    xenstore_init(&domain);
    return 0;
}

static void put(const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (ring->req_prod - ring->req_cons == XENSTORE_RING_SIZE)
            xenstore_serve(&domain);
        assert_int_not_equal(ring->req_prod - ring->req_cons, XENSTORE_RING_SIZE);
        ring->req[MASK_XENSTORE_IDX(ring->req_prod++)] = ((const char *)bytes)[i];
    }
}

static void put_request(uint32_t type, uint32_t transaction, const void *payload, uint32_t size)
{
    struct xsd_sockmsg header = { type, 77, transaction, size };

    put(&header, sizeof(header));
    put(payload, size);
}

static void get(void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (ring->rsp_prod == ring->rsp_cons)
            xenstore_serve(&domain);
        assert_int_not_equal(ring->rsp_prod, ring->rsp_cons);
        ((char *)bytes)[i] = ring->rsp[MASK_XENSTORE_IDX(ring->rsp_cons++)];
    }
}

static void expect_silence(void)
{
    xenstore_serve(&domain);
    assert_int_equal(ring->rsp_prod, ring->rsp_cons);
}

/* The next message that comes is this one. */
static void expect(uint32_t type, const char *payload, uint32_t size)
{
    struct xsd_sockmsg header;
    char got[XENSTORE_PAYLOAD_MAX];

    xenstore_serve(&domain);
    get(&header, sizeof(header));
    assert_int_equal(header.type, type);
    assert_int_equal(header.req_id, type == XS_WATCH_EVENT ? 0 : 77);
    assert_int_equal(header.len, size);
    get(got, header.len);
    assert_memory_equal(got, payload, size);
}

/* Literals, with the NULs that are in them; the last one is the literal's own and not sent. */
#define ASK(type, transaction, literal)                                                            \
    put_request(type, transaction, literal, (uint32_t)sizeof(literal) - 1)
#define EXPECT(type, literal) expect(type, literal, (uint32_t)sizeof(literal) - 1)

/* ---- claims --------------------------------------------------------------------------------- */

static void the_boot_of_a_debian_kernel_is_answered(void **state)
{
    (void)state;
    ASK(XS_READ, 0, "control/platform-feature-xs_reset_watches\0");
    EXPECT(XS_ERROR, "ENOENT\0");
    ASK(XS_WATCH, 0, "memory/target\0FFFF\0");
    EXPECT(XS_WATCH, "OK\0");
    EXPECT(XS_WATCH_EVENT, "memory/target\0FFFF\0");
    ASK(XS_READ, 0, "memory/target\0");
    EXPECT(XS_READ, "1048576");
    ASK(XS_READ, 0, "memory/static-max\0");
    EXPECT(XS_READ, "3145728");
    ASK(XS_READ, 0, "cpu/0/availability\0");
    EXPECT(XS_READ, "online");
    ASK(XS_WRITE, 0, "control/feature-poweroff\0001");
    EXPECT(XS_WRITE, "OK\0");
    ASK(XS_TRANSACTION_START, 0, "\0");
    EXPECT(XS_TRANSACTION_START, "1\0");
    ASK(XS_READ, 1, "control/sysrq\0");
    EXPECT(XS_ERROR, "ENOENT\0");
    ASK(XS_TRANSACTION_END, 1, "F\0");
    EXPECT(XS_TRANSACTION_END, "OK\0");
    ASK(XS_DIRECTORY, 0, "device\0");
    EXPECT(XS_ERROR, "ENOENT\0");
    expect_silence();
}

static void a_message_may_come_byte_by_byte(void **state)
{
    static const char payload[] = "memory/target";
    struct xsd_sockmsg header = { XS_READ, 77, 0, sizeof(payload) };

    (void)state;
    for (size_t i = 0; i < sizeof(header); i++) {
        put((const char *)&header + i, 1);
        expect_silence();
    }
    for (size_t i = 0; i + 1 < sizeof(payload); i++) {
        put(payload + i, 1);
        expect_silence();
    }
    put("", 1);
    EXPECT(XS_READ, "1048576");
}

static void indices_wrap(void **state)
{
    (void)state;
    ring->req_prod = ring->req_cons = domain.store.request_index = UINT32_MAX - 5;
    ring->rsp_prod = ring->rsp_cons = domain.store.reply_index = UINT32_MAX - 9;
    for (unsigned i = 0; i < 300; i++) {
        ASK(XS_READ, 0, "memory/target\0");
        EXPECT(XS_READ, "1048576");
    }
}

static void replies_without_room_wait(void **state)
{
    unsigned asked = 0;

    (void)state;
    for (; ring->rsp_prod - ring->rsp_cons < XENSTORE_RING_SIZE; asked++) {
        ASK(XS_READ, 0, "memory/target\0");
        xenstore_serve(&domain);
    }
    for (unsigned i = 0; i < 10; i++, asked++)
        ASK(XS_READ, 0, "memory/target\0");
    xenstore_serve(&domain);
    assert_int_equal(ring->rsp_prod - ring->rsp_cons, XENSTORE_RING_SIZE);
    assert_int_not_equal(ring->req_prod, ring->req_cons);
    while (asked--)
        EXPECT(XS_READ, "1048576");
    expect_silence();
    assert_int_equal(ring->req_prod, ring->req_cons);
}

static void a_new_target_is_told_to_whoever_watches_it(void **state)
{
    (void)state;
    ASK(XS_WATCH, 0, "memory\0A\0");
    EXPECT(XS_WATCH, "OK\0");
    EXPECT(XS_WATCH_EVENT, "memory\0A\0");
    ASK(XS_WATCH, 0, "/local/domain/1/memory/target\0B\0");
    EXPECT(XS_WATCH, "OK\0");
    EXPECT(XS_WATCH_EVENT, "/local/domain/1/memory/target\0B\0");
    ASK(XS_WATCH, 0, "control\0C\0");
    EXPECT(XS_WATCH, "OK\0");
    EXPECT(XS_WATCH_EVENT, "control\0C\0");
    raised = 0;
    xenstore_set_target(&domain, 512);
    assert_int_equal(raised, 1);
    EXPECT(XS_WATCH_EVENT, "memory/target\0A\0");
    EXPECT(XS_WATCH_EVENT, "/local/domain/1/memory/target\0B\0");
    ASK(XS_READ, 0, "/local/domain/1/memory/target\0");
    EXPECT(XS_READ, "2048");
    ASK(XS_UNWATCH, 0, "memory\0A\0");
    EXPECT(XS_UNWATCH, "OK\0");
    ASK(XS_UNWATCH, 0, "memory\0A\0");
    EXPECT(XS_ERROR, "ENOENT\0");
    ASK(XS_RESET_WATCHES, 0, "\0");
    EXPECT(XS_RESET_WATCHES, "OK\0");
    xenstore_set_target(&domain, 1024);
    expect_silence();
}

static void a_guest_that_has_no_target_is_told_none(void **state)
{
    (void)state;
    domain.has_target = false;
    xenstore_init(&domain);
    ASK(XS_WATCH, 0, "memory/target\0T\0");
    EXPECT(XS_WATCH, "OK\0");
    EXPECT(XS_WATCH_EVENT, "memory/target\0T\0");
    xenstore_set_target(&domain, 300000);
    assert_int_equal(domain.memory_frames, 300000);
    ASK(XS_READ, 0, "memory/target\0");
    EXPECT(XS_ERROR, "ENOENT\0");
    ASK(XS_READ, 0, "memory/static-max\0");
    EXPECT(XS_READ, "3145728");
    expect_silence();
}

static void targets_that_change_while_the_ring_is_full_are_told_later(void **state)
{
    (void)state;
    ASK(XS_WATCH, 0, "memory/target\0A\0");
    EXPECT(XS_WATCH, "OK\0");
    EXPECT(XS_WATCH_EVENT, "memory/target\0A\0");
    while (ring->rsp_prod - ring->rsp_cons < XENSTORE_RING_SIZE) {
        ASK(XS_READ, 0, "memory/static-max\0");
        xenstore_serve(&domain);
    }
    for (unsigned i = 1; i < 1000; i++)
        xenstore_set_target(&domain, i);
    for (unsigned left = ring->rsp_prod - ring->rsp_cons; left >= 23; left -= 23)
        EXPECT(XS_READ, "3145728");
    EXPECT(XS_READ, "3145728");
    EXPECT(XS_WATCH_EVENT, "memory/target\0A\0");
    expect_silence();
}

static void what_the_guest_writes_it_reads_again(void **state)
{
    (void)state;
    ASK(XS_WATCH, 0, "data\0T\0");
    EXPECT(XS_WATCH, "OK\0");
    EXPECT(XS_WATCH_EVENT, "data\0T\0");
    ASK(XS_WRITE, 0, "data/one\0a\0b");
    EXPECT(XS_WRITE, "OK\0");
    EXPECT(XS_WATCH_EVENT, "data/one\0T\0");
    ASK(XS_READ, 0, "data/one\0");
    EXPECT(XS_READ, "a\0b");
    ASK(XS_WRITE, 0, "data/two/x\0");
    EXPECT(XS_WRITE, "OK\0");
    EXPECT(XS_WATCH_EVENT, "data/two/x\0T\0");
    ASK(XS_MKDIR, 0, "data/two/y\0");
    EXPECT(XS_MKDIR, "OK\0");
    EXPECT(XS_WATCH_EVENT, "data/two/y\0T\0");
    ASK(XS_DIRECTORY, 0, "data\0");
    EXPECT(XS_DIRECTORY, "one\0two\0");
    ASK(XS_READ, 0, "data/two\0");
    EXPECT(XS_READ, "");
    ASK(XS_RM, 0, "data/two\0");
    EXPECT(XS_RM, "OK\0");
    EXPECT(XS_WATCH_EVENT, "data/two\0T\0");
    ASK(XS_DIRECTORY, 0, "data\0");
    EXPECT(XS_DIRECTORY, "one\0");
    ASK(XS_RM, 0, "data/two\0");
    EXPECT(XS_ERROR, "ENOENT\0");
}

static void the_hosts_keys_and_other_guests_are_out_of_reach(void **state)
{
    (void)state;
    ASK(XS_WRITE, 0, "memory/target\0001");
    EXPECT(XS_ERROR, "EACCES\0");
    ASK(XS_RM, 0, "memory\0");
    EXPECT(XS_ERROR, "EACCES\0");
    ASK(XS_WRITE, 0, "/local/domain/0/x\0001");
    EXPECT(XS_ERROR, "EACCES\0");
    ASK(XS_READ, 0, "/local/domain/0/x\0");
    EXPECT(XS_ERROR, "ENOENT\0");
    ASK(XS_READ, 0, "memory/target\0");
    EXPECT(XS_READ, "1048576");
}

static void room_ends_and_nothing_breaks(void **state)
{
    char payload[40];
    struct xsd_sockmsg header;
    unsigned full[3] = { 0 };

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        int size = snprintf(payload, sizeof(payload), "n/%u", i) + 1;

        put_request(XS_WRITE, 0, payload, (uint32_t)size);
        xenstore_serve(&domain);
        get(&header, sizeof(header));
        get(payload, header.len);
        full[0] += header.type == XS_ERROR;
        size = snprintf(payload, sizeof(payload), "w%c%u", '\0', i) + 1;
        put_request(XS_WATCH, 0, payload, (uint32_t)size);
        xenstore_serve(&domain);
        get(&header, sizeof(header));
        get(payload, header.len);
        full[1] += header.type == XS_ERROR;
        if (header.type == XS_WATCH) {
            get(&header, sizeof(header));
            get(payload, header.len);
        }
        ASK(XS_TRANSACTION_START, 0, "\0");
        xenstore_serve(&domain);
        get(&header, sizeof(header));
        get(payload, header.len);
        full[2] += header.type == XS_ERROR;
    }
    assert_int_equal(full[0], 100 - (STORE_NODES_MAX - 3));
    assert_int_equal(full[1], 100 - STORE_WATCHES_MAX);
    assert_int_equal(full[2], 100 - STORE_TRANSACTIONS);
    ASK(XS_READ, 0, "memory/target\0");
    EXPECT(XS_READ, "1048576");
}

static void bad_requests_are_errors(void **state)
{
    static char large[XENSTORE_PAYLOAD_MAX];

    (void)state;
    ASK(XS_READ, 0, "");
    EXPECT(XS_ERROR, "EINVAL\0");
    ASK(XS_READ, 0, "memory/target"); /* no NUL */
    EXPECT(XS_ERROR, "EINVAL\0");
    ASK(XS_READ, 0, "memory//target\0");
    EXPECT(XS_ERROR, "EINVAL\0");
    ASK(XS_WATCH, 0, "memory\0token");
    EXPECT(XS_ERROR, "EINVAL\0");
    ASK(XS_WATCH, 0, "memory\0");
    EXPECT(XS_ERROR, "EINVAL\0");
    ASK(XS_READ, 5, "memory/target\0");
    EXPECT(XS_ERROR, "ENOENT\0");
    ASK(XS_TRANSACTION_END, 0, "T\0");
    EXPECT(XS_ERROR, "ENOENT\0");
    ASK(XS_TRANSACTION_START, 0, "\0");
    EXPECT(XS_TRANSACTION_START, "1\0");
    ASK(XS_WRITE, 1, "a\0001");
    EXPECT(XS_ERROR, "EROFS\0");
    ASK(1000, 0, "");
    EXPECT(XS_ERROR, "ENOSYS\0");
    ASK(XS_SET_PERMS, 0, "a\0");
    EXPECT(XS_ERROR, "ENOSYS\0");
    memset(large, 'a', sizeof(large));
    put_request(XS_READ, 0, large, sizeof(large));
    EXPECT(XS_ERROR, "EINVAL\0");
    large[0] = 'p';
    large[1] = '\0';
    put_request(XS_WRITE, 0, large, sizeof(large));
    EXPECT(XS_ERROR, "E2BIG\0");
    ASK(XS_GET_DOMAIN_PATH, 0, "1\0");
    EXPECT(XS_GET_DOMAIN_PATH, "/local/domain/1\0");
}

static void a_guest_that_breaks_the_protocol_is_not_heard_again(void **state)
{
    struct xsd_sockmsg header = { XS_READ, 1, 0, XENSTORE_PAYLOAD_MAX + 1 };

    set_up(state);
    put(&header, sizeof(header));
    expect_silence();
    assert_int_equal(ring->error, XENSTORE_ERROR_PROTO);

    set_up(state);
    ring->req_prod = XENSTORE_RING_SIZE + 1;
    expect_silence();
    assert_int_equal(ring->error, XENSTORE_ERROR_RINGIDX);
    ring->req_prod = 0;
    ASK(XS_READ, 0, "memory/target\0");
    expect_silence();

    set_up(state);
    ring->rsp_cons = 1;
    ASK(XS_READ, 0, "memory/target\0");
    xenstore_serve(&domain);
    assert_int_equal(ring->rsp_prod, 0);
    assert_int_equal(ring->error, XENSTORE_ERROR_RINGIDX);
}

/* The sanitizers are the judge. */
static void no_bytes_hurt(void **state)
{
    srand(1);
    for (unsigned round = 0; round < 20000; round++) {
        struct xsd_sockmsg header = { (uint32_t)rand() % 24, 77, (uint32_t)rand() % 3,
                                      (uint32_t)rand() % 200 };
        char payload[200];

        if (domain.store.broken || round % 64 == 0)
            set_up(state);
        for (unsigned i = 0; i < sizeof(payload); i++)
            payload[i] = "ab/\0m@1\xff"[rand() % 8];
        put(&header, sizeof(header));
        put(payload, header.len);
        if (rand() % 32 == 0)
            ring->req_prod += (uint32_t)rand();
        if (rand() % 4 == 0)
            xenstore_set_target(&domain, (uint64_t)rand());
        xenstore_serve(&domain);
        assert_true(domain.store.out_end <= STORE_OUT_MAX);
        ring->rsp_cons = rand() % 32 ? ring->rsp_prod : (uint32_t)rand();
        if (!domain.store.broken)
            xenstore_serve(&domain);
    }
}

#define CLAIM(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(the_boot_of_a_debian_kernel_is_answered),
        CLAIM(a_message_may_come_byte_by_byte),
        CLAIM(indices_wrap),
        CLAIM(replies_without_room_wait),
        CLAIM(a_new_target_is_told_to_whoever_watches_it),
        CLAIM(a_guest_that_has_no_target_is_told_none),
        CLAIM(targets_that_change_while_the_ring_is_full_are_told_later),
        CLAIM(what_the_guest_writes_it_reads_again),
        CLAIM(the_hosts_keys_and_other_guests_are_out_of_reach),
        CLAIM(room_ends_and_nothing_breaks),
        CLAIM(bad_requests_are_errors),
        CLAIM(a_guest_that_breaks_the_protocol_is_not_heard_again),
        CLAIM(no_bytes_hurt),
    };

    return cmocka_run_group_tests_name("xenstore", tests, NULL, NULL);
}
