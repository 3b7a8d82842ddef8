/* FRK-08 on hand-built models: it fires, each exception keeps it silent, and it says where. */
#include "tests/unit/rule_fixture.h"

#include "report/stacks.h"

static struct fs_stuck stuck[4];
static struct fs_stuck_thread threads[4];
static struct fs_fork_site fork_site;

#define NATIVE_LOCK                                                                                \
    "__lll_lock_wait (libc.so.6)\n__pthread_mutex_lock (libc.so.6)\nsum (a.out) at a.c:31"
#define NATIVE_PYTHON                                                                              \
    "__futex_abstimed_wait_common (libc.so.6)\n__new_sem_wait_slow64 (libc.so.6)\n"                \
    "PyThread_acquire_lock_timed (python3.11)\npython3.11+0x1899af"
#define PYTHON_LOCK  "/home/u/pool.py:7:work\n/usr/lib/python3.11/multiprocessing/pool.py:125:worker"
#define PYTHON_EVENT "/usr/lib/python3.11/threading.py:320:Condition.wait\n/home/u/pool.py:9:work"

/* Worker 102 of the pool waits for a lock for 40 s, its parent 100 for the result. */
static void locked_worker(struct fixture *f) {
    fixture_clean(f);
    threads[0] = (struct fs_stuck_thread){.tid = 102,
                                          .wait = (char *)"futex",
                                          .private_wait = true,
                                          .native = (char *)NATIVE_PYTHON,
                                          .python = (char *)PYTHON_LOCK};
    threads[1] = (struct fs_stuck_thread){
        .tid = 100, .wait = (char *)"futex", .python = (char *)PYTHON_EVENT};
    stuck[0] = (struct fs_stuck){.pid = 102,
                                 .parent = 100,
                                 .python = true,
                                 .forked = true,
                                 .site = f->group[0].site,
                                 .idle_ns = 40 * SECOND,
                                 .run_ns = SECOND / 100,
                                 .stop_max = 60000,
                                 .threads = &threads[0],
                                 .thread_count = 1};
    stuck[0].site.stack = (char *)"pool.py:329:_repopulate_pool_static\n/home/u/pool.py:41:main";
    stuck[1] = (struct fs_stuck){.pid = 100, .threads = &threads[1], .thread_count = 1};
    fork_site = (struct fs_fork_site){
        .place = f->group[0].site, .forks = 2, .threaded = 2, .threads_peak = 1};
    f->digest.stuck = stuck;
    f->digest.stuck_count = 2;
    f->digest.fork_sites = &fork_site;
    f->digest.fork_site_count = 1;
}

static void c_mutex(struct fixture *f) {
    locked_worker(f);
    stuck[0].python = false;
    stuck[0].site.stack = NULL;
    stuck[0].holder = 101;
    threads[0].native = (char *)NATIVE_LOCK;
    threads[0].python = NULL;
}

static void event(struct fixture *f) {
    locked_worker(f);
    threads[0].python = (char *)PYTHON_EVENT;
}

static void interrupted_early(struct fixture *f) {
    locked_worker(f);
    stuck[0].idle_ns = 5 * SECOND;
    f->digest.interrupted = 2;
}

static void without_stack(struct fixture *f) {
    locked_worker(f);
    threads[0].native = threads[0].python = NULL;
    stuck[0].obstacle = (char *)"attaching is switched off (--no-attach)";
}

/* Another worker waits for an event: another matter, of the same workers. */
static void lock_and_event_are_two_findings(void **state) {
    (void)state;
    struct fixture f;
    locked_worker(&f);
    threads[2] = threads[0];
    threads[2].tid = 103;
    threads[2].python = (char *)PYTHON_EVENT;
    stuck[2] = stuck[0];
    stuck[2].pid = 103;
    stuck[2].threads = &threads[2];
    f.digest.stuck_count = 3;
    const struct fs_verdict *verdict = fixture_judge(&f, NULL);
    int told = 0;
    for (size_t i = 0; i < verdict->count; i++) {
        if (strcmp(verdict->findings[i].rule->id, "FRK-08") != 0) continue;
        assert_int_equal(verdict->findings[i].population, 1);
        assert_int_equal(verdict->findings[i].of, 2);
        told++;
    }
    assert_int_equal(told, 2);
    fixture_free(&f);
}

static void went_on(struct fixture *f) {
    (void)f;
    stuck[0].went_on = true;
}
static void short_wait(struct fixture *f) {
    (void)f;
    stuck[0].idle_ns = SECOND;
}
static void five_seconds(struct fixture *f) {
    (void)f;
    stuck[0].idle_ns = 5 * SECOND;
}
static void shared_wait(struct fixture *f) {
    (void)f;
    threads[0].private_wait = false;
}
static void pipe_wait(struct fixture *f) {
    (void)f;
    threads[0].private_wait = false;
    threads[0].wait = (char *)"read";
}
static void not_permitted(struct fixture *f) {
    shared_wait(f);
    stuck[0].obstacle = (char *)"no permission to look at it";
}
static void nothing_told(struct fixture *f) {
    not_permitted(f);
    threads[0].wait = NULL;
}
static void own_program(struct fixture *f) {
    (void)f;
    stuck[0].forked = false;
}
static void nobody_stuck(struct fixture *f) {
    f->digest.stuck_count = 0;
}
static void not_sampled(struct fixture *f) {
    f->digest.stuck_count = 0;
    f->digest.complete.samples = 0;
}
static void no_forks(struct fixture *f) {
    f->digest.stuck_count = 0;
    f->group[0].kind = FS_GROUP_EXECUTABLE;
}
static void parent_sleeps(struct fixture *f) {
    (void)f;
    threads[1].wait = (char *)"nanosleep";
}
static void parent_unread(struct fixture *f) {
    f->digest.stuck_count = 1;
}
static void no_threads_beside(struct fixture *f) {
    (void)f;
    fork_site.threaded = 0;
}
static void threads_unknown(struct fixture *f) {
    (void)f;
    fork_site.unknown = 2;
}
static void site_unknown(struct fixture *f) {
    f->digest.fork_site_count = 0;
}

static void lock_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"it went on", went_on, FS_PASS},
        {"short", short_wait, FS_PASS},
        {"not for 30 s, and nobody interrupted", five_seconds, FS_PASS},
        {"it waits for a semaphore that others have", shared_wait, FS_PASS},
        {"it waits for its queue's pipe", pipe_wait, FS_PASS},
        {"no permission", not_permitted, FS_STATUS_UNKNOWN},
        {"no permission for anything", nothing_told, FS_STATUS_UNKNOWN},
        {"it exec'd", own_program, FS_PASS},
        {"nobody is stuck", nobody_stuck, FS_PASS},
        {"not sampled", not_sampled, FS_STATUS_UNKNOWN},
        {"nobody forked", no_forks, FS_NOT_APPLICABLE},
    };
    static const struct guard interrupts[] = {
        {"interrupted at once", short_wait, FS_PASS},
        {"it went on", went_on, FS_PASS},
    };
    CHECK_GUARDS("FRK-08", locked_worker, guards);
    CHECK_GUARDS("FRK-08", interrupted_early, interrupts);
}

static void event_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"no thread was left behind", no_threads_beside, FS_PASS},
        {"nobody looked at the threads", threads_unknown, FS_STATUS_UNKNOWN},
        {"its fork was not recorded", site_unknown, FS_STATUS_UNKNOWN},
        {"its parent sleeps by itself", parent_sleeps, FS_PASS},
        {"what its parent does is unknown", parent_unread, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("FRK-08", event, guards);
    CHECK_GUARDS("FRK-08", without_stack, guards);
}

static const struct fs_finding *judged(struct fixture *f) {
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(f, NULL), "FRK-08");
    assert_non_null(finding);
    return finding;
}

static void says_what_and_where(void **state) {
    (void)state;
    struct fixture f;
    locked_worker(&f);
    const struct fs_finding *finding = judged(&f);
    assert_int_equal(finding->severity, FS_ERROR);
    assert_int_equal(finding->population, 1);
    assert_int_equal(finding->of, 2);
    assert_int_equal(finding->stack_count, 2);
    assert_string_equal(finding->stack[0].frames, "pool.py:7 in work\npool.py:125 in worker");
    assert_non_null(strstr(finding->stack[1].whose, "100"));
    assert_string_equal(finding->fix[0].text,
                        "multiprocessing.get_context(\"forkserver\").Pool(2)");
    fixture_free(&f);
    c_mutex(&f);
    finding = judged(&f);
    assert_string_equal(finding->stack[0].frames, NATIVE_LOCK);
    assert_non_null(strstr(finding->cause[0], "thread 101"));
    assert_non_null(strstr(finding->fix[1].text, "posix_spawn"));
    fixture_free(&f);
    without_stack(&f);
    finding = judged(&f);
    assert_int_equal(finding->evidence_count >= 3, 1);
    assert_non_null(strstr(finding->evidence[2].text, "--no-attach"));
    fixture_free(&f);
}

static void siblings_are_one_finding(void **state) {
    (void)state;
    struct fixture f;
    locked_worker(&f);
    stuck[2] = stuck[0];
    stuck[2].pid = 103;
    f.digest.stuck_count = 3;
    const struct fs_finding *finding = judged(&f);
    assert_int_equal(finding->population, 2);
    assert_int_equal(fixture_outcome(&f, "FRK-08")->count, 1);
    fixture_free(&f);
}

static enum fs_blocked blocked_by(const char *native, const char *python) {
    struct fs_stuck_thread thread = {.wait = (char *)"futex",
                                     .private_wait = true,
                                     .native = (char *)native,
                                     .python = (char *)python};
    const struct fs_stuck one = {.threads = &thread, .thread_count = 1};
    return fs_stuck_blocked(&one);
}

static void waits_are_told_apart(void **state) {
    (void)state;
    assert_int_equal(blocked_by(NATIVE_LOCK, NULL), FS_BLOCKED_LOCK);
    assert_int_equal(blocked_by(NATIVE_PYTHON, PYTHON_LOCK), FS_BLOCKED_LOCK);
    assert_int_equal(blocked_by(NATIVE_PYTHON, PYTHON_EVENT), FS_BLOCKED_EVENT);
    assert_int_equal(
        blocked_by(NATIVE_PYTHON, "/usr/lib/python3.11/threading.py:168:Condition.__enter__"),
        FS_BLOCKED_LOCK);
    assert_int_equal(
        blocked_by(NATIVE_PYTHON, "/usr/lib/python3.11/logging/__init__.py:929:Handler.acquire"),
        FS_BLOCKED_LOCK);
    assert_int_equal(blocked_by("__pthread_cond_wait (libc.so.6)\nf (a.out)", NULL),
                     FS_BLOCKED_EVENT);
    assert_int_equal(blocked_by("libgomp.so.1+0x1dd30\nf (a.out)", NULL), FS_BLOCKED_EVENT);
    assert_int_equal(blocked_by("f (a.out)", NULL), FS_BLOCKED_EVENT);
    assert_int_equal(blocked_by(NULL, NULL), FS_BLOCKED_UNNAMED);
}

static void place_is_the_users(void **state) {
    (void)state;
    struct fs_arena arena = {0};
    struct fs_stuck_thread thread = {.python = (char *)PYTHON_EVENT};
    const struct fs_stuck one = {.threads = &thread, .thread_count = 1};
    assert_string_equal(fs_stuck_place(&arena, &one), "pool.py:9 in work");
    thread.python = NULL;
    assert_null(fs_stuck_place(&arena, &one));
    thread.native = (char *)NATIVE_LOCK;
    assert_string_equal(fs_stuck_place(&arena, &one), "sum (a.out) at a.c:31");
    fs_arena_free(&arena);
}

/* PRC-02 shows what the parent of the dead worker waits for. */
static void dead_workers_parent(void **state) {
    (void)state;
    struct fixture f;
    locked_worker(&f);
    stuck[0] = stuck[1];
    f.digest.stuck_count = 1;
    f.deaths[0] =
        (struct fs_death){.pid = 102, .signal = 9, .idle_ns = 6 * SECOND, .parent_waited = true};
    f.group[0].deaths = f.deaths;
    f.group[0].death_count = 1;
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "PRC-02");
    assert_non_null(finding);
    assert_int_equal(finding->stack_count, 1);
    assert_non_null(strstr(finding->cause[finding->cause_count - 1], "pool.py:9 in work"));
    fixture_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lock_and_event_are_two_findings),
        cmocka_unit_test(lock_guards),
        cmocka_unit_test(event_guards),
        cmocka_unit_test(says_what_and_where),
        cmocka_unit_test(siblings_are_one_finding),
        cmocka_unit_test(waits_are_told_apart),
        cmocka_unit_test(place_is_the_users),
        cmocka_unit_test(dead_workers_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
