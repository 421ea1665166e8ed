/* SPDX-License-Identifier: MIT */
/*
 * The cache's property test: a million operations from a seed, against the naive model.
 *
 *      cache_random [operations [seed]]
 *
 * Every block that is taken must be one that the header's promises allow, and so must every block
 * that a target moves. It ends with what happened how often, and fails if something that can happen
 * did not.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache_run.h"

#define OPERATIONS  1000000u
#define AUDIT_FIRST 10000u
#define AUDIT_EVERY 1000u
#define CHECK_EVERY 100000u
#define MOOD_LASTS  4096u

static uint64_t operations = OPERATIONS, seed = 1;

static const char *const event_name[EVENTS] = {
    [ADDED_4K] = "added 4K",
    [ADDED_2M] = "added 2M",
    [ADDED_1G] = "added 1G",
    [GREW_2M] = "grew into 2M",
    [GREW_1G] = "grew into 1G",
    [REFUSED_BY_HOST] = "refused by the host",
    [REFUSED_BY_QUOTA] = "refused by the quota",
    [UNRESERVED] = "unreserved",
    [GOT_4K] = "got 4K",
    [GOT_2M] = "got 2M",
    [GOT_1G] = "got 1G",
    [DRY_4K] = "no 4K left",
    [DRY_2M] = "no 2M left",
    [DRY_1G] = "no 1G left",
    [BROKE_2M] = "broke 2M",
    [BROKE_2M_NEAR] = "broke 2M to continue",
    [BROKE_1G_FOR_2M] = "broke 1G for 2M",
    [BROKE_1G_FOR_4K] = "broke 1G for 4K",
    [NEAR_4K] = "4K that continues",
    [NEAR_2M] = "2M that continues",
    [NEAR_1G] = "1G that continues",
    [NEAR_1G_KEPT] = "1G kept whole",
    [NEAR_1G_NOT_CLEAN] = "1G sooner clean",
    [OFFSET_FOUND] = "at the offset",
    [OFFSET_NOWHERE] = "offset nowhere",
    [OFFSET_TOO_MANY] = "offset, too many nodes",
    [GOT_CLEAN_1G] = "got clean 1G",
    [NO_CLEAN_1G] = "no clean 1G left",
    [CLEARING_4K] = "4K out to be cleared",
    [CLEARING_2M] = "2M out to be cleared",
    [CLEARING_OF_1G] = "2M of 1G out",
    [ALL_CLEAN] = "all clean",
    [CLEARED] = "cleared",
    [CLEARED_1G_GREW] = "cleared, 1G again",
    [CLEARED_TOO_LATE] = "cleared too late",
    [TOOK_AT_4K] = "took this 4K",
    [TOOK_AT_2M] = "took this 2M",
    [NOT_TAKEN_AT] = "not this one",
    [SET_ASIDE] = "set aside",
    [KEPT_ASIDE] = "taken elsewhere",
    [NO_LONGER_ASIDE] = "aside no more",
    [MARKED] = "marked",
    [UNMARKED] = "unmarked",
    [GAVE_4K] = "gave 4K back",
    [GAVE_2M] = "gave 2M back",
    [GAVE_1G] = "gave 1G back",
    [GAVE_SMALLER] = "gave a smaller one",
    [GAVE_NEEDED] = "gave a needed one",
    [GAVE_PIECE_OF_2M] = "broke 2M to give",
    [GAVE_PIECE_OF_1G] = "broke 1G to give",
    [CAME_4K] = "came by 4K",
    [CAME_2M] = "came by 2M",
    [CAME_1G] = "came by 1G",
    [TARGET_MET] = "target met",
    [TARGET_LEFT] = "target left as it is",
    [TARGET_AGAIN] = "target, half way",
    [TARGET_HOST_DRY] = "target, host dry",
    [TARGET_NO_PAGE] = "target, no page",
    [TRIMMED] = "trimmed",
    [EMPTIED] = "emptied",
};

static void expect_counts(const struct run *run)
{
    struct pod_cache_counts cache = pod_cache_counts(&pod);
    struct pod_cache_counts model = run->model->counts;

    model.pages = cache.pages;
    assert_memory_equal(&cache, &model, sizeof(model));
    assert_int_equal(cache.pages, run->fixture->p2m.lent_pages);
}

/* As when a guest ends; then another begins with 1 GB blocks. */
static void begin_again(struct run *run)
{
    if (choose(&run->choices, 2))
        do_empty(run);
    for (unsigned size = ORDER_SIZES; size-- > 0;)
        while (pod_cache_counts(&pod).blocks[size] > 0)
            do_get(run, size * ORDER_STEP);
    assert_int_equal(pod_cache_counts(&pod).pages, 0);
    memory_clear(cache_model_mfn(OWN_FRAMES), CACHE_MODEL_FRAMES - OWN_FRAMES);
    for (uint64_t blocks = choose(&run->choices, 3); blocks > 0; blocks--)
        do_add(run, ORDER_1G);
    if (choose_once_in(&run->choices, 3))
        do_give_back(run);
    else
        do_get(run, choose_once_in(&run->choices, 3) ? ORDER_2M : ORDER_4K);
}

/* What is rarer than adding and getting; audited each time. */
static void operate_rarely(struct run *run)
{
    switch (choose(&run->choices, 19)) {
    case 0:
        do_cache_target(run);
        break;
    case 1:
        do_guest_target(run);
        break;
    case 2:
        do_trim(run);
        break;
    case 3:
    case 4:
        do_give_back(run);
        break;
    case 5:
        do_get_clean_1g(run);
        break;
    case 6:
        do_get(run, ORDER_1G);
        break;
    case 7:
        do_add(run, ORDER_1G);
        break;
    case 8:
    case 9:
        do_mark(run);
        break;
    case 10:
    case 11:
        do_take_at(run);
        break;
    case 12:
        do_set_aside(run);
        break;
    default:
        if (run->is_clearing)
            do_clear_end(run);
        else
            do_clear_begin(run);
    }
    expect_cache_sound(run->fixture);
}

static void operate(struct run *run, uint64_t number)
{
    static const unsigned adds_of_8[MOODS] = { 6, 2, 6, 6, 2 };

    if (number % MOOD_LASTS == 0)
        run->mood = (enum mood)choose(&run->choices, MOODS);
    if (number % MOOD_LASTS == 0 && choose_once_in(&run->choices, 4))
        begin_again(run);
    if (choose_once_in(&run->choices, 16))
        operate_rarely(run);
    else if (choose(&run->choices, 8) < adds_of_8[run->mood])
        do_add(run, choose_order(run));
    else
        do_get(run, choose_order(run));
    expect_counts(run);
    if (number < AUDIT_FIRST || number % AUDIT_EVERY == 0)
        expect_cache_sound(run->fixture);
    if (number % CHECK_EVERY == 0)
        cache_model_check(run->model);
}

static void random_operations_agree_with_the_naive_model(void **state)
{
    struct run run = { .fixture = *state };
    bool is_ept = run.fixture->config.format == &ept_format;
    clock_t start = clock();
    unsigned never = 0;

    run.choices.seed = is_ept ? ~seed : seed; /* the two see different operations */
    run.model = calloc(1, sizeof(*run.model));
    assert_non_null(run.model);
    watch_host(&run);
    for (uint64_t number = 0; number < operations; number++)
        operate(&run, number);
    if (run.is_clearing)
        do_clear_end(&run);
    free(run.model);
    for (unsigned event = 0; event < EVENTS; event++) {
        printf("# %-22s %9" PRIu64 "\n", event_name[event], run.event[event]);
        never += run.event[event] == 0;
    }
    printf("# %" PRIu64 " operations, seed %#" PRIx64 ", %.1f s\n", operations,
           is_ept ? ~seed : seed, (double)(clock() - start) / CLOCKS_PER_SEC);
    if (operations >= OPERATIONS)
        assert_int_equal(never, 0);
}

int main(int arguments_count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        CACHE_FOR_BOTH_FORMATS(random_operations_agree_with_the_naive_model),
    };

    if (arguments_count > 1)
        operations = strtoull(arguments[1], NULL, 0);
    if (arguments_count > 2)
        seed = strtoull(arguments[2], NULL, 0);
    return cmocka_run_group_tests_name("cache_random", tests, NULL, NULL);
}
