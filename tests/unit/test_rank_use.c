/* Whether a program can tell its rank, from its own text; steps beside, from titles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tracer/rank_use.h"
#include "tracer/steps.h"

static char folder[64];

static void put(const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static int set_up(void **state) {
    (void)state;
    char path[128];
    strcpy(folder, "/tmp/test_rank_use.XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/packaged", folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/alone", folder);
    mkdir(path, 0700);
    put("alone/serial.py", "import os\nn = int(os.environ['SLURM_CPUS_PER_TASK'])\n");
    put("alone/serial.sh", "./solve\n");
    put("alone/ranked.sh", "./solve --part $SLURM_PROCID\n");
    put("alone/solve", "\177ELF and more");
    put("alone/solve-parts", "\177ELF ... PMI_RANK ...");
    put("alone/other.py", "import mpi4py\n");
    put("chain.py", "import json\nif True:\n    from link import me\n");
    put("link.py", "import sys, main\n");
    put("similar.py", "import packaged_not, sublink\n");
    put("prose.py", "\"\"\"\nimport the data from the disk\nfrom here on, important\n\"\"\"\n"
                    "import os.path, numpy as np; from . import x\nimportant = 1\n");
    put("mine.py", "import os, solver.core as s\n");
    put("tool", "#!/usr/bin/python3\nimport re\nif 1:\n    from solver.cli import run\n");
    put("main.py", "import packaged.split\n");
    put("packaged/split.py", "import os\nme = os.environ['SLURM_PROCID']\n");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void programs_that_can_and_cannot_tell_their_rank(void **state) {
    (void)state;
    static const struct {
        const char *executable, *command;
        enum fs_rank_use use;
    } cases[] = {
        {"/usr/bin/python3.11", "python3 alone/serial.py 100", FS_RANK_UNUSED},
        {"/usr/bin/python3.11", "python3 -u -X dev alone/serial.py", FS_RANK_UNUSED},
        {"/usr/bin/python3.11", "python3 alone/serial.py --rank PMI_RANK", FS_RANK_USED},
        {"/usr/bin/python3.11", "python3 main.py", FS_RANK_USED},
        {"/usr/bin/python3.11", "python3 chain.py", FS_RANK_USED},
        {"/usr/bin/python3.11", "python3 similar.py", FS_RANK_NOT_LOOKED},
        {"/usr/bin/python3.11", "python3 prose.py", FS_RANK_UNUSED},
        {"/usr/bin/python3.11", "python3 mine.py", FS_RANK_NOT_LOOKED},
        {"/usr/bin/python3.11", "python3 tool in.dat", FS_RANK_NOT_LOOKED},
        {"/usr/bin/python3.11", "python3 -c 'import time; import solver'", FS_RANK_NOT_LOOKED},
        {"/usr/bin/python3.11", "python3 -c 'import time, sys; print(1)'", FS_RANK_UNUSED},
        {"/usr/bin/python3.11", "python3 missing.py", FS_RANK_NOT_LOOKED},
        {"/usr/bin/python3.11", "python3 -m alone.serial", FS_RANK_NOT_LOOKED},
        {"/usr/bin/python3.11", "python3", FS_RANK_NOT_LOOKED},
        {"/usr/bin/python3.11", "python3 -c 'print(1)'", FS_RANK_UNUSED},
        {"/usr/bin/python3.11", "python3 -c 'import mpi4py'", FS_RANK_USED},
        {"/usr/bin/bash", "bash alone/serial.sh", FS_RANK_UNUSED},
        {"/usr/bin/bash", "bash alone/ranked.sh", FS_RANK_USED},
        {"/usr/bin/bash", "bash -c './solve $SLURM_LOCALID'", FS_RANK_USED},
        {"%s/alone/solve", "./solve 100", FS_RANK_UNUSED},
        {"%s/alone/solve-parts", "./solve-parts 100", FS_RANK_USED},
        {"%s/alone/gone", "./gone", FS_RANK_NOT_LOOKED},
        {"/dev/zero", "zero", FS_RANK_NOT_LOOKED},
        {NULL, "a", FS_RANK_NOT_LOOKED},
        {"/bin/a", NULL, FS_RANK_NOT_LOOKED},
    };
    struct fs_rank_readings readings = {.count = 0};
    char paths[sizeof cases / sizeof *cases][128];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *executable = cases[i].executable;
        if (executable && *executable == '%') {
            snprintf(paths[i], sizeof paths[i], "%s%s", folder, executable + 2);
            executable = paths[i];
        }
        const enum fs_rank_use use =
            fs_rank_use_of(&readings, executable, cases[i].command, folder);
        if (use != cases[i].use) print_error("%s: %d\n", cases[i].command, use);
        assert_int_equal(use, cases[i].use);
    }
}

/* Past the end of what is kept of a command line there may be anything. */
static void a_command_line_that_was_cut_is_not_judged(void **state) {
    (void)state;
    struct fs_rank_readings readings = {.count = 0};
    static const char *const commands[] = {"bash -c 'a'...", "bash alone/serial.sh 'a'...",
                                           "bash alone/serial.sh ...", "bash alone/ser..."};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        assert_int_equal(fs_rank_use_of(&readings, "/usr/bin/bash", commands[i], folder),
                         FS_RANK_NOT_LOOKED);
}

static void a_program_is_read_once(void **state) {
    (void)state;
    static const char executable[] = "/usr/bin/bash", command[] = "bash alone/serial.sh";
    struct fs_rank_readings readings = {.count = 0};
    assert_int_equal(fs_rank_use_of(&readings, executable, command, folder), FS_RANK_UNUSED);
    const int64_t bytes = readings.bytes;
    assert_true(bytes > 0);
    assert_int_equal(fs_rank_use_of(&readings, executable, command, folder), FS_RANK_UNUSED);
    assert_int_equal(readings.bytes, bytes);
}

static void what_is_known_of_two_programs(void **state) {
    (void)state;
    assert_int_equal(fs_rank_use_both(FS_RANK_UNUSED, FS_RANK_USED), FS_RANK_USED);
    assert_int_equal(fs_rank_use_both(FS_RANK_NOT_LOOKED, FS_RANK_USED), FS_RANK_USED);
    assert_int_equal(fs_rank_use_both(FS_RANK_UNUSED, FS_RANK_NOT_LOOKED), FS_RANK_NOT_LOOKED);
    assert_int_equal(fs_rank_use_both(FS_RANK_NOT_LOOKED, FS_RANK_UNUSED), FS_RANK_NOT_LOOKED);
    assert_int_equal(fs_rank_use_both(FS_RANK_UNUSED, FS_RANK_UNUSED), FS_RANK_UNUSED);
}

static void frameworks_are_known_by_name(void **state) {
    (void)state;
    assert_string_equal(fs_framework_of("/usr/bin/python3", "python3 /opt/bin/dask-worker tcp:1"),
                        "dask");
    assert_string_equal(fs_framework_of("/usr/bin/python3", "python3 -m torch.distributed.run a"),
                        "torchrun");
    assert_string_equal(fs_framework_of("/opt/ray/raylet", NULL), "ray");
    assert_string_equal(fs_framework_of("/usr/bin/perl", "perl /usr/bin/parallel sh"),
                        "GNU parallel");
    assert_null(fs_framework_of("/usr/bin/python3", "python3 a.py 1 2 3 parallel"));
    assert_null(fs_framework_of("/usr/bin/python3", "python3 array.py"));
    assert_null(fs_framework_of(NULL, NULL));
}

static void other_steps_are_told_by_their_daemon(void **state) {
    (void)state;
    assert_true(fs_is_other_step("slurmstepd: [42.1]", "42", "0"));
    assert_true(fs_is_other_step("slurmstepd: [42.0]", "42", NULL));
    assert_false(fs_is_other_step("slurmstepd: [42.0]", "42", "0"));
    assert_false(fs_is_other_step("slurmstepd: [421.0]", "42", "1"));
    assert_false(fs_is_other_step("slurmstepd: [42.batch]", "42", "0"));
    assert_false(fs_is_other_step("slurmstepd: [42.extern]", "42", "0"));
    assert_false(fs_is_other_step("slurmstepd: [42.4294967290]", "42", "0"));
    assert_false(fs_is_other_step("slurmstepd", "42", "0"));
    assert_false(fs_is_other_step("slurmstepd: [42.", "42", "0"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_that_can_and_cannot_tell_their_rank),
        cmocka_unit_test(a_command_line_that_was_cut_is_not_judged),
        cmocka_unit_test(a_program_is_read_once),
        cmocka_unit_test(what_is_known_of_two_programs),
        cmocka_unit_test(frameworks_are_known_by_name),
        cmocka_unit_test(other_steps_are_told_by_their_daemon),
    };
    return cmocka_run_group_tests_name("rank_use", tests, set_up, tear_down);
}
