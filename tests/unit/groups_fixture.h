/*
 * groups_fixture.h - a table with the main process of a job, its cohorts, and the groups they make.
 */
#ifndef FS_TESTS_GROUPS_FIXTURE_H
#define FS_TESTS_GROUPS_FIXTURE_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tracer/cohort.h"
#include "tracer/evaluation.h"

static const int64_t second = 1000000000;
enum { MAIN = 100 };

static struct fs_table table;
static struct fs_cohorts cohorts;
static struct fs_sampler sampler;
static struct fs_fold fold;
static struct fs_evaluation evaluation;
static struct fs_digest digest;
static struct fs_record *parent;

static struct fs_image *image(int pid, const char *executable, const char *argv, size_t argv_size) {
    static uint64_t key;
    struct fs_image *made = fs_table_add_image(&table, ++key);
    made->shim = true;
    made->pid = pid;
    fs_image_describe(&table, made, executable, argv, argv_size);
    return made;
}

static uint32_t mask(const char *list) {
    hwloc_bitmap_t bits = hwloc_bitmap_alloc();
    hwloc_bitmap_list_sscanf(bits, list);
    const uint32_t number = fs_intern_mask(&table.interned, bits);
    hwloc_bitmap_free(bits);
    return number;
}

static struct fs_record *begin(int pid, struct fs_record *maker, int birth, int64_t t) {
    struct fs_record *record = fs_table_add(&table, pid);
    record->birth = (uint8_t)birth;
    record->t_fork = t;
    record->t_start = t + 1;
    record->mask = mask("0-3");
    record->witnesses = FS_WITNESS_SHIM;
    if (maker) fs_record_set_parent(&table, record, maker->pid, t);
    return record;
}

static struct fs_record *forked(int pid, int64_t t) {
    struct fs_record *record = begin(pid, parent, FSP_BIRTH_FORK, t);
    fs_record_add_stage(&table, record, parent->stages[0].image, t);
    return record;
}

static struct fs_record *started(int pid, const char *executable, const char *argv, size_t size,
                                 int64_t t) {
    struct fs_record *record = begin(pid, parent, FSP_BIRTH_VFORK, t);
    fs_record_add_stage(&table, record, image(pid, executable, argv, size), t + 10);
    return record;
}

static void end_by(struct fs_record *record, int64_t t, int status) {
    record->t_reaped = record->t_gone = t;
    record->status = status;
    record->status_known = true;
    record->reaper = record->ppid;
    fs_record_close(record);
}

static int set_up(void **state) {
    (void)state;
    fs_table_init(&table);
    table.main_pid = MAIN;
    cohorts = (struct fs_cohorts){.table = &table};
    fold = (struct fs_fold){.table = &table, .directory = -1};
    fs_digest_init(&digest);
    if (fs_sampler_open(&sampler, &table, "") != 0) return -1;
    parent = begin(MAIN, NULL, FS_BIRTH_RUN, 0);
    fs_record_add_stage(&table, parent, image(MAIN, "/usr/bin/python3", "python3\0pool.py", 16), 0);
    evaluation = (struct fs_evaluation){.table = &table,
                                        .cohorts = &cohorts,
                                        .sampler = &sampler,
                                        .fold = &fold,
                                        .t_end = 10 * second,
                                        .t_closed = 10 * second,
                                        .t_interrupted = FS_UNKNOWN,
                                        .mask_job = fs_mask_of(&table.interned, mask("0-3"))};
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    fs_digest_free(&digest);
    fs_cohorts_free(&cohorts);
    fs_sampler_close(&sampler);
    fs_table_free(&table);
    return 0;
}

static const struct fs_group *evaluate(void) {
    fs_cohorts_assign(&cohorts, 10 * second);
    assert_int_equal(fs_evaluate_groups(&evaluation, &digest), 0);
    return digest.groups;
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
