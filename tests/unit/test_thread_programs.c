/* Thread libraries of programs: what they read, what came too late, which threads they had. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tracer/evaluation.h"
#include "tracer/libraries.h"
#include "tracer/thread_files.h"

enum { MAIN = 100, MS = 1000000 };

static struct fs_table table;
static struct fs_cohorts cohorts;
static struct fs_evaluation evaluation;
static struct fs_digest digest;
static struct fs_image *image;
static struct fs_record *parent;
static uint64_t keys;

static const char *intern(const char *text) {
    return fs_intern(&table.interned, text, strlen(text));
}

static struct fs_site_key site(const char *module) {
    struct fs_site *made = calloc(1, sizeof *made);
    made->id = (struct fs_site_key){.image = 1, .key = ++keys};
    made->kind = FSP_SITE_OBJECT;
    made->module = intern(module);
    HASH_ADD(hh, table.sites, id, sizeof made->id, made);
    return made->id;
}

static void loads(int pid, int64_t t, uint32_t family, const char *path) {
    struct fs_loading *grown =
        fs_table_grow(&table, table.loadings, table.loading_count, sizeof *grown);
    table.loadings = grown;
    grown[table.loading_count++] = (struct fs_loading){.t = t,
                                                       .t_before = FS_UNKNOWN,
                                                       .pid = pid,
                                                       .image = image,
                                                       .family = family,
                                                       .object = site(path)};
}

static void sets(int pid, int64_t t, const char *name, const char *value) {
    struct fs_setenv *grown =
        fs_table_grow(&table, table.setenvs, table.setenv_count, sizeof *grown);
    table.setenvs = grown;
    grown[table.setenv_count++] = (struct fs_setenv){.t = t,
                                                     .pid = pid,
                                                     .image = image,
                                                     .name = intern(name),
                                                     .value = value ? intern(value) : NULL};
}

static void thread(struct fs_record *record, int64_t t, int64_t end, const char *module,
                   int64_t cpu) {
    struct fs_thread *grown =
        fs_table_grow(&table, record->threads, record->thread_count, sizeof *grown);
    record->threads = grown;
    grown[record->thread_count++] = (struct fs_thread){.tid = 1000 + (int)record->thread_count,
                                                       .ended = end != FS_UNKNOWN,
                                                       .routine = site(module),
                                                       .t_start = t,
                                                       .t_end = end,
                                                       .cpu_ns = cpu,
                                                       .run_ns = cpu};
}

static struct fs_record *process(int pid, struct fs_record *maker, int64_t t) {
    struct fs_record *record = fs_table_add(&table, pid);
    record->t_fork = t;
    record->t_start = t;
    record->birth = FSP_BIRTH_FORK;
    if (maker) fs_record_set_parent(&table, record, maker->pid, t);
    fs_record_add_stage(&table, record, image, t);
    return record;
}

static int set_up(void **state) {
    (void)state;
    fs_table_init(&table);
    cohorts = (struct fs_cohorts){.table = &table};
    fs_digest_init(&digest);
    image = fs_table_add_image(&table, 1);
    image->shim = true;
    image->pid = MAIN;
    fs_image_describe(&table, image, "/usr/bin/python3", "python3\0a.py", 13);
    parent = process(MAIN, NULL, 100 * MS);
    evaluation = (struct fs_evaluation){
        .table = &table, .cohorts = &cohorts, .t_start = 0, .t_interrupted = FS_UNKNOWN};
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    fs_digest_free(&digest);
    fs_cohorts_free(&cohorts);
    fs_table_free(&table);
    return 0;
}

static const struct fs_thread_program *evaluate(bool forked) {
    fs_digest_free(&digest);
    assert_int_equal(fs_evaluate_programs(&evaluation, &digest), 0);
    for (size_t i = 0; i < digest.program_count; i++)
        if (digest.programs[i].forked == forked) return &digest.programs[i];
    return NULL;
}

static const struct fs_thread_library *library(const struct fs_thread_program *program,
                                               uint32_t family) {
    for (size_t i = 0; i < program->library_count; i++)
        if (program->libraries[i].family == family) return &program->libraries[i];
    return NULL;
}

static const char *read_value(const struct fs_thread_library *of, const char *name) {
    for (size_t i = 0; i < of->variable_count; i++)
        if (strcmp(of->variables[i].name, name) == 0) return of->variables[i].value;
    return NULL;
}

#define OPENBLAS "/nowhere/libopenblas.so.0"
#define GOMP     "/nowhere/libgomp.so.1"
#define OMP      "/nowhere/libomp.so.5"

static void values_are_those_of_the_load(void **state) {
    (void)state;
    sets(MAIN, 110 * MS, "OMP_NUM_THREADS", "2");
    loads(MAIN, 120 * MS, FSP_LIBRARY_GOMP, GOMP);
    sets(MAIN, 130 * MS, "OMP_NUM_THREADS", "8");
    const struct fs_thread_program *program = evaluate(false);
    assert_int_equal(program->library_count, 1);
    assert_int_equal(program->pid, MAIN);
    assert_string_equal(read_value(&program->libraries[0], "OMP_NUM_THREADS"), "2");
    assert_int_equal(program->setting_count, 2);
    assert_int_equal(program->settings[0].loaded, 0);
    assert_int_equal(program->settings[1].loaded, FSP_LIBRARY_GOMP);
    assert_int_equal(program->settings[1].started, 0);
    assert_int_equal(program->libraries[0].team_late, 1); /* nobody beside the main thread */
}

static void a_library_that_reads_late_is_not_too_late(void **state) {
    (void)state;
    loads(MAIN, 120 * MS, FSP_LIBRARY_OMP, OMP);
    sets(MAIN, 130 * MS, "OMP_NUM_THREADS", "3");
    thread(parent, 140 * MS, FS_UNKNOWN, OMP, 60 * MS);
    const struct fs_thread_program *program = evaluate(false);
    const struct fs_thread_library *omp = library(program, FSP_LIBRARY_OMP);
    assert_string_equal(read_value(omp, "OMP_NUM_THREADS"), "3");
    assert_int_equal(omp->team_late, FS_UNKNOWN);
    sets(MAIN, 150 * MS, "OMP_NUM_THREADS", "1");
    omp = library(evaluate(false), FSP_LIBRARY_OMP);
    assert_string_equal(read_value(omp, "OMP_NUM_THREADS"), "3");
    assert_int_equal(omp->team_late, 2);
}

static void children_have_what_the_parent_had_at_the_fork(void **state) {
    (void)state;
    loads(MAIN, 120 * MS, FSP_LIBRARY_OPENBLAS, OPENBLAS);
    sets(MAIN, 130 * MS, "OMP_NUM_THREADS", "1");
    struct fs_record *first = process(201, parent, 200 * MS);
    struct fs_record *second = process(202, parent, 201 * MS);
    loads(MAIN, 300 * MS, FSP_LIBRARY_GOMP, GOMP); /* after the forks */
    sets(MAIN, 310 * MS, "NUMEXPR_NUM_THREADS", "1");
    thread(first, 400 * MS, 900 * MS, OPENBLAS, 500 * MS);
    thread(second, 400 * MS, FS_UNKNOWN, OPENBLAS, 20 * MS);
    const struct fs_thread_program *program = evaluate(true);
    assert_int_equal(digest.program_count, 2);
    assert_int_equal(program->count, 2);
    assert_int_equal(program->library_count, 1);
    assert_int_equal(program->setting_count, 1);
    const struct fs_thread_library *blas = library(program, FSP_LIBRARY_OPENBLAS);
    assert_null(read_value(blas, "OMP_NUM_THREADS"));
    assert_int_equal(blas->threads_started, 2);
    assert_int_equal(blas->threads_peak, 1);
    assert_int_equal(blas->threads_working, 1);
    assert_int_equal(blas->team_late, 2);
    assert_int_equal(evaluate(false)->library_count, 2);
}

static void children_that_load_by_themselves_are_alike(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        process(201 + i, parent, (200 + i) * MS);
        if (i == 2) sets(201 + i, 210 * MS, "OMP_NUM_THREADS", "1");
        loads(201 + i, 220 * MS, FSP_LIBRARY_GOMP, GOMP);
    }
    evaluate(true);
    assert_int_equal(digest.program_count, 2); /* the parent has none */
    assert_int_equal(digest.programs[0].count + digest.programs[1].count, 3);
}

static void teams_are_counted_while_they_live(void **state) {
    (void)state;
    loads(MAIN, 110 * MS, FSP_LIBRARY_GOMP, GOMP);
    for (int i = 0; i < 3; i++)
        thread(parent, (120 + i) * MS, 200 * MS, GOMP, 1 * MS);
    sets(MAIN, 210 * MS, "OMP_NUM_THREADS", "2");
    thread(parent, 220 * MS, FS_UNKNOWN, GOMP, 1 * MS);
    thread(parent, 230 * MS, FS_UNKNOWN, "/nowhere/libother.so", 1 * MS);
    const struct fs_thread_library *gomp = library(evaluate(false), FSP_LIBRARY_GOMP);
    assert_int_equal(gomp->threads_started, 4);
    assert_int_equal(gomp->threads_peak, 3);
    assert_int_equal(gomp->team_late, 2);
    assert_int_equal(gomp->threads_working, 0);
    assert_int_equal(gomp->t_started, 120 * MS);
}

static void threads_made_for_each_call_work_together(void **state) {
    (void)state;
    loads(MAIN, 110 * MS, FSP_LIBRARY_BLIS, "/nowhere/libblis.so.4");
    parent->reaped_ns = 3 * 60 * MS + 200 * MS; /* the main thread: 200 ms */
    for (int i = 0; i < 3; i++)
        thread(parent, (120 + 10 * i) * MS, (129 + 10 * i) * MS, "/nowhere/libblis.so.4", 60 * MS);
    assert_int_equal(library(evaluate(false), FSP_LIBRARY_BLIS)->threads_working, 1);
    parent->reaped_ns = 3 * 60 * MS + 600 * MS; /* none of them a quarter, all three are */
    const struct fs_thread_library *blis = library(evaluate(false), FSP_LIBRARY_BLIS);
    assert_int_equal(blis->threads_peak, 1);
    assert_int_equal(blis->threads_working, 1);
    parent->reaped_ns = 3 * 60 * MS + INT64_C(2000) * MS;
    assert_int_equal(library(evaluate(false), FSP_LIBRARY_BLIS)->threads_working, 0);
    parent->threads_started = 18; /* 15 more that were lost */
    assert_int_equal(library(evaluate(false), FSP_LIBRARY_BLIS)->threads_working, 1);
}

static void threads_that_were_not_sampled_are_not_idle(void **state) {
    (void)state;
    loads(MAIN, 110 * MS, FSP_LIBRARY_GOMP, GOMP);
    process(201, parent, 200 * MS);
    thread(process(202, parent, 201 * MS), 300 * MS, FS_UNKNOWN, GOMP, FS_UNKNOWN);
    assert_int_equal(library(evaluate(true), FSP_LIBRARY_GOMP)->threads_working, FS_UNKNOWN);
    thread(process(203, parent, 202 * MS), 300 * MS, FS_UNKNOWN, GOMP, 60 * MS);
    assert_int_equal(library(evaluate(true), FSP_LIBRARY_GOMP)->threads_working, 1);
}

static void a_link_names_the_owner_of_threads(void **state) {
    (void)state;
    loads(MAIN, 110 * MS, FSP_LIBRARY_BLIS, "/nowhere/libblas.so.3");
    thread(parent, 120 * MS, FS_UNKNOWN, "/nowhere/libblas.so.3", 60 * MS);
    assert_int_equal(library(evaluate(false), FSP_LIBRARY_BLIS)->threads_peak, 1);
}

static void a_new_program_got_the_value(void **state) {
    (void)state;
    loads(MAIN, 110 * MS, FSP_LIBRARY_GOMP, GOMP);
    sets(MAIN, 120 * MS, "OMP_NUM_THREADS", "2");
    sets(MAIN, 130 * MS, "NUMEXPR_NUM_THREADS", "4");
    struct fs_record *child = process(201, parent, 140 * MS);
    struct fs_image *other = fs_table_add_image(&table, 2);
    other->pid = 201;
    static struct fs_variable value;
    value = (struct fs_variable){(char *)intern("OMP_NUM_THREADS"), (char *)intern("2")};
    other->variables = &value;
    other->variable_count = 1;
    fs_record_add_stage(&table, child, other, 150 * MS);
    const struct fs_thread_program *program = evaluate(false);
    assert_true(program->settings[0].passed_on);
    assert_false(program->settings[1].passed_on);
    other->variables = NULL;
    other->variable_count = 0;
}

static void files_of_one_library_are_one(void **state) {
    (void)state;
    loads(MAIN, 110 * MS, FSP_LIBRARY_OPENBLAS, "/nowhere/openblas-pthread/libblas.so.3");
    loads(MAIN, 110 * MS, FSP_LIBRARY_OPENBLAS, OPENBLAS);
    loads(MAIN, 120 * MS, FSP_LIBRARY_NUMBA, "/nowhere/numba/_dispatcher.cpython-311.so");
    loads(MAIN, 130 * MS, FSP_LIBRARY_NUMBA, "/nowhere/numba/np/ufunc/workqueue.cpython-311.so");
    loads(MAIN, 140 * MS, FSP_LIBRARY_GOMP, GOMP);
    loads(MAIN, 140 * MS, FSP_LIBRARY_GOMP, "/elsewhere/libgomp-a34b.so.1");
    const struct fs_thread_program *program = evaluate(false);
    assert_int_equal(program->library_count, 4);
    assert_string_equal(library(program, FSP_LIBRARY_OPENBLAS)->file, OPENBLAS);
    assert_string_equal(library(program, FSP_LIBRARY_NUMBA)->build, "workqueue");
}

static void built_libraries_are_told_by_their_files(void **state) {
    (void)state;
    static const struct {
        const char *path, *build;
    } cases[] = {
        {"/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so.0", "pthreads"},
        {"/usr/lib/x86_64-linux-gnu/openblas-openmp/libopenblas.so.0", "openmp"},
    };
    struct fs_thread_files files = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct fs_thread_file *file =
            fs_thread_file(&files, FSP_LIBRARY_OPENBLAS, cases[i].path);
        if (!file->real) continue; /* not installed here */
        assert_string_equal(file->build, cases[i].build);
        assert_non_null(file->version);
    }
    const struct fs_thread_file *gone =
        fs_thread_file(&files, FSP_LIBRARY_OPENBLAS, "/nowhere/libopenblasp-r0.3.21.so");
    assert_null(gone->real);
    assert_null(gone->build);
    assert_string_equal(gone->version, "0.3.21");
    fs_thread_files_free(&files);
}

static void libraries_say_what_sizes_them(void **state) {
    (void)state;
    assert_string_equal(fs_library_sizing(FSP_LIBRARY_OPENBLAS, "pthreads")[0],
                        "OPENBLAS_NUM_THREADS");
    assert_string_equal(fs_library_sizing(FSP_LIBRARY_OPENBLAS, "openmp")[0], "OMP_NUM_THREADS");
    assert_null(fs_library_sizing(FSP_LIBRARY_TBB, NULL)[0]);
    assert_null(fs_library_sizing(1u << 30, NULL)[0]);
    assert_true(fs_library_reads_at_load(FSP_LIBRARY_GOMP));
    assert_false(fs_library_reads_at_load(FSP_LIBRARY_OMP));
    assert_int_equal(fs_library_default(FSP_LIBRARY_BLIS), FS_POOL_ONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_are_those_of_the_load, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_library_that_reads_late_is_not_too_late, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(children_have_what_the_parent_had_at_the_fork, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(children_that_load_by_themselves_are_alike, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(teams_are_counted_while_they_live, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_made_for_each_call_work_together, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(threads_that_were_not_sampled_are_not_idle, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_link_names_the_owner_of_threads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_new_program_got_the_value, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_of_one_library_are_one, set_up, tear_down),
        cmocka_unit_test(built_libraries_are_told_by_their_files),
        cmocka_unit_test(libraries_say_what_sizes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
