/* Groups: who belongs together, how many lived at once, how they ended, who squeezed them. */
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

static void forked_workers_are_a_group(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct fs_record *record = forked(200 + i, second + i);
        record->self_ns = (i + 1) * second;
        record->run_ns = second;
        record->wait_ns = 3 * second;
        end_by(record, 9 * second, 0);
    }
    const struct fs_group *group = evaluate();
    assert_int_equal(digest.group_count, 1);
    assert_int_equal(group->kind, FS_GROUP_FORK);
    assert_int_equal(group->parent, MAIN);
    assert_true(group->python);
    assert_false(group->helper || group->shell);
    assert_string_equal(group->parent_command, "python3 pool.py");
    assert_int_equal(group->workers, 4);
    assert_int_equal(group->workers_peak, 4);
    assert_int_equal(group->workers_scheduled, 4);
    assert_int_equal(group->run_ns, 4 * second);
    assert_int_equal(group->wait_ns, 12 * second);
    assert_int_equal(group->cpu_ns, 10 * second);
    assert_int_equal(group->worker_cpu_ns.max, 4 * second);
    assert_int_equal(group->worker_cpu_ns.p50, 2 * second);
    assert_int_equal(group->window_ns, 8 * second);
    assert_int_equal(group->workers_busy_peak, FS_UNKNOWN); /* never sampled */
    assert_true(group->masks_known);
    assert_int_equal(group->masks_distinct, 1);
    assert_int_equal(group->death_count, 0);
}

static void replacement_is_a_worker_but_no_colleague(void **state) {
    (void)state;
    for (int i = 0; i < 6; i++) /* two at a time, each pair after the other */
        end_by(forked(200 + i, second * (1 + i / 2)), second * (2 + i / 2), 0);
    const struct fs_group *group = evaluate();
    assert_int_equal(group->workers, 6);
    assert_int_equal(group->workers_peak, 2);
    assert_int_equal(group->window_ns, 3 * second);
}

static void exec_soon_makes_another_group_than_exec_late(void **state) {
    (void)state;
    struct fs_record *soon = forked(200, second), *late = forked(201, second);
    fs_record_add_stage(&table, soon, image(200, "/usr/bin/sort", "sort", 5), second + second / 10);
    fs_record_add_stage(&table, late, image(201, "/usr/bin/sort", "sort", 5), 4 * second);
    evaluate();
    assert_int_equal(digest.group_count, 2);
    assert_ptr_not_equal(soon->cohort, late->cohort);
    assert_int_equal(soon->cohort->key.kind, FS_GROUP_EXECUTABLE);
    assert_int_equal(late->cohort->key.kind, FS_GROUP_FORK);
}

static void python_helpers_and_workers_are_told_apart(void **state) {
    (void)state;
    static const char tracker[] =
        "python3\0-c\0from multiprocessing.resource_tracker import main;main(5)";
    static const char worker[] = "python3\0-c\0from multiprocessing.spawn import spawn_main; "
                                 "spawn_main()\0--multiprocessing-fork";
    static const char server[] =
        "python3\0-c\0from multiprocessing.forkserver import main; main(1)";
    const struct fs_record *records[] = {
        started(200, "/usr/bin/python3", tracker, sizeof tracker, second),
        started(201, "/usr/bin/python3", worker, sizeof worker, second),
        started(202, "/usr/bin/python3", server, sizeof server, second),
        started(203, "/bin/bash", "bash\0x.sh", 10, second),
        started(204, "/usr/bin/mpirun", "mpirun\0a", 9, second),
    };
    struct fs_record *served =
        begin(205, (struct fs_record *)records[2], FSP_BIRTH_FORK, 2 * second);
    fs_record_add_stage(&table, served, records[2]->stages[0].image, 2 * second);
    evaluate();
    assert_true(records[0]->cohort->key.helper);
    assert_int_equal(records[1]->cohort->key.kind, FS_GROUP_SPAWN);
    assert_false(records[1]->cohort->key.helper);
    assert_true(records[2]->cohort->key.helper);
    assert_true(records[3]->cohort->shell);
    assert_true(records[4]->cohort->key.helper);
    assert_int_equal(served->cohort->key.kind, FS_GROUP_FORKSERVER);
    assert_int_equal(served->cohort->key.ppid, MAIN); /* whose workers they are */
}

/* Scripts of one interpreter: the same with other arguments, and a pipeline of two. */
static void scripts_are_told_apart(void **state) {
    (void)state;
    static const struct {
        const char *argv[2];
        size_t size[2];
        bool differ;
    } cases[] = {
        {{"python3\0-u\0a.py\0x", "python3\0-u\0a.py\0y"}, {18, 18}, false},
        {{"python3\0a.py", "python3\0b.py"}, {13, 13}, true},
        {{"python3\0-X\0dev\0-m\0a", "python3\0-X\0dev\0-m\0b"}, {20, 20}, true},
        {{"python3\0-m\0a\0b", "python3\0-c\0a\0c"}, {15, 15}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int j = 0; j < 2; j++)
            started(200 + j, "/usr/bin/python3", cases[i].argv[j], cases[i].size[j], second);
        const struct fs_group *group = evaluate();
        assert_int_equal(group->kind, FS_GROUP_EXECUTABLE);
        assert_int_equal(group->workers, 2);
        assert_int_equal(group->scripts_differ, cases[i].differ);
        tear_down(NULL);
        set_up(NULL);
    }
}

static void manager_is_a_helper(void **state) {
    (void)state;
    static struct fs_site site;
    struct fs_record *record = forked(200, second);
    site = (struct fs_site){.id = {.image = 9, .key = 7},
                            .stack = "context.py:1:_Popen\nmanagers.py:560:start"};
    HASH_ADD(hh, table.sites, id, sizeof site.id, &site);
    record->birth_site = site.id;
    evaluate();
    assert_true(record->cohort->key.helper);
    HASH_CLEAR(hh, table.sites);
}

static void add_kill(int sender, int target, int number, int64_t t) {
    table.kills = fs_table_grow(&table, table.kills, table.kill_count, sizeof *table.kills);
    table.kills[table.kill_count++] =
        (struct fs_kill){.t = t, .sender = sender, .target = target, .signal = number};
}

static void death_tells_who_sent_the_signal(void **state) {
    (void)state;
    const struct fs_oom oom = {.after = 5 * second, .before = 6 * second};
    evaluation.ooms = &oom;
    evaluation.oom_count = 1;
    end_by(forked(200, second), 3 * second, SIGTERM);
    end_by(forked(201, second), 4 * second, SIGKILL);
    end_by(forked(202, second), 5 * second + second / 2, SIGKILL);
    add_kill(MAIN, 200, SIGTERM, 3 * second - 1000);
    const struct fs_group *group = evaluate();
    assert_int_equal(group->death_count, 3);
    /* Those that nobody of the job caused come first. */
    assert_int_equal(group->deaths[0].pid, 201);
    assert_int_equal(group->deaths[0].sent_by, 0);
    assert_false(group->deaths[0].oom);
    assert_true(group->deaths[1].oom);
    assert_int_equal(group->deaths[2].sent_by, MAIN);
    assert_true(group->deaths[2].sent_by_parent);
}

static void parent_that_waits_until_the_interrupt(void **state) {
    (void)state;
    struct fs_record *worker = forked(200, second);
    end_by(worker, 2 * second, SIGKILL);
    struct fs_record *other = forked(201, second);
    evaluation.interrupted = SIGINT;
    evaluation.t_interrupted = 8 * second;
    end_by(other, 8 * second + 1000, SIGINT); /* the end itself is no death of interest */
    parent->exit = FSP_EXIT_EXIT;
    end_by(parent, 8 * second + 5000, 1 << 8);
    fs_cohorts_assign(&cohorts, second);
    worker->cohort->last_active = 3 * second;
    const struct fs_group *group = evaluate();
    assert_int_equal(group->death_count, 1);
    assert_true(group->deaths[0].parent_waited);
    assert_int_equal(group->deaths[0].idle_ns, 5 * second);
}

/* The parent waits for a program whose child works: not for the worker that died. */
static void parent_waits_for_others_that_work(void **state) {
    (void)state;
    struct fs_record *worker = forked(200, second);
    end_by(worker, 2 * second, SIGKILL);
    struct fs_record *other = started(201, "/usr/bin/env", "env\0solver", 11, second);
    struct fs_record *below = begin(202, other, FSP_BIRTH_FORK, 2 * second);
    evaluation.interrupted = SIGTERM;
    evaluation.t_interrupted = 8 * second;
    fs_cohorts_assign(&cohorts, second);
    assert_ptr_not_equal(below->cohort, other->cohort);
    worker->cohort->last_active = 3 * second;
    below->cohort->last_active = 7 * second;
    const struct fs_group *group = evaluate();
    while (group->kind != FS_GROUP_FORK || group->death_count == 0)
        group++;
    assert_int_equal(group->deaths[0].idle_ns, second);
}

static void shell_learns_of_every_death(void **state) {
    (void)state;
    struct fs_record *shell = begin(200, parent, FSP_BIRTH_FORK, second);
    fs_record_add_stage(&table, shell, image(200, "/bin/bash", "bash\0x.sh", 10), second + 10);
    struct fs_record *first = begin(201, shell, FSP_BIRTH_FORK, second);
    fs_record_add_stage(&table, first, image(201, "/usr/bin/yes", "yes", 4), second + 10);
    end_by(first, 2 * second, SIGPIPE);
    evaluation.interrupted = SIGTERM;
    evaluation.t_interrupted = 8 * second;
    const struct fs_group *group = evaluate();
    while (group->death_count == 0)
        group++;
    assert_false(group->deaths[0].parent_waited);
}

static void parent_that_went_on_did_not_wait(void **state) {
    (void)state;
    end_by(forked(200, second), 2 * second, SIGKILL);
    parent->exit = FSP_EXIT_EXIT;
    end_by(parent, 9 * second, 0);
    assert_false(evaluate()->deaths[0].parent_waited);
}

static void children_nobody_waited_for(void **state) {
    (void)state;
    struct fs_record *left = forked(200, second), *session = forked(201, second),
                     *late = forked(202, second);
    end_by(forked(203, second), 3 * second, 0);
    struct fs_record *const gone[] = {left, session, late};
    for (size_t i = 0; i < 3; i++) {
        gone[i]->t_gone = (i == 2 ? 11 : 3) * second;
        fs_record_close(gone[i]);
    }
    session->own_session = true;
    parent->exit = FSP_EXIT_EXIT;
    end_by(parent, 10 * second, 0);
    evaluation.t_closed = 12 * second;
    const struct fs_group *group = evaluate();
    assert_int_equal(group->unwaited, 1);
    assert_int_equal(group->orphans, 1); /* the late one */
    assert_int_equal(group->orphan_examples[0], 202);
    assert_int_equal(group->orphans_ns, second);
}

static void parent_that_ignores_its_children_need_not_wait(void **state) {
    (void)state;
    struct fs_record *left = forked(200, second);
    left->t_gone = 2 * second;
    fs_record_close(left);
    parent->exit = FSP_EXIT_EXIT;
    parent->ignored_children = true;
    end_by(parent, 10 * second, 0);
    assert_int_equal(evaluate()->unwaited, 0);
}

/* A child that taskset put on one CPU, and a worker of it. */
static const struct fs_narrowing *narrowing_to(const char *cpu) {
    struct fs_record *child = begin(150, parent, FSP_BIRTH_FORK, second);
    struct fs_stage *stage =
        fs_record_add_stage(&table, child, image(150, "/usr/bin/taskset", "taskset", 8), second);
    stage->t_affinity = second + 5;
    stage->mask_before = mask("0-3");
    stage->mask_after = mask(cpu);
    stage->affinity_caller = 150;
    fs_record_add_stage(&table, child, image(150, "/usr/bin/python3", "python3", 8), second + 10);
    child->mask = mask(cpu);
    parent = child;
    struct fs_record *worker = begin(201, child, FSP_BIRTH_FORK, 2 * second);
    fs_record_add_stage(&table, worker, child->stages[1].image, 2 * second);
    worker->mask = mask(cpu);
    fs_cohorts_assign(&cohorts, 3 * second);
    evaluate();
    const struct fs_group *group = &digest.groups[0];
    for (size_t i = 0; i < digest.group_count; i++)
        if (digest.groups[i].parent == 150) group = &digest.groups[i];
    return group->narrowing;
}

static void narrowing_is_found_in_an_earlier_program(void **state) {
    (void)state;
    const struct fs_narrowing *narrowing = narrowing_to("0");
    assert_non_null(narrowing);
    assert_string_equal(narrowing->executable, "/usr/bin/taskset");
    assert_int_equal(narrowing->pid, 150);
    assert_true(hwloc_bitmap_isset(narrowing->before, 3));
    assert_int_equal(hwloc_bitmap_weight(narrowing->after), 1);
}

static void masks_beside_the_job_s_cpus_are_no_narrowing(void **state) {
    (void)state;
    assert_null(narrowing_to("5"));
}

/* Which CPUs the job has is not known then: any may be of them. */
static void masks_beside_guessed_cpus_are_narrowings(void **state) {
    (void)state;
    evaluation.mask_guessed = true;
    assert_non_null(narrowing_to("5"));
}

static void probing_is_no_narrowing(void **state) {
    (void)state;
    parent->stages[0].t_affinity = second / 2;
    parent->stages[0].mask_before = mask("0");
    parent->stages[0].mask_after = mask("0-3");
    forked(200, second);
    assert_null(evaluate()->narrowing);
}

static void records_given_up_stay_in_the_sums(void **state) {
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct fs_record *record = forked(1000 + i, second * (i / 5) + i);
        record->self_ns = second;
        record->run_ns = second;
        record->wait_ns = 0;
        end_by(record, second * (i / 5 + 1) - 1, 0);
    }
    fs_cohorts_assign(&cohorts, 9 * second);
    fs_cohorts_forget(&cohorts, 11, 9 * second);
    assert_int_equal(table.count, 11);
    assert_int_equal(table.forgotten, 40);
    assert_int_equal(table.forgotten_whole, 40);
    const struct fs_group *group = evaluate();
    assert_int_equal(group->workers, 50);
    assert_int_equal(group->workers_peak, 5);
    assert_int_equal(group->cpu_ns, 50 * second);
    assert_int_equal(group->workers_scheduled, 50);
    assert_int_equal(group->begin, 0);
}

/* A full sample at t: each live record used the given part of a CPU since the last one. */
static void sample(int64_t t, double share) {
    sampler.interval_ns = second / 4;
    for (struct fs_record *record = table.first; record; record = record->next) {
        if (record->over) continue;
        if (!record->activity) record->activity = calloc(1, sizeof *record->activity);
        *record->activity = (struct fs_activity){
            .t = t,
            .interval_ns = second / 4,
            .delta_run_ns = record == parent ? 0 : (int64_t)(share * (double)second / 4),
            .busy = record != parent && share > 0.5,
            .threads = 3,
            .threads_busy = share > 0.01 && record != parent ? 2 : 0,
        };
    }
    fs_cohorts_sample(&cohorts, &sampler, t);
}

static void samples_tell_busy_overlap_and_sleep(void **state) {
    (void)state;
    struct fs_record *first = forked(200, second);
    forked(201, second);
    fs_cohorts_assign(&cohorts, second);
    int64_t t = second;
    for (int i = 0; i < 4; i++)
        sample(t += second / 4, 0.9);
    end_by(first, t, 0);
    for (int i = 0; i < 4; i++)
        sample(t += second / 4, 0.9);
    const int64_t last_active = t;
    for (int i = 0; i < 8; i++)
        sample(t += second / 4, 0.001);
    assert_int_equal(first->cohort->last_active, last_active);
    cohorts.frozen = true;
    for (int i = 0; i < 4; i++)
        sample(t += second / 4, 0.9);
    assert_int_equal(first->cohort->last_active, last_active);
    const struct fs_group *group = evaluate();
    assert_int_equal(group->workers_busy_peak, 2);
    assert_int_equal(group->overlap_ns, second);
    assert_int_equal(group->busy_ns, 3 * second);
    assert_int_equal(group->sleep_ns, 2 * second);
    assert_int_equal(group->sample_ns, second / 4);
    assert_int_equal(group->threads_peak, 3);
    assert_int_equal(group->threads_busy_peak, 2);
    assert_int_equal(group->threads_busy_total, 4);
    assert_int_equal(digest.workers_busy_peak, 2);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(forked_workers_are_a_group),
        CASE(replacement_is_a_worker_but_no_colleague),
        CASE(exec_soon_makes_another_group_than_exec_late),
        CASE(python_helpers_and_workers_are_told_apart),
        CASE(scripts_are_told_apart),
        CASE(manager_is_a_helper),
        CASE(death_tells_who_sent_the_signal),
        CASE(parent_that_waits_until_the_interrupt),
        CASE(parent_waits_for_others_that_work),
        CASE(shell_learns_of_every_death),
        CASE(parent_that_went_on_did_not_wait),
        CASE(children_nobody_waited_for),
        CASE(parent_that_ignores_its_children_need_not_wait),
        CASE(narrowing_is_found_in_an_earlier_program),
        CASE(masks_beside_the_job_s_cpus_are_no_narrowing),
        CASE(masks_beside_guessed_cpus_are_narrowings),
        CASE(probing_is_no_narrowing),
        CASE(records_given_up_stay_in_the_sums),
        CASE(samples_tell_busy_overlap_and_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
