/* What fails a check, what cannot be told, and what holds; the result as JUnit XML. */
#include "tests/unit/gate_fixture.h"

#include "report/gate.h"
#include "report/print/json.h"
#include "report/print/junit.h"
#include "report/totals.h"

#include <locale.h>

/* PRC-03, a note. */
static void unjoined(struct fixture *f) {
    fixture_clean(f);
    f->group[0].unwaited = 1;
}

static struct fs_arena arena;
static struct fs_gate_result result;

static const struct fs_gate_result *hold(struct fixture *f, const struct fs_gate *gate) {
    fs_arena_free(&arena);
    fixture_judge(f, NULL);
    fs_gate_hold(gate, &f->job, &f->verdict, &arena, &result);
    assert_false(arena.failed);
    fixture_free(f);
    return &result;
}

static void clean_job_holds(void **state) {
    (void)state;
    struct fs_gate gate;
    struct fixture f;
    fs_gate_init(&gate);
    gate.fail_on = FS_FAIL_ON_NOTE;
    fixture_clean(&f);
    assert_int_equal(hold(&f, &gate)->count, 0);
}

static void severity_decides(void **state) {
    (void)state;
    static const struct {
        enum fs_fail_on fail_on;
        int of_error, of_note;
    } cases[] = {
        {FS_FAIL_ON_NEVER, 0, 0},
        {FS_FAIL_ON_ERROR, 1, 0},
        {FS_FAIL_ON_WARNING, 1, 0},
        {FS_FAIL_ON_NOTE, 1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fs_gate gate;
        struct fixture f;
        fs_gate_init(&gate);
        gate.fail_on = cases[i].fail_on;
        fixture_squeezed(&f);
        assert_int_equal(hold(&f, &gate)->failed, cases[i].of_error); /* not what follows from it */
        unjoined(&f);
        assert_int_equal(hold(&f, &gate)->failed, cases[i].of_note);
    }
}

static void limits_count_findings(void **state) {
    (void)state;
    struct fs_gate gate;
    struct fixture f;
    fs_gate_init(&gate);
    gate.most[rule_number("AFF-01")] = 1;
    fixture_squeezed(&f);
    assert_int_equal(hold(&f, &gate)->count, 0);
    gate.most[rule_number("AFF-01")] = 0;
    fixture_squeezed(&f);
    assert_int_equal(hold(&f, &gate)->failed, 1);
    assert_non_null(strstr(result.conditions[0].text, "AFF-01 was found 1 time, at most 0"));
    gate.most[rule_number("AFF-01")] = 1;
    gate.most[rule_number("OVS-02")] = 0; /* by name, though it follows from another */
    fixture_squeezed(&f);
    assert_int_equal(hold(&f, &gate)->failed, 1);
}

static void incomplete_record_is_no_pass(void **state) {
    (void)state;
    struct fs_gate gate;
    struct fixture f;
    fs_gate_init(&gate);
    fixture_clean(&f);
    f.digest.complete.recorded = 4;
    hold(&f, &gate);
    assert_int_equal(result.failed, 0);
    assert_int_equal(result.unknown, 1);
    assert_true(result.incomplete);
    assert_non_null(strstr(result.conditions[0].text, "4 of 5 processes"));

    gate.fail_on = FS_FAIL_ON_NEVER;
    fixture_clean(&f);
    f.digest.complete.interim = true;
    assert_int_equal(hold(&f, &gate)->unknown, 1);
    gate.allow_incomplete = true;
    fixture_clean(&f);
    f.digest.complete.interim = true;
    assert_int_equal(hold(&f, &gate)->count, 0);

    struct fs_expectation expectation = {.name = "static", .may_be_incomplete = true};
    gate.allow_incomplete = false;
    gate.expectation = &expectation;
    fixture_clean(&f);
    f.digest.complete.recorded = 4;
    assert_int_equal(hold(&f, &gate)->count, 0);
}

static struct fs_expectation expectation_of(const char *must, const char *must_not,
                                            const char *later) {
    struct fs_expectation expectation = {.name = "variant"};
    if (must) expectation.must[rule_number(must)] = true;
    if (must_not) expectation.must_not[rule_number(must_not)] = true;
    if (later) expectation.tolerated[rule_number(later)] = true;
    expectation.no_other = !must_not;
    return expectation;
}

static void expectations(void **state) {
    (void)state;
    static const struct {
        const char *must, *must_not, *later;
        int squeezed, unjoined, clean; /* conditions that fail */
    } cases[] = {
        {NULL, NULL, NULL, 2, 1, 0},         {"AFF-01", NULL, NULL, 0, 2, 1},
        {"PRC-03", NULL, NULL, 2, 0, 1},     {"OVS-02", NULL, NULL, 1, 2, 1},
        {"AFF-01", "OVS-02", NULL, 1, 1, 1}, {NULL, "PRC-03", NULL, 1, 1, 0},
        {"AFF-01", NULL, "PRC-03", 0, 1, 1}, {NULL, NULL, "AFF-01", 1, 1, 0},
        {"AFF-01", "AFF-02", NULL, 0, 1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fs_expectation expectation =
            expectation_of(cases[i].must, cases[i].must_not, cases[i].later);
        struct fs_gate gate;
        struct fixture f;
        fs_gate_init(&gate);
        gate.expectation = &expectation;
        fixture_squeezed(&f);
        assert_int_equal(hold(&f, &gate)->failed, cases[i].squeezed);
        unjoined(&f);
        assert_int_equal(hold(&f, &gate)->failed, cases[i].unjoined);
        fixture_clean(&f);
        assert_int_equal(hold(&f, &gate)->failed, cases[i].clean);
    }
}

/* A rule that is asked for by name and cannot be told is neither found nor absent. */
static void asked_for_and_unknown(void **state) {
    (void)state;
    struct fs_expectation expectation = expectation_of("AFF-01", NULL, NULL);
    struct fs_gate gate;
    struct fixture f;
    for (int way = 0; way < 5; way++) {
        fs_gate_init(&gate);
        if (way == 0) gate.expectation = &expectation;
        if (way == 1) gate.most[rule_number("AFF-01")] = 5;
        if (way >= 2) {
            expectation = expectation_of(NULL, way == 2 ? "AFF-01" : NULL, NULL);
            expectation.pass[rule_number("AFF-01")] = way == 3;
            expectation.not_applicable[rule_number("AFF-01")] = way == 4;
            gate.expectation = &expectation;
        }
        fixture_squeezed(&f);
        f.group[0].masks_known = false;
        hold(&f, &gate);
        assert_int_equal(result.failed, 0);
        assert_int_equal(result.unknown, 1);
        assert_non_null(strstr(result.conditions[0].text, "AFF-01 is asked for and unknown"));
    }
}

/* A rule that must pass: judged, and nothing found; or that must not apply. */
static void passed_or_does_not_apply(void **state) {
    (void)state;
    static const struct {
        const char *rule, *must_pass, *must_not_apply; /* what the line says; NULL: it holds */
        void (*build)(struct fixture *f);
    } cases[] = {
        {"AFF-01", NULL, "AFF-01 must not apply (variant), but it passed: ", fixture_clean},
        {"SLM-02", "SLM-02 must pass (variant), but it does not apply: not started by srun", NULL,
         fixture_clean},
        {"PRC-03", "(must pass: variant)", "(must not apply: variant)", unjoined},
        {"OVS-02", "(must pass: variant)", "(must not apply: variant)",
         fixture_squeezed}, /* it follows */
    };
    for (size_t i = 0; i < 2 * (sizeof cases / sizeof *cases); i++) {
        const bool pass = i % 2 == 0;
        const char *text = pass ? cases[i / 2].must_pass : cases[i / 2].must_not_apply;
        struct fs_expectation expectation = {.name = "variant"};
        struct fs_gate gate;
        struct fixture f;
        fs_gate_init(&gate);
        gate.fail_on = FS_FAIL_ON_NEVER;
        gate.expectation = &expectation;
        (pass ? expectation.pass : expectation.not_applicable)[rule_number(cases[i / 2].rule)] =
            true;
        cases[i / 2].build(&f);
        hold(&f, &gate);
        assert_int_equal(result.unknown, 0);
        assert_int_equal(result.failed, text != NULL);
        if (!text) continue;
        if (!strstr(result.conditions[0].text, text))
            print_error("%s\n", result.conditions[0].text);
        assert_non_null(strstr(result.conditions[0].text, text));
        assert_ptr_equal(result.conditions[0].rule, fs_rule_find(cases[i / 2].rule));
    }
}

static void baseline_knows_as_many_as_it_has(void **state) {
    (void)state;
    struct fs_baseline baseline;
    struct fs_gate gate;
    struct fixture f;
    char error[1000];
    fixture_squeezed(&f);
    fixture_judge(&f, NULL);
    FILE *out = fopen(path, "w");
    assert_int_equal(fs_json_print(&f.job, &f.verdict, out), 0);
    fclose(out);
    fixture_free(&f);
    assert_int_equal(fs_baseline_read(&baseline, path, error, sizeof error), 0);
    assert_int_equal(baseline.count, 2);

    fs_gate_init(&gate);
    gate.baseline = &baseline;
    fixture_squeezed(&f);
    assert_int_equal(hold(&f, &gate)->count, 0);
    fixture_squeezed(&f); /* the like of it, made elsewhere */
    f.group[1] = f.group[0];
    f.group[1].site.function = (char *)"elsewhere";
    f.group[1].site.line++;
    f.digest.group_count = 2;
    assert_int_equal(hold(&f, &gate)->failed, 1);
    fixture_squeezed(&f); /* the same function makes two: one more than is known */
    f.group[1] = f.group[0];
    f.group[1].site.line++;
    f.digest.group_count = 2;
    assert_int_equal(hold(&f, &gate)->failed, 1);
    fs_baseline_free(&baseline);
}

/* --- JUnit --- */

/* Prints, has it read by others, and gives what these say of a rule. */
static void junit_states(const struct fs_junit *junit, char *states, size_t size) {
    char command[200];
    FILE *out = fopen(path, "w");
    assert_int_equal(fs_junit_print(junit, out), 0);
    fclose(out);
    if (system("/usr/bin/python3 -c 'import junitparser' 2>/dev/null") != 0) {
        print_message("python3-junitparser is not installed\n");
        skip();
    }
    snprintf(command, sizeof command, "/usr/bin/python3 -B tests/lib/junit.py %s", path);
    FILE *in = popen(command, "r");
    states[fread(states, 1, size - 1, in)] = '\0';
    assert_int_equal(pclose(in), 0);
}

static void junit_of(struct fixture *f, const struct fs_gate *gate, char *states, size_t size) {
    fs_arena_free(&arena);
    fixture_judge(f, NULL);
    fs_gate_hold(gate, &f->job, &f->verdict, &arena, &result);
    const struct fs_junit junit = {
        .name = "k\"<&>'\x01", .job = &f->job, .verdict = &f->verdict, .result = &result};
    junit_states(&junit, states, size);
    fixture_free(f);
}

static int count_of(const char *text, const char *word) {
    int count = 0;
    for (const char *found = text; (found = strstr(found, word)); found++)
        count++;
    return count;
}

static void junit_has_a_case_for_each_rule(void **state) {
    (void)state;
    struct fs_gate gate;
    struct fixture f;
    char states[8192];
    fs_gate_init(&gate);
    fixture_squeezed(&f);
    junit_of(&f, &gate, states, sizeof states);
    assert_int_equal(count_of(states, "\n"), FS_RULE_COUNT);
    assert_non_null(strstr(states, "AFF-01: failed\n"));
    assert_non_null(strstr(states, "OVS-02: passed\n")); /* it follows from AFF-01 */
    assert_int_equal(count_of(states, ": failed\n"), 1);

    struct fs_expectation expectation = expectation_of("AFF-01", NULL, NULL);
    gate.expectation = &expectation;
    fixture_squeezed(&f);
    junit_of(&f, &gate, states, sizeof states);
    assert_int_equal(count_of(states, ": failed\n"), 0);
    fixture_clean(&f);
    junit_of(&f, &gate, states, sizeof states);
    assert_non_null(strstr(states, "AFF-01: failed\n")); /* it must be found and was not */

    expectation = expectation_of(NULL, NULL, NULL);
    expectation.pass[rule_number("AFF-01")] = expectation.pass[rule_number("SLM-02")] = true;
    expectation.not_applicable[rule_number("MPI-05")] = true;
    expectation.not_applicable[rule_number("PRC-03")] = true;
    fixture_clean(&f);
    junit_of(&f, &gate, states, sizeof states);
    assert_int_equal(count_of(states, ": failed\n"), 2);
    assert_non_null(strstr(states, "AFF-01: passed\n"));
    assert_non_null(strstr(states, "SLM-02: failed\n")); /* it must pass and does not apply */
    assert_non_null(strstr(states, "MPI-05: skipped\n"));
    assert_non_null(strstr(states, "PRC-03: failed\n")); /* it must not apply and passed */
}

static void junit_is_not_green_on_missing_facts(void **state) {
    (void)state;
    struct fs_gate gate;
    struct fixture f;
    char states[8192];
    fs_gate_init(&gate);
    fixture_clean(&f);
    f.group[0].masks_known = false;
    junit_of(&f, &gate, states, sizeof states);
    assert_non_null(strstr(states, "AFF-01: error\n"));

    fixture_clean(&f);
    f.digest.complete.lost_events = 3;
    junit_of(&f, &gate, states, sizeof states);
    assert_int_equal(count_of(states, ": passed\n"), 0);

    const struct fs_junit none = {.name = "job", .no_data = "no record here: '\x1b[2J'"};
    junit_states(&none, states, sizeof states);
    assert_int_equal(count_of(states, ": error\n"), FS_RULE_COUNT);
}

static char *put_character(char *end, uint32_t code) {
    const int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};
    *end++ = (char)(first[more] | code >> 6 * more);
    for (int i = more - 1; i >= 0; i--)
        *end++ = (char)(0x80 | (code >> 6 * i & 0x3f));
    return end;
}

/* Every character there is and every byte: the file stays XML, and readers agree on it. */
static void junit_survives_any_text(void **state) {
    (void)state;
    enum { BELOW = 0x10800 };
    char states[8192], *text = malloc(4 * BELOW + 256), *end = text;
    for (uint32_t code = 1; code < BELOW; code++)
        end = put_character(end, code); /* surrogates too, which are none */
    for (int byte = 0x80; byte < 0x100; byte++)
        *end++ = (char)byte;
    *end = '\0';
    for (int utf8 = 0; utf8 < 2; utf8++) {
        setlocale(LC_CTYPE, utf8 ? "C.UTF-8" : "C");
        const struct fs_junit junit = {.name = text, .no_data = text};
        junit_states(&junit, states, sizeof states);
    }
    setlocale(LC_CTYPE, "C");
    free(text);
}

static int remove_file(void **state) {
    (void)state;
    fs_arena_free(&arena);
    unlink(path);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_job_holds),
        cmocka_unit_test(severity_decides),
        cmocka_unit_test(limits_count_findings),
        cmocka_unit_test(incomplete_record_is_no_pass),
        cmocka_unit_test(expectations),
        cmocka_unit_test(asked_for_and_unknown),
        cmocka_unit_test(passed_or_does_not_apply),
        cmocka_unit_test(baseline_knows_as_many_as_it_has),
        cmocka_unit_test(junit_has_a_case_for_each_rule),
        cmocka_unit_test(junit_is_not_green_on_missing_facts),
        cmocka_unit_test(junit_survives_any_text),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
