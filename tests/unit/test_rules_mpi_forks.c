/* Children that ranks fork while MPI is in use: FRK-01 to FRK-04 on hand-built models. */
#include "tests/unit/rule_fixture.h"

static struct fs_mpi_ranks ranks;
static struct fs_mpi_fork forks[2];
static struct fs_variable set[4];

static void pool_after_init(struct fixture *f) {
    fixture_clean(f);
    ranks = (struct fs_mpi_ranks){.executable = (char *)"/usr/bin/python3.11",
                                  .count = 2,
                                  .pid = 200,
                                  .size = 2,
                                  .stage = FS_MPI_FINALIZED,
                                  .launcher_size = 2,
                                  .calls_seen = true};
    forks[0] = (struct fs_mpi_fork){
        .executable = (char *)"/usr/bin/python3.11",
        .python = true,
        .pid = 200,
        .size = 2,
        .ranks = 2,
        .place = {.file = (char *)"/home/u/job.py", .line = 12, .function = (char *)"main"},
        .children = 8,
        .libraries = FSP_LIBRARY_MPI | FSP_LIBRARY_PYTHON,
        .huge_bytes = 0,
        .variables = set};
    forks[1] = forks[0];
    f->digest.mpi = &ranks;
    f->digest.mpi_count = 1;
    f->digest.mpi_silent = f->digest.mpi_more = 0;
    f->digest.mpi_forks = forks;
    f->digest.mpi_fork_count = 1;
    f->digest.mpi_forks_more = 0;
}

static void variable(const char *name, const char *value) {
    set[forks[0].variable_count++] = (struct fs_variable){(char *)name, (char *)value};
}

/* --- changes that a guard is about --- */

static void one_rank(struct fixture *f) {
    (void)f;
    forks[0].size = 1;
}
static void unknown_size(struct fixture *f) {
    (void)f;
    forks[0].size = FS_UNKNOWN;
}
static void forked_before(struct fixture *f) {
    f->digest.mpi_fork_count = 0;
}
static void no_mpi(struct fixture *f) {
    f->digest.mpi_count = f->digest.mpi_fork_count = 0;
}
static struct fs_fork_site beside_mpi = {.libraries = FSP_LIBRARY_MPI, .forks = 2};
static void mpi_unseen(struct fixture *f) {
    no_mpi(f);
    f->digest.mpi_silent = 1;
    f->digest.fork_sites = &beside_mpi;
    f->digest.fork_site_count = 1;
}
static void too_many_places(struct fixture *f) {
    f->digest.mpi_fork_count = 0;
    f->digest.mpi_forks_more = 3;
}
static void too_young(struct fixture *f) {
    (void)f;
    forks[0].unknown = forks[0].children;
}
static void some_unrecorded(struct fixture *f) {
    f->digest.mpi_fork_count = 0;
    f->digest.complete.recorded = 4;
}
/* vfork, posix_spawn, system */
static void parent_stood_still(struct fixture *f) {
    (void)f;
    forks[0].execs = forks[0].blocked = forks[0].children;
}

/* --- FRK-01 --- */

static void fork_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"one rank", one_rank, FS_PASS},
        {"size not known", unknown_size, FS_STATUS_UNKNOWN},
        {"before MPI_Init", forked_before, FS_PASS},
        {"no MPI", no_mpi, FS_NOT_APPLICABLE},
        {"MPI was called unseen", mpi_unseen, FS_STATUS_UNKNOWN},
        {"places not kept", too_many_places, FS_STATUS_UNKNOWN},
        {"too young", too_young, FS_STATUS_UNKNOWN},
        {"a process was not recorded", some_unrecorded, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("FRK-01", pool_after_init, guards);
}

static void fork_severities(void **state) {
    (void)state;
    struct fixture f;
    pool_after_init(&f);
    const struct fs_finding *finding = fixture_find(&f, "FRK-01");
    assert_int_equal(finding->severity, FS_WARNING);
    assert_string_equal(finding->title, "fork after MPI_Init: job.py:12 in main");
    assert_int_equal(finding->population, 8);
    assert_string_equal(finding->evidence[0].text,
                        "2 ranks of 2 made 8 children between MPI_Init and MPI_Finalize, first "
                        "rank 0 (process 200)");
    fixture_free(&f);

    pool_after_init(&f); /* the other two ranks are on other nodes */
    forks[0].size = ranks.size = 4;
    finding = fixture_find(&f, "FRK-01");
    assert_true(strstr(finding->evidence[0].text, "on node1, 2 ranks of 4 made") != NULL);
    assert_true(any_fix_has(finding, "initialize=False") &&
                any_fix_has(finding, "MPIPoolExecutor"));
    fixture_free(&f);

    pool_after_init(&f);
    forks[0].execs = 8;
    finding = fixture_find(&f, "FRK-01");
    assert_int_equal(finding->severity, FS_NOTE);
    assert_false(any_fix_has(finding, "MPIPoolExecutor"));
    fixture_free(&f);

    pool_after_init(&f);
    forks[0].libraries |= FSP_LIBRARY_CXI;
    finding = fixture_find(&f, "FRK-01");
    assert_int_equal(finding->severity, FS_ERROR);
    assert_string_equal(finding->follows->id, "FRK-03");
    assert_int_equal(f.verdict.errors, 1);
    fixture_free(&f);
}

/* What explains one place says nothing of another. */
static void another_place_stays(void **state) {
    (void)state;
    struct fixture f;
    pool_after_init(&f);
    f.digest.mpi_fork_count = 2;
    forks[0].libraries |= FSP_LIBRARY_UGNI;
    forks[1].place.line = 40;
    fixture_judge(&f, NULL);
    int folded = 0, alone = 0;
    for (size_t i = 0; i < f.verdict.count; i++)
        if (strcmp(f.verdict.findings[i].rule->id, "FRK-01") == 0)
            *(f.verdict.findings[i].follows ? &folded : &alone) += 1;
    assert_int_equal(folded, 1);
    assert_int_equal(alone, 1);
    fixture_free(&f);
}

/* --- FRK-02 --- */

static void gni(struct fixture *f) {
    pool_after_init(f);
    forks[0].libraries |= FSP_LIBRARY_UGNI;
}
static void fullcopy(struct fixture *f) {
    (void)f;
    variable("MPICH_GNI_FORK_MODE", "FULLCOPY");
}
static void partcopy(struct fixture *f) {
    (void)f;
    variable("MPICH_GNI_FORK_MODE", "PARTCOPY");
}
static void slingshot(struct fixture *f) {
    (void)f;
    forks[0].libraries |= FSP_LIBRARY_CXI;
}
static void other_network(struct fixture *f) {
    (void)f;
    forks[0].libraries = FSP_LIBRARY_MPI;
}

static void gni_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"FULLCOPY", fullcopy, FS_PASS},
        {"PARTCOPY", partcopy, FS_FINDING},
        {"Slingshot", slingshot, FS_PASS},
        {"another network", other_network, FS_NOT_APPLICABLE},
        {"the parent stood still", parent_stood_still, FS_PASS},
        {"one rank", one_rank, FS_PASS},
        {"size not known", unknown_size, FS_STATUS_UNKNOWN},
        {"before MPI_Init", forked_before, FS_PASS},
    };
    CHECK_GUARDS("FRK-02", gni, guards);
}

/* --- FRK-03 --- */

static void cxi(struct fixture *f) {
    pool_after_init(f);
    forks[0].libraries |= FSP_LIBRARY_CXI;
}
static void fork_safe(struct fixture *f) {
    (void)f;
    variable("CXI_FORK_SAFE", "0"); /* its presence counts */
}
static void fork_safe_huge_unknown(struct fixture *f) {
    fork_safe(f);
    forks[0].huge_bytes = FS_UNKNOWN;
}
static void fork_safe_huge(struct fixture *f) {
    fork_safe(f);
    forks[0].huge_bytes = 64 << 20;
}
static void fork_safe_huge_wanted(struct fixture *f) {
    fork_safe(f);
    variable("HUGETLB_MORECORE", "yes");
}
static void fork_safe_both(struct fixture *f) {
    fork_safe_huge(f);
    variable("CXI_FORK_SAFE_HP", "1");
}
static void on_demand(struct fixture *f) {
    (void)f;
    variable("FI_CXI_ODP", "1");
}
static void not_on_demand(struct fixture *f) {
    (void)f;
    variable("FI_CXI_ODP", "0");
}

static void cxi_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"CXI_FORK_SAFE", fork_safe, FS_PASS},
        {"CXI_FORK_SAFE, huge pages not looked for", fork_safe_huge_unknown, FS_STATUS_UNKNOWN},
        {"CXI_FORK_SAFE, huge pages", fork_safe_huge, FS_FINDING},
        {"CXI_FORK_SAFE, huge pages wanted", fork_safe_huge_wanted, FS_STATUS_UNKNOWN},
        {"both, huge pages", fork_safe_both, FS_PASS},
        {"on-demand paging", on_demand, FS_PASS},
        {"no on-demand paging", not_on_demand, FS_FINDING},
        {"another network", other_network, FS_NOT_APPLICABLE},
        {"the parent stood still", parent_stood_still, FS_PASS},
        {"one rank", one_rank, FS_PASS},
        {"before MPI_Init", forked_before, FS_PASS},
    };
    CHECK_GUARDS("FRK-03", cxi, guards);
}

/* --- FRK-04 --- */

static void verbs(struct fixture *f) {
    pool_after_init(f);
    forks[0].libraries |= FSP_LIBRARY_VERBS;
    forks[0].registered = 8;
    forks[0].registrations = 5;
    forks[0].registrar = (struct fs_place){.module = (char *)"/usr/lib/openmpi/mca_btl_openib.so"};
    f->digest.copies_on_fork = 0;
}
static void nothing_registered(struct fixture *f) {
    (void)f;
    forks[0].registered = forks[0].registrations = 0;
}
static void rdmav_fork_safe(struct fixture *f) {
    (void)f;
    variable("RDMAV_FORK_SAFE", "1");
}
static void ibv_fork_safe(struct fixture *f) {
    (void)f;
    variable("IBV_FORK_SAFE", "1");
}
static void kernel_copies(struct fixture *f) {
    f->digest.copies_on_fork = 1;
}
static void kernel_not_asked(struct fixture *f) {
    f->digest.copies_on_fork = FS_UNKNOWN;
}
static void by_ucx(struct fixture *f) {
    (void)f;
    forks[0].registrar.module = (char *)"/usr/lib/ucx/libuct_ib.so.0";
}
static void by_ucx_told_not_to(struct fixture *f) {
    by_ucx(f);
    variable("UCX_IB_FORK_INIT", "n");
}
static void by_efa(struct fixture *f) {
    (void)f;
    forks[0].registrar.module = (char *)"/usr/lib/libfabric.so.1";
    forks[0].libraries |= FSP_LIBRARY_EFA;
}
static void efa_fork_safe(struct fixture *f) {
    by_efa(f);
    variable("FI_EFA_FORK_SAFE", "1");
}
static void efa_fork_safe_elsewhere(struct fixture *f) {
    (void)f;
    variable("FI_EFA_FORK_SAFE", "1");
}

static void verbs_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"nothing was registered", nothing_registered, FS_PASS},
        {"RDMAV_FORK_SAFE", rdmav_fork_safe, FS_PASS},
        {"IBV_FORK_SAFE", ibv_fork_safe, FS_PASS},
        {"the kernel copies", kernel_copies, FS_PASS},
        {"the kernel was not asked", kernel_not_asked, FS_STATUS_UNKNOWN},
        {"UCX", by_ucx, FS_PASS},
        {"UCX, told not to", by_ucx_told_not_to, FS_FINDING},
        {"EFA without its variable", by_efa, FS_FINDING},
        {"EFA's variable, but nobody asked", efa_fork_safe, FS_STATUS_UNKNOWN},
        {"EFA's variable for another card", efa_fork_safe_elsewhere, FS_FINDING},
        {"one rank", one_rank, FS_PASS},
        {"before MPI_Init", forked_before, FS_PASS},
    };
    CHECK_GUARDS("FRK-04", verbs, guards);
}

static void fixes_speak_of_the_card(void **state) {
    (void)state;
    struct fixture f;
    verbs(&f);
    assert_true(
        any_fix_has(fixture_find(&f, "FRK-04"), "RDMAV_FORK_SAFE=1 RDMAV_HUGEPAGES_SAFE=1"));
    fixture_free(&f);
    verbs(&f);
    by_efa(&f);
    assert_true(any_fix_has(fixture_find(&f, "FRK-04"), "FI_EFA_FORK_SAFE=1"));
    fixture_free(&f);
    cxi(&f);
    assert_true(any_fix_has(fixture_find(&f, "FRK-03"), "CXI_FORK_SAFE=1 CXI_FORK_SAFE_HP=1"));
    fixture_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fork_guards),
        cmocka_unit_test(fork_severities),
        cmocka_unit_test(another_place_stays),
        cmocka_unit_test(gni_guards),
        cmocka_unit_test(cxi_guards),
        cmocka_unit_test(verbs_guards),
        cmocka_unit_test(fixes_speak_of_the_card),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
