/*
 * roles.c - what a program is for, as its path and arguments tell.
 */
#include "tracer/command_text.h"
#include "tracer/launch_options.h"
#include "tracer/launches.h"
#include "tracer/process_table.h"
#include "tracer/scheduler.h"
#include "tracer/text.h"
#include "tracer/tools.h"

#include <stdio.h>
#include <string.h>

enum { ARGUMENTS_MAX = 64, LAUNCH_MAX = 2048 };

static bool is_one_of(const char *name, const char *const *list, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, list[i]) == 0) return true;
    return false;
}

static enum fs_role role_of_program(const char *name) {
    static const char *const shells[] = {"bash", "sh",   "dash", "zsh",     "ksh", "ksh93", "mksh",
                                         "csh",  "tcsh", "fish", "busybox", "ash", "rbash"};
    static const char *const launchers[] = {
        "prted",      "orted",     "prte", "hydra_pmi_proxy", "hydra_bstrap_proxy",
        "slurmstepd", "pbs_attach"};

    if (is_one_of(name, shells, sizeof shells / sizeof *shells)) return FS_ROLE_SHELL;
    if (fs_is_launcher(name) || is_one_of(name, launchers, sizeof launchers / sizeof *launchers))
        return FS_ROLE_LAUNCHER;
    return FS_ROLE_PROGRAM;
}

bool fs_is_interpreter(const char *name) {
    static const char *const names[] = {"python", "pypy", "perl",   "ruby", "Rscript",
                                        "julia",  "lua",  "octave", "node", "tclsh",
                                        "bash",   "sh",   "dash",   "zsh",  "ksh"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const size_t length = strlen(names[i]);
        /* python3.11, but not shred */
        if (strncmp(name, names[i], length) == 0 &&
            name[length + strspn(name + length, "0123456789.")] == '\0')
            return true;
    }
    return false;
}

/* The first word that is no option, or the text or module that one names; NULL: none. */
static const char *script_of(const char *argv, const char *end) {
    static const char *const programs[] = {"-c", "-e", "-m"}, *const others[] = {"-X", "-W"};

    for (const char *word = argv + strlen(argv) + 1; word < end; word += strlen(word) + 1) {
        const char *next = word + strlen(word) + 1;
        if (*word != '-') return word;
        if (is_one_of(word, programs, sizeof programs / sizeof *programs))
            return next < end ? next : NULL;
        if (is_one_of(word, others, sizeof others / sizeof *others) && next < end) word = next;
    }
    return NULL;
}

/* How multiprocessing starts interpreters: python ... -c "from multiprocessing.X import Y; ..." */
static enum fs_role role_of_argument(const char *argument) {
    static const struct {
        const char *text;
        enum fs_role role;
    } starts[] = {
        {"from multiprocessing.resource_tracker import main", FS_ROLE_TRACKER},
        {"from multiprocessing.semaphore_tracker import main", FS_ROLE_TRACKER},
        {"from joblib.externals.loky.backend.resource_tracker import main", FS_ROLE_TRACKER},
        {"from multiprocessing.forkserver import main", FS_ROLE_FORKSERVER},
        {"from multiprocessing.spawn import spawn_main", FS_ROLE_SPAWN_WORKER},
        {"--multiprocessing-fork", FS_ROLE_SPAWN_WORKER},
    };

    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (fs_begins(argument, starts[i].text)) return starts[i].role;
    return FS_ROLE_PROGRAM;
}

/* A launcher's words as they are: how many ranks there are and where is in them. */
static void keep_launch(struct fs_table *table, struct fs_image *image, const char *argv,
                        size_t length) {
    char words[LAUNCH_MAX];
    size_t used = 0;

    if (length == 0 || fs_launcher_of(image->executable) == FS_LAUNCHER_NONE) return;
    if (argv[length - 1] == '\0') length--;
    /* The shim keeps so many bytes of it. */
    _Static_assert(sizeof((struct fsp_header *)0)->argv <= sizeof words, "room for all of them");
    image->launch_cut = length + 1 >= sizeof((struct fsp_header *)0)->argv;
    for (; used < length && used + 1 < sizeof words; used++) {
        image->launch_cut |= argv[used] == FS_LAUNCH_SEPARATOR;
        words[used] = argv[used] ? argv[used] : FS_LAUNCH_SEPARATOR;
    }
    image->launch = fs_intern(&table->interned, words, used);
}

void fs_image_describe(struct fs_table *table, struct fs_image *image, const char *executable,
                       const char *argv, size_t argv_length) {
    char command[FS_COMMAND_MAX + 1];
    const char *const end = argv + argv_length;
    const char *name = executable && *executable ? fs_file_name(executable) : "";

    if (executable && *executable)
        image->executable = fs_intern(&table->interned, executable, strlen(executable));
    image->role = role_of_program(name);
    image->python = fs_is_python(name);
    int count = 0;
    for (const char *word = argv; word < end && count < ARGUMENTS_MAX;
         word += strlen(word) + 1, count++) {
        const enum fs_role role =
            image->python && count > 0 ? role_of_argument(word) : FS_ROLE_PROGRAM;
        if (role != FS_ROLE_PROGRAM && image->role == FS_ROLE_PROGRAM) image->role = role;
    }
    const char *script = count > 0 && fs_is_interpreter(name) ? script_of(argv, end) : NULL;
    if (script) image->script = fs_intern(&table->interned, script, strlen(script));
    fs_command_text(argv, argv_length, command);
    if (count > 0) image->command = fs_intern(&table->interned, command, sizeof command);
    keep_launch(table, image, argv, argv_length);
}
