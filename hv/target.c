/* SPDX-License-Identifier: MIT */
/*
 * A guest's target, and the lines that set it; see target.h.
 */
#include "target.h"

#include "devices.h"
#include "lib.h"
#include "print.h"
#include "xenstore.h"

/* ---- targets -------------------------------------------------------------------------------- */

enum p2m_error target_fill(struct domain *domain)
{
    enum p2m_error error;

    do {
        struct p2m_locked locked = p2m_lock(&domain->p2m);

        error = pod_set_target(locked, &domain->pod, domain->memory_frames);
        p2m_unlock(locked);
    } while (error == P2M_AGAIN);
    return error;
}

enum p2m_error target_set(struct domain *domain, uint64_t frames)
{
    if (frames == 0 || frames > domain->maxmem_frames)
        return P2M_BAD_RANGE;
    xenstore_set_target(domain, frames);
    return target_fill(domain);
}

/* ---- lines ---------------------------------------------------------------------------------- */

#define LINE_MAX 32u

/* What has come of a line; of one that is too long, its beginning, which says nothing. */
static char line[LINE_MAX];
static unsigned line_size;
static bool line_is_cut;

static bool parse_frames(const char *text, uint64_t *frames)
{
    *frames = 0;
    if (!*text)
        return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (*frames > (UINT64_MAX - 9) / 10)
            return false;
        *frames = *frames * 10 + (uint64_t)(*text - '0');
    }
    return !*text;
}

static void add(int byte)
{
    line_is_cut = line_size == LINE_MAX - 1;
    if (!line_is_cut)
        line[line_size++] = (char)byte;
}

static bool parse_line(uint64_t *frames)
{
    static const char verb[] = "target ";

    line[line_size] = '\0';
    line_size = 0;
    return !line_is_cut && strncmp(line, verb, sizeof(verb) - 1) == 0 &&
           parse_frames(line + sizeof(verb) - 1, frames);
}

static void obey(struct domain *domain)
{
    enum p2m_error error;
    uint64_t frames;

    if (!parse_line(&frames)) {
        print("the host command asks for what is not known: %s\n", line);
        return;
    }
    error = target_set(domain, frames);
    if (error == P2M_OK)
        print("%s: is to have %lu MB from now on\n", domain->name, frames >> (20 - FRAME_SHIFT));
    else if (error == P2M_BAD_RANGE)
        print("%s: can't have %lu frames: it is promised %lu\n", domain->name, frames,
              domain->maxmem_frames);
    else
        print("%s: is to have %lu MB, and the machine has not as much (%s)\n", domain->name,
              frames >> (20 - FRAME_SHIFT), p2m_error_name(error));
}

bool target_listen(struct domain *domain)
{
    bool is_answered = false;
    int byte;

    while ((byte = uart_get(UART_RECORDS)) >= 0) {
        if (byte != '\n')
            add(byte);
        else if (line_size == 0)
            is_answered = true;
        else
            obey(domain);
    }
    return is_answered;
}
