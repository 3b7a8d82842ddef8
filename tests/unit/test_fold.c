/* Folding: what several segments say of one process becomes one record. */
#include "tests/unit/fold_fixture.h"

#include <signal.h>

static struct fsp_event *add_event(struct made_segment *made, enum fsp_event_kind kind,
                                   uint64_t t) {
    made->chunks[0].owner = made->header->pid;
    struct fsp_event *event = &made->chunks[0].event[made->chunks[0].used++];
    event->kind = kind;
    event->t = t;
    return event;
}

static void fork_child_and_its_program_are_one(void **state) {
    (void)state;
    /* The program's segment sorts and is read before the parent's, too. */
    static const char *const names[][2] = {{"1000-10.seg", "1001-30.seg"},
                                           {"1000-90.seg", "1001-30.seg"}};
    for (size_t i = 0; i < 2; i++) {
        struct made_segment parent = image(PARENT, 1, 10 * MILLISECOND, "/bin/sh");
        add_child(&parent, 1, CHILD, FSP_BIRTH_FORK, 20 * MILLISECOND);
        struct made_segment child = image(CHILD, PARENT, 60 * MILLISECOND, "/bin/ls");
        put(&parent, names[i][0]);
        put(&child, names[i][1]);
        fs_fold_pass(&fold, now, false);
        const struct fs_record *record = fs_table_newest(&table, CHILD);
        assert_int_equal(table.count, 2);
        assert_int_equal(record->birth, FSP_BIRTH_FORK);
        assert_ptr_equal(record->parent, fs_table_newest(&table, PARENT));
        assert_int_equal(record->stage_count, 2);
        assert_string_equal(record->stages[0].image->executable, "/bin/sh");
        assert_string_equal(record->stages[1].image->executable, "/bin/ls");
        assert_int_equal(fs_record_begin(record), 20 * MILLISECOND);
        assert_true(fs_record_is_whole(record));
        free(parent.bytes);
        free(child.bytes);
        tear_down(NULL);
        set_up(NULL);
    }
}

static void program_is_seen_before_its_spawn_is_told(void **state) {
    (void)state;
    struct made_segment parent = image(PARENT, 1, 10 * MILLISECOND, "/bin/a");
    struct made_segment child = image(CHILD, PARENT, 60 * MILLISECOND, "/bin/b");
    put(&parent, "1000-10.seg");
    put(&child, "1001-60.seg");
    fs_fold_pass(&fold, now, false);
    assert_int_equal(fs_table_newest(&table, CHILD)->birth, FS_BIRTH_INSIDE_LIBC);
    add_child(&parent, 1, CHILD, FSP_BIRTH_SPAWN, 50 * MILLISECOND);
    put(&parent, "1000-10.seg");
    fs_fold_pass(&fold, now, false);
    const struct fs_record *record = fs_table_newest(&table, CHILD);
    assert_int_equal(table.count, 2);
    assert_int_equal(record->birth, FSP_BIRTH_SPAWN);
    assert_int_equal(record->stage_count, 1);
    assert_string_equal(fs_record_image(record)->executable, "/bin/b");
    free(parent.bytes);
    free(child.bytes);
}

/* A parent that was kept from the CPU in fork, across a tick of the clock. */
static void child_that_proc_shows_before_its_slot_runs_its_parents_program(void **state) {
    (void)state;
    struct made_segment parent = image(PARENT, 1, 10 * MILLISECOND, "/bin/a");
    put(&parent, "1000-10.seg");
    fs_fold_pass(&fold, now, false);
    struct fs_image *shown = fs_table_add_image(&table, 0);
    fs_image_describe(&table, shown, "/bin/a", "a", 2);
    struct fs_record *record = fs_table_add(&table, CHILD);
    record->birth = FS_BIRTH_INSIDE_LIBC;
    record->start_ticks = 3;
    record->t_start = 30 * MILLISECOND;
    fs_record_set_parent(&table, record, PARENT, 30 * MILLISECOND);
    fs_record_add_stage(&table, record, shown, 30 * MILLISECOND);
    add_child(&parent, 1, CHILD, FSP_BIRTH_FORK, 20 * MILLISECOND);
    put(&parent, "1000-10.seg");
    fs_fold_pass(&fold, now, false);
    assert_int_equal(table.count, 2);
    assert_int_equal(record->birth, FSP_BIRTH_FORK);
    assert_int_equal(record->stage_count, 1);
    assert_ptr_equal(fs_record_image(record), fs_record_image(record->parent));
    free(parent.bytes);
}

static void programs_of_one_process_come_in_order(void **state) {
    (void)state;
    static const char *const paths[] = {"/bin/one", "/bin/two", "/bin/three"};
    static const char *const names[] = {"1000-3.seg", "1000-1.seg",
                                        "1000-2.seg"}; /* not in order */
    for (int i = 0; i < 3; i++) {
        struct made_segment made =
            image(PARENT, 1, (uint64_t)(100 * (i + 1)) * MILLISECOND, paths[i]);
        put(&made, names[i]);
        free(made.bytes);
    }
    fs_fold_pass(&fold, now, false);
    const struct fs_record *record = fs_table_newest(&table, PARENT);
    assert_int_equal(table.count, 1);
    assert_int_equal(record->stage_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(record->stages[i].image->executable, paths[i]);
}

static void pid_that_comes_again_is_another_process(void **state) {
    (void)state;
    struct made_segment parent = image(PARENT, 1, 10 * MILLISECOND, "/bin/a");
    struct fsp_process *first = add_child(&parent, 1, CHILD, FSP_BIRTH_FORK, 20 * MILLISECOND);
    first->reaped = 1;
    first->t_reap = 30 * MILLISECOND;
    first->reaper = PARENT;
    first->status = 7 << 8;
    add_child(&parent, 2, CHILD, FSP_BIRTH_FORK, 500 * MILLISECOND);
    parent.index[2] = CHILD;
    put(&parent, "1000-10.seg");
    fs_fold_pass(&fold, now, false);
    assert_int_equal(table.count, 3);
    const struct fs_record *newest = fs_table_newest(&table, CHILD);
    assert_false(newest->over);
    assert_true(newest->older->over);
    assert_ptr_equal(fs_table_find(&table, CHILD, 25 * MILLISECOND), newest->older);
    assert_ptr_equal(fs_table_find(&table, CHILD, 600 * MILLISECOND), newest);
    free(parent.bytes);
}

static void wait_and_exit_tell_the_end(void **state) {
    (void)state;
    struct made_segment parent = image(PARENT, 1, 10 * MILLISECOND, "/bin/a");
    struct fsp_process *child = add_child(&parent, 1, CHILD, FSP_BIRTH_FORK, 20 * MILLISECOND);
    child->exit = FSP_EXIT__EXIT;
    child->exit_code = 3;
    child->t_exit = 40 * MILLISECOND;
    child->self.user_us = 1500;
    child->self.maxrss_kib = 4000;
    child->reaped = 1;
    child->t_reap = 45 * MILLISECOND;
    child->reaper = PARENT;
    child->status = 3 << 8;
    child->reap.user_us = 9000; /* with the children that it waited for */
    struct fsp_process *killed =
        add_child(&parent, 2, SECOND_CHILD, FSP_BIRTH_FORK, 21 * MILLISECOND);
    /* The signal met it in its exit hook: no usage of its own was stored. */
    killed->exit = FSP_EXIT__EXIT;
    killed->t_exit = 59 * MILLISECOND;
    killed->reaped = 1;
    killed->t_reap = 60 * MILLISECOND;
    killed->reaper = PARENT;
    killed->status = SIGKILL;
    killed->reap.user_us = 2000;
    struct fsp_event *event = add_event(&parent, FSP_EVENT_KILL, 55 * MILLISECOND);
    event->a = SECOND_CHILD;
    event->b = SIGKILL;
    put(&parent, "1000-10.seg");
    fs_fold_pass(&fold, now, false);
    const struct fs_record *record = fs_table_newest(&table, CHILD);
    assert_int_equal(fs_record_end(record), 40 * MILLISECOND);
    assert_int_equal(fs_record_cpu(record), 1500000);
    assert_int_equal(fs_record_signal(record), 0);
    record = fs_table_newest(&table, SECOND_CHILD);
    assert_int_equal(fs_record_signal(record), SIGKILL);
    assert_int_equal(fs_record_cpu(record), 2000000);
    assert_int_equal(fs_sender_of(&table, record), PARENT);
    free(parent.bytes);
}

static void time_of_waited_grandchildren_is_not_counted_twice(void **state) {
    (void)state;
    struct made_segment parent = image(PARENT, 1, 10 * MILLISECOND, "/bin/a");
    struct fsp_process *middle = add_child(&parent, 1, CHILD, FSP_BIRTH_FORK, 20 * MILLISECOND);
    struct fsp_process *leaf =
        add_child(&parent, 2, SECOND_CHILD, FSP_BIRTH_FORK, 30 * MILLISECOND);
    leaf->ppid = leaf->reaper = CHILD;
    leaf->reaped = middle->reaped = 1;
    leaf->t_reap = 50 * MILLISECOND;
    leaf->reap.user_us = 4000;
    middle->t_reap = 70 * MILLISECOND;
    middle->reaper = PARENT;
    middle->reap.user_us = 5000;
    put(&parent, "1000-10.seg");
    fs_fold_pass(&fold, now, false);
    assert_int_equal(fs_record_cpu(fs_table_newest(&table, CHILD)), 1000000);
    assert_int_equal(fs_record_cpu(fs_table_newest(&table, SECOND_CHILD)), 4000000);
    free(parent.bytes);
}

static void child_without_a_slot_is_known_by_its_wait(void **state) {
    (void)state;
    struct made_segment parent = image(PARENT, 1, 10 * MILLISECOND, "/bin/a");
    struct fsp_event *event = add_event(&parent, FSP_EVENT_REAPED, 55 * MILLISECOND);
    event->a = CHILD;
    event->b = 2 << 8;
    event->u[0] = 700;
    put(&parent, "1000-10.seg");
    fs_fold_pass(&fold, now, false);
    fs_fold_pass(&fold, now, false); /* an event is taken once */
    const struct fs_record *record = fs_table_newest(&table, CHILD);
    assert_int_equal(table.count, 2);
    assert_int_equal(record->ppid, PARENT);
    assert_int_equal(record->status, 2 << 8);
    assert_int_equal(fs_record_cpu(record), 700000);
    assert_false(fs_record_is_whole(record));
    free(parent.bytes);
}

static void system_and_popen_explain_their_children(void **state) {
    (void)state;
    struct made_segment parent = image(PARENT, 1, 10 * MILLISECOND, "/bin/a");
    add_event(&parent, FSP_EVENT_SYSTEM, 20 * MILLISECOND);
    add_event(&parent, FSP_EVENT_SYSTEM_END, 90 * MILLISECOND)->a = 5 << 8;
    add_event(&parent, FSP_EVENT_SYSTEM, 200 * MILLISECOND)->b = 1;
    struct made_segment first = image(CHILD, PARENT, 22 * MILLISECOND, "/bin/sh");
    struct made_segment second = image(SECOND_CHILD, PARENT, 205 * MILLISECOND, "/bin/sh");
    put(&parent, "1000-10.seg");
    put(&first, "1001-22.seg");
    put(&second, "1002-205.seg");
    fs_fold_pass(&fold, now, false);
    fs_fold_settle(&table);
    const struct fs_record *record = fs_table_newest(&table, CHILD);
    assert_int_equal(record->birth, FS_BIRTH_SYSTEM);
    assert_int_equal(record->status, 5 << 8);
    assert_int_equal(fs_record_begin(record), 20 * MILLISECOND);
    assert_int_equal(fs_table_newest(&table, SECOND_CHILD)->birth, FS_BIRTH_POPEN);
    free(parent.bytes);
    free(first.bytes);
    free(second.bytes);
}

static void variables_change_along_the_line_of_ancestors(void **state) {
    (void)state;
    struct made_segment parent = image(PARENT, 1, 10 * MILLISECOND, "/bin/a");
    const char environment[] = "OMP_NUM_THREADS=8\0NUM_PROCS=2";
    memcpy(parent.header->environment, environment, sizeof environment);
    parent.header->env_length = sizeof environment;
    strcpy(add_event(&parent, FSP_EVENT_SETENV, 20 * MILLISECOND)->text, "OMP_NUM_THREADS=1");
    strcpy(add_event(&parent, FSP_EVENT_UNSETENV, 40 * MILLISECOND)->text, "NUM_PROCS");
    add_child(&parent, 1, CHILD, FSP_BIRTH_FORK, 30 * MILLISECOND);
    put(&parent, "1000-10.seg");
    fs_fold_pass(&fold, now, false);
    struct fs_variable *list;
    size_t count =
        fs_variables_at(&table, fs_table_newest(&table, PARENT), 15 * MILLISECOND, &list);
    assert_int_equal(count, 2);
    assert_string_equal(list[0].value, "8");
    free(list);
    /* The child has the change before its birth, not the one after. */
    count = fs_variables_at(&table, fs_table_newest(&table, CHILD), 80 * MILLISECOND, &list);
    assert_int_equal(count, 2);
    assert_string_equal(list[0].value, "1");
    free(list);
    count = fs_variables_at(&table, fs_table_newest(&table, PARENT), 80 * MILLISECOND, &list);
    assert_int_equal(count, 1);
    free(list);
    free(parent.bytes);
}

static void fork_that_failed_and_was_tried_again(void **state) {
    (void)state;
    struct made_segment parent = image(PARENT, 1, 10 * MILLISECOND, "/bin/a");
    for (int i = 0; i < 3; i++)
        add_event(&parent, FSP_EVENT_FORK_FAILED, (uint64_t)(20 + i) * MILLISECOND)->a = 11;
    put(&parent, "1000-10.seg");
    fs_fold_pass(&fold, now, false);
    fs_fold_settle(&table);
    assert_int_equal(table.failure_count, 1);
    assert_int_equal(table.failures[0].what.count, 3);
    assert_false(table.failures[0].what.recovered);
    add_child(&parent, 1, CHILD, FSP_BIRTH_FORK, 30 * MILLISECOND);
    put(&parent, "1000-10.seg");
    fs_fold_pass(&fold, now, false);
    fs_fold_settle(&table);
    assert_true(table.failures[0].what.recovered);
    free(parent.bytes);
}

static void threads_are_kept_with_their_routine(void **state) {
    (void)state;
    struct made_segment made = image(PARENT, 1, 10 * MILLISECOND, "/bin/a");
    made.threads[0].state = FSP_THREAD_LIVE;
    made.threads[0].pid = PARENT;
    made.threads[0].tid = 1500;
    made.threads[0].t_start = 20 * MILLISECOND;
    made.threads[0].start_site = 77;
    made.sites[0].key = 77;
    made.sites[0].kind = FSP_SITE_ROUTINE;
    strcpy(made.sites[0].module, "/usr/lib/libgomp.so.1");
    put(&made, "1000-10.seg");
    fs_fold_pass(&fold, now, false);
    made.threads[0].state = FSP_THREAD_ENDED;
    made.threads[0].t_end = 30 * MILLISECOND;
    made.threads[0].cpu_ns = 4000;
    put(&made, "1000-10.seg");
    fs_fold_pass(&fold, now, false);
    const struct fs_record *record = fs_table_newest(&table, PARENT);
    assert_int_equal(record->thread_count, 1);
    assert_int_equal(table.threads, 1);
    assert_true(record->threads[0].ended);
    assert_int_equal(record->threads[0].cpu_ns, 4000);
    assert_string_equal(fs_table_site(&table, record->threads[0].routine)->module,
                        "/usr/lib/libgomp.so.1");
    free(made.bytes);
}

static void line_of_the_user_is_found_in_a_stack(void **state) {
    (void)state;
    static const struct {
        const char *stack, *file;
        int line;
        const char *function;
    } cases[] = {
        {"popen_fork.py:66:_launch\ncontext.py:119:Pool\n/home/u/pool.py:41:main",
         "/home/u/pool.py", 41, "main"},
        /* A script by a relative name, called like a file of the library. */
        {"site-packages/loky/process.py:32:_Popen\nprocess.py:121:start\n/home/u/pool.py:41:main",
         "/home/u/pool.py", 41, "main"},
        {"site-packages/loky/process.py:32:_Popen\nprocess.py:121:start\npool.py:41:main",
         "pool.py", 41, "main"},
        {"site-packages/tqdm/m.py:8:run\nsite-packages/tqdm/"
         "std.py:9:f\nthreading.py:995:_bootstrap",
         "site-packages/tqdm/m.py", 8, "run"},
        {"pool.py:306:_repopulate\ncontext.py:119:Pool\npool.py:41:main\npool.py:50:<module>",
         "pool.py", 41, "main"},
        {"a.py:7:f\n<frozen runpy>:88:_run_code", "a.py", 7, "f"},
        {"popen_fork.py:66:_launch\npool.py:329:_repopulate\npool.py:513:_handle_workers\n"
         "threading.py:975:run\nthreading.py:995:_bootstrap",
         "pool.py", 329, "_repopulate"},
        {"C:odd:name.py:3:f", "C:odd:name.py", 3, "f"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fs_site site = {.stack = cases[i].stack};
        fs_site_place(&table, &site);
        assert_string_equal(site.file, cases[i].file);
        assert_int_equal(site.line, cases[i].line);
        assert_string_equal(site.function, cases[i].function);
    }
    static const char *const bad[] = {"", "\n\n", "no colons", ":::", "x:y"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fs_site site = {.stack = bad[i]};
        fs_site_place(&table, &site);
        assert_true(!site.file || site.line == 0);
    }
}

static void pressure_gives_slots_of_the_dead_back(void **state) {
    (void)state;
    struct made_segment parent = image(PARENT, 1, 10 * MILLISECOND, "/bin/a");
    struct fsp_process *dead = add_child(&parent, 1, CHILD, FSP_BIRTH_FORK, 20 * MILLISECOND);
    dead->reaped = 1;
    dead->reaper = PARENT;
    dead->t_reap = 30 * MILLISECOND;
    add_child(&parent, 2, SECOND_CHILD, FSP_BIRTH_FORK, 25 * MILLISECOND);
    put(&parent, "1000-10.seg");
    fs_fold_pass(&fold, now, true);
    assert_int_equal(fs_segment_load(fold.reader, fold.directory, "1000-10.seg"), 0);
    assert_null(fs_segment_process(fold.reader, 1));
    assert_non_null(fs_segment_process(fold.reader, 2));
    assert_non_null(fs_segment_process(fold.reader, 0));
    fs_fold_pass(&fold, now, true);
    assert_int_equal(table.count, 3); /* the record stays */
    free(parent.bytes);
}

static void damaged_file_is_counted_and_left_alone(void **state) {
    (void)state;
    struct made_segment made = image(PARENT, 1, 10 * MILLISECOND, "/bin/a");
    made.header->process_size = 5;
    put(&made, "1000-10.seg");
    assert_int_equal(mkdirat(fold.directory, "4-4.seg", 0700), 0);
    fs_fold_pass(&fold, now, true);
    assert_int_equal(table.count, 0);
    assert_int_equal(fold.bad, 2);
    free(made.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(fork_child_and_its_program_are_one),
        CASE(program_is_seen_before_its_spawn_is_told),
        CASE(child_that_proc_shows_before_its_slot_runs_its_parents_program),
        CASE(programs_of_one_process_come_in_order),
        CASE(pid_that_comes_again_is_another_process),
        CASE(wait_and_exit_tell_the_end),
        CASE(time_of_waited_grandchildren_is_not_counted_twice),
        CASE(child_without_a_slot_is_known_by_its_wait),
        CASE(system_and_popen_explain_their_children),
        CASE(variables_change_along_the_line_of_ancestors),
        CASE(fork_that_failed_and_was_tried_again),
        CASE(threads_are_kept_with_their_routine),
        CASE(line_of_the_user_is_found_in_a_stack),
        CASE(pressure_gives_slots_of_the_dead_back),
        CASE(damaged_file_is_counted_and_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
