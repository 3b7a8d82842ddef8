/* What the shim stored of MPI, as the collector reads it and as a digest tells it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tracer/evaluation.h"
#include "tracer/mpi.h"
#include "tracer/mpi_watch.h"

enum { KEY = 77, BEGIN = 1000 };

static struct fs_table table;
static struct fsp_header header;

static int begin(void **state) {
    (void)state;
    fs_table_init(&table);
    header = (struct fsp_header){.image = KEY};
    return 0;
}

static int end(void **state) {
    (void)state;
    fs_table_free(&table);
    return 0;
}

static struct fs_variable variables[] = {
    {.name = (char *)"OMPI_COMM_WORLD_RANK", .value = (char *)"0"},
    {.name = (char *)"OMPI_COMM_WORLD_SIZE", .value = (char *)"4"},
};

/* A process that initialised MPI, in an image of its own. */
static struct fs_image *add_rank(int pid, int rank, int size) {
    struct fs_image *image = fs_table_add_image(&table, (uint64_t)(KEY + pid));
    struct fs_record *record = fs_table_add(&table, pid);

    image->executable = "/home/u/hello";
    image->shim = true;
    record->t_start = BEGIN;
    fs_record_add_stage(&table, record, image, BEGIN);
    header.mpi = (struct fsp_mpi){.pid = pid,
                                  .tid = pid,
                                  .t_init = BEGIN + 10,
                                  .t_ready = BEGIN + 20,
                                  .t_finalize = BEGIN + 30,
                                  .t_finalized = BEGIN + 35,
                                  .rank = rank,
                                  .size = size,
                                  .library = FSP_MPI_OPEN_MPI,
                                  .asked = 0,
                                  .provided = 0,
                                  .version = "Open MPI v4.1.4"};
    fs_mpi_fold(&table, image, &header);
    return image;
}

static void evaluate(struct fs_digest *digest) {
    const struct fs_evaluation evaluation = {
        .table = &table, .t_start = BEGIN, .t_end = BEGIN + 100, .t_closed = BEGIN + 100};

    fs_digest_init(digest);
    assert_int_equal(fs_evaluate_mpi(&evaluation, digest), 0);
}

static void likes_are_one_entry_with_ranges(void **state) {
    (void)state;
    static const int ranks[] = {5, 0, 1, 2, 7, 3};
    struct fs_digest digest;

    for (int i = 0; i < 6; i++)
        add_rank(100 + i, ranks[i], 8);
    evaluate(&digest);
    assert_int_equal(digest.mpi_count, 1);
    assert_int_equal(digest.mpi[0].count, 6);
    assert_string_equal(digest.mpi[0].ranks, "0-3,5,7");
    assert_int_equal(digest.mpi[0].pid, 101); /* of the lowest rank */
    assert_string_equal(digest.mpi[0].library, "openmpi");
    assert_int_equal(digest.mpi[0].stage, FS_MPI_FINALIZED);
    assert_int_equal(digest.mpi[0].init_ns, 10);
    assert_int_equal(digest.mpi[0].finalize_ns, 5);
    assert_null(digest.mpi[0].launcher);
    fs_digest_free(&digest);
}

static void a_rank_that_waits_in_finalize_is_another_kind(void **state) {
    (void)state;
    struct fs_digest digest;

    add_rank(100, 0, 2);
    struct fs_image *image = add_rank(101, 1, 2);
    image->mpi->t_finalized = FS_UNKNOWN;
    evaluate(&digest);
    assert_int_equal(digest.mpi_count, 2);
    assert_int_equal(digest.mpi[1].stage, FS_MPI_IN_FINALIZE);
    assert_int_equal(digest.mpi[1].finalize_ns, 70); /* to the end of the record */
    fs_digest_free(&digest);
}

static void the_launcher_is_told_by_its_variables(void **state) {
    (void)state;
    struct fs_digest digest;
    struct fs_image *image = add_rank(100, 0, 1);

    image->variables = variables;
    image->variable_count = 2;
    evaluate(&digest);
    image->variables = NULL;
    image->variable_count = 0;
    assert_string_equal(digest.mpi[0].launcher, "openmpi");
    assert_int_equal(digest.mpi[0].launcher_size, 4);
    assert_string_equal(digest.mpi[0].launcher_ranks, "0");
    assert_int_equal(digest.mpi[0].size, 1);
    assert_false(digest.mpi[0].nested);
    fs_digest_free(&digest);
}

static void likes_of_a_whole_node_take_little_room(void **state) {
    (void)state;
    struct fs_digest with, without = {0};
    char *text[2];
    size_t size[2];

    for (int i = 0; i < 128; i++)
        add_rank(100 + i, i, 128);
    evaluate(&with);
    fs_digest_init(&without);
    with.host = strdup("n1");
    without.host = strdup("n1");
    for (int i = 0; i < 2; i++) {
        FILE *file = open_memstream(&text[i], &size[i]);
        assert_int_equal(fs_digest_write(i ? &without : &with, file), 0);
        fclose(file);
        free(text[i]);
    }
    assert_true(size[0] - size[1] < 1024);
    fs_digest_free(&with);
    fs_digest_free(&without);
}

static void nonsense_is_not_believed(void **state) {
    (void)state;
    struct fs_image *image = fs_table_add_image(&table, KEY);

    memset(&header.mpi, 0xff, sizeof header.mpi);
    fs_mpi_fold(&table, image, &header);
    assert_null(image->mpi);
    header.mpi.pid = 4711;
    fs_mpi_fold(&table, image, &header);
    assert_non_null(image->mpi);
    assert_int_equal(image->mpi->t_ready, FS_UNKNOWN);
    assert_int_equal(image->mpi->size, 0);
    assert_int_equal(image->mpi->asked, FS_UNKNOWN);
    assert_int_equal(image->mpi->library, FSP_MPI_OTHER);
    assert_null(image->mpi->version);
    for (int i = 0; i < FSP_MPI_STRANGER_COUNT; i++)
        assert_null(image->mpi->stranger[i].function);
}

static void the_first_caller_of_another_process_is_kept(void **state) {
    (void)state;
    struct fs_digest digest;
    struct fs_image *image = add_rank(100, 3, 4);

    header.mpi.caller[FSP_MPI_CHILD] = (struct fsp_mpi_caller){
        .count = 2, .known = 1, .pid = 200, .tid = 200, .t = BEGIN + 25, .function = "MPI_Send"};
    fs_mpi_fold(&table, image, &header);
    evaluate(&digest);
    assert_int_equal(digest.mpi[0].caller_count, 1);
    assert_false(digest.mpi[0].callers[0].thread);
    assert_int_equal(digest.mpi[0].callers[0].count, 2);
    assert_int_equal(digest.mpi[0].callers[0].rank, 3);
    assert_int_equal(digest.mpi[0].callers[0].t, 25);
    assert_string_equal(digest.mpi[0].callers[0].function, "MPI_Send");
    fs_digest_free(&digest);
}

/* As the shim stores it of a Python whose main program an exception ended. */
static void end_with(struct fs_image *image, uint32_t ending, const char *exception) {
    header.mpi.t_finalized = 0;
    header.mpi.ending = ending;
    memset(header.mpi.exception, 0, sizeof header.mpi.exception);
    memcpy(header.mpi.exception, exception, strlen(exception));
    fs_mpi_fold(&table, image, &header);
}

static void an_exception_is_told_with_its_type(void **state) {
    (void)state;
    struct fs_digest digest;

    end_with(add_rank(100, 0, 2), FSP_MPI_ENDING_EXCEPTION, "ValueError");
    end_with(add_rank(101, 1, 2), FSP_MPI_ENDING_PLAIN, "");
    evaluate(&digest);
    assert_int_equal(digest.mpi_count, 2);
    assert_int_equal(digest.mpi[0].ending, FS_MPI_EXCEPTION);
    assert_string_equal(digest.mpi[0].exception, "ValueError");
    assert_int_equal(digest.mpi[0].stage, FS_MPI_IN_FINALIZE);
    assert_int_equal(digest.mpi[1].ending, FS_MPI_PLAIN);
    assert_null(digest.mpi[1].exception);
    fs_digest_free(&digest);
}

static void endings_that_cannot_be_are_none(void **state) {
    (void)state;
    struct fs_digest digest;
    char endless[sizeof header.mpi.exception + 1];

    memset(endless, 'E', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    end_with(add_rank(100, 0, 4), FSP_MPI_ENDING_COUNT, "ValueError");
    end_with(add_rank(101, 1, 4), FSP_MPI_ENDING_EXCEPTION, "\033[2J");
    end_with(add_rank(102, 2, 4), FSP_MPI_ENDING_EXCEPTION, endless);
    evaluate(&digest);
    assert_int_equal(digest.mpi_count, 2);
    assert_int_equal(digest.mpi[0].ending, FS_MPI_UNSEEN);
    assert_null(digest.mpi[0].exception);
    assert_int_equal(digest.mpi[1].count, 2);
    assert_null(digest.mpi[1].exception);
    fs_digest_free(&digest);
}

static void looks_at_ranks_are_counted(void **state) {
    (void)state;
    struct fs_digest digest;

    for (int i = 0; i < 3; i++) {
        struct fs_mpi_use *use = add_rank(100 + i, i, 4)->mpi;
        use->looks = i; /* the first was not looked at, the last computed once */
        use->looks_in_mpi = i > 0;
        use->waits_in = i > 0 ? "MPI_Recv" : NULL;
    }
    evaluate(&digest);
    assert_int_equal(digest.mpi_count, 1);
    assert_int_equal(digest.mpi[0].looked, 2);
    assert_int_equal(digest.mpi[0].waiting, 1);
    assert_int_equal(digest.mpi[0].looks, 2);
    assert_string_equal(digest.mpi[0].waits_in, "MPI_Recv");
    fs_digest_free(&digest);
}

static void a_stack_tells_the_call_of_mpi(void **state) {
    (void)state;
    char name[16];

    assert_true(fs_mpi_call_in("opal_progress (libopen-pal.so.40)\nPMPI_Recv (libmpi.so.40)\n"
                               "PMPI_Bcast (libmpi.so.40)\nmain (job.c:7)",
                               name, sizeof name));
    assert_string_equal(name, "MPI_Bcast");
    assert_true(
        fs_mpi_call_in("poll (libc.so.6)\nmpi_barrier_ (libmpi_mpifh.so)", name, sizeof name));
    assert_string_equal(name, "mpi_barrier_");
    assert_false(fs_mpi_call_in("compute (job)\nxMPI_Recv (job)\nMain (job)", name, sizeof name));
    assert_false(fs_mpi_call_in("MPI_Reduce_scatter_block (libmpi.so.40)", name, sizeof name));
    assert_false(fs_mpi_call_in("", name, sizeof name));
    assert_false(fs_mpi_call_in(NULL, name, sizeof name));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(likes_are_one_entry_with_ranges, begin, end),
        cmocka_unit_test_setup_teardown(a_rank_that_waits_in_finalize_is_another_kind, begin, end),
        cmocka_unit_test_setup_teardown(the_launcher_is_told_by_its_variables, begin, end),
        cmocka_unit_test_setup_teardown(likes_of_a_whole_node_take_little_room, begin, end),
        cmocka_unit_test_setup_teardown(nonsense_is_not_believed, begin, end),
        cmocka_unit_test_setup_teardown(the_first_caller_of_another_process_is_kept, begin, end),
        cmocka_unit_test_setup_teardown(an_exception_is_told_with_its_type, begin, end),
        cmocka_unit_test_setup_teardown(endings_that_cannot_be_are_none, begin, end),
        cmocka_unit_test_setup_teardown(looks_at_ranks_are_counted, begin, end),
        cmocka_unit_test(a_stack_tells_the_call_of_mpi),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
