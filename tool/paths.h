/* SPDX-License-Identifier: MIT */
/*
 * Where things are: the build's products lie beside the command itself. Also the few file verbs
 * that several parts need.
 * Refuses to know what is in the files.
 */
#ifndef TOOL_PATHS_H
#define TOOL_PATHS_H

#include <stdbool.h>
#include <stddef.h>

#define PATH_SIZE 4096

/* "<directory of this program>/<name>" into path; false when it does not fit. */
bool path_beside(char path[PATH_SIZE], const char *name);

/* Creates the directory and those above it; false, and errno, when that is not possible. */
bool path_make_directory(const char *path);

/* All bytes to a descriptor, however many writes it takes; false, and errno. */
bool write_all(int fd, const void *bytes, size_t size);

#endif
