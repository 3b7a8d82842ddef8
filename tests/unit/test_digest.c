/* Digests: what is written is read again; bad text is refused with a clear line. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random_digest.h"
#include "tracer/digest.h"
#include "tracer/digest_reader.h"
#include "tracer/mask.h"
#include "tracer/topology.h"

static char *text_of(const struct fs_digest *digest) {
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(fs_digest_write(digest, out), 0);
    assert_int_equal(fclose(out), 0);
    return text;
}

static char *joined(const char *first, const char *second) {
    char *both;
    assert_true(asprintf(&both, "%s%s", first, second) >= 0);
    return both;
}

static int read_text(const char *text, struct fs_digest **list, size_t *count, char error[200]) {
    FILE *in = fmemopen((char *)(uintptr_t)text, strlen(text), "r");
    if (!in) in = fopen("/dev/null", "r"); /* an empty text */
    assert_non_null(in);
    const int result = fs_digest_read(in, list, count, error, 200);
    fclose(in);
    return result;
}

static struct fs_digest *must_read(const char *text, size_t expected) {
    struct fs_digest *list;
    size_t count;
    char error[200];
    if (read_text(text, &list, &count, error)) fail_msg("%s", error);
    assert_int_equal(count, expected);
    return list;
}

static void written_is_read_is_written(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= 300; seed++) {
        struct fs_digest digest;
        random_digest(&digest, seed);
        char *first = text_of(&digest);
        struct fs_digest *list = must_read(first, 1);
        char *second = text_of(&list[0]);
        assert_string_equal(first, second);
        fs_digest_list_free(list, 1);
        fs_digest_free(&digest);
        free(first);
        free(second);
    }
}

static void empty_digest_is_all_unknown(void **state) {
    (void)state;
    struct fs_digest digest;
    fs_digest_init(&digest);
    char *text = text_of(&digest);
    struct fs_digest *list = must_read(text, 1), *read = &list[0];
    assert_string_equal(read->host, "");
    assert_int_equal(read->wall_ns, FS_UNKNOWN);
    assert_int_equal(read->status, FS_UNKNOWN);
    assert_int_equal(read->interrupted, 0);
    assert_int_equal(read->quota.version, 0);
    assert_true(isnan(read->quota.cpus));
    assert_true(isnan(read->busy_mean));
    assert_int_equal(read->complete.processes, FS_UNKNOWN);
    assert_null(read->mask_job);
    assert_null(read->topology);
    assert_null(read->scheduler.name);
    assert_int_equal(read->group_count, 0);
    assert_false(read->environments_read);
    fs_digest_list_free(list, 1);
    free(text);
}

static void concatenation_is_a_digest(void **state) {
    (void)state;
    struct fs_digest one, other;
    random_digest(&one, 7);
    random_digest(&other, 8);
    free(other.host);
    other.host = strdup("elsewhere");
    char *a = text_of(&one), *b = text_of(&other), *ab = joined(a, b), *ba = joined(b, a);
    struct fs_digest *first = must_read(ab, 2), *second = must_read(ba, 2);
    char *a_again = text_of(&first[0]), *b_again = text_of(&second[0]);
    assert_string_equal(a, a_again);
    assert_string_equal(b, b_again);
    assert_string_equal(first[1].host, "elsewhere");
    assert_string_equal(second[1].host, one.host);
    fs_digest_list_free(first, 2);
    fs_digest_list_free(second, 2);
    fs_digest_free(&one);
    fs_digest_free(&other);
    free(a), free(b), free(ab), free(ba), free(a_again), free(b_again);
}

static void equal_topologies_are_shared(void **state) {
    (void)state;
    struct fs_digest digest;
    fs_digest_init(&digest);
    digest.host = strdup("n1");
    assert_int_equal(fs_topology_from_text("N0 C0{U0 U1}", &digest.topology), 0);
    char *text = text_of(&digest), *twice = joined(text, text);
    struct fs_digest *list = must_read(twice, 2);
    assert_non_null(list[0].topology);
    assert_ptr_equal(list[0].topology, list[1].topology);
    assert_int_equal(fs_topology_total_cpus(list[1].topology), 2);
    fs_digest_list_free(list, 2);
    fs_digest_free(&digest);
    free(text);
    free(twice);
}

static void topology_may_be_in_another_digest(void **state) {
    (void)state;
    static const char text[] =
        "{\"forksight\":1,\"kind\":\"node\",\"host\":\"a\",\"topology\":\"%s\"}\n"
        "{\"forksight\":1,\"kind\":\"end\",\"host\":\"a\",\"groups\":0}\n"
        "{\"forksight\":1,\"kind\":\"topology\",\"hash\":\"%s\",\"text\":\"N0 U0\"}\n";
    char hash[FS_TOPOLOGY_HASH_SIZE], full[512];
    fs_topology_hash("N0 U0", hash);
    snprintf(full, sizeof full, text, hash, hash);
    struct fs_digest *list = must_read(full, 1);
    assert_int_equal(fs_topology_total_cpus(list[0].topology), 1);
    fs_digest_list_free(list, 1);
    /* Nobody has it: unknown, but its name is kept. */
    snprintf(full, sizeof full, text, "0123456789abcdef", hash);
    list = must_read(full, 1);
    assert_null(list[0].topology);
    assert_string_equal(list[0].topology_hash, "0123456789abcdef");
    fs_digest_list_free(list, 1);
}

#define NODE                "{\"forksight\":1,\"kind\":\"node\",\"host\":\"a\"}\n"
#define NODE_WITH(members)  "{\"forksight\":1,\"kind\":\"node\",\"host\":\"a\"," members "}\n"
#define GROUP_WITH(members) "{\"forksight\":1,\"kind\":\"group\",\"host\":\"a\"," members "}\n"
#define END(groups)         "{\"forksight\":1,\"kind\":\"end\",\"host\":\"a\",\"groups\":" groups "}\n"

static const struct {
    const char *text;
    int error;
    const char *message;
} bad_texts[] = {
    {"", EBADMSG, "line 1: no digest in it"},
    {"hello\n", EBADMSG, "line 1: not a digest of forksight"},
    {"{}\n", EBADMSG, "line 1: not a digest of forksight"},
    {"[1]\n", EBADMSG, "line 1: not a digest of forksight"},
    {"{\"forksight\":\"1\"}\n", EBADMSG, "line 1: not a digest of forksight"},
    {NODE, EBADMSG, "line 2: cut off: the digest has no end"},
    {NODE NODE, EBADMSG, "line 2: the digest before has no end"},
    {NODE "{\"forksi", EBADMSG, "line 2: cut off, or not a digest of forksight"},
    {NODE END("1"), EBADMSG, "line 2: groups of this digest are missing"},
    {END("0"), EBADMSG, "line 1: the begin of its digest is missing"},
    {GROUP_WITH("\"cpu\":1"), EBADMSG, "line 1: the begin of its digest is missing"},
    {"{\"forksight\":1,\"kind\":\"node\"}\n", EBADMSG, "line 1: a digest without a host"},
    {"{\"forksight\":2,\"kind\":\"node\",\"host\":\"a\"}\n", EPROTONOSUPPORT,
     "line 1: a digest of format version 2; this forksight reads version 1"},
    {NODE_WITH("\"wall\":\"x\""), EBADMSG, "line 1: a wrong value for \"wall\""},
    {NODE_WITH("\"wall\":-2"), EBADMSG, "line 1: a wrong value for \"wall\""},
    {NODE_WITH("\"wall\":9223372036854775807"), EBADMSG, "line 1: a wrong value for \"wall\""},
    {NODE_WITH("\"wall\":92233720368547758070"), EBADMSG, "line 1: not a digest of forksight"},
    {NODE_WITH("\"wall\":1.5"), EBADMSG, "line 1: a wrong value for \"wall\""},
    {NODE_WITH("\"mask_job\":\"0-\""), EBADMSG, "line 1: a wrong value for \"mask_job\""},
    {NODE_WITH("\"mask_job\":\"0-99999999\""), EBADMSG, "line 1: a wrong value for \"mask_job\""},
    {NODE_WITH("\"mask_job_from\":\"hearsay\""), EBADMSG,
     "line 1: a wrong value for \"mask_job_from\""},
    {NODE_WITH("\"interrupted\":65"), EBADMSG, "line 1: a wrong value for \"interrupted\""},
    {NODE_WITH("\"busy_mean\":\"nan\""), EBADMSG, "line 1: a wrong value for \"busy_mean\""},
    {NODE_WITH("\"quota\":[]"), EBADMSG, "line 1: a wrong value for \"quota\""},
    {NODE_WITH("\"command\":[1]"), EBADMSG, "line 1: a wrong value for \"command\""},
    {NODE_WITH("\"variables\":[{}]"), EBADMSG, "line 1: a wrong value for \"variables\""},
    {NODE_WITH("\"variables\":[{\"name\":\"A\"}]"), EBADMSG,
     "line 1: a wrong value for \"variables\""},
    {NODE_WITH("\"variables\":[{\"name\":\"A\\u0000\",\"value\":\"\"}]"), EBADMSG,
     "line 1: not a digest of forksight"},
    {NODE_WITH("\"complete\":{\"unseen\":[1,2,3,4,5,6,7,8,9,10,11]}"), EBADMSG,
     "line 1: a wrong value for \"complete\""},
    {NODE GROUP_WITH("\"type\":4"), EBADMSG, "line 2: a wrong value for \"type\""},
    {NODE GROUP_WITH("\"pids\":[1,2,3,4,5]"), EBADMSG, "line 2: a wrong value for \"pids\""},
    {NODE GROUP_WITH("\"pids\":[-1]"), EBADMSG, "line 2: a wrong value for \"pids\""},
    {NODE "{\"forksight\":1,\"kind\":\"group\",\"host\":\"b\"}\n", EBADMSG,
     "line 2: in the digest of another host"},
    {"{\"forksight\":1,\"kind\":\"topology\",\"hash\":\"0\",\"text\":\"N0 U0\"}\n", EBADMSG,
     "line 1: a changed topology"},
    {"{\"forksight\":1,\"kind\":\"topology\"}\n", EBADMSG, "line 1: not a topology"},
};

static void bad_text_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad_texts / sizeof bad_texts[0]; i++) {
        struct fs_digest *list = (void *)&list;
        size_t count = 99;
        char error[200];
        errno = 0;
        assert_int_equal(read_text(bad_texts[i].text, &list, &count, error), -1);
        assert_int_equal(errno, bad_texts[i].error);
        assert_string_equal(error, bad_texts[i].message);
        assert_null(list);
        assert_int_equal(count, 0);
    }
}

static void every_cut_is_noticed(void **state) {
    (void)state;
    struct fs_digest digest;
    random_digest(&digest, 42);
    char *text = text_of(&digest);
    const size_t length = strlen(text);
    for (size_t cut = 0; cut + 1 < length; cut += 1 + cut % 7) { /* the last newline may go */
        char *part = strndup(text, cut);
        struct fs_digest *list;
        size_t count;
        char error[200];
        errno = 0;
        assert_int_equal(read_text(part, &list, &count, error), -1);
        assert_int_equal(errno, EBADMSG);
        assert_true(strncmp(error, "line ", 5) == 0);
        free(part);
    }
    fs_digest_free(&digest);
    free(text);
}

static void unknown_members_and_kinds_are_skipped(void **state) {
    (void)state;
    struct fs_digest *list = must_read(
        NODE_WITH("\"wall\":5,\"later\":{\"a\":[1,2]}") "{\"forksight\":1,\"kind\":\"forecast\","
                                                        "\"host\":\"a\"}\n"
                                                        "\n" GROUP_WITH(
                                                            "\"workers\":3,\"mood\":\"good\"")
                                                            END("1"),
        1);
    assert_int_equal(list[0].wall_ns, 5);
    assert_int_equal(list[0].groups[0].workers, 3);
    assert_int_equal(list[0].groups[0].workers_peak, FS_UNKNOWN);
    fs_digest_list_free(list, 1);
}

static void deep_text_is_refused(void **state) {
    (void)state;
    enum { DEPTH = 100000 };
    char *text = malloc(DEPTH + 64), error[200];
    strcpy(text, "{\"forksight\":1,\"kind\":\"node\",\"host\":");
    memset(text + strlen(text), '[', DEPTH);
    text[36 + DEPTH] = '\0';
    struct fs_digest *list;
    size_t count;
    assert_int_equal(read_text(text, &list, &count, error), -1);
    free(text);
}

/* 128 KiB once, and 4096 times in memory: in each of 16 nodes that are kept. */
static void a_short_line_does_not_fill_the_memory(void **state) {
    (void)state;
    enum { LENGTH = 120 * 1024 };
    char word[LENGTH + 1], error[200], *text = NULL;
    struct fs_digest *list;
    size_t count;
    memset(word, 'x', LENGTH);
    word[LENGTH] = '\0';
    assert_true(asprintf(&text,
                         NODE_WITH("\"tasks\":{\"n\":4096,\"exe\":{\"words\":[\"%s\"],"
                                   "\"at\":\"0,0x4095\"}}") END("0"),
                         word) > 0);
    errno = 0;
    assert_int_equal(read_text(text, &list, &count, error), -1);
    assert_int_equal(errno, EBADMSG);
    assert_string_equal(error, "line 1: too long texts in \"tasks\"");
    assert_null(list);
    free(text);
}

static void any_bytes_can_be_written(void **state) {
    (void)state;
    struct fs_digest digest;
    fs_digest_init(&digest);
    digest.host = strdup("n\xff\x01");
    digest.directory = strdup("/tmp/\xc3\xa4\xc3(\xe2\x82\xac\"\\\n\xf0\x9f");
    digest.cpu_ns = -5; /* nonsense is unknown, not a text that nobody reads */
    digest.wall_ns = INT64_MAX;
    digest.interrupted = 1000;
    digest.busy_mean = INFINITY;
    char *text = text_of(&digest);
    struct fs_digest *list = must_read(text, 1);
    assert_string_equal(list[0].host, "n\xef\xbf\xbd\x01");
    assert_string_equal(list[0].directory, digest.directory); /* byte by byte */
    assert_int_equal(list[0].cpu_ns, FS_UNKNOWN);
    assert_int_equal(list[0].wall_ns, FS_UNKNOWN);
    assert_int_equal(list[0].interrupted, 0);
    assert_true(isinf(list[0].busy_mean));
    fs_digest_list_free(list, 1);
    fs_digest_free(&digest);
    free(text);
}

static void large_node_stays_small(void **state) {
    (void)state;
    struct fs_digest digest;
    large_digest(&digest);
    char *text = text_of(&digest);
    print_message("a node of 128 like processes on 256 hardware threads: %zu bytes\n",
                  strlen(text));
    assert_true(strlen(text) <= 16 * 1024);
    fs_digest_free(&digest);
    free(text);
}

static void full_disk_is_an_error(void **state) {
    (void)state;
    struct fs_digest digest;
    random_digest(&digest, 3);
    FILE *out = fopen("/dev/full", "w");
    assert_non_null(out);
    errno = 0;
    assert_int_equal(fs_digest_write(&digest, out), -1);
    assert_int_equal(errno, ENOSPC);
    fclose(out);
    fs_digest_free(&digest);
}

/* What job_load.c sorts by must be the same whichever way it was read. */
static void skimming_tells_the_same_places(void **state) {
    (void)state;
    char error[200];
    for (unsigned seed = 1; seed <= 100; seed++) {
        struct fs_digest digest, whole, skimmed;
        struct fs_digest_mark marks[2];
        struct fs_digest_reader *reader = fs_digest_reader_new();
        random_digest(&digest, seed);
        char *text = text_of(&digest);
        FILE *in = fmemopen(text, strlen(text), "r");
        fs_digest_reader_seek(reader, in, NULL);
        assert_int_equal(fs_digest_reader_skim(reader, &skimmed, &marks[0], error, 200), 1);
        fs_digest_reader_seek(reader, NULL, &marks[0]);
        assert_int_equal(fs_digest_reader_next(reader, &whole, &marks[1], error, 200), 1);
        assert_string_equal(skimmed.host, whole.host);
        assert_int_equal(skimmed.start_realtime, whole.start_realtime);
        assert_int_equal(skimmed.launchers_only, whole.launchers_only);
        assert_int_equal(skimmed.group_count, whole.group_count);
        assert_true(marks[0].hash == marks[1].hash && marks[0].line == marks[1].line);
        fs_digest_release(&skimmed);
        fs_digest_release(&whole);
        fs_digest_reader_free(reader);
        fclose(in);
        free(text);
        fs_digest_free(&digest);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_is_read_is_written),
        cmocka_unit_test(empty_digest_is_all_unknown),
        cmocka_unit_test(concatenation_is_a_digest),
        cmocka_unit_test(equal_topologies_are_shared),
        cmocka_unit_test(topology_may_be_in_another_digest),
        cmocka_unit_test(bad_text_is_refused),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(unknown_members_and_kinds_are_skipped),
        cmocka_unit_test(deep_text_is_refused),
        cmocka_unit_test(a_short_line_does_not_fill_the_memory),
        cmocka_unit_test(any_bytes_can_be_written),
        cmocka_unit_test(large_node_stays_small),
        cmocka_unit_test(full_disk_is_an_error),
        cmocka_unit_test(skimming_tells_the_same_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
