/* SPDX-License-Identifier: MIT */
/*
 * tool/judge.c: a report of a sound run, and every way to spoil it, one at a time: each must have
 * its own verdict and status (docs/report.md, "Verdicts").
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tool/judge.h"

#define EXITED(status) ((status) << 8) /* as from waitpid */
#define KILLED(signal) (signal)

#define FRAMES                                                                                     \
    "{\"host\":10,\"table\":0,\"special\":0,\"ram\":0,\"owed\":0,\"free\":90,\"total\":100}"
#define PHASE                                                                                      \
    "{\"ram_1g\":2,\"ram_2m\":511,\"ram_4k\":511,\"table_pages\":7,\"pod_1g\":1,\"pod_2m\":3,"     \
    "\"pod_4k\":4,\"cache_1g\":1,\"cache_2m\":1,\"cache_4k\":9,\"entries\":263684,"                \
    "\"cached\":262665,\"granted\":512,\"populated\":786431,\"eye\":\"agrees\"}"

static const char sound[] =
    "{\"verdict\":\"not ended\",\"format\":\"npt\",\"hypervisor_verdict\":\"ok\","
    "\"host\":{\"frames_start\":" FRAMES ",\"frames_end\":" FRAMES "},"
    "\"guests\":[{\"id\":1,\"name\":\"linux\",\"exit_reason\":\"poweroff\",\"details\":\"\","
    "\"audit_errors\":0,\"slots\":4,\"slots_promised\":1,\"reasons\":{\"shared_info\":1,"
    "\"special\":1},"
    "\"phases\":{\"built\":" PHASE ",\"used\":" PHASE ",\"end\":" PHASE "}}]}";

/* ---- changing a report ---------------------------------------------------------------------- */

static cJSON *step(cJSON *at, const char *name)
{
    return cJSON_IsArray(at) ? cJSON_GetArrayItem(at, atoi(name))
                             : cJSON_GetObjectItemCaseSensitive(at, name);
}

/* Puts the JSON text at "a/b/0/c"; NULL takes away what is there. */
static void change(cJSON *root, const char *path, const char *text)
{
    char copy[128], *rest = copy, *name, *next;
    cJSON *at = root;

    snprintf(copy, sizeof copy, "%s", path);
    for (name = strsep(&rest, "/"); (next = strsep(&rest, "/")) != NULL; name = next)
        at = step(at, name);
    if (cJSON_IsArray(at)) {
        cJSON_DeleteItemFromArray(at, atoi(name));
        return;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(at, name);
    if (text)
        cJSON_AddItemToObject(at, name, cJSON_Parse(text));
}

/* What report_add keeps at hand. */
static struct report report_of(cJSON *root)
{
    return (struct report){
        .root = root,
        .error = cJSON_GetObjectItemCaseSensitive(root, "error"),
        .end = cJSON_GetObjectItemCaseSensitive(root, "hypervisor_verdict"),
    };
}

static struct closing ended_well(void)
{
    return (struct closing){
        .ending = ENDED,
        .status = EXITED(33),
        .seconds = 7,
        .guest = GUEST_DEFAULT,
        .eye = EYE_ALWAYS,
    };
}

static void assert_judged(cJSON *root, const struct closing *closing, const char *verdict,
                          enum outcome outcome)
{
    struct report report = report_of(root);

    assert_int_equal(judge(&report, closing), outcome);
    assert_string_equal(report_verdict(&report), verdict);
    cJSON_Delete(root);
}

/* ---- what the report says ------------------------------------------------------------------- */

static void a_sound_run_is_ok(void **state)
{
    struct closing closing = ended_well();

    (void)state;
    assert_judged(cJSON_Parse(sound), &closing, "ok", GOOD);
}

/* Promised, and ballooned down by so many frames. */
static cJSON *promised(unsigned owed, const char *touched)
{
    cJSON *root = cJSON_Parse(sound);
    char frames[24];

    snprintf(frames, sizeof frames, "%u", 262144 + owed);
    change(root, "guests/0/memory_frames", "262144");
    change(root, "guests/0/maxmem_frames", frames);
    change(root, "guests/0/phases/ballooned", PHASE);
    change(root, "guests/0/phases/end/touched_1g", touched);
    return root;
}

static void a_slot_that_could_be_one_leaf_must_be(void **state)
{
    static const char none[] =
        "guest linux could have used a slot in one leaf of 1 GB, and has none";
    struct closing closing = ended_well();
    cJSON *root;

    (void)state;
    assert_judged(promised(131072, "1"), &closing, "ok", GOOD);
    assert_judged(promised(131072, "0"), &closing, none, FAILED);
    assert_judged(promised(131072, NULL), &closing, none, FAILED);
    assert_judged(promised(0, "0"), &closing, "ok", GOOD);
    assert_judged(promised(262144, "0"), &closing, "ok", GOOD); /* the balloon may need all */
    root = promised(131072, "0");
    change(root, "guests/0/reasons", "{\"no_1g_processor\":1,\"special\":1}");
    assert_judged(root, &closing, "ok", GOOD);
    root = promised(131072, "0");
    change(root, "guests/0/phases/ballooned", NULL);
    assert_judged(root, &closing, "ok", GOOD);
    closing.guest = GUEST_OTHER;
    assert_judged(promised(131072, "0"), &closing, "ok", GOOD);
}

/* clang-format off */
static const struct {
    const char *path, *value, *verdict;
} spoilt[] = {
    { "guests/0/exit_reason", "\"crash\"", "guest linux ended by crash" },
    { "guests/0/exit_reason", "\"halted\"", "guest linux ended by halted" },
    { "guests/0/exit_reason", NULL, "guest linux ended by " },
    { "guests/0/phases/used", NULL, "guest linux ended (poweroff) before it had used its memory" },
    { "guests/0/audit_errors", "3", "the audit of guest linux found 3 errors" },
    { "guests/0/audit_errors", NULL, "the audit of guest linux found 0 errors" },
    { "guests/0/slots", "5", "guest linux: 2 reasons and 2 1 GB leaves do not add up to 5 slots" },
    { "guests/0/reasons/special", NULL, "guest linux: 1 reasons and 2 1 GB leaves do not add up to 4 slots" },
    { "guests/0/phases/end/ram_1g", "3", "guest linux: 2 reasons and 3 1 GB leaves do not add up to 4 slots" },
    { "guests/0/phases/built/pod_1g", "0", "263684 frames are promised, and 1540 marked (phase \"built\" of guest linux)" },
    { "guests/0/phases/used/pod_2m", "4", "263684 frames are promised, and 264196 marked (phase \"used\" of guest linux)" },
    { "guests/0/phases/end/entries", NULL, "0 frames are promised, and 263684 marked (phase \"end\" of guest linux)" },
    { "guests/0/phases/end/cached", "262664", "262664 frames are in hand, and 262665 in its blocks (phase \"end\" of guest linux)" },
    { "guests/0/phases/end/cache_1g", "2", "262665 frames are in hand, and 524809 in its blocks (phase \"end\" of guest linux)" },
    { "guests/0/phases/end/populated", "786432", "786432 frames are populated, and 786431 mapped (phase \"end\" of guest linux)" },
    { "guests/0/phases/used/ram_2m", "512", "786431 frames are populated, and 786943 mapped (phase \"used\" of guest linux)" },
    { "guests/0/phases/end/granted", "1020", "263685 frames are in hand for 263684 promised (phase \"end\" of guest linux)" },
    { "guests/0/phases/built", NULL, "nothing is known of phase \"built\" of guest linux" },
    { "guests/0/phases/end/eye", "\"disagrees: ram_1g\"", "eye disagrees: ram_1g (phase \"end\" of guest linux)" },
    { "guests/0/phases/built/eye", NULL, "eye was asked and has not looked (phase \"built\" of guest linux)" },
    { "guests/0", NULL, "no guest was run" },
    { "hypervisor_verdict", "\"frames were lost\"", "frames were lost" },
    { "hypervisor_verdict", NULL, "the hypervisor ended without its last record (emulator status 33)" },
    { "host/frames_end", NULL, "the host did not say what frames it has" },
    { "host/frames_start", NULL, "the host did not say what frames it has" },
    { "host/frames_end/free", "89", "the host had 90 frames (free) at the start, 89 at the end" },
    { "host/frames_end/owed", NULL, "the host did not say what frames it has" },
    { "host/frames_end/total", "101", "the host had 100 frames (total) at the start, 101 at the end" },
};
/* clang-format on */

static void whatever_is_wrong_in_the_report_has_its_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof spoilt / sizeof spoilt[0]; i++) {
        struct closing closing = ended_well();
        cJSON *root = cJSON_Parse(sound);
        change(root, spoilt[i].path, spoilt[i].value);
        assert_judged(root, &closing, spoilt[i].verdict, FAILED);
    }
}

static void a_guest_without_its_last_phase_is_not_ok(void **state)
{
    struct closing closing = ended_well();
    cJSON *root = cJSON_Parse(sound);

    (void)state;
    change(root, "guests/0/phases/end", NULL);
    change(root, "guests/0/slots", "2"); /* so that nothing else is wrong */
    assert_judged(root, &closing, "nothing is known of phase \"end\" of guest linux", FAILED);
}

static void frames_that_changed_their_state_are_seen_though_the_sum_is_the_same(void **state)
{
    struct closing closing = ended_well();
    cJSON *root = cJSON_Parse(sound);

    (void)state;
    change(root, "host/frames_end/owed", "2");
    change(root, "host/frames_end/free", "88");
    assert_judged(root, &closing, "the host had 0 frames (owed) at the start, 2 at the end",
                  FAILED);
}

static void a_state_in_the_place_of_another_is_seen(void **state)
{
    struct closing closing = ended_well();
    cJSON *root = cJSON_Parse(sound);

    (void)state;
    change(root, "host/frames_end/owed", NULL);
    change(root, "host/frames_end/lent", "0");
    assert_judged(root, &closing, "the host had 0 frames (owed) at the start, 0 at the end",
                  FAILED);
}

static void all_that_is_promised_may_be_in_hand(void **state)
{
    struct closing closing = ended_well();
    cJSON *root = cJSON_Parse(sound);

    (void)state;
    change(root, "guests/0/phases/end/granted", "1019");
    assert_judged(root, &closing, "ok", GOOD);
}

static void a_guest_that_died_of_memory_is_told_with_its_accounts(void **state)
{
    struct closing closing = ended_well();
    cJSON *root = cJSON_Parse(sound);

    (void)state;
    change(root, "guests/0/exit_reason", "\"out_of_pod_memory\"");
    change(root, "guests/0/details", "\"out of PoD memory: promised 4096 MB, has 2048 MB\"");
    change(root, "guests/0/phases/used", NULL);
    change(root, "hypervisor_verdict", "\"the guest died\"");
    closing.status = EXITED(35);
    assert_judged(
        root, &closing,
        "guest linux ended by out_of_pod_memory: out of PoD memory: promised 4096 MB, has "
        "2048 MB",
        FAILED);
}

static void details_are_told_with_the_reason(void **state)
{
    struct closing closing = ended_well();
    cJSON *root = cJSON_Parse(sound);

    (void)state;
    change(root, "guests/0/exit_reason", "\"triple_fault\"");
    change(root, "guests/0/details", "\"at ffffffff81000000\"");
    change(root, "hypervisor_verdict", "\"the guest died\"");
    assert_judged(root, &closing, "guest linux ended by triple_fault: at ffffffff81000000", FAILED);
}

static void a_refusal_is_told_in_the_hypervisors_words(void **state)
{
    struct closing closing = ended_well();
    cJSON *root = cJSON_Parse(sound);

    (void)state;
    change(root, "error", "\"this processor has no SVM\"");
    closing.status = EXITED(37);
    assert_judged(root, &closing, "this processor has no SVM", BAD_INPUT);
}

static void a_bug_of_the_hypervisors_is_no_bad_input(void **state)
{
    static const int statuses[] = { EXITED(35), EXITED(0), KILLED(9) };

    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        struct closing closing = ended_well();
        cJSON *root = cJSON_Parse(sound);
        change(root, "error", "\"panic: no more\"");
        closing.status = statuses[i];
        assert_judged(root, &closing, "panic: no more", FAILED);
    }
}

/* ---- how the session ended ------------------------------------------------------------------ */

static void how_the_run_was_stopped_comes_before_everything(void **state)
{
    struct closing closing = ended_well();
    cJSON *root = cJSON_Parse(sound);

    (void)state;
    change(root, "error", "\"panic\"");
    closing.ending = INTERRUPTED;
    assert_judged(root, &closing, "interrupted", FAILED);
    closing.ending = TIMED_OUT;
    assert_judged(cJSON_Parse(sound), &closing, "not ended after 7 s: time-out", FAILED);
}

static void an_emulator_that_ended_otherwise_is_told(void **state)
{
    struct closing closing = ended_well();

    (void)state;
    closing.status = KILLED(11);
    assert_judged(cJSON_Parse(sound), &closing, "the emulator was killed by signal 11", FAILED);
    closing.status = EXITED(35);
    assert_judged(cJSON_Parse(sound), &closing, "the emulator ended with status 35, not 33",
                  FAILED);
}

static void records_that_could_not_be_read_are_told(void **state)
{
    struct closing closing = ended_well();

    (void)state;
    closing.bad_records = 2;
    assert_judged(cJSON_Parse(sound), &closing, "2 of the hypervisor's records could not be read",
                  FAILED);
}

/* A report of a machine that never began. */
static cJSON *empty_report(void)
{
    return cJSON_Parse("{\"verdict\":\"not ended\",\"host\":{},\"guests\":[]}");
}

static void an_emulator_that_did_not_begin_is_told_in_its_words(void **state)
{
    struct closing closing = ended_well();

    (void)state;
    closing.status = EXITED(1);
    strcpy(closing.complaint, "qemu: no");
    assert_judged(empty_report(), &closing,
                  "the hypervisor ended without its last record (emulator status 1): qemu: no",
                  FAILED);
    closing.cpu = "Nonsense";
    assert_judged(empty_report(), &closing, "--cpu Nonsense: qemu: no", BAD_INPUT);
}

static void a_processor_is_not_blamed_once_the_hypervisor_runs(void **state)
{
    struct closing closing = ended_well();
    cJSON *root = cJSON_Parse(sound);

    (void)state;
    change(root, "hypervisor_verdict", NULL);
    closing.status = EXITED(1);
    closing.cpu = "EPYC";
    strcpy(closing.complaint, "qemu: no");
    assert_judged(root, &closing,
                  "the hypervisor ended without its last record (emulator status 1): qemu: no",
                  FAILED);
}

static void a_refusal_without_words_is_bad_input_still(void **state)
{
    struct closing closing = ended_well();

    (void)state;
    closing.status = EXITED(37);
    assert_judged(empty_report(), &closing,
                  "the hypervisor ended without its last record (emulator status 37)", BAD_INPUT);
}

/* ---- what is not asked ---------------------------------------------------------------------- */

static void another_guest_need_not_say_that_it_used_its_memory(void **state)
{
    struct closing closing = ended_well();
    cJSON *root = cJSON_Parse(sound);

    (void)state;
    change(root, "guests/0/phases/used", NULL);
    change(root, "guests/0/exit_reason", "\"reboot\"");
    closing.guest = GUEST_OTHER;
    assert_judged(root, &closing, "ok", GOOD);
}

static void an_eye_that_was_not_asked_need_not_look_but_is_believed(void **state)
{
    struct closing closing = ended_well();
    cJSON *root = cJSON_Parse(sound);

    (void)state;
    closing.eye = EYE_NEVER;
    change(root, "guests/0/phases/built/eye", NULL);
    change(root, "guests/0/phases/end/eye", NULL);
    assert_judged(root, &closing, "ok", GOOD);
    root = cJSON_Parse(sound);
    change(root, "guests/0/phases/used/eye", "\"disagrees\"");
    assert_judged(root, &closing, "eye disagrees (phase \"used\" of guest linux)", FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_run_is_ok),
        cmocka_unit_test(a_slot_that_could_be_one_leaf_must_be),
        cmocka_unit_test(whatever_is_wrong_in_the_report_has_its_verdict),
        cmocka_unit_test(a_guest_without_its_last_phase_is_not_ok),
        cmocka_unit_test(frames_that_changed_their_state_are_seen_though_the_sum_is_the_same),
        cmocka_unit_test(a_state_in_the_place_of_another_is_seen),
        cmocka_unit_test(all_that_is_promised_may_be_in_hand),
        cmocka_unit_test(a_guest_that_died_of_memory_is_told_with_its_accounts),
        cmocka_unit_test(details_are_told_with_the_reason),
        cmocka_unit_test(a_refusal_is_told_in_the_hypervisors_words),
        cmocka_unit_test(a_bug_of_the_hypervisors_is_no_bad_input),
        cmocka_unit_test(how_the_run_was_stopped_comes_before_everything),
        cmocka_unit_test(an_emulator_that_ended_otherwise_is_told),
        cmocka_unit_test(records_that_could_not_be_read_are_told),
        cmocka_unit_test(an_emulator_that_did_not_begin_is_told_in_its_words),
        cmocka_unit_test(a_processor_is_not_blamed_once_the_hypervisor_runs),
        cmocka_unit_test(a_refusal_without_words_is_bad_input_still),
        cmocka_unit_test(another_guest_need_not_say_that_it_used_its_memory),
        cmocka_unit_test(an_eye_that_was_not_asked_need_not_look_but_is_believed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
