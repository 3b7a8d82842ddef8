/* Threads that work at the same time: who owns them, how many, where; and tools at processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tracer/cohort.h"
#include "tracer/evaluation.h"
#include "tracer/teams.h"
#include "tracer/tools.h"

static const int64_t second = 1000000000, tenth = 100000000;
enum { MAIN = 100, THREADS = 4 };
static const char gomp[] = "/usr/lib/libgomp.so.1", blas[] = "/usr/lib/libopenblas.so.0",
                  python[] = "/usr/bin/python3.11";

static struct fs_table table;
static struct fs_cohorts cohorts;
static struct fs_sampler sampler;
static struct fs_teams teams;
static struct fs_fold fold;
static struct fs_digest digest;
static hwloc_topology_t topology;
static struct fs_record *program;
static int64_t now;

static struct fs_record *begin(int pid, const char *executable, const char *argv, size_t size) {
    static uint64_t key;
    struct fs_record *record = fs_table_add(&table, pid);
    struct fs_image *image = fs_table_add_image(&table, ++key);

    image->shim = true;
    image->pid = pid;
    fs_image_describe(&table, image, executable, argv, size);
    record->birth = FSP_BIRTH_SPAWN;
    record->t_fork = 0;
    record->t_start = 1;
    record->run_ns = record->sampled_ns = 5 * second;
    hwloc_bitmap_t mask = hwloc_bitmap_alloc();
    hwloc_bitmap_set_range(mask, 0, 3);
    record->mask = fs_intern_mask(&table.interned, mask);
    hwloc_bitmap_free(mask);
    fs_record_add_stage(&table, record, image, 0);
    record->activity = calloc(1, sizeof *record->activity);
    record->activity->thread = calloc(THREADS, sizeof *record->activity->thread);
    record->activity->thread_count = 1;
    record->activity->thread[0].tid = pid;
    return record;
}

/* Another thread, whose start routine lies in `module`. */
static void add_thread(struct fs_record *record, const char *module) {
    struct fs_activity *activity = record->activity;
    const int tid = record->pid + (int)activity->thread_count;
    const struct fs_site_key key = {1, (uint64_t)tid};
    struct fs_site *site = calloc(1, sizeof *site);

    site->id = key;
    site->kind = FSP_SITE_ROUTINE;
    site->module = fs_intern(&table.interned, module, strlen(module));
    HASH_ADD(hh, table.sites, id, sizeof site->id, site);
    record->threads = realloc(record->threads, THREADS * sizeof *record->threads);
    record->threads[record->thread_count++] =
        (struct fs_thread){.tid = tid, .routine = key, .t_start = 2, .t_end = FS_UNKNOWN};
    activity->thread[activity->thread_count++] =
        (struct fs_thread_activity){.tid = tid, .t_start = FS_UNKNOWN};
}

/* In the next tenth of a second a thread ran and waited so many per cent of the time. */
static void did(struct fs_record *record, size_t thread, int ran, int waited, int cpu) {
    struct fs_thread_activity *activity = &record->activity->thread[thread];

    activity->delta_run_ns = ran * tenth / 100;
    activity->delta_wait_ns = waited * tenth / 100;
    activity->processor_before = activity->processor;
    activity->processor = cpu;
}

static void sample(struct fs_record *record) {
    struct fs_activity *activity = record->activity;

    activity->t = now;
    activity->interval_ns = tenth;
    activity->delta_run_ns = activity->delta_wait_ns = 0;
    activity->threads_busy = 0;
    for (size_t i = 0; i < activity->thread_count; i++) {
        const struct fs_thread_activity *thread = &activity->thread[i];
        activity->delta_run_ns += thread->delta_run_ns;
        activity->delta_wait_ns += thread->delta_wait_ns;
        activity->threads_busy += thread->delta_run_ns + thread->delta_wait_ns > tenth / 100;
    }
}

static void sample_all(void) {
    now += tenth;
    sampler.interval_ns = tenth;
    for (struct fs_record *record = table.first; record; record = record->next)
        if (record->activity) sample(record);
    fs_teams_sample(&teams, &sampler, now);
}

static int set_up(void **state) {
    (void)state;
    fs_table_init(&table);
    table.main_pid = MAIN;
    cohorts = (struct fs_cohorts){.table = &table};
    fold = (struct fs_fold){.table = &table, .directory = -1};
    sampler = (struct fs_sampler){.table = &table};
    now = second;
    hwloc_topology_init(&topology);
    hwloc_topology_set_synthetic(topology, "pack:2 [numa] core:2 pu:1");
    hwloc_topology_load(topology);
    fs_teams_open(&teams, &table, topology);
    fs_digest_init(&digest);
    program = begin(MAIN, "/home/u/solve", "solve", 6);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    fs_digest_free(&digest);
    fs_teams_close(&teams);
    fs_cohorts_free(&cohorts);
    fs_table_free(&table);
    hwloc_topology_destroy(topology);
    return 0;
}

static const struct fs_team *evaluate(void) {
    const struct fs_evaluation evaluation = {.table = &table,
                                             .cohorts = &cohorts,
                                             .sampler = &sampler,
                                             .fold = &fold,
                                             .t_end = now,
                                             .t_closed = now,
                                             .t_interrupted = FS_UNKNOWN};

    fs_cohorts_assign(&cohorts, now);
    assert_int_equal(fs_evaluate_groups(&evaluation, &digest), 0);
    assert_int_equal(fs_evaluate_teams(&evaluation, &teams.rivals, &digest), 0);
    assert_int_equal(fs_evaluate_watched(&evaluation, &digest), 0);
    assert_true(digest.teams_sampled);
    return digest.teams;
}

static void a_team_is_its_workers_and_the_thread_that_leads(void **state) {
    (void)state;
    add_thread(program, gomp);
    add_thread(program, gomp);
    for (int i = 0; i < 10; i++) {
        did(program, 0, 60, 10, 0);
        did(program, 1, 40, 30, 1);
        did(program, 2, i < 5 ? 40 : 2, i < 5 ? 30 : 0, 2); /* idle in the second half */
        sample_all();
    }
    const struct fs_team *team = evaluate();
    assert_int_equal(digest.team_count, 1);
    assert_string_equal(team->owner, gomp);
    assert_int_equal(team->family, FSP_LIBRARY_GOMP);
    assert_string_equal(team->command, "solve");
    assert_int_equal(team->threads, 3);
    assert_int_equal(team->busy, 3);
    assert_int_equal(team->team_ns, second);
    assert_int_equal(team->thread_ns, 2 * second + second / 2);
    assert_int_equal(team->run_ns, 12 * tenth);
    assert_int_equal(team->wait_ns, 10 * 40 * tenth / 100 + 5 * 30 * tenth / 100);
    assert_int_equal(hwloc_bitmap_weight(team->cpus), 3);
    assert_int_equal(hwloc_bitmap_weight(team->mask), 4);
    assert_int_equal(team->workers, 1);
    assert_int_equal(team->gil, FS_UNKNOWN);
}

static void idle_threads_and_single_ones_are_no_team(void **state) {
    (void)state;
    add_thread(program, gomp);
    add_thread(program, gomp);
    for (int i = 0; i < 10; i++) {
        did(program, 0, 100, 0, 0);
        did(program, 1, 5, 0, 1);
        did(program, 2, 5, 0, 2);
        sample_all();
    }
    evaluate();
    assert_int_equal(digest.team_count, 0);
}

static void the_leader_counts_with_the_larger_team(void **state) {
    (void)state;
    add_thread(program, gomp);
    add_thread(program, blas);
    add_thread(program, blas);
    for (size_t i = 0; i < 4; i++)
        did(program, i, 80, 0, (int)i);
    sample_all();
    const struct fs_team *team = evaluate();
    assert_int_equal(digest.team_count, 1);
    assert_string_equal(team->owner, blas);
    assert_int_equal(team->busy, 3);
}

static void a_young_thread_is_measured_by_its_age(void **state) {
    (void)state;
    add_thread(program, gomp);
    program->threads[0].t_start = now + tenth - tenth / 10;
    did(program, 0, 90, 0, 0);
    did(program, 1, 8, 0, 1);
    sample_all();
    assert_int_equal(evaluate()->busy, 2);
}

static void a_thread_that_nobody_recorded_has_no_owner(void **state) {
    (void)state;
    add_thread(program, gomp);
    program->thread_count = 0;
    for (int i = 0; i < 3; i++) {
        did(program, 0, 90, 0, 0);
        did(program, 1, 90, 0, 1);
        sample_all();
    }
    const struct fs_team *team = evaluate();
    assert_null(team->owner);
    assert_int_equal(team->family, 0);
    assert_int_equal(team->team_ns, 2 * tenth); /* the first sample may come before the record */
}

static void changes_of_the_numa_domain_are_counted(void **state) {
    (void)state;
    add_thread(program, gomp);
    for (int i = 0; i < 10; i++) {
        did(program, 0, 90, 0, i % 2);         /* within its domain */
        did(program, 1, 90, 0, i % 2 ? 3 : 0); /* to the other one and back */
        sample_all();
    }
    const struct fs_team *team = evaluate();
    assert_int_equal(team->looks, 20); /* a thread that is new was on CPU 0 */
    assert_int_equal(team->moves, 9);
}

static void teams_at_the_same_time_are_rivals(void **state) {
    (void)state;
    struct fs_record *other = begin(200, "/home/u/other", "other", 6);
    add_thread(program, gomp);
    add_thread(other, gomp);
    for (int i = 0; i < 10; i++) {
        for (size_t j = 0; j < 2; j++) {
            did(program, j, 50, 50, 0);
            did(other, j, i < 6 ? 25 : 0, i < 6 ? 75 : 0, 0);
        }
        sample_all();
    }
    evaluate();
    assert_int_equal(digest.team_count, 2);
    assert_int_equal(digest.rivals.teams, 2);
    assert_int_equal(digest.rivals.threads, 4);
    assert_int_equal(digest.rivals.ns, 6 * tenth);
    assert_int_equal(digest.rivals.run_ns, 6 * 150 * tenth / 100);
    assert_int_equal(digest.rivals.wait_ns, 6 * 250 * tenth / 100);
    assert_int_equal(hwloc_bitmap_weight(digest.rivals.mask), 4);
}

static void like_processes_are_one_entry(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct fs_record *rank = begin(200 + 10 * i, "/home/u/rank", "rank", 5);
        fs_record_set_parent(&table, rank, MAIN, 0);
        add_thread(rank, gomp);
        did(rank, 1, 60, i == 2 ? 30 : 0, 1);
        did(rank, 0, 60, 0, 0);
        rank->sampled_ns += i * second;
    }
    sample_all();
    const struct fs_team *team = evaluate();
    assert_int_equal(digest.team_count, 1);
    assert_int_equal(team->count, 3);
    assert_int_equal(team->pid, 220); /* the one with most CPU time */
    assert_int_equal(team->workers, 3);
}

static void python_threads_share_one_cpu(void **state) {
    (void)state;
    struct fs_record *script = begin(200, python, "python3\0job.py", 15);
    add_thread(script, python);
    add_thread(script, python);
    for (int i = 0; i < 10; i++) {
        did(script, 0, 0, 0, 0);
        did(script, 1, 52, 1, 1);
        did(script, 2, 47, 1, 2);
        sample_all();
    }
    const struct fs_team *team = evaluate();
    assert_int_equal(digest.team_count, 1);
    assert_true(team->python);
    assert_int_equal(team->gil, 1);
    assert_int_equal(team->shared_ns, second);
    assert_int_equal(team->shared_run_ns, 99 * second / 100);
    assert_int_equal(team->shared_wait_ns, 2 * second / 100);
    assert_int_equal(team->shared_top_ns, 52 * second / 100);
    assert_int_equal(team->shared_threads_ns, 2 * second);
}

static void a_forgotten_process_is_counted(void **state) {
    (void)state;
    struct fs_record *other = begin(200, "/home/u/other", "other", 6);
    add_thread(other, gomp);
    did(other, 0, 90, 0, 0);
    did(other, 1, 90, 0, 1);
    sample_all();
    fs_record_close(other);
    fs_table_forget(&table, other);
    evaluate();
    assert_int_equal(digest.team_count, 0);
    assert_int_equal(digest.teams_more, 1);
}

static void a_tracer_that_misses_children_is_seen(void **state) {
    (void)state;
    struct fs_record *seen = begin(200, "/bin/a", "a", 2), *missed = begin(300, "/bin/b", "b", 2);
    begin(400, "/bin/c", "c", 2); /* nobody looked: no child of it */
    fs_record_set_parent(&table, seen, MAIN, 1);
    fs_record_set_parent(&table, missed, MAIN, 1);
    program->tracer = 90;
    program->tracer_executable = "/usr/bin/strace";
    seen->t_tracer = missed->t_tracer = second;
    seen->tracer = 90;
    evaluate();
    assert_int_equal(digest.watched_count, 1);
    const struct fs_watched *watched = &digest.watched[0];
    assert_true(watched->tracer);
    assert_string_equal(watched->tool, "/usr/bin/strace");
    assert_int_equal(watched->pid, MAIN);
    assert_int_equal(watched->children, 2);
    assert_int_equal(watched->missed, 1);
    assert_int_equal(watched->example, 300);
    assert_int_equal(watched->missed_cpu_ns, 5 * second);
}

static void a_profiler_is_not_expected_to_be_seen_in_forked_children(void **state) {
    (void)state;
    struct fs_image *image = fs_record_image(program);
    image->profiler = "/opt/libscorep_adapter.so";
    image->objects_read = true;
    struct fs_record *forked = fs_table_add(&table, 200);
    fs_record_set_parent(&table, forked, MAIN, 1);
    fs_record_add_stage(&table, forked, image, 1);
    struct fs_record *executed = begin(300, "/bin/b", "b", 2);
    fs_record_set_parent(&table, executed, MAIN, 1);
    fs_record_image(executed)->objects_read = true;
    fs_record_image(executed)->repaired = true;
    evaluate();
    assert_int_equal(digest.watched_count, 1);
    assert_false(digest.watched[0].tracer);
    assert_int_equal(digest.watched[0].children, 1);
    assert_int_equal(digest.watched[0].missed, 1);
    assert_true(digest.watched[0].scrubbed);
}

static void profilers_are_known_by_name(void **state) {
    (void)state;
    assert_true(fs_is_profiler("/opt/scorep/lib/libscorep_adapter_memory_event.so"));
    assert_true(fs_is_profiler("/x/memray/_memray.cpython-311-x86_64-linux-gnu.so"));
    assert_true(fs_is_profiler("libhpcrun.so"));
    assert_false(fs_is_profiler("/usr/lib/libasan.so.8"));
    assert_false(fs_is_profiler("/usr/lib/libtcmalloc_and_profiler.so.4"));
    assert_false(fs_is_profiler("/opt/libscorep_/libm.so.6"));
    assert_false(fs_is_profiler(""));
}

static void interpreters_without_the_lock_are_told_apart(void **state) {
    (void)state;
    assert_int_equal(fs_gil_of_executable("/usr/bin/python3.11"), 1);
    assert_int_equal(fs_gil_of_executable("/usr/bin/python2.7"), 1);
    assert_int_equal(fs_gil_of_executable("/opt/bin/pypy3.10"), 1);
    assert_int_equal(fs_gil_of_executable("/opt/bin/python3.13t"), 0);
    assert_int_equal(fs_gil_of_executable("/opt/bin/python3.13"), -1);
    assert_int_equal(fs_gil_of_executable("/opt/bin/python3"), -1);
    assert_int_equal(fs_gil_of_executable("/opt/bin/pythonista"), -1);
    assert_int_equal(fs_gil_of_executable(NULL), -1);
    assert_int_equal(fs_gil_of("/x/_json.cpython-313-x86_64-linux-gnu.so"), 1);
    assert_int_equal(fs_gil_of("/x/_json.cpython-313t-x86_64-linux-gnu.so"), 0);
    assert_int_equal(fs_gil_of("/x/libpython3.14t.so.1.0"), 0);
    assert_int_equal(fs_gil_of("/x/libpython3.11.so.1.0"), 1);
    assert_int_equal(fs_gil_of("/x/libpython3.so"), -1);
    assert_int_equal(fs_gil_of("/usr/lib/libc.so.6"), -1);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_team_is_its_workers_and_the_thread_that_leads),
        CASE(idle_threads_and_single_ones_are_no_team),
        CASE(the_leader_counts_with_the_larger_team),
        CASE(a_young_thread_is_measured_by_its_age),
        CASE(a_thread_that_nobody_recorded_has_no_owner),
        CASE(changes_of_the_numa_domain_are_counted),
        CASE(teams_at_the_same_time_are_rivals),
        CASE(like_processes_are_one_entry),
        CASE(python_threads_share_one_cpu),
        CASE(a_forgotten_process_is_counted),
        CASE(a_tracer_that_misses_children_is_seen),
        CASE(a_profiler_is_not_expected_to_be_seen_in_forked_children),
        CASE(profilers_are_known_by_name),
        CASE(interpreters_without_the_lock_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
