/* SPDX-License-Identifier: MIT */
/*
 * What a guest's xenstore holds: names with values, and watches. Few and short, so that they are
 * kept in the order in which they came and everything asks all of them. Names are relative to the
 * guest's own place, "memory/target"; the absolute form, "/local/domain/1/memory/target", means the
 * same. Refuses to know messages and rings.
 */
#ifndef HV_STORE_H
#define HV_STORE_H

#include <stddef.h>

#include "guest.h"

/* Each is spelt as the protocol says it to the guest; NULL: all is well. */
#define STORE_NO_SUCH  "ENOENT"
#define STORE_FORBIDS  "EACCES" /* it is the host's, or not in this guest's place */
#define STORE_FULL     "ENOSPC"
#define STORE_TOO_LONG "E2BIG"
#define STORE_INVALID  "EINVAL"
#define STORE_EXISTS   "EEXIST"

/*
 * store_name - the relative form of a path, or the path itself where it lies elsewhere; NULL when
 * it is none. The result points into `path`.
 */
const char *store_name(const struct domain *domain, const char *path);

/*
 * store_find - the node of this relative name, NULL when there is none.
 * store_list - the names directly below `name`, each with its NUL, into `out`. Returns their size.
 *   Errors:  0 when there is nothing below; what does not fit is left out.
 */
const struct store_node *store_find(const struct store *store, const char *name);
size_t store_list(const struct store *store, const char *name, char *out, size_t size);

/* A value, which need not be text. */
struct store_value {
    const char *bytes;
    size_t size;
};

/*
 * store_write - set a value, in a new node when there is none. store_remove - a node and all below.
 *   Context: `owner` is who asks; a node of the host's changes for nobody else.
 *   Errors:  as above; nothing has changed then.
 */
const char *store_write(struct store *store, const char *name, struct store_value value,
                        enum store_owner owner);
const char *store_remove(struct store *store, const char *name);

/*
 * store_watch, store_unwatch - by path, as the guest spells it, and token.
 *   Errors:  as above.
 */
const char *store_watch(struct store *store, const char *path, const char *token);
const char *store_unwatch(struct store *store, const char *path, const char *token);

/* Does this watch, which may be unused, want to know of a change of the node `name`? */
bool store_watches(const struct domain *domain, const struct store_watch *watch, const char *name);

#endif
