/* The page: goldens, limits of 80 columns and 40 lines, hostile text, pasteable commands. */
#include "tests/unit/rule_fixture.h"

#include "report/gate.h"
#include "report/print/junit.h"
#include "report/print/text.h"
#include "report/remedy.h"

#include <ctype.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static char *render(struct fixture *f, const struct fs_text_options *options) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    fixture_judge(f, NULL);
    assert_int_equal(fs_text_print(&f->job, &f->verdict, out, options), 0);
    fclose(out);
    return text;
}

static void check_limits(const char *text, size_t most_lines) {
    size_t lines = 0;
    for (const char *line = text; *line; lines++) {
        const size_t length = strcspn(line, "\n");
        if (length > FS_COLUMNS) print_error("%.*s\n", (int)length, line);
        assert_true(length <= FS_COLUMNS);
        line += length + 1;
    }
    if (lines > most_lines) print_error("%s", text);
    assert_true(lines <= most_lines);
}

static void squeezed(struct fixture *f) {
    fixture_squeezed(f);
    f->digest.cpus_busy = fixture_mask(f, "0");
    f->digest.complete.collector_cpu_ns = 33000000;
}

/* Copies from..end; with blank a number becomes one "#". */
static char *copy_line(char *to, const char *from, const char *end, bool blank) {
    for (; from < end; from++)
        if (!blank || !isdigit((unsigned char)*from))
            *to++ = *from;
        else if (!isdigit((unsigned char)from[1]))
            *to++ = '#';
    return to;
}

/* How many rules there are, and which of them do not apply, is not a page's matter. */
static void blank_rule_counts(char *text) {
    char *to = text;
    bool reasons = false;
    for (const char *line = text, *next; *line; line = next) {
        next = line + strcspn(line, "\n");
        next += *next == '\n';
        if (strncmp(line, "  n/a", 5) == 0)
            to += snprintf(to, (size_t)(next - line), "  n/a     #"), *to++ = '\n', reasons = true;
        else if (reasons && strncmp(line, "        ", 8) == 0)
            continue;
        else {
            const bool counts = strstr(line, " passed, ") && strstr(line, " passed, ") < next;
            reasons = false;
            to = copy_line(to, line, next, counts);
        }
    }
    *to = '\0';
}

static void squeeze_golden(void **state) {
    (void)state;
    static const char golden[] =
        "forksight 0.1  taskset -c 0 pool.py  1 node  5 processes  0:00:11\n"
        "VERDICT   1 error: 4 workers squeezed onto 1 CPU\n"
        "\n"
        "error[AFF-01] 4 workers squeezed onto 1 CPU                       4 of 4 workers\n"
        "  seen    4 workers (4 busy at once) may use CPU 0 only: 1 CPU (1 core)\n"
        "          the job may use CPU 0-1: 2 CPUs (2 cores)\n"
        "          run-queue wait: 75 % of the time they could have run\n"
        "  cause   sched_setaffinity by taskset (process 99): CPUs 0-1 -> 0\n"
        "          4 workers were forked at pool.py:41 in main; a child inherits its\n"
        "          parent's mask\n"
        "  fix     NUM_PROCS=2 taskset -c 0-1 pool.py\n"
        "  gain    up to 2.0x shorter (est)\n"
        "  more    forksight explain AFF-01\n"
        "\n"
        "error[OVS-02] 4 workers on 1 CPU                             follows from AFF-01\n"
        "\n"
        "CPUs node1         # busy   . allowed, idle   - not in the workers' mask\n"
        "  socket 0  #-\n"
        "Rules     # passed, # not applicable\n"
        "Tree      taskset -c 0 pool.py -> 4 workers (fork); exit status 0\n"
        "Data      complete: 5/5 processes, 0 events lost, collector 0.3 % of a CPU\n"
        "Report    forksight-1\n";
    struct fixture f;
    squeezed(&f);
    char *text = render(&f, &(struct fs_text_options){.directory = "forksight-1"});
    blank_rule_counts(text);
    assert_string_equal(text, golden);
    free(text);
    fixture_free(&f);
}

static void clean_golden(void **state) {
    (void)state;
    static const char golden[] =
        "forksight 0.1  python3 pool.py  1 node  5 processes  0:00:11\n"
        "VERDICT   no findings: # rules passed, # not applicable\n"
        "  CPUs    2 allowed, 2.0 busy on average\n"
        "  Threads 1 per worker\n"
        "  Balance worker CPU time max/mean 1.00 over 2 workers\n"
        "  n/a     #\n"
        "Tree      python3 pool.py -> 2 workers (fork); exit status 0\n"
        "Data      complete: 5/5 processes, 0 events lost, collector 0.0 % of a CPU\n";
    struct fixture f;
    fixture_clean(&f);
    char *text = render(&f, &(struct fs_text_options){0});
    blank_rule_counts(text);
    assert_string_equal(text, golden);
    free(text);
    fixture_free(&f);
}

static void incomplete_data_is_said(void **state) {
    (void)state;
    struct fixture f;
    fixture_clean(&f);
    f.digest.complete.recorded = 3;
    f.digest.complete.unseen[FS_UNSEEN_STATIC] = 2;
    f.digest.complete.unseen_example[FS_UNSEEN_STATIC] = (char *)"/bin/busybox";
    f.digest.complete.lost_events = 7;
    f.digest.complete.recovered = true;
    char *text = render(&f, &(struct fs_text_options){0});
    assert_non_null(strstr(text, "Data      incomplete: 3/5 processes, 7 events lost"));
    assert_non_null(strstr(text, "not entered: 2 statically linked (busybox)"));
    assert_non_null(strstr(text, "recovered without the collector"));
    assert_non_null(strstr(text, "unknown"));
    check_limits(text, 40);
    free(text);
    fixture_free(&f);
}

static void what_a_container_lacks_is_said_with_what_to_do(void **state) {
    (void)state;
    struct fixture f;
    fixture_clean(&f);
    f.digest.complete.recorded = 3;
    f.digest.complete.unseen[FS_UNSEEN_ROOT] = 2;
    f.digest.complete.unseen_example[FS_UNSEEN_ROOT] = (char *)"/usr/bin/python3.11";
    f.digest.complete.lacks = (char *)"/opt/fs/libforksight.so";
    f.digest.complete.binds = (char *)"/opt/fs,/dev/shm";
    char *text = render(&f, &(struct fs_text_options){0});
    assert_non_null(strstr(text, "not entered: 2 in another root directory (python3.11)"));
    assert_non_null(strstr(text, "their container lacks /opt/fs/libforksight.so; bind it:\n"));
    assert_non_null(strstr(text, " export APPTAINER_BIND=/opt/fs,/dev/shm\n"));
    free(text);
    fixture_free(&f);

    fixture_clean(&f);
    f.digest.complete.lacks = (char *)"LD_PRELOAD=/opt/x.so";
    f.digest.complete.binds = (char *)"/opt,/dev/shm";
    text = render(&f, &(struct fs_text_options){0});
    assert_non_null(strstr(text, "their container lacks LD_PRELOAD=/opt/x.so\n"));
    assert_non_null(strstr(text, " export APPTAINERENV_LD_PRELOAD=/opt/x.so\n"));
    assert_non_null(strstr(text, " export APPTAINER_BIND=/opt,/dev/shm\n"));
    free(text);
    fixture_free(&f);
}

/* As many findings as one small job can have, with the longest of names. */
static void crowded_page(struct fixture *f, char *longest) {
    squeezed(f);
    f->command[3] = longest;
    f->group[0].site.file = longest;
    f->group[0].site.function = longest;
    f->group[0].executable = f->group[0].parent_executable = longest;
    f->narrowing.executable = longest;
    f->digest.host = longest;
    f->group[0].threads_busy_peak = 8;
    f->group[0].unwaited = 2;
    f->group[0].orphans = 3;
    f->group[0].orphans_ns = 2 * SECOND;
    f->group[0].orphan_examples[0] = 123456;
    f->deaths[0] = (struct fs_death){
        .pid = 102, .signal = SIGKILL, .oom = true, .idle_ns = 5 * SECOND, .parent_waited = true};
    f->group[0].deaths = f->deaths;
    f->group[0].death_count = 1;
    f->digest.memory.oom_kills = 1;
    f->digest.memory.limit = 1 << 30;
    f->digest.memory.path = longest;
    f->digest.complete.recorded = 2;
    for (int i = 0; i < FS_UNSEEN_COUNT; i++) {
        f->digest.complete.unseen[i] = 1;
        f->digest.complete.unseen_example[i] = longest;
    }
    f->digest.complete.lacks = f->digest.complete.binds = longest;
    f->digest.complete.lost_sites = f->digest.complete.bad_segments = 1;
    f->digest.complete.alive = f->digest.complete.shim_off = 1;
}

static void page_keeps_its_size(void **state) {
    (void)state;
    char longest[5000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    struct fixture f;
    crowded_page(&f, longest);
    char *text = render(&f, &(struct fs_text_options){.directory = longest});
    check_limits(text, 40);
    assert_non_null(strstr(text, "forksight explain"));
    free(text);
    fixture_free(&f);

    for (size_t length = 1; length < sizeof longest; length = length * 3 / 2 + 1) {
        char name[sizeof longest];
        snprintf(name, sizeof name, "%.*s", (int)length, longest);
        crowded_page(&f, name);
        text = render(&f, &(struct fs_text_options){.directory = name});
        check_limits(text, 40);
        free(text);
        fixture_free(&f);
    }
}

static void hostile_text_is_harmless(void **state) {
    (void)state;
    static char hostile[] = "a\033[2J\r\n\x07\x7f\xff\xc3\x28\xc2\x9b"
                            "31m\xe2\x80\xae"
                            "b c'd\\";
    setlocale(LC_CTYPE, "C.UTF-8");
    for (int utf8 = 0; utf8 < 2; utf8++) {
        struct fixture f;
        crowded_page(&f, hostile);
        char *text =
            render(&f, &(struct fs_text_options){.directory = hostile,
                                                 .charset = utf8 ? FS_UTF8_TERMINAL : FS_ASCII});
        for (const char *c = text; *c; c++)
            assert_true(*c == '\n' || (*c >= ' ' && *c <= '~'));
        check_limits(text, 40);
        free(text);
        fixture_free(&f);
    }
    setlocale(LC_CTYPE, "C");
}

static void utf8_is_kept_where_it_can_be_shown(void **state) {
    (void)state;
    struct fs_arena arena = {0};
    setlocale(LC_CTYPE, "C.UTF-8");
    assert_string_equal(fs_harmless(&arena, "\xc3\xa9\xe4\xb8\xad", FS_UTF8_TERMINAL),
                        "\xc3\xa9\xe4\xb8\xad");
    assert_string_equal(fs_harmless(&arena, "\xc3\xa9", FS_ASCII), "\\xc3\\xa9");
    assert_string_equal(fs_harmless(&arena, "\xed\xa0\x80\xf4\x90\x80\x80", FS_UTF8_TERMINAL),
                        "\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80");
    assert_int_equal(fs_text_width("\xe4\xb8\xad"
                                   "a",
                                   FS_UTF8_TERMINAL),
                     3);
    assert_string_equal(
        fs_text_cut(&arena, "\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad", 5, FS_UTF8_TERMINAL),
        "\xe4\xb8\xad...");
    setlocale(LC_CTYPE, "C");
    fs_arena_free(&arena);
}

static void color_repeats_only(void **state) {
    (void)state;
    struct fixture f;
    squeezed(&f);
    char *text = render(&f, &(struct fs_text_options){.color = true});
    assert_non_null(strstr(text, "\033[1;31merror\033[0m[AFF-01]"));
    free(text);
    fixture_free(&f);
}

/* The shell reads the wrapped lines back as the words they were made of. */
static void expect_pasted(const char *const *words, size_t count) {
    struct fs_arena arena = {0};
    struct fs_page page = {.arena = &arena};
    const char *command = "printf '%s\\0'";
    for (size_t i = 0; i < count; i++)
        command = fs_arena_printf(&arena, "%s %s", command, fs_quote_word(&arena, words[i]));
    fs_page_command(&page, "  fix", command);

    char path[] = "/tmp/pasted-XXXXXX";
    FILE *script = fdopen(mkstemp(path), "w");
    for (size_t i = 0; i < page.count; i++) {
        assert_true(strlen(page.lines[i].text) <= FS_COLUMNS);
        fprintf(script, "%s\n", page.lines[i].text + (i ? 0 : FS_INDENT));
    }
    fclose(script);
    FILE *shell = popen(fs_arena_printf(&arena, "bash %s", path), "r");
    char *word = NULL;
    size_t room = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(getdelim(&word, &room, '\0', shell) > 0);
        assert_string_equal(word, words[i]);
    }
    assert_int_equal(getdelim(&word, &room, '\0', shell), -1);
    pclose(shell);
    free(word);
    unlink(path);
    fs_arena_free(&arena);
}

static void wrapped_commands_paste(void **state) {
    (void)state;
    char plain[400], quoted[400], strange[400];
    memset(plain, 'y', sizeof plain - 1);
    memset(quoted, '\'', sizeof quoted - 1);
    memset(strange, '\n', sizeof strange - 1);
    plain[399] = quoted[399] = strange[399] = '\0';
    for (size_t i = 0; i < 399; i += 7)
        quoted[i] = ' ', strange[i] = '\'', strange[i + 1] = '\\';
    const char *const words[] = {"python3", "a b", "it's",  "$HOME",           "*", "", plain, "c",
                                 quoted,    "d e", strange, "\xc3\xa9\033[0m", "e"};
    for (size_t count = 1; count <= sizeof words / sizeof *words; count++)
        expect_pasted(words, count);
}

static char *junit_in(const char *locale, const struct fs_junit *junit) {
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(setlocale(LC_CTYPE, locale));
    assert_int_equal(fs_junit_print(junit, out), 0);
    fclose(out);
    setlocale(LC_CTYPE, "C");
    return text;
}

static void junit_is_the_same_in_every_locale(void **state) {
    (void)state;
    static char name[] =
        "caf\xc3\xa9 \xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad "
        "e\xcc\x81 \xf4\x80\x80\x80 and as many words as a line has no room for.py";
    struct fs_arena arena = {0};
    struct fs_gate_result result;
    struct fs_gate gate;
    struct fixture f;
    fs_gate_init(&gate);
    crowded_page(&f, name);
    fixture_judge(&f, NULL);
    fs_gate_hold(&gate, &f.job, &f.verdict, &arena, &result);
    const struct fs_junit junit = {
        .name = name, .job = &f.job, .verdict = &f.verdict, .result = &result};
    char *plain = junit_in("C", &junit), *utf8 = junit_in("C.UTF-8", &junit);
    assert_string_equal(plain, utf8);
    assert_non_null(strstr(plain, "forksight.caf\xc3\xa9 \xe4\xb8\xad"));
    assert_non_null(strstr(plain, "by caf\xc3\xa9 \xe4\xb8\xad"));
    free(plain);
    free(utf8);
    fs_arena_free(&arena);
    fixture_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(squeeze_golden),
        cmocka_unit_test(clean_golden),
        cmocka_unit_test(incomplete_data_is_said),
        cmocka_unit_test(what_a_container_lacks_is_said_with_what_to_do),
        cmocka_unit_test(page_keeps_its_size),
        cmocka_unit_test(hostile_text_is_harmless),
        cmocka_unit_test(utf8_is_kept_where_it_can_be_shown),
        cmocka_unit_test(junit_is_the_same_in_every_locale),
        cmocka_unit_test(color_repeats_only),
        cmocka_unit_test(wrapped_commands_paste),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
