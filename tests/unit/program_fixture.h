/*
 * program_fixture.h - the fixture of rules with a program that has thread libraries.
 */
#ifndef FS_TEST_PROGRAM_FIXTURE_H
#define FS_TEST_PROGRAM_FIXTURE_H

#include "tests/unit/rule_fixture.h"

/* What the programs of one test own; one test runs at a time. */
static struct fs_thread_program program;
static struct fs_thread_library libraries[3];
static struct fs_variable read_by[3][2];
static struct fs_setting setting;

static inline struct fs_thread_library *add_library(uint32_t family, const char *file,
                                                    const char *build, int threads) {
    struct fs_thread_library *library = &libraries[program.library_count];
    *library = (struct fs_thread_library){.family = family,
                                          .file = (char *)file,
                                          .real_file = (char *)file,
                                          .build = build,
                                          .t_loaded = SECOND / 20,
                                          .t_before = FS_UNKNOWN,
                                          .t_started = threads ? SECOND / 2 : FS_UNKNOWN,
                                          .variables = read_by[program.library_count],
                                          .threads_started = threads,
                                          .threads_peak = threads,
                                          .threads_working = threads,
                                          .team_late = FS_UNKNOWN};
    program.library_count++;
    return library;
}

static inline void reads(struct fs_thread_library *library, const char *name, const char *value) {
    library->variables[library->variable_count++] =
        (struct fs_variable){(char *)name, (char *)value};
}

/* A pool of `workers` on two CPUs, with a program that has no library yet. */
static inline void pool(struct fixture *f, int workers) {
    fixture_machine(f, "pack:1 core:2 pu:1", "0-1");
    fixture_pool(f, &f->group[0], workers, "0-1");
    f->digest.group_count = 1;
    memset(libraries, 0, sizeof libraries);
    program = (struct fs_thread_program){.executable = f->group[0].executable,
                                         .pid = 201,
                                         .count = workers,
                                         .forked = true,
                                         .cpus = 2,
                                         .cpu_ns = 20 * SECOND,
                                         .group_parent = f->group[0].parent,
                                         .group_kind = FS_GROUP_FORK,
                                         .workers = workers,
                                         .settings = &setting,
                                         .libraries = libraries};
    f->digest.programs = &program;
    f->digest.program_count = 1;
    f->digest.programs_more = 0;
}

static inline const struct fs_finding *find(struct fixture *f, const char *rule) {
    return fs_verdict_find(fixture_judge(f, NULL), rule);
}

static inline bool any_fix_is(const struct fs_finding *finding, const char *text) {
    for (size_t i = 0; i < finding->fix_count; i++)
        if (strcmp(finding->fix[i].text, text) == 0) return true;
    return false;
}

static inline void masks_unknown(struct fixture *f) {
    f->group[0].masks_known = false;
}
static inline void little_cpu(struct fixture *f) {
    f->group[0].cpu_ns = program.cpu_ns = SECOND / 3;
}

#endif
