/*
 * fold_fixture.h - a folder of made segments and a fold that reads them.
 */
#ifndef FS_TESTS_FOLD_FIXTURE_H
#define FS_TESTS_FOLD_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/made_segment.h"
#include "tracer/evaluation.h"
#include "tracer/fold.h"

enum { MILLISECOND = 1000000, PARENT = 1000, CHILD = 1001, SECOND_CHILD = 1002 };
static const int64_t now = 9000000000;

static struct fs_table table;
static struct fs_fold fold;
static char folder[64];

static inline int set_up(void **state) {
    (void)state;
    strcpy(folder, "/tmp/test_fold.XXXXXX");
    fs_table_init(&table);
    return mkdtemp(folder) ? fs_fold_open(&fold, &table, folder) : -1;
}

static inline int tear_down(void **state) {
    (void)state;
    char command[128];
    fs_fold_close(&fold);
    fs_table_free(&table);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static inline void put(struct made_segment *made, const char *name) {
    const int file = openat(fold.directory, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, made->bytes, made->size), made->size);
    close(file);
}

/* The base segment of an image that `pid` started at `t`. */
static inline struct made_segment image(int pid, int ppid, uint64_t t, const char *executable) {
    struct made_segment made = make_segment(FSP_BASE_SIZE, 0);
    made.header->pid = pid;
    made.header->ppid = ppid;
    made.header->t_made = made.header->image = t;
    made.processes[0].pid = pid;
    made.processes[0].ppid = ppid;
    made.processes[0].t_start = t;
    made.processes[0].mask[0] = 3;
    made.index[0] = pid;
    snprintf(made.header->executable, sizeof made.header->executable, "%s", executable);
    return made;
}

static inline struct fsp_process *add_child(struct made_segment *made, int slot, int pid,
                                            enum fsp_birth birth, uint64_t t) {
    struct fsp_process *child = &made->processes[slot];
    child->state = FSP_PROCESS_LIVE;
    child->pid = pid;
    child->ppid = made->header->pid;
    child->birth = (uint8_t)birth;
    child->birth_site = 77;
    child->t_fork = t;
    child->t_start = birth == FSP_BIRTH_SPAWN || birth == FSP_BIRTH_VFORK ? 0 : t + 1000;
    child->mask[0] = 3;
    made->index[slot] = pid;
    return child;
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
