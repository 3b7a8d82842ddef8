/* FRK-06: a fork beside a thread of the user's is found; threads that do no harm are not. */
#include "tests/unit/rule_fixture.h"

static struct fs_fork_site site;
static struct fs_fork_owner owners[3];

/* A Pool of 2 made beside a thread that the script started. */
static void thread_before_pool(struct fixture *f) {
    fixture_clean(f);
    owners[0] = (struct fs_fork_owner){
        .library = (char *)"/usr/bin/python3.11",
        .started = {.file = (char *)"/home/u/pool.py",
                    .line = 30,
                    .function = (char *)"main",
                    .stack = (char *)"threading.py:957:start\n/home/u/pool.py:30:main"},
        .python = true,
        .threads = 1,
        .forks = 2,
    };
    site = (struct fs_fork_site){
        .executable = (char *)"/usr/bin/python3.11",
        .pid = 100,
        .place = {.file = (char *)"/home/u/pool.py",
                  .line = 41,
                  .function = (char *)"main",
                  .stack = (char *)"popen_fork.py:66:_launch\npool.py:329:_repopulate_pool_static\n"
                                   "/home/u/pool.py:41:main"},
        .forks = 2,
        .threaded = 2,
        .threads_peak = 1,
        .owners = owners,
        .owner_count = 1,
    };
    f->digest.fork_sites = &site;
    f->digest.fork_site_count = 1;
}

/* The same for a library's thread in a C program. */
static void thread_of_library(struct fixture *f) {
    thread_before_pool(f);
    owners[0].library = (char *)"/usr/lib/libsomething.so.1";
    owners[0].python = false;
    owners[0].started = (struct fs_place){0};
    site.place = (struct fs_place){.module = (char *)"/home/u/job", .offset = 16};
}

static const struct fs_finding *judged(struct fixture *f) {
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(f, NULL), "FRK-06");
    assert_non_null(finding);
    return finding;
}

static void started_by(const char *stack) {
    owners[0].started.stack = (char *)stack;
}

/* --- nothing was at stake --- */

static void nothing_forked(struct fixture *f) {
    f->digest.fork_site_count = 0;
}
static void only_exec(struct fixture *f) {
    (void)f;
    site.execs = 2;
    site.threaded = site.threads_peak = 0;
    site.owner_count = 0;
}
static void no_thread(struct fixture *f) {
    (void)f;
    site.threaded = site.threads_peak = 0;
    site.owner_count = 0;
}
static void not_looked_at(struct fixture *f) {
    no_thread(f);
    site.unknown = 1;
}
static void owner_lost(struct fixture *f) {
    (void)f;
    site.owner_count = 0;
    site.threads_more = 1;
}
static void process_lost(struct fixture *f) {
    no_thread(f);
    f->digest.complete.recorded--;
}

/* --- threads of Python's own --- */

static void pool_handlers(struct fixture *f) {
    (void)f;
    started_by("threading.py:957:start\npool.py:235:__init__\ncontext.py:119:Pool");
}
static void executor_manager(struct fixture *f) {
    (void)f;
    started_by("threading.py:957:start\nprocess.py:724:_start_executor_manager_thread\nx.py:1:m");
}
static void queue_feeder(struct fixture *f) {
    (void)f;
    started_by("threading.py:957:start\nqueues.py:177:_start_thread\nqueues.py:94:put");
}
static void loky_manager(struct fixture *f) {
    (void)f;
    started_by("threading.py:957:start\n/x/joblib/externals/loky/process_executor.py:1075:"
               "_start_executor_manager_thread");
}
static void tqdm_monitor(struct fixture *f) {
    (void)f;
    started_by("threading.py:957:start\n/x/site-packages/tqdm/_monitor.py:28:__init__");
}
static void pool_replaces_workers(struct fixture *f) {
    pool_handlers(f);
    owners[1] = (struct fs_fork_owner){.main = true, .threads = 1, .forks = 2};
    site.owner_count = 2;
    site.place.stack = (char *)"popen_fork.py:66:_launch\npool.py:329:_repopulate_pool_static\n"
                               "pool.py:513:_handle_workers\nthreading.py:975:run";
}

static void python_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"no fork", nothing_forked, FS_NOT_APPLICABLE},
        {"exec", only_exec, FS_PASS},
        {"no thread", no_thread, FS_PASS},
        {"not looked at", not_looked_at, FS_STATUS_UNKNOWN},
        {"owner unknown", owner_lost, FS_STATUS_UNKNOWN},
        {"a process was not recorded", process_lost, FS_STATUS_UNKNOWN},
        {"Pool's handlers", pool_handlers, FS_PASS},
        {"Pool's handler replaces a worker", pool_replaces_workers, FS_PASS},
        {"executor's manager", executor_manager, FS_PASS},
        {"queue's feeder", queue_feeder, FS_PASS},
        {"loky's manager", loky_manager, FS_PASS},
        {"tqdm's monitor", tqdm_monitor, FS_PASS},
    };
    CHECK_GUARDS("FRK-06", thread_before_pool, guards);
}

/* --- threads of libraries --- */

#define LIBRARY(name, path)                                                                        \
    static void name(struct fixture *f) {                                                          \
        (void)f;                                                                                   \
        owners[0].library = (char *)(path);                                                        \
    }
LIBRARY(gomp, "/lib/x86_64-linux-gnu/libgomp.so.1")
LIBRARY(omp, "/lib/x86_64-linux-gnu/libomp.so.5")
LIBRARY(iomp, "/opt/intel/lib/libiomp5.so")
LIBRARY(openblas, "/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so.0")
LIBRARY(numexpr, "/x/numexpr/interpreter.cpython-311-x86_64-linux-gnu.so")
LIBRARY(workqueue, "/x/numba/np/ufunc/workqueue.cpython-311-x86_64-linux-gnu.so")
LIBRARY(arrow, "/x/pyarrow/libarrow.so.1200")
LIBRARY(pmix, "/lib/x86_64-linux-gnu/libpmix.so.2")
LIBRARY(cuda, "/lib/x86_64-linux-gnu/libcuda.so.1")
LIBRARY(unknown_library, NULL)

static void library_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"libgomp", gomp, FS_PASS},    {"libomp", omp, FS_PASS},
        {"libiomp5", iomp, FS_PASS},   {"OpenBLAS", openblas, FS_PASS},
        {"NumExpr", numexpr, FS_PASS}, {"Numba's workqueue", workqueue, FS_PASS},
        {"Arrow", arrow, FS_PASS},     {"MPI", pmix, FS_PASS},
        {"CUDA", cuda, FS_PASS},       {"no owner", unknown_library, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("FRK-06", thread_of_library, guards);
}

/* --- severity and words --- */

static void expect(void (*build)(struct fixture *f), enum fs_severity severity, const char *said) {
    struct fixture f;
    build(&f);
    const struct fs_finding *finding = judged(&f);
    bool found = false;
    for (size_t i = 0; i < finding->evidence_count; i++)
        found |= strstr(finding->evidence[i].text, said) != NULL;
    assert_int_equal(finding->severity, severity);
    if (!found) print_error("not said: %s\n", said);
    assert_true(found);
    fixture_free(&f);
}

static void tbb_launched(struct fixture *f) {
    thread_of_library(f);
    owners[0].library = (char *)"/lib/x86_64-linux-gnu/libtbb.so.12";
}
static void tbb_foreign(struct fixture *f) {
    tbb_launched(f);
    owners[0].foreign_forks = 1;
}
static void polars(struct fixture *f) {
    thread_of_library(f);
    owners[0].library = (char *)"/x/site-packages/polars/polars.abi3.so";
}
static void forked_by_a_thread(struct fixture *f) {
    thread_before_pool(f);
    owners[0] = (struct fs_fork_owner){.main = true, .threads = 1, .forks = 2};
}
/* A class of the user's whose file is called as the library's. */
static void users_pool_file(struct fixture *f) {
    thread_before_pool(f);
    started_by("threading.py:957:start\n/home/u/pool.py:30:__init__");
}
static void handlers_and_a_thread(struct fixture *f) {
    thread_before_pool(f);
    owners[1] = owners[0];
    owners[1].started.line = 31;
    pool_handlers(f);
    site.owner_count = 2;
}

static void severity_and_owner(void **state) {
    (void)state;
    expect(thread_before_pool, FS_WARNING,
           "1 thread of Python threading, started at pool.py:30 in main");
    expect(thread_of_library, FS_WARNING, "1 thread of libsomething.so.1");
    expect(tbb_launched, FS_WARNING, "1 thread of TBB");
    expect(tbb_foreign, FS_ERROR, "not by the thread that forked");
    expect(polars, FS_ERROR, "1 thread of Polars (Rayon)");
    expect(forked_by_a_thread, FS_WARNING, "the main thread was alive");
    expect(users_pool_file, FS_WARNING, "Python threading");
    expect(handlers_and_a_thread, FS_WARNING, "started at pool.py:31");
}

static void fix_speaks_the_language(void **state) {
    (void)state;
    struct fixture f;
    thread_before_pool(&f);
    const struct fs_finding *finding = judged(&f);
    assert_string_equal(finding->fix[0].text,
                        "multiprocessing.get_context(\"forkserver\").Pool(2)");
    assert_ptr_equal(finding->load, &f.job.nodes[0].loads[0]);
    assert_int_equal(finding->population, 2);
    fixture_free(&f);
    thread_of_library(&f);
    finding = judged(&f);
    assert_non_null(strstr(finding->fix[0].text, "pthread_create"));
    assert_non_null(strstr(finding->fix[1].text, "posix_spawn"));
    fixture_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(python_guards),
        cmocka_unit_test(library_guards),
        cmocka_unit_test(severity_and_owner),
        cmocka_unit_test(fix_speaks_the_language),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
