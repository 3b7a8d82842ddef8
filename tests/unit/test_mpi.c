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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(likes_are_one_entry_with_ranges, begin, end),
        cmocka_unit_test_setup_teardown(a_rank_that_waits_in_finalize_is_another_kind, begin, end),
        cmocka_unit_test_setup_teardown(the_launcher_is_told_by_its_variables, begin, end),
        cmocka_unit_test_setup_teardown(likes_of_a_whole_node_take_little_room, begin, end),
        cmocka_unit_test_setup_teardown(nonsense_is_not_believed, begin, end),
        cmocka_unit_test_setup_teardown(the_first_caller_of_another_process_is_kept, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
