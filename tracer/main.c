/*
 * main.c - forksight: picks the subcommand.
 *
 * `forksight CMD` is short for `forksight run -- CMD`, so a first word that names
 * no subcommand is a program to run, and leading options are those of `run`.
 */
#include "report/commands.h"
#include "tracer/commands.h"
#include "tracer/gather.h"
#include "tracer/outer.h"

#include <stdio.h>
#include <string.h>

struct command {
    const char *name, *arguments, *summary;
    int (*function)(int argc, char **argv);
};

static const struct command commands[] = {
    {"run", "[OPTION]... -- CMD...", "run CMD, record its processes, report at its end",
     fs_cmd_run},
    {"audit", "[OPTION]... PID...", "look at a job that runs already", fs_cmd_audit},
    {"report", "[OPTION]... DIR...", "judge a recorded job again", fs_cmd_report},
    {"check", "[OPTION]... DIR...", "fail if a recorded job is not as it should be", fs_cmd_check},
    {"explain", "[RULE]", "why a rule exists, how it is decided, what to do", fs_cmd_explain},
};

static int print_help(void) {
    puts("Usage: forksight CMD...            short for: forksight run -- CMD...\n"
         "       forksight COMMAND ...");
    puts("\nRecords the processes and threads of a job and says what is wrong with it.\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const struct command *command = &commands[i];
        printf("  %-7s %-21s %s\n", command->name, command->arguments, command->summary);
    }
    puts("\n  -h, --help     this text (also: forksight COMMAND --help)\n"
         "  -V, --version  the version");
    return fflush(stdout) == 0 ? FS_EXIT_OK : FS_EXIT_FAILED;
}

static int print_version(void) {
    puts("forksight " FS_VERSION);
    return fflush(stdout) == 0 ? FS_EXIT_OK : FS_EXIT_FAILED;
}

static bool is_option(const char *word, const char *letter, const char *name) {
    return strcmp(word, letter) == 0 || strcmp(word, name) == 0;
}

int main(int argc, char **argv) {
    if (argc > 0 && strcmp(argv[0], FS_GATHER_NAME) == 0) return fs_gather_main(argc, argv);
    if (argc < 2) {
        fputs("forksight: nothing to run; say what: forksight run -- CMD (forksight --help)\n",
              stderr);
        return FS_EXIT_USAGE;
    }
    if (is_option(argv[1], "-h", "--help")) return print_help();
    if (strcmp(argv[1], FS_TASK_PROLOG) == 0) return fs_task_prolog(argc, argv);
    if (strcmp(argv[1], FS_TASK_EPILOG) == 0) return fs_task_epilog(argc, argv);
    if (is_option(argv[1], "-V", "--version")) return print_version();
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0) return commands[i].function(argc - 1, argv + 1);
    return fs_cmd_run(argc, argv);
}
