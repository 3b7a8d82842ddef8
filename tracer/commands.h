/*
 * commands.h - the subcommands that live in tracer/.
 *
 * Each takes its own argument vector (argv[0] is the subcommand's name) and
 * returns the exit status of the program. They print their errors themselves:
 * one line that says what is wrong and what to do.
 */
#ifndef FS_COMMANDS_H
#define FS_COMMANDS_H

enum fs_exit {
    FS_EXIT_OK = 0,
    FS_EXIT_USAGE = 2,
    FS_EXIT_FAILED = 125,         /* forksight itself failed; the application was not started */
    FS_EXIT_NOT_EXECUTABLE = 126, /* as env(1) and the shells say it */
    FS_EXIT_NOT_FOUND = 127,
    FS_EXIT_SIGNAL = 128, /* + signal number */
};

int fs_cmd_run(int argc, char **argv);
int fs_cmd_audit(int argc, char **argv);

#endif
