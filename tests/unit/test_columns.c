/* Columns of a digest: many like structures in few bytes, and texts that are none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random_digest.h"
#include "tracer/digest_columns.h"

static void check_series(const int64_t *numbers, size_t count, const char *expected) {
    int64_t again[16];
    char *text = fs_series_text(numbers, count);
    assert_string_equal(text, expected);
    assert_int_equal(fs_series_parse(text, again, count), 0);
    assert_memory_equal(again, numbers, count * sizeof *numbers);
    free(text);
}

static void numbers_are_steps(void **state) {
    (void)state;
    const int64_t u = FS_COLUMN_UNKNOWN;
    check_series((const int64_t[]){0, 1, 2, 3, 4}, 5, "0,1x4");
    check_series((const int64_t[]){7, 7, 7}, 3, "7,0x2");
    check_series((const int64_t[]){5, u, u, 6, -9}, 5, "5,ux2,1,-15");
    check_series((const int64_t[]){61200000000, 61213000000, 61188000000}, 3, "e6:61200,13,-25");
    check_series((const int64_t[]){0, 0}, 2, "0x2");
    check_series((const int64_t[]){INT64_MAX / 2, -(INT64_MAX / 2)}, 2,
                 "4611686018427387903,-9223372036854775806");
}

static void what_is_no_series_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "1",
                                        "1,2,3",
                                        "1,2x0",
                                        "1,2x2",
                                        "1,",
                                        "1,x",
                                        "1,+2",
                                        "1, 2",
                                        "e5:1,2",
                                        "e6:1,2;",
                                        "1,2x-1",
                                        "u,ux9999",
                                        "1,2x1x1",
                                        "0x1,0x99999999999999999999",
                                        "e9:9223372036854775807,1",
                                        "9223372036854775807,1",
                                        "-9223372036854775808,0",
                                        "4611686018427387904,0"};
    int64_t numbers[2];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        errno = 0;
        if (fs_series_parse(texts[i], numbers, 2) == 0) fail_msg("'%s' is taken", texts[i]);
        assert_int_equal(errno, EBADMSG);
    }
}

static const struct fs_field tasks_field = {
    .name = "tasks", .type = FS_FIELD_COLUMNS, .length = 256, .fields = &fs_task_fields};

/* 128 tasks of one command on 128 cores with two hardware threads, with times as they are. */
static struct fs_task *like_tasks(size_t count) {
    struct fs_task *tasks = calloc(count, sizeof *tasks);
    random_state = 4711;
    for (size_t i = 0; i < count; i++) {
        fs_fields_init(&fs_task_fields, &tasks[i]);
        tasks[i] = (struct fs_task){
            .launch = FS_LAUNCH_SRUN,
            .step = 0,
            .rank = (int)(256 + i),
            .size = 1024,
            .local_rank = (int)i,
            .cpus_per_task = 2,
            .pid = (int)(40000 + i + i / 50),
            .command = strdup("/home/u/solver/bin/solve --steps 1000 input.nc"),
            .executable = strdup("/home/u/solver/bin/solve"),
            .status = 0,
            .start = (int64_t)(100 + random_below(40)) * 1000000,
            .end = (int64_t)(3600000 + random_below(900)) * 1000000,
            .cpu_ns = (int64_t)(3550000 + random_below(30000)) * 1000000,
            .processes = 1,
            .workers = 0,
            .threads = 3,
            .libraries = 512,
            .libraries_known = true,
            .mask = hwloc_bitmap_alloc(),
        };
        hwloc_bitmap_set(tasks[i].mask, (unsigned)i);
        hwloc_bitmap_set(tasks[i].mask, (unsigned)i + 128);
    }
    return tasks;
}

static void free_tasks(struct fs_task *tasks, size_t count) {
    for (size_t i = 0; i < count; i++)
        fs_fields_free(&fs_task_fields, &tasks[i]);
    free(tasks);
}

static void a_node_of_like_tasks_takes_about_two_kilobytes(void **state) {
    (void)state;
    enum { COUNT = 128 };
    struct fs_task *tasks = like_tasks(COUNT), *again = NULL;
    bool failed = false;
    size_t count;
    json_t *object = fs_columns_write(&tasks_field, tasks, COUNT, &failed);
    char *text = json_dumps(object, JSON_COMPACT);
    assert_in_range(strlen(text), 500, 2300);
    assert_string_equal(json_string_value(json_object_get(object, "mask")), "=0,128;+1x127");
    assert_int_equal(fs_columns_read(&tasks_field, object, (void **)&again, &count), 0);
    assert_int_equal(count, COUNT);
    assert_int_equal(again[127].rank, 383);
    assert_int_equal(again[127].cpu_ns, tasks[127].cpu_ns);
    assert_int_equal(again[127].pid, 40129);
    assert_true(hwloc_bitmap_isequal(again[127].mask, tasks[127].mask));
    assert_string_equal(again[127].executable, "/home/u/solver/bin/solve");
    free(text);
    json_decref(object);
    free_tasks(tasks, COUNT);
    free_tasks(again, count);
}

static void masks_are_as_they_were(void **state) {
    (void)state;
    static const char *const lists[] = {"0-3", "4-7", "4-7", "4-7", NULL, "0-3", "", "8", "0,9"};
    enum { COUNT = sizeof lists / sizeof *lists };
    struct fs_task *tasks = calloc(COUNT, sizeof *tasks), *again = NULL;
    bool failed = false;
    size_t count;
    for (size_t i = 0; i < COUNT; i++) {
        fs_fields_init(&fs_task_fields, &tasks[i]);
        tasks[i].mask = lists[i] ? hwloc_bitmap_alloc() : NULL;
        if (lists[i] && *lists[i]) hwloc_bitmap_list_sscanf(tasks[i].mask, lists[i]);
    }
    json_t *object = fs_columns_write(&tasks_field, tasks, COUNT, &failed);
    assert_string_equal(json_string_value(json_object_get(object, "mask")),
                        "=0-3;+4;+0x2;u;-4;=;=8;=0,9");
    assert_int_equal(fs_columns_read(&tasks_field, object, (void **)&again, &count), 0);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(!again[i].mask, !tasks[i].mask);
        if (tasks[i].mask) assert_true(hwloc_bitmap_isequal(again[i].mask, tasks[i].mask));
    }
    json_decref(object);
    free_tasks(tasks, COUNT);
    free_tasks(again, count);
}

static void what_is_no_column_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"n\":257}",
        "{\"n\":-1}",
        "{\"n\":\"2\"}",
        "{\"n\":2,\"rank\":3}",
        "{\"n\":2,\"rank\":\"0\"}",
        "{\"n\":2,\"rank\":\"-1,0\"}",
        "{\"n\":2,\"rank\":\"2147483648,0\"}",
        "{\"n\":2,\"launch\":\"99,0\"}",
        "{\"n\":2,\"cpu\":\"-5,0\"}",
        "{\"n\":2,\"libraries\":\"4294967296,0\"}",
        "{\"n\":2,\"exe\":\"python\"}",
        "{\"n\":2,\"exe\":{\"words\":[\"a\"],\"at\":\"0,1\"}}",
        "{\"n\":2,\"exe\":{\"words\":[\"a\"],\"at\":\"-1,1\"}}",
        "{\"n\":2,\"exe\":{\"words\":[7],\"at\":\"0x2\"}}",
        "{\"n\":2,\"exe\":{\"at\":\"0x2\"}}",
        "{\"n\":2,\"mask\":\"+1x2\"}",
        "{\"n\":2,\"mask\":\"=0;-1\"}",
        "{\"n\":2,\"mask\":\"=8191;+1\"}",
        "{\"n\":2,\"mask\":\"=0\"}",
        "{\"n\":2,\"mask\":\"=0;+1x9\"}",
        "{\"n\":2,\"mask\":\"=0;+1;+1\"}",
        "{\"n\":2,\"mask\":\"=0;;\"}",
        "{\"n\":2,\"mask\":\"=0;+1x\"}",
        "{\"n\":2,\"mask\":\"=z;u\"}",
        "{\"n\":2,\"mask\":[]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct fs_task *tasks = NULL;
        size_t count = 0;
        json_t *object = json_loads(texts[i], 0, NULL);
        assert_non_null(object);
        errno = 0;
        if (fs_columns_read(&tasks_field, object, (void **)&tasks, &count) == 0)
            fail_msg("%s is taken", texts[i]);
        assert_int_equal(errno, EBADMSG);
        free_tasks(tasks, count);
        json_decref(object);
    }
}

/* What the reader would refuse is left out: the rest of the digest is worth more. */
static void texts_that_are_too_long_together_are_unknown(void **state) {
    (void)state;
    enum { COUNT = 256, LENGTH = 10000 };
    struct fs_task *tasks = like_tasks(COUNT), *again = NULL;
    bool failed = false;
    size_t count;
    for (size_t i = 0; i < COUNT; i++) {
        free(tasks[i].executable);
        tasks[i].executable = calloc(1, LENGTH + 1);
        memset(tasks[i].executable, 'x', LENGTH);
    }
    json_t *object = fs_columns_write(&tasks_field, tasks, COUNT, &failed);
    assert_int_equal(fs_columns_read(&tasks_field, object, (void **)&again, &count), 0);
    assert_int_equal(count, COUNT);
    assert_int_equal(strlen(again[0].executable), LENGTH);
    assert_int_equal(strlen(again[208].executable), LENGTH);
    assert_null(again[209].executable); /* behind 2 MiB */
    assert_null(again[255].executable);
    assert_string_equal(again[255].command, tasks[255].command);
    json_decref(object);
    free_tasks(tasks, COUNT);
    free_tasks(again, count);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_steps),
        cmocka_unit_test(what_is_no_series_is_refused),
        cmocka_unit_test(a_node_of_like_tasks_takes_about_two_kilobytes),
        cmocka_unit_test(masks_are_as_they_were),
        cmocka_unit_test(what_is_no_column_is_refused),
        cmocka_unit_test(texts_that_are_too_long_together_are_unknown),
    };
    return cmocka_run_group_tests_name("columns", tests, NULL, NULL);
}
