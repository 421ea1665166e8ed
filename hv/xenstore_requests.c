/* SPDX-License-Identifier: MIT */
/*
 * What a guest may ask of its xenstore, a handler a request; see xenstore_requests.h.
 */
#include "xenstore_requests.h"

#include "lib.h"
#include "store.h"
#include "xen_abi.h"

#include <xen/io/xs_wire.h>

#define HEADER_SIZE ((uint32_t)sizeof(struct xsd_sockmsg))
#define EVENT_MAX   (HEADER_SIZE + 2 * STORE_PATH_SIZE + 32)

_Static_assert(STORE_MESSAGE_MAX == sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX,
               "the longest message of the protocol");
_Static_assert(STORE_OUT_MAX >= STORE_MESSAGE_MAX + STORE_WATCHES_MAX * EVENT_MAX,
               "a reply and an event for each watch");

/* ---- what goes out -------------------------------------------------------------------------- */

/* There is room: see STORE_OUT_MAX, and that it is empty before the next request is taken. */
static void send(struct store *store, struct xsd_sockmsg header, const char *payload)
{
    if (header.len > XENSTORE_PAYLOAD_MAX ||
        STORE_OUT_MAX - store->out_end < HEADER_SIZE + header.len)
        return;
    memcpy(store->out + store->out_end, &header, HEADER_SIZE);
    memcpy(store->out + store->out_end + HEADER_SIZE, payload, header.len);
    store->out_end += HEADER_SIZE + header.len;
}

static void send_event(struct store *store, const char *path, const char *token)
{
    struct xsd_sockmsg header = { .type = XS_WATCH_EVENT };
    char payload[EVENT_MAX];
    size_t path_size = strlen(path) + 1, token_size = strlen(token) + 1;

    memcpy(payload, path, path_size);
    memcpy(payload + path_size, token, token_size);
    header.len = (uint32_t)(path_size + token_size);
    send(store, header, payload);
}

/* Who watches by the absolute path is told by it. */
void xenstore_announce(struct domain *domain, const char *name)
{
    char absolute[STORE_PATH_SIZE + 32];

    format(absolute, sizeof(absolute), "/local/domain/%u/%s", domain->id, name);
    for (unsigned i = 0; i < STORE_WATCHES_MAX; i++) {
        const struct store_watch *watch = &domain->store.watch[i];

        if (store_watches(domain, watch, name))
            send_event(&domain->store, *watch->path == '/' ? absolute : name, watch->token);
    }
}

/* ---- requests ------------------------------------------------------------------------------- */

/* A whole message; its payload ends in a NUL that is not counted. */
struct request {
    struct xsd_sockmsg header;
    const char *payload;
    const char *name; /* the payload's first string, as store_name has it */
};

static void answer(struct store *store, const struct request *request, const char *bytes,
                   size_t size)
{
    struct xsd_sockmsg header = request->header;

    header.len = (uint32_t)size;
    send(store, header, bytes);
}

static void answer_text(struct store *store, const struct request *request, const char *text)
{
    answer(store, request, text, strlen(text) + 1);
}

static void answer_ok(struct store *store, const struct request *request)
{
    answer_text(store, request, "OK");
}

/* What comes after the first string. */
static struct store_value rest_of(const struct request *request)
{
    size_t first = strnlen(request->payload, request->header.len) + 1;

    if (first > request->header.len)
        return (struct store_value){ request->payload, 0 };
    return (struct store_value){ request->payload + first, request->header.len - first };
}

static const char *do_read(struct domain *domain, const struct request *request)
{
    const struct store_node *node = store_find(&domain->store, request->name);
    char child[STORE_PATH_SIZE];

    if (node)
        answer(&domain->store, request, node->value, node->size);
    else if (store_list(&domain->store, request->name, child, sizeof(child)))
        answer(&domain->store, request, "", 0); /* a directory has no value */
    else
        return STORE_NO_SUCH;
    return NULL;
}

static const char *do_directory(struct domain *domain, const struct request *request)
{
    char list[STORE_NODES_MAX * STORE_PATH_SIZE];
    size_t size = store_list(&domain->store, request->name, list, sizeof(list));

    if (size == 0 && !store_find(&domain->store, request->name))
        return STORE_NO_SUCH;
    answer(&domain->store, request, list, size);
    return NULL;
}

static const char *do_write(struct domain *domain, const struct request *request)
{
    const char *error = store_write(&domain->store, request->name, rest_of(request), STORE_GUEST);

    if (error)
        return error;
    answer_ok(&domain->store, request);
    xenstore_announce(domain, request->name);
    return NULL;
}

static const char *do_make_directory(struct domain *domain, const struct request *request)
{
    const struct store_value nothing = { "", 0 };
    bool exists = store_find(&domain->store, request->name);
    const char *error = NULL;

    if (!exists)
        error = store_write(&domain->store, request->name, nothing, STORE_GUEST);
    if (error)
        return error;
    answer_ok(&domain->store, request);
    if (!exists)
        xenstore_announce(domain, request->name);
    return NULL;
}

static const char *do_remove(struct domain *domain, const struct request *request)
{
    const char *error = store_remove(&domain->store, request->name);

    if (error)
        return error;
    answer_ok(&domain->store, request);
    xenstore_announce(domain, request->name);
    return NULL;
}

/* A watch fires once when it is set: whoever sets it need not ask how things stand. */
static const char *do_watch(struct domain *domain, const struct request *request)
{
    const char *path = request->payload, *token = rest_of(request).bytes;
    const char *error = store_watch(&domain->store, path, token);

    if (error)
        return error;
    answer_ok(&domain->store, request);
    send_event(&domain->store, path, token);
    return NULL;
}

static const char *do_unwatch(struct domain *domain, const struct request *request)
{
    const char *error = store_unwatch(&domain->store, request->payload, rest_of(request).bytes);

    if (!error)
        answer_ok(&domain->store, request);
    return error;
}

static const char *do_reset_watches(struct domain *domain, const struct request *request)
{
    memset(domain->store.watch, 0, sizeof(domain->store.watch));
    domain->store.transactions = 0;
    answer_ok(&domain->store, request);
    return NULL;
}

static const char *do_start_transaction(struct domain *domain, const struct request *request)
{
    struct store *store = &domain->store;
    char text[12];

    for (unsigned i = 0; i < STORE_TRANSACTIONS; i++) {
        if (store->transactions & 1u << i)
            continue;
        store->transactions |= 1u << i;
        format(text, sizeof(text), "%u", i + 1);
        answer_text(store, request, text);
        return NULL;
    }
    return STORE_FULL;
}

/* Nothing was written in it, so that keeping and dropping it are the same. */
static const char *do_end_transaction(struct domain *domain, const struct request *request)
{
    if (request->header.tx_id == 0)
        return STORE_NO_SUCH;
    if (strcmp(request->payload, "T") != 0 && strcmp(request->payload, "F") != 0)
        return STORE_INVALID;
    domain->store.transactions &= ~(1u << (request->header.tx_id - 1));
    answer_ok(&domain->store, request);
    return NULL;
}

static const char *do_get_place(struct domain *domain, const struct request *request)
{
    char text[40];

    format(text, sizeof(text), "/local/domain/%s", request->payload);
    answer_text(&domain->store, request, text);
    return NULL;
}

enum { BARE = 0, NAMED = 1, TWO_STRINGS = 2, WRITES = 4 };

/* clang-format off */
static const struct {
    const char *(*run)(struct domain *domain, const struct request *request);
    unsigned shape; /* a name, then perhaps a second string; whether it changes nodes */
} handlers[] = {
    [XS_DIRECTORY]         = { do_directory, NAMED },
    [XS_READ]              = { do_read, NAMED },
    [XS_WRITE]             = { do_write, NAMED | WRITES },
    [XS_MKDIR]             = { do_make_directory, NAMED | WRITES },
    [XS_RM]                = { do_remove, NAMED | WRITES },
    [XS_WATCH]             = { do_watch, TWO_STRINGS },
    [XS_UNWATCH]           = { do_unwatch, TWO_STRINGS },
    [XS_RESET_WATCHES]     = { do_reset_watches, BARE },
    [XS_TRANSACTION_START] = { do_start_transaction, BARE },
    [XS_TRANSACTION_END]   = { do_end_transaction, BARE },
    [XS_GET_DOMAIN_PATH]   = { do_get_place, BARE },
};
/* clang-format on */

static bool is_open(const struct store *store, uint32_t transaction)
{
    return transaction == 0 ||
           (transaction <= STORE_TRANSACTIONS && store->transactions & 1u << (transaction - 1));
}

/* Everything that can be wrong with a request whoever handles it. */
static const char *check(const struct domain *domain, struct request *request)
{
    uint32_t type = request->header.type, size = request->header.len;
    uint32_t first = (uint32_t)strnlen(request->payload, size) + 1;
    unsigned shape;

    if (type >= sizeof(handlers) / sizeof(handlers[0]) || !handlers[type].run)
        return "ENOSYS";
    shape = handlers[type].shape;
    if (!is_open(&domain->store, request->header.tx_id))
        return STORE_NO_SUCH;
    if (shape & WRITES && request->header.tx_id != 0)
        return "EROFS";
    if (shape & (NAMED | TWO_STRINGS) && first > size)
        return STORE_INVALID;
    if (shape & TWO_STRINGS && (first == size || request->payload[size - 1] != '\0'))
        return STORE_INVALID;
    if (shape & NAMED) {
        request->name = store_name(domain, request->payload);
        if (!request->name)
            return STORE_INVALID;
    }
    return NULL;
}

void xenstore_handle(struct domain *domain)
{
    struct store *store = &domain->store;
    struct request request = { .payload = store->in + HEADER_SIZE };
    const char *error;

    memcpy(&request.header, store->in, HEADER_SIZE);
    store->in[HEADER_SIZE + request.header.len] = '\0';
    error = check(domain, &request);
    if (!error)
        error = handlers[request.header.type].run(domain, &request);
    if (error) {
        request.header.type = XS_ERROR;
        answer_text(store, &request, error);
    }
}
