/*
 * team_fixture.h - hand-built teams of threads for tests of the rules about them, and the
 * changes that several of those rules must keep silent on.
 */
#ifndef FS_TEST_TEAM_FIXTURE_H
#define FS_TEST_TEAM_FIXTURE_H

#include "tests/unit/rule_fixture.h"

/* A team of `threads` OpenMP threads that worked for 10 s on `cpus`, alone on the machine. */
static inline void fixture_team(struct fixture *f, struct fs_team *team, int threads,
                                const char *cpus) {
    *team = (struct fs_team){.executable = (char *)"/home/u/solve",
                             .command = (char *)"solve",
                             .pid = 100,
                             .parent = 90,
                             .count = 1,
                             .owner = (char *)"/usr/lib/libgomp.so.1",
                             .family = FSP_LIBRARY_GOMP,
                             .libraries = FSP_LIBRARY_GOMP,
                             .gil = FS_UNKNOWN,
                             .workers = 1,
                             .threads = threads,
                             .busy = threads,
                             .team_ns = 10 * SECOND,
                             .thread_ns = threads * 10 * SECOND,
                             .mask = fixture_mask(f, cpus),
                             .cpus = fixture_mask(f, cpus),
                             .variables = f->variables};
    const int fit = hwloc_bitmap_weight(team->mask);
    const int running = threads < fit ? threads : fit;
    team->run_ns = running * 10 * SECOND;
    team->wait_ns = (threads - running) * 10 * SECOND;
    team->cpu_ns = team->run_ns;
    f->digest.cpu_ns = team->cpu_ns;
}

static inline void team_variable(struct fixture *f, const char *name, const char *value) {
    fixture_variable(f, name, value);
    for (size_t i = 0; i < f->digest.team_count; i++)
        f->teams[i].variable_count = f->digest.variable_count;
}

static inline void not_sampled(struct fixture *f) {
    f->digest.team_count = 0;
    f->digest.rivals.teams = 0;
    f->digest.watched_count = 0;
    f->digest.teams_sampled = false;
}
static inline void no_team(struct fixture *f) {
    f->digest.team_count = 0;
}
static inline void not_kept(struct fixture *f) {
    f->digest.team_count = 0;
    f->digest.teams_more = 3;
}
static inline void short_work(struct fixture *f) {
    f->teams[0].team_ns = f->teams[0].shared_ns = SECOND / 2;
}
static inline void short_job(struct fixture *f) {
    short_work(f);
    f->digest.wall_ns = SECOND / 2;
}
static inline void unknown_owner(struct fixture *f) {
    f->teams[0].owner = NULL;
    f->teams[0].family = 0;
}
static inline void other_owner(struct fixture *f) {
    f->teams[0].owner = (char *)"/usr/lib/jvm/libjvm.so";
    f->teams[0].family = 0;
}
static inline void mask_unknown(struct fixture *f) {
    f->teams[0].mask = NULL;
}
static inline void beside_a_pool(struct fixture *f) {
    fixture_pool(f, &f->group[0], 2, "0-1");
    f->digest.group_count = 1;
}
static inline void forks(struct fixture *f) {
    f->teams[0].forked = 4;
}

static inline void workers_of_a_pool(struct fixture *f) {
    f->teams[0].workers = 4;
}

#endif
