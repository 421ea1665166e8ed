/* SPDX-License-Identifier: MIT */
/*
 * Names, values and watches; see store.h. A directory is not kept: it is there as long as something
 * lies below it.
 */
#include "store.h"

#include "lib.h"

/* ---- names ---------------------------------------------------------------------------------- */

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-_/@.:", c));
}

static bool is_name(const char *name)
{
    for (size_t i = 0; name[i]; i++)
        if (!is_name_character(name[i]) || (name[i] == '/' && (!name[i + 1] || name[i + 1] == '/')))
            return false;
    return *name;
}

const char *store_name(const struct domain *domain, const char *path)
{
    char home[40];
    size_t length = format(home, sizeof(home), "/local/domain/%u/", domain->id);

    if (!is_name(path))
        return NULL;
    return strncmp(path, home, length) == 0 ? path + length : path;
}

/* Is `name` the same as `above`, or below it? */
static bool lies_in(const char *name, const char *above)
{
    size_t length = strlen(above);

    return strncmp(name, above, length) == 0 && (name[length] == '\0' || name[length] == '/');
}

/* ---- nodes ---------------------------------------------------------------------------------- */

static struct store_node *find(const struct store *store, const char *name)
{
    for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
        const struct store_node *node = &store->node[i];

        if (node->owner != STORE_FREE && strcmp(node->path, name) == 0)
            return (struct store_node *)node;
    }
    return NULL;
}

const struct store_node *store_find(const struct store *store, const char *name)
{
    return find(store, name);
}

/* The first part of the node's name that lies below `name`: its length, 0 when there is none. */
static size_t child_of(const struct store_node *node, const char *name, const char **child)
{
    size_t length = strlen(name);
    const char *end;

    if (node->owner == STORE_FREE || !lies_in(node->path, name) || !node->path[length])
        return 0;
    *child = node->path + length + 1;
    end = strchr(*child, '/');
    return end ? (size_t)(end - *child) : strlen(*child);
}

/* Is a name of this length in the list already? */
static bool is_listed(const char *list, size_t size, const char *child, size_t length)
{
    for (size_t at = 0; at < size; at += strlen(list + at) + 1)
        if (strlen(list + at) == length && strncmp(list + at, child, length) == 0)
            return true;
    return false;
}

size_t store_list(const struct store *store, const char *name, char *out, size_t size)
{
    size_t used = 0;

    for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
        const char *child;
        size_t length = child_of(&store->node[i], name, &child);

        if (length == 0 || length >= size - used || is_listed(out, used, child, length))
            continue;
        memcpy(out + used, child, length);
        out[used + length] = '\0';
        used += length + 1;
    }
    return used;
}

static struct store_node *free_node(struct store *store)
{
    for (unsigned i = 0; i < STORE_NODES_MAX; i++)
        if (store->node[i].owner == STORE_FREE)
            return &store->node[i];
    return NULL;
}

const char *store_write(struct store *store, const char *name, struct store_value value,
                        enum store_owner owner)
{
    struct store_node *node = find(store, name);

    if (*name == '/' || *name == '@' || (node && node->owner != owner))
        return STORE_FORBIDS;
    if (strlen(name) >= STORE_PATH_SIZE || value.size > STORE_VALUE_MAX)
        return STORE_TOO_LONG;
    if (!node)
        node = free_node(store);
    if (!node)
        return STORE_FULL;
    node->owner = owner;
    format(node->path, sizeof(node->path), "%s", name);
    memcpy(node->value, value.bytes, value.size);
    node->size = (uint32_t)value.size;
    return NULL;
}

const char *store_remove(struct store *store, const char *name)
{
    bool found = false;

    for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
        if (store->node[i].owner == STORE_FREE || !lies_in(store->node[i].path, name))
            continue;
        if (store->node[i].owner == STORE_HOST)
            return STORE_FORBIDS;
        found = true;
    }
    for (unsigned i = 0; i < STORE_NODES_MAX; i++)
        if (lies_in(store->node[i].path, name))
            store->node[i] = (struct store_node){ .owner = STORE_FREE };
    return found ? NULL : STORE_NO_SUCH;
}

/* ---- watches -------------------------------------------------------------------------------- */

static struct store_watch *find_watch(struct store *store, const char *path, const char *token)
{
    for (unsigned i = 0; i < STORE_WATCHES_MAX; i++) {
        struct store_watch *watch = &store->watch[i];

        if (strcmp(watch->path, path) == 0 && strcmp(watch->token, token) == 0)
            return watch;
    }
    return NULL;
}

const char *store_watch(struct store *store, const char *path, const char *token)
{
    struct store_watch *watch;

    if (strlen(path) >= STORE_PATH_SIZE || strlen(token) >= STORE_TOKEN_SIZE)
        return STORE_TOO_LONG;
    if (!is_name(path))
        return STORE_INVALID;
    if (find_watch(store, path, token))
        return STORE_EXISTS;
    watch = find_watch(store, "", "");
    if (!watch)
        return STORE_FULL;
    format(watch->path, sizeof(watch->path), "%s", path);
    format(watch->token, sizeof(watch->token), "%s", token);
    return NULL;
}

const char *store_unwatch(struct store *store, const char *path, const char *token)
{
    struct store_watch *watch = *path ? find_watch(store, path, token) : NULL;

    if (!watch)
        return STORE_NO_SUCH;
    *watch = (struct store_watch){ .path = "" };
    return NULL;
}

bool store_watches(const struct domain *domain, const struct store_watch *watch, const char *name)
{
    return *watch->path && lies_in(name, store_name(domain, watch->path));
}
