/* SPDX-License-Identifier: MIT */
/*
 * The property test at length: runs of a million operations, each from a seed of its own, NPT and
 * EPT side by side. The first that fails is done again, its choices written down, shrunk to the few
 * operations that it takes, and saved where `replay` finds it.
 *
 *      soak OPERATIONS [SEED [FROM-RUN]]
 *
 * What came of it is kept by test/soak, which reads what is printed here.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "p2m/p2m.h"

#include "input.h"
#include "shrink.h"
#include "verbs.h"

#define RUN_OPERATIONS 1000000u
#define AUDIT_FIRST    10000u
#define CHECK_EVERY    1000u
#define STARTS_MAX     ((size_t)2 * RUN_OPERATIONS)
#define SHRINK_TRIES   4000u
#define SHRINK_SECONDS 900
#define TRY_SECONDS    120u

static const struct pt_format *const formats[] = { &npt_format, &ept_format };
#define FORMATS 2u

/* ---- one run, in a process of its own ------------------------------------------------------- */

static void run_seed(const struct pt_format *format, uint64_t seed, struct choices_record *record)
{
    static struct histogram ignored;
    struct verbs_plan plan = {
        .format = format,
        .choices = { .seed = seed, .record = record },
        .operations = RUN_OPERATIONS,
        .audit_first = AUDIT_FIRST,
        .check_every = CHECK_EVERY,
    };

    verbs_run(&plan, &ignored);
}

static pid_t start_process(void)
{
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child < 0) {
        perror("soak: fork");
        exit(2);
    }
    if (child == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody would wait for it */
    return child;
}

static bool has_failed(pid_t child)
{
    int status;

    if (waitpid(child, &status, 0) != child) {
        perror("soak: waitpid");
        exit(2);
    }
    return status != 0;
}

/* ---- a failure ------------------------------------------------------------------------------ */

static void *map_shared(size_t size)
{
    void *at =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at == MAP_FAILED) {
        perror("soak: mmap");
        exit(2);
    }
    return at;
}

/* A byte before the choices says which format. */
static struct shrink_input make_input(const struct pt_format *format)
{
    uint8_t *bytes = map_shared(INPUT_MAX);

    bytes[0] = input_first_byte(format);
    return (struct shrink_input){ .bytes = bytes + 1,
                                  .start = map_shared(STARTS_MAX * sizeof(size_t)) };
}

struct failure {
    struct choices_record *record; /* seen by parent and child */
    time_t deadline;
};

static void take_record(struct shrink_input *input, const struct choices_record *record)
{
    memcpy(input->bytes, record->bytes, record->count);
    memcpy(input->start, record->start, record->start_count * sizeof(*record->start));
    input->size = record->count;
    input->operations = record->start_count;
}

/* What takes so long has not failed as the first did. */
static void give_up(int number)
{
    (void)number;
    _exit(0);
}

static bool input_fails(struct shrink_input *input, void *context)
{
    struct failure *failure = context;
    struct histogram *ignored;
    pid_t child;

    if (time(NULL) > failure->deadline)
        return false;
    failure->record->count = failure->record->start_count = 0;
    child = start_process();
    if (child == 0) {
        ignored = calloc(1, sizeof(*ignored));
        if (!ignored || !freopen("/dev/null", "w", stderr) || !freopen("/dev/null", "w", stdout))
            _exit(0);
        signal(SIGALRM, give_up);
        alarm(TRY_SECONDS);
        input_run(input->bytes - 1, input->size + 1, ignored, failure->record);
        _exit(0);
    }
    if (!has_failed(child))
        return false;
    take_record(input, failure->record);
    return true;
}

static struct choices_record *make_record(void)
{
    struct choices_record *record = map_shared(sizeof(*record));

    *record = (struct choices_record){ .bytes = map_shared(INPUT_MAX),
                                       .start = map_shared(STARTS_MAX * sizeof(size_t)),
                                       .room = INPUT_MAX - 1,
                                       .start_room = STARTS_MAX };
    return record;
}

static void save(const struct shrink_input *input, const struct pt_format *format, uint64_t seed)
{
    char name[64];
    FILE *file;

    snprintf(name, sizeof(name), "soak-%s-%" PRIu64 ".input", p2m_format_name(format), seed);
    file = fopen(name, "wb");
    if (!file || fwrite(input->bytes - 1, 1, input->size + 1, file) != input->size + 1 ||
        fclose(file) != 0) {
        perror(name);
        exit(2);
    }
    printf("soak: %zu operations, %zu bytes are left; to see them fail: replay %s\n",
           input->operations, input->size + 1, name);
}

static void investigate(const struct pt_format *format, uint64_t seed)
{
    struct failure failure = { make_record(), time(NULL) + SHRINK_SECONDS };
    struct shrink_input input = make_input(format), candidate = make_input(format);
    struct shrink_judge judge = { input_fails, &failure, SHRINK_TRIES };
    pid_t child;

    printf("soak: %s, seed %" PRIu64 " failed; once more, and shorter\n", p2m_format_name(format),
           seed);
    child = start_process();
    if (child == 0) {
        run_seed(format, seed, failure.record);
        _exit(0);
    }
    if (!has_failed(child)) {
        printf("soak: it did not fail again\n");
        return;
    }
    take_record(&input, failure.record);
    shrink(&input, &candidate, &judge);
    save(&input, format, seed);
}

/* ---- one after the other -------------------------------------------------------------------- */

/* Both formats at once, from seeds of their own; was all well? */
static bool run_both(uint64_t seed)
{
    pid_t child[FORMATS];
    bool failed[FORMATS];

    for (unsigned i = 0; i < FORMATS; i++) {
        child[i] = start_process();
        if (child[i] == 0) {
            run_seed(formats[i], seed + i, NULL);
            _exit(0);
        }
    }
    for (unsigned i = 0; i < FORMATS; i++)
        failed[i] = has_failed(child[i]);
    for (unsigned i = 0; i < FORMATS; i++)
        if (failed[i])
            investigate(formats[i], seed + i);
    return !failed[0] && !failed[1];
}

int main(int count, char **arguments)
{
    uint64_t operations = count > 1 ? strtoull(arguments[1], NULL, 0) : 0;
    uint64_t seed = count > 2 ? strtoull(arguments[2], NULL, 0) : 1;
    uint64_t run = count > 3 ? strtoull(arguments[3], NULL, 0) : 0;
    uint64_t runs = (operations + RUN_OPERATIONS - 1) / RUN_OPERATIONS;
    time_t begin = time(NULL);

    if (runs == 0) {
        fprintf(stderr, "usage: soak OPERATIONS [SEED [FROM-RUN]]\n");
        return 2;
    }
    while (run < runs) {
        if (!run_both(seed + FORMATS * run))
            return 1;
        run++;
        printf("soak: %" PRIu64 " of %" PRIu64 " million operations a format, from seed %" PRIu64
               ", %ld s%s\n",
               run, runs, seed, (long)(time(NULL) - begin),
               run < runs ? "" : "; all is as foretold");
        if (run < runs)
            printf("soak: to go on from here: soak %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
                   operations, seed, run);
    }
    return 0;
}
