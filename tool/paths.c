/* SPDX-License-Identifier: MIT */
/*
 * Where things are. Found by /proc/self/exe, so that the command works from any directory.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "paths.h"

bool path_beside(char path[PATH_SIZE], const char *name)
{
    ssize_t length = readlink("/proc/self/exe", path, PATH_SIZE - 1);
    if (length < 0)
        return false;
    path[length] = '\0';

    char *slash = strrchr(path, '/');
    if (!slash)
        return false;

    size_t room = (size_t)(path + PATH_SIZE - (slash + 1));
    return (size_t)snprintf(slash + 1, room, "%s", name) < room;
}

bool path_make_directory(const char *path)
{
    char part[PATH_SIZE];
    size_t length = strlen(path);

    if (length == 0 || length >= sizeof part) {
        errno = length ? ENAMETOOLONG : ENOENT;
        return false;
    }
    memcpy(part, path, length + 1);
    for (char *slash = part + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return false;
        *slash = '/';
    }
    if (mkdir(part, 0777) != 0 && errno != EEXIST)
        return false;

    struct stat status;
    if (stat(part, &status) != 0)
        return false;
    errno = ENOTDIR;
    return S_ISDIR(status.st_mode);
}

bool write_all(int fd, const void *bytes, size_t size)
{
    const char *from = bytes;

    while (size != 0) {
        ssize_t written = write(fd, from, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        from += written;
        size -= (size_t)written;
    }
    return true;
}
