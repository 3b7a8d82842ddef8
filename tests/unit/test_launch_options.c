/* What launchers are told on their command lines and in hostfiles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tracer/digest.h"
#include "tracer/launch_options.h"
#include "tracer/launches.h"

enum { WORDS = 32 };

struct words {
    char text[512];
    char *word[WORDS];
    size_t count;
};

static struct words *split(struct words *words, const char *line) {
    words->count = 0;
    strcpy(words->text, line);
    for (char *word = strtok(words->text, " "); word && words->count < WORDS;
         word = strtok(NULL, " "))
        words->word[words->count++] = word;
    return words;
}

static struct fs_launch_options read_line(enum fs_launcher launcher, const char *line) {
    static struct words words;
    struct fs_launch_options options;
    split(&words, line);
    fs_launch_options_read(launcher, words.word, words.count, &options);
    return options;
}

static void programs_are_told_by_what_they_are(void **state) {
    (void)state;
    assert_int_equal(fs_launcher_of("/usr/bin/orterun"), FS_LAUNCHER_OPENMPI);
    assert_int_equal(fs_launcher_of("prterun"), FS_LAUNCHER_OPENMPI);
    assert_int_equal(fs_launcher_of("/usr/bin/mpiexec.hydra"), FS_LAUNCHER_HYDRA);
    assert_int_equal(fs_launcher_of("/usr/bin/srun"), FS_LAUNCHER_SRUN);
    assert_int_equal(fs_launcher_of("/usr/bin/mpirun"), FS_LAUNCHER_NONE);
    assert_int_equal(fs_launcher_of("/home/u/srun.sh"), FS_LAUNCHER_NONE);
    assert_int_equal(fs_launcher_of(NULL), FS_LAUNCHER_NONE);
}

static void ranks_of_all_spellings(void **state) {
    (void)state;
    static const struct {
        enum fs_launcher launcher;
        const char *line;
        int ranks;
        size_t program;
    } cases[] = {
        {FS_LAUNCHER_OPENMPI, "mpirun -n 3 app -n 7", 3, 3},
        {FS_LAUNCHER_OPENMPI, "mpirun -np 3 app", 3, 3},
        {FS_LAUNCHER_OPENMPI, "mpirun --np 3 --bind-to none app", 3, 5},
        {FS_LAUNCHER_OPENMPI, "mpirun --np=3 app", 3, 2},
        {FS_LAUNCHER_OPENMPI, "mpirun -c 3 app", 3, 3},
        {FS_LAUNCHER_OPENMPI, "mpirun -x A=b --mca btl self -n 5 app", 5, 8},
        {FS_LAUNCHER_OPENMPI, "mpirun -n 2 a : -n 3 b -x", 5, 3},
        {FS_LAUNCHER_OPENMPI, "mpirun -n 2 a : b", FS_UNKNOWN, 3},
        {FS_LAUNCHER_OPENMPI, "mpirun app", FS_UNKNOWN, 1},
        {FS_LAUNCHER_OPENMPI, "mpirun -n three app", FS_UNKNOWN, 3},
        {FS_LAUNCHER_OPENMPI, "mpirun -n 99999999999 app", FS_UNKNOWN, 3},
        {FS_LAUNCHER_HYDRA, "mpiexec -genv A b -n 4 app", 4, 6},
        {FS_LAUNCHER_HYDRA, "mpiexec -l -ppn 2 -np 4 app", 4, 6},
        {FS_LAUNCHER_SRUN, "srun -n4 app", 4, 2},
        {FS_LAUNCHER_SRUN, "srun --ntasks=4 --mpi=pmix app", 4, 3},
        {FS_LAUNCHER_SRUN, "srun -N 2 -n 4 --exact app : x", 4, 6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct fs_launch_options options = read_line(cases[i].launcher, cases[i].line);
        if (options.ranks != cases[i].ranks || options.program != cases[i].program)
            print_error("%s: %d ranks, program %zu\n", cases[i].line, options.ranks,
                        options.program);
        assert_true(options.understood);
        assert_int_equal(options.ranks, cases[i].ranks);
        assert_int_equal(options.program, cases[i].program);
    }
}

static void unknown_options_are_not_guessed(void **state) {
    (void)state;
    static const struct {
        enum fs_launcher launcher;
        const char *line;
    } cases[] = {
        {FS_LAUNCHER_OPENMPI, "mpirun --new-option 3 -n 4 app"},
        {FS_LAUNCHER_OPENMPI, "mpirun -n"},
        {FS_LAUNCHER_OPENMPI, "mpirun -n 3"},
        {FS_LAUNCHER_OPENMPI, "mpirun"},
        {FS_LAUNCHER_SRUN, "srun -lu app"},
        {FS_LAUNCHER_SRUN, "srun -Z 4 app"},
        {FS_LAUNCHER_HYDRA, "mpiexec --mca a b app"},
        {FS_LAUNCHER_NONE, "mpirun -n 3 app"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct fs_launch_options options = read_line(cases[i].launcher, cases[i].line);
        if (options.understood) print_error("%s\n", cases[i].line);
        assert_false(options.understood);
        assert_int_equal(options.ranks, FS_UNKNOWN);
    }
}

static void places_of_open_mpi(void **state) {
    (void)state;
    struct fs_launch_options o =
        read_line(FS_LAUNCHER_OPENMPI, "mpirun --map-by slot:PE=4:OVERSUBSCRIBE -n 2 app");
    assert_int_equal(o.cpus, 4);
    assert_true(o.oversubscribe);
    assert_false(o.hwthreads);
    assert_string_equal(o.map_by, "slot:PE=4:OVERSUBSCRIBE");
    o = read_line(FS_LAUNCHER_OPENMPI, "mpirun --map-by :hwtcpus app");
    assert_true(o.hwthreads);
    o = read_line(FS_LAUNCHER_OPENMPI, "mpirun --bind-to hwthread app");
    assert_true(o.hwthreads);
    assert_string_equal(o.bind_to, "hwthread");
    o = read_line(FS_LAUNCHER_OPENMPI, "mpirun --use-hwthread-cpus app");
    assert_true(o.hwthreads);
    o = read_line(FS_LAUNCHER_OPENMPI, "mpirun --oversubscribe app");
    assert_true(o.oversubscribe);
    o = read_line(FS_LAUNCHER_OPENMPI, "mpirun --mca rmaps_base_oversubscribe 1 app");
    assert_true(o.oversubscribe);
    o = read_line(FS_LAUNCHER_OPENMPI, "mpirun --mca rmaps_base_oversubscribe 0 app");
    assert_false(o.oversubscribe);
    o = read_line(FS_LAUNCHER_OPENMPI, "mpirun --map-by core:nooversubscribe app");
    assert_false(o.oversubscribe);
    o = read_line(FS_LAUNCHER_OPENMPI, "mpirun --host a,b:3 --hostfile f app");
    assert_string_equal(o.hosts, "a,b:3");
    assert_string_equal(o.hostfile, "f");
    o = read_line(FS_LAUNCHER_OPENMPI, "mpirun --rankfile r -n 2 app");
    assert_true(o.elsewhere);
}

static void places_of_srun(void **state) {
    (void)state;
    struct fs_launch_options o =
        read_line(FS_LAUNCHER_SRUN, "srun -c8 --overlap --cpu-bind=map_cpu:0,0 -n 2 app");
    assert_int_equal(o.cpus, 8);
    assert_true(o.overlap);
    assert_string_equal(o.bind_to, "map_cpu:0,0");
    o = read_line(FS_LAUNCHER_SRUN, "srun --hint=multithread app");
    assert_true(o.hwthreads);
    o = read_line(FS_LAUNCHER_SRUN, "srun --hint nomultithread app");
    assert_false(o.hwthreads);
    o = read_line(FS_LAUNCHER_SRUN, "srun --threads-per-core=2 app");
    assert_true(o.hwthreads);
    o = read_line(FS_LAUNCHER_SRUN, "srun --threads-per-core=1 -O app");
    assert_false(o.hwthreads);
    assert_true(o.overcommit);
}

static void questions_start_nothing(void **state) {
    (void)state;
    static const struct {
        enum fs_launcher launcher;
        const char *line;
        bool asks;
    } cases[] = {
        {FS_LAUNCHER_SRUN, "srun --version", true},
        {FS_LAUNCHER_SRUN, "srun -V", true},
        {FS_LAUNCHER_SRUN, "srun --help", true},
        {FS_LAUNCHER_SRUN, "srun --test-only -n 4 app", true},
        {FS_LAUNCHER_SRUN, "srun -n 4 app --version", false},
        {FS_LAUNCHER_SRUN, "srun -v app", false},
        {FS_LAUNCHER_OPENMPI, "mpirun --allow-run-as-root --version", true},
        {FS_LAUNCHER_OPENMPI, "mpirun -n 2 app : -n 2 app --help", false},
        {FS_LAUNCHER_HYDRA, "mpiexec -info", true},
        {FS_LAUNCHER_HYDRA, "mpiexec", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(read_line(cases[i].launcher, cases[i].line).asks, cases[i].asks);
}

static void the_environment_adds_parameters(void **state) {
    (void)state;
    const struct fs_variable variables[] = {
        {(char *)"OMPI_MCA_rmaps_base_oversubscribe", (char *)"true"},
        {(char *)"OMPI_MCA_hwloc_base_binding_policy", (char *)"hwthread"}};
    struct fs_launch_options o = read_line(FS_LAUNCHER_OPENMPI, "mpirun app");
    fs_launch_options_environment(&o, variables, 2);
    assert_true(o.oversubscribe);
    assert_true(o.hwthreads);
    o = read_line(FS_LAUNCHER_HYDRA, "mpiexec app");
    fs_launch_options_environment(&o, variables, 2);
    assert_false(o.oversubscribe);
}

static void hosts_have_slots(void **state) {
    (void)state;
    assert_int_equal(fs_host_list_slots("a"), 1);
    assert_int_equal(fs_host_list_slots("a:4,b"), 5);
    assert_int_equal(fs_host_list_slots("a:*"), FS_UNKNOWN);
    assert_int_equal(fs_host_list_slots("a:99999999999999"), FS_UNKNOWN);
    assert_int_equal(fs_host_list_slots(NULL), FS_UNKNOWN);
    assert_int_equal(fs_host_list_slots(""), FS_UNKNOWN);
}

static struct fs_launch hostfile(const char *text) {
    struct fs_launch launch = {0};
    FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    fs_hostfile_read(file, &launch);
    fclose(file);
    return launch;
}

static void hostfiles_are_counted(void **state) {
    (void)state;
    struct fs_launch launch = hostfile("# nodes\na slots=4\n\nb slots = 2 max_slots=3 # more\n");
    assert_int_equal(launch.hostfile_slots, 6);
    assert_int_equal(launch.hostfile_hosts, 2);
    assert_false(launch.hostfile_open);
    launch = hostfile("a\nb slots=2\n");
    assert_int_equal(launch.hostfile_slots, 2);
    assert_true(launch.hostfile_open);
    assert_int_equal(hostfile("+n0 slots=2\n").hostfile_slots, FS_UNKNOWN);
    assert_int_equal(hostfile("a:4\n").hostfile_slots, FS_UNKNOWN);
    assert_int_equal(hostfile("a cpu=4\n").hostfile_slots, FS_UNKNOWN);
    assert_int_equal(hostfile("a slots=-4\n").hostfile_slots, FS_UNKNOWN);
    assert_int_equal(hostfile("a slots=\n").hostfile_slots, FS_UNKNOWN);
    assert_int_equal(hostfile("\n").hostfile_slots, FS_UNKNOWN);
}

static void the_word_with_the_ranks_is_found(void **state) {
    (void)state;
    struct words w;
    size_t joined;
    split(&w, "mpirun --bind-to core -n 4 app -n 9");
    assert_int_equal(fs_launch_ranks_word(FS_LAUNCHER_OPENMPI, w.word, w.count, &joined), 4);
    assert_int_equal(joined, 0);
    split(&w, "srun -c 2 -n4 app");
    assert_int_equal(fs_launch_ranks_word(FS_LAUNCHER_SRUN, w.word, w.count, &joined), 3);
    assert_int_equal(joined, 2);
    split(&w, "srun --ntasks=4 app");
    assert_int_equal(fs_launch_ranks_word(FS_LAUNCHER_SRUN, w.word, w.count, &joined), 1);
    assert_int_equal(joined, 9);
    split(&w, "mpirun app -n 4");
    assert_int_equal(fs_launch_ranks_word(FS_LAUNCHER_OPENMPI, w.word, w.count, &joined), 0);
}

/* Whatever stands there: nothing is read beyond the words. */
static void any_words_do(void **state) {
    (void)state;
    static const char *const pieces[] = {"-",  "--", "-n", "--np", "=", "-n=", "",   ":",
                                         "-c", "--", "-x", "app",  "4", "-l4", "-=", "--map-by"};
    unsigned seed = 1;
    for (int round = 0; round < 20000; round++) {
        char *word[8];
        const size_t count = (seed >> 8) % 9;
        struct fs_launch_options options;
        size_t joined;
        for (size_t i = 0; i < count; i++) {
            seed = seed * 1103515245u + 12345u;
            word[i] = (char *)(uintptr_t)pieces[(seed >> 16) % 16];
        }
        seed = seed * 1103515245u + 12345u;
        for (int launcher = FS_LAUNCHER_NONE; launcher <= FS_LAUNCHER_SRUN; launcher++) {
            fs_launch_options_read((enum fs_launcher)launcher, word, count, &options);
            assert_true(options.program <= count);
            assert_true(fs_launch_ranks_word((enum fs_launcher)launcher, word, count, &joined) <
                        (count ? count : 1));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_are_told_by_what_they_are),
        cmocka_unit_test(ranks_of_all_spellings),
        cmocka_unit_test(unknown_options_are_not_guessed),
        cmocka_unit_test(places_of_open_mpi),
        cmocka_unit_test(places_of_srun),
        cmocka_unit_test(questions_start_nothing),
        cmocka_unit_test(the_environment_adds_parameters),
        cmocka_unit_test(hosts_have_slots),
        cmocka_unit_test(hostfiles_are_counted),
        cmocka_unit_test(the_word_with_the_ranks_is_found),
        cmocka_unit_test(any_words_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
