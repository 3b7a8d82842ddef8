/* Groups: who belongs together, how many lived at once, who squeezed them. */
#include "tests/unit/groups_fixture.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(forked_workers_are_a_group),
        CASE(replacement_is_a_worker_but_no_colleague),
        CASE(exec_soon_makes_another_group_than_exec_late),
        CASE(python_helpers_and_workers_are_told_apart),
        CASE(scripts_are_told_apart),
        CASE(manager_is_a_helper),
        CASE(narrowing_is_found_in_an_earlier_program),
        CASE(masks_beside_the_job_s_cpus_are_no_narrowing),
        CASE(masks_beside_guessed_cpus_are_narrowings),
        CASE(probing_is_no_narrowing),
        CASE(records_given_up_stay_in_the_sums),
        CASE(samples_tell_busy_overlap_and_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
