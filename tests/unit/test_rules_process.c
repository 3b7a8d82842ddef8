/* PRC-02, 03, 06, MEM-01, 02, ENV-03 and 04: each fires, and each exception keeps it silent. */
#include "tests/unit/rule_fixture.h"

#include <signal.h>

static void dead_worker(struct fixture *f) {
    fixture_clean(f);
    f->deaths[0] = (struct fs_death){.pid = 102,
                                     .signal = SIGKILL,
                                     .t = 3 * SECOND,
                                     .idle_ns = 6 * SECOND,
                                     .parent_waited = true,
                                     .shm_free = FS_UNKNOWN,
                                     .shm_total = FS_UNKNOWN};
    f->group[0].deaths = f->deaths;
    f->group[0].death_count = 1;
}

static void by_parent(struct fixture *f) {
    f->deaths[0].sent_by_parent = true;
}
static void went_on(struct fixture *f) {
    f->deaths[0].parent_waited = false;
}
static void short_wait(struct fixture *f) {
    f->deaths[0].idle_ns = SECOND;
}
static void idle_unknown(struct fixture *f) {
    f->deaths[0].idle_ns = FS_UNKNOWN;
}
static void nobody_died(struct fixture *f) {
    f->group[0].death_count = 0;
}
static void some_unrecorded(struct fixture *f) {
    f->group[0].death_count = 0;
    f->digest.complete.recorded--;
}

static void death_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"its parent sent it", by_parent, FS_PASS},
        {"the parent went on", went_on, FS_PASS},
        {"short", short_wait, FS_PASS},
        {"unknown", idle_unknown, FS_STATUS_UNKNOWN},
        {"no death", nobody_died, FS_PASS},
        {"a process was not recorded", some_unrecorded, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("PRC-02", dead_worker, guards);
}

static void unjoined(struct fixture *f) {
    fixture_clean(f);
    f->group[0].unwaited = 3;
}

static void zombies(struct fixture *f) {
    fixture_clean(f);
    f->group[0].zombies_peak = 4;
    f->group[0].zombies_ns = 31 * SECOND;
}

static void all_waited(struct fixture *f) {
    f->group[0].unwaited = 0;
}
static void helper(struct fixture *f) {
    f->group[0].helper = true;
}
static void few_zombies(struct fixture *f) {
    f->group[0].zombies_peak = 3;
}
static void below_workers(struct fixture *f) {
    f->group[0].workers_peak = 5;
}
static void brief_zombies(struct fixture *f) {
    f->group[0].zombies_ns = 29 * SECOND;
}

static void unjoined_guards(void **state) {
    (void)state;
    static const struct guard waits[] = {
        {"waited for", all_waited, FS_PASS},
        {"helper", helper, FS_PASS},
    };
    static const struct guard counts[] = {
        {"few", few_zombies, FS_PASS},
        {"fewer than workers", below_workers, FS_PASS},
        {"brief", brief_zombies, FS_PASS},
    };
    CHECK_GUARDS("PRC-03", unjoined, waits);
    CHECK_GUARDS("PRC-03", zombies, counts);
}

static void orphans(struct fixture *f) {
    fixture_clean(f);
    f->group[0].orphans = 2;
    f->group[0].orphan_examples[0] = 102;
    f->group[0].orphan_examples[1] = 103;
    f->group[0].orphans_ns = 2 * SECOND;
}

static void brief_orphans(struct fixture *f) {
    f->group[0].orphans_ns = SECOND / 2;
}
static void no_orphans(struct fixture *f) {
    f->group[0].orphans = 0;
}

static void orphan_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"brief", brief_orphans, FS_PASS},
        {"none", no_orphans, FS_PASS},
        {"helper", helper, FS_PASS},
    };
    CHECK_GUARDS("PRC-06", orphans, guards);
    struct fixture f;
    orphans(&f);
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "PRC-06");
    assert_string_equal(finding->fix[1].text, "kill 102 103");
    fixture_free(&f);
}

static void oom(struct fixture *f) {
    dead_worker(f);
    f->deaths[0].oom = true;
    f->digest.memory.oom_kills = 1;
    f->digest.memory.limit = 64 << 20;
    f->digest.memory.peak = 64 << 20;
    f->digest.memory.workers_pss_peak = 60 << 20;
}

static void no_kill(struct fixture *f) {
    f->digest.memory.oom_kills = 0;
}
static void kills_unknown(struct fixture *f) {
    f->digest.memory.oom_kills = FS_UNKNOWN;
}
static void not_of_the_job(struct fixture *f) {
    f->group[0].death_count = 0;
}
static void sent_by_a_process(struct fixture *f) {
    f->deaths[0].sent_by = 77;
}
static void more_deaths(struct fixture *f) {
    f->group[0].death_count = 0;
    f->group[0].deaths_more = 1;
}

static void oom_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"no kill", no_kill, FS_PASS},
        {"unknown", kills_unknown, FS_STATUS_UNKNOWN},
        {"no victim here", not_of_the_job, FS_PASS},
        {"sent by a process", sent_by_a_process, FS_PASS},
        {"deaths not listed", more_deaths, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("MEM-01", oom, guards);
}

static void oom_tells_the_peak_where_it_is_known(void **state) {
    (void)state;
    struct fixture f;
    oom(&f);
    fixture_judge(&f, NULL);
    assert_string_equal(fs_verdict_find(&f.verdict, "MEM-01")->evidence[1].text,
                        "limit 64 MiB, peak of the cgroup 64 MiB");
    fixture_free(&f);
    oom(&f);
    f.digest.memory.peak = FS_UNKNOWN;
    fixture_judge(&f, NULL);
    assert_string_equal(fs_verdict_find(&f.verdict, "MEM-01")->evidence[1].text, "limit 64 MiB");
    fixture_free(&f);
}

static void killed_main_process_is_a_victim(void **state) {
    (void)state;
    struct fixture f;
    oom(&f);
    f.group[0].death_count = 0;
    f.digest.status = SIGKILL;
    fixture_judge(&f, NULL);
    assert_string_equal(fs_verdict_find(&f.verdict, "MEM-01")->title,
                        "out of memory: the kernel killed process 100");
    fixture_free(&f);
}

static void bus_error(struct fixture *f) {
    dead_worker(f);
    f->deaths[0].signal = SIGBUS;
    f->deaths[0].shm_free = 0;
    f->deaths[0].shm_total = 64 << 20;
}

static void room_left(struct fixture *f) {
    f->deaths[0].shm_free = 32 << 20;
}
static void sent_bus(struct fixture *f) {
    f->deaths[0].sent_by = 77;
}
static void another_signal(struct fixture *f) {
    f->deaths[0].signal = SIGSEGV;
}
static void not_looked_at(struct fixture *f) {
    f->deaths[0].shm_free = FS_UNKNOWN;
}

static struct fs_variable leftover = {(char *)"/psm_1", (char *)"4096"};
static struct fs_variable of_libomp = {(char *)"/__KMP_REGISTERED_LIB_3035_0", (char *)"1024"};

static void shm_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"room left", room_left, FS_PASS},
        {"sent", sent_bus, FS_PASS},
        {"another signal", another_signal, FS_PASS},
        {"not looked at", not_looked_at, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("MEM-02", bus_error, guards);
}

static void full_by_own_segments(struct fixture *f) {
    f->digest.shm.ours = true;
    f->digest.shm.own_bytes = 16 << 20;
}
static void almost_full(struct fixture *f) {
    fixture_clean(f);
    f->digest.shm.free_min = 1 << 20;
}
static void not_sampled(struct fixture *f) {
    f->digest.shm.free_min = FS_UNKNOWN;
}

static void shm_other_findings(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"own segments", full_by_own_segments, FS_PASS},
        {"not sampled", not_sampled, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("MEM-02", almost_full, guards);
    struct fixture f;
    fixture_clean(&f);
    f.digest.shm.leftovers = &leftover;
    f.digest.shm.leftover_count = 1;
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "MEM-02");
    assert_int_equal(finding->severity, FS_WARNING);
    assert_string_equal(finding->fix[1].text, "rm /dev/shm/psm_1");
    fixture_free(&f);
    fixture_clean(&f);
    f.digest.shm.leftovers = &of_libomp;
    f.digest.shm.leftover_count = 1;
    fixture_judge(&f, NULL);
    assert_int_equal(fixture_outcome(&f, "MEM-02")->status, FS_PASS);
    fixture_free(&f);
}

static struct fs_lost_variable lost;

static void lost_variable(struct fixture *f) {
    fixture_clean(f);
    lost = (struct fs_lost_variable){.name = (char *)"OMP_NUM_THREADS",
                                     .value = (char *)"1",
                                     .parent_executable = (char *)"/usr/bin/python3.11",
                                     .executable = (char *)"/usr/bin/solver",
                                     .pid = 103,
                                     .count = 2,
                                     .libraries = FSP_LIBRARY_GOMP};
    f->digest.lost_variables = &lost;
    f->digest.lost_variable_count = 1;
}

static void one_that_lost_a_variable(void **state) {
    (void)state;
    struct fixture f;
    lost_variable(&f);
    lost.count = 1;
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "ENV-03");
    assert_string_equal(finding->unit, "process");
    fixture_free(&f);
}

static void no_reader(struct fixture *f) {
    (void)f;
    lost.libraries = FSP_LIBRARY_PYTHON;
}
static void other_reader(struct fixture *f) {
    (void)f;
    lost.name = (char *)"MKL_NUM_THREADS";
}

static void taken_out(struct fixture *f) {
    (void)f;
    lost.singled_out = true;
}

static void lost_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"no library", no_reader, FS_PASS},
        {"another library", other_reader, FS_PASS},
        {"taken out by itself", taken_out, FS_PASS},
        {"a process was not recorded", some_unrecorded, FS_FINDING},
    };
    CHECK_GUARDS("ENV-03", lost_variable, guards);
}

static struct fs_closed_display display;

static void refused_display(struct fixture *f) {
    fixture_clean(f);
    display = (struct fs_closed_display){.number = 7,
                                         .answer = FS_DISPLAY_REFUSED,
                                         .reason = (char *)"Invalid MIT-MAGIC-COOKIE-1 key",
                                         .executable = (char *)"/usr/bin/mpirun",
                                         .pid = 100,
                                         .programs = 3};
    f->digest.closed_displays = &display;
    f->digest.closed_display_count = 1;
    f->digest.display_searches = 3;
    f->digest.displays_asked = true;
}

static void no_answer(struct fixture *f) {
    (void)f;
    display.answer = FS_DISPLAY_UNASKED;
}
static void accepted(struct fixture *f) {
    (void)f;
    display.answer = FS_DISPLAY_OPEN;
}
static void real_clients(struct fixture *f) {
    (void)f;
    display.programs = 0;
    display.clients = 3;
}
static void no_server(struct fixture *f) {
    f->digest.closed_display_count = 0;
}
static void servers_not_asked(struct fixture *f) {
    f->digest.closed_display_count = 0;
    f->digest.displays_asked = false;
}
static void no_search(struct fixture *f) {
    f->digest.closed_display_count = 0;
    f->digest.display_searches = 0;
}

static void display_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"no answer", no_answer, FS_STATUS_UNKNOWN},
        {"the key is accepted", accepted, FS_STATUS_UNKNOWN},
        {"real X clients", real_clients, FS_PASS},
        {"no X server", no_server, FS_PASS},
        {"not asked", servers_not_asked, FS_STATUS_UNKNOWN},
        {"hwloc opened what it tried", no_search, FS_NOT_APPLICABLE},
    };
    CHECK_GUARDS("ENV-01", refused_display, guards);
}

static struct fs_odd_variable odd;

static void odd_variable(struct fixture *f) {
    fixture_clean(f);
    odd = (struct fs_odd_variable){.oddity = FS_ODD_MISSPELT,
                                   .name = (char *)"OMP_NUM_THREAD",
                                   .meant = (char *)"OMP_NUM_THREADS",
                                   .executable = (char *)"/usr/bin/python3.11",
                                   .pid = 100,
                                   .count = 5,
                                   .libraries = FSP_LIBRARY_OPENBLAS};
    f->digest.odd_variables = &odd;
    f->digest.odd_variable_count = 1;
}

static void odd_without_reader(struct fixture *f) {
    (void)f;
    odd.libraries = 0;
}
static void environments_unread(struct fixture *f) {
    f->digest.odd_variable_count = 0;
    f->digest.environments_read = false;
}

static void odd_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"no library", odd_without_reader, FS_PASS},
        {"environments not read", environments_unread, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("ENV-04", odd_variable, guards);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(death_guards),
        cmocka_unit_test(unjoined_guards),
        cmocka_unit_test(orphan_guards),
        cmocka_unit_test(oom_guards),
        cmocka_unit_test(oom_tells_the_peak_where_it_is_known),
        cmocka_unit_test(killed_main_process_is_a_victim),
        cmocka_unit_test(shm_guards),
        cmocka_unit_test(shm_other_findings),
        cmocka_unit_test(one_that_lost_a_variable),
        cmocka_unit_test(lost_guards),
        cmocka_unit_test(display_guards),
        cmocka_unit_test(odd_guards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
