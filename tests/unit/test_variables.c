/* Recorded variables: found, judged, and recognised when misspelt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tracer/variables.h"

static const struct fsp_recorded_variable *find(const char *name) {
    return fs_variable_find(name, strlen(name));
}

static void every_variable_is_found_once(void **state) {
    (void)state;
    size_t count;
    const struct fsp_recorded_variable *all = fs_variables(&count);
    assert_true(count > 40);
    for (size_t i = 0; i < count; i++)
        assert_ptr_equal(find(all[i].name), &all[i]);
    assert_null(find("PATH"));
    assert_null(find(""));
    assert_null(find("OMP_NUM_THREAD"));
    assert_ptr_equal(fs_variable_find("TMPDIR=/x", 6), find("TMPDIR"));
}

static void thread_variables_know_their_libraries(void **state) {
    (void)state;
    assert_true(fs_variable_steers_threads(find("OMP_NUM_THREADS")));
    assert_true(fs_variable_steers_threads(find("OMP_PROC_BIND")));
    assert_false(fs_variable_steers_threads(find("NUM_PROCS")));
    assert_false(fs_variable_steers_threads(find("TMPDIR")));
    assert_true(find("OMP_NUM_THREADS")->libraries & FSP_LIBRARY_OPENBLAS);
    assert_int_equal(find("MKL_NUM_THREADS")->libraries, FSP_LIBRARY_MKL);
    assert_int_equal(find("GOMP_SPINCOUNT")->libraries, FSP_LIBRARY_GOMP);
}

static void values_are_judged(void **state) {
    (void)state;
    static const struct {
        const char *name, *value;
        enum fs_variable_verdict verdict;
    } cases[] = {
        {"OMP_NUM_THREADS", "4", FS_VARIABLE_FINE},
        {"OMP_NUM_THREADS", " 4 ", FS_VARIABLE_FINE},
        {"OMP_NUM_THREADS", "4,3,2", FS_VARIABLE_FINE},
        {"OMP_NUM_THREADS", "4 , 3", FS_VARIABLE_FINE},
        {"OMP_NUM_THREADS", "+4", FS_VARIABLE_FINE},
        {"OMP_NUM_THREADS", "", FS_VARIABLE_EMPTY},
        {"OMP_NUM_THREADS", "  ", FS_VARIABLE_EMPTY},
        {"OMP_NUM_THREADS", "4,", FS_VARIABLE_NOT_A_NUMBER},
        {"OMP_NUM_THREADS", "four", FS_VARIABLE_NOT_A_NUMBER},
        {"OMP_NUM_THREADS", "0", FS_VARIABLE_NOT_A_NUMBER},
        {"OMP_NUM_THREADS", "-1", FS_VARIABLE_NOT_A_NUMBER},
        {"OMP_NUM_THREADS", "4x", FS_VARIABLE_NOT_A_NUMBER},
        {"OMP_NUM_THREADS", "$SLURM_CPUS_PER_TASK", FS_VARIABLE_NOT_A_NUMBER},
        {"MKL_NUM_THREADS", "4,3", FS_VARIABLE_NOT_A_NUMBER},
        {"MKL_NUM_THREADS", "007", FS_VARIABLE_FINE},
        {"NUM_PROCS", "", FS_VARIABLE_EMPTY},
        {"OMP_PROC_BIND", "close", FS_VARIABLE_FINE},
        {"OMP_PROC_BIND", "", FS_VARIABLE_EMPTY},
        {"CXI_FORK_SAFE", "", FS_VARIABLE_FINE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(fs_variable_judge(find(cases[i].name), cases[i].value), cases[i].verdict);
}

static void misspelt_names_are_recognised(void **state) {
    (void)state;
    static const struct {
        const char *name, *meant;
    } cases[] = {
        {"OMP_NUM_THREAD", "OMP_NUM_THREADS"},
        {"OMP_NUM_THREADSS", "OMP_NUM_THREADS"},
        {"OMP_NMU_THREADS", "OMP_NUM_THREADS"},
        {"OMP_NUM-THREADS", "OMP_NUM_THREADS"},
        {"MKL_NUM_THREADs", "MKL_NUM_THREADS"},
        {"OPENBLAS_NUM_THREAD", "OPENBLAS_NUM_THREADS"},
        {"OMP_PROC_BINDS", "OMP_PROC_BIND"},
        {"XOMP_PLACES", "OMP_PLACES"},
        {"OMP_NUM_THREADS", NULL},
        {"OMP_NUM_THRED", NULL},
        {"OMP_SCHEDULE", NULL},
        {"SLURM_PROCIDS", NULL},
        {"TMPDIRS", NULL},
        {"NUM_PROC", NULL},
        {"", NULL},
        {"MKL_NUM_STRIPES", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct fsp_recorded_variable *meant =
            fs_variable_meant(cases[i].name, strlen(cases[i].name));
        if (!cases[i].meant)
            assert_null(meant);
        else
            assert_string_equal(meant->name, cases[i].meant);
    }
}

static void one_edit_is_one_edit(void **state) {
    (void)state;
    static const struct {
        const char *a, *b;
        bool one;
    } cases[] = {
        {"", "", false},        {"", "a", true},         {"a", "a", false},
        {"a", "b", true},       {"ab", "ba", true},      {"ab", "b", true},
        {"aa", "a", true},      {"aaa", "a", false},     {"abc", "cba", false},
        {"abcd", "acbd", true}, {"abcd", "badc", false}, {"abc", "abcd", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *a = cases[i].a, *b = cases[i].b;
        assert_int_equal(fs_one_edit_apart(a, strlen(a), b, strlen(b)), cases[i].one);
        assert_int_equal(fs_one_edit_apart(b, strlen(b), a, strlen(a)), cases[i].one);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_variable_is_found_once),
        cmocka_unit_test(thread_variables_know_their_libraries),
        cmocka_unit_test(values_are_judged),
        cmocka_unit_test(misspelt_names_are_recognised),
        cmocka_unit_test(one_edit_is_one_edit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
