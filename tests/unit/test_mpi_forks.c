/* Births of children in ranks, before, while and after MPI is in use. */
#include "tests/unit/fold_fixture.h"
#include "tracer/rdma.h"

#include <linux/netlink.h>
#include <rdma/rdma_netlink.h>

static struct made_segment rank_image(void) {
    struct made_segment rank = image(PARENT, 1, 10 * MILLISECOND, "/bin/job");

    rank.header->mpi = (struct fsp_mpi){.pid = PARENT,
                                        .tid = PARENT,
                                        .t_init = 15 * MILLISECOND,
                                        .t_ready = 20 * MILLISECOND,
                                        .t_finalize = 40 * MILLISECOND,
                                        .rank = 3,
                                        .size = 8,
                                        .library = FSP_MPI_MPICH};
    rank.header->libraries = FSP_LIBRARY_MPI | FSP_LIBRARY_VERBS;
    rank.sites[0] = (struct fsp_site){
        .kind = FSP_SITE_CALL, .key = 77, .module = "/bin/job", .symbol = "start", .offset = 5};
    return rank;
}

static void evaluate(struct made_segment *rank, struct fs_digest *digest) {
    const struct fs_evaluation evaluation = {.table = &table, .t_closed = now};

    put(rank, "1000-10.seg");
    fs_fold_pass(&fold, now, false);
    fs_digest_init(digest);
    assert_int_equal(fs_evaluate_mpi_forks(&evaluation, false, digest), 0);
    free(rank->bytes);
}

static void only_children_of_ranks_in_mpi_count(void **state) {
    (void)state;
    struct made_segment rank = rank_image();
    struct fs_digest digest;

    add_child(&rank, 1, CHILD, FSP_BIRTH_FORK, 18 * MILLISECOND);     /* in MPI_Init */
    add_child(&rank, 2, CHILD + 1, FSP_BIRTH_FORK, 25 * MILLISECOND); /* a worker */
    add_child(&rank, 3, CHILD + 2, FSP_BIRTH_FORK, 26 * MILLISECOND)->t_exec = 27 * MILLISECOND;
    add_child(&rank, 4, CHILD + 3, FSP_BIRTH_VFORK, 28 * MILLISECOND);
    add_child(&rank, 5, CHILD + 4, FSP_BIRTH_FORK, 41 * MILLISECOND); /* in MPI_Finalize */
    add_child(&rank, 6, CHILD + 5, FSP_BIRTH_FORK, 30 * MILLISECOND)->ppid = CHILD + 1;
    evaluate(&rank, &digest);
    assert_int_equal(digest.mpi_fork_count, 1);
    const struct fs_mpi_fork *fork = &digest.mpi_forks[0];
    assert_string_equal(fork->executable, "/bin/job");
    assert_string_equal(fork->place.function, "start");
    assert_int_equal(fork->pid, PARENT);
    assert_int_equal(fork->rank, 3);
    assert_int_equal(fork->size, 8);
    assert_int_equal(fork->ranks, 1);
    assert_int_equal(fork->children, 3);
    assert_int_equal(fork->execs, 2);
    assert_int_equal(fork->blocked, 1);
    assert_int_equal(fork->registered, 0);
    assert_int_equal(digest.copies_on_fork, FS_UNKNOWN);
    fs_digest_free(&digest);
}

static void registered_memory_counts_from_when_it_was(void **state) {
    (void)state;
    struct made_segment rank = rank_image();
    struct fs_digest digest;

    rank.header->verbs.registrations = 4;
    rank.header->verbs.t = 30 * MILLISECOND;
    rank.header->verbs.site = 77;
    add_child(&rank, 1, CHILD, FSP_BIRTH_FORK, 25 * MILLISECOND); /* nothing yet */
    add_child(&rank, 2, CHILD + 1, FSP_BIRTH_FORK, 35 * MILLISECOND);
    add_child(&rank, 3, CHILD + 2, FSP_BIRTH_SPAWN, 36 * MILLISECOND);
    evaluate(&rank, &digest);
    assert_int_equal(digest.mpi_forks[0].registered, 1);
    assert_int_equal(digest.mpi_forks[0].registrations, 4);
    assert_string_equal(digest.mpi_forks[0].registrar.function, "start");
    fs_digest_free(&digest);
}

static void fork_support_that_was_asked_for_is_enough(void **state) {
    (void)state;
    struct made_segment rank = rank_image();
    struct fs_digest digest;

    rank.header->verbs.registrations = 4;
    rank.header->verbs.t = 21 * MILLISECOND;
    rank.header->verbs.fork_inits = 1;
    add_child(&rank, 1, CHILD, FSP_BIRTH_FORK, 25 * MILLISECOND);
    evaluate(&rank, &digest);
    assert_int_equal(digest.mpi_forks[0].registered, 0);
    fs_digest_free(&digest);
}

/* What MPI_Init found; a later change reaches no library. */
static void variables_are_those_of_mpi_init(void **state) {
    (void)state;
    static const char environment[] = "CXI_FORK_SAFE=1\0OMP_NUM_THREADS=4";
    struct made_segment rank = rank_image();
    struct fs_digest digest;

    memcpy(rank.header->environment, environment, sizeof environment);
    rank.header->env_length = sizeof environment;
    add_child(&rank, 1, CHILD, FSP_BIRTH_FORK, 25 * MILLISECOND);
    evaluate(&rank, &digest);
    assert_int_equal(digest.mpi_forks[0].variable_count, 1);
    assert_string_equal(digest.mpi_forks[0].variables[0].name, "CXI_FORK_SAFE");
    fs_digest_free(&digest);
}

/* --- the kernel's answer --- */

struct answer {
    struct nlmsghdr head;
    struct nlattr mode;
    char mode_value[4];
    struct nlattr copies;
    char copies_value[4];
};

static void the_kernels_answer_is_read(void **state) {
    (void)state;
    struct answer answer = {
        .head = {.nlmsg_len = sizeof answer,
                 .nlmsg_type = RDMA_NL_NLDEV << 10 | RDMA_NLDEV_CMD_SYS_GET},
        .mode = {.nla_len = NLA_HDRLEN + 1, .nla_type = RDMA_NLDEV_SYS_ATTR_NETNS_MODE},
        .copies = {.nla_len = NLA_HDRLEN + 1, .nla_type = RDMA_NLDEV_SYS_ATTR_COPY_ON_FORK},
        .copies_value = {1},
    };

    assert_int_equal(fs_rdma_copy_attribute(&answer, sizeof answer), 1);
    for (size_t size = 0; size < sizeof answer; size++) {
        void *cut = malloc(size + 1);
        memcpy(cut, &answer, size);
        assert_int_equal(fs_rdma_copy_attribute(cut, size), 0);
        free(cut);
    }
    answer.copies_value[0] = 0;
    assert_int_equal(fs_rdma_copy_attribute(&answer, sizeof answer), 0);
    answer.mode.nla_len = 0; /* no way past it */
    assert_int_equal(fs_rdma_copy_attribute(&answer, sizeof answer), 0);
    answer.head.nlmsg_type = NLMSG_ERROR;
    assert_int_equal(fs_rdma_copy_attribute(&answer, sizeof answer), 0);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(only_children_of_ranks_in_mpi_count),
        WITH_FOLDER(registered_memory_counts_from_when_it_was),
        WITH_FOLDER(fork_support_that_was_asked_for_is_enough),
        WITH_FOLDER(variables_are_those_of_mpi_init),
        cmocka_unit_test(the_kernels_answer_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
