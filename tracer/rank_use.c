/* rank_use.c - see rank_use.h. */
#include "tracer/rank_use.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tracer/process_table.h"

enum { WORDS_MAX = 32, MODULES_MAX = 200 };
static const int64_t file_max = 64 << 20, all_max = 256 << 20;

/*
 * By these a program knows which of several it is (variables of launchers, names of nodes), or
 * its copies agree on who does what (locks of files, data bases, sockets, packages that do it).
 */
static const char *const tokens[] = {
    "RANK",
    "PROCID",
    "LOCALID",
    "NODEID",
    "APP_PE",
    "ARRAY_TASK",
    "TASK_PID",
    "PMI_ID",
    "mpi4py",
    "MPI_Init",
    "torch.distributed",
    "lightning",
    "jax.distributed",
    "submitit",
    "horovod",
    "deepspeed",
    "accelerate",
    "gethostname",
    "nodename",
    "HOSTNAME",
    "uname",
    "platform.node",
    "flock",
    "lockf",
    "filelock",
    "FileLock",
    "O_EXCL",
    "sqlite",
    "redis",
    "zmq",
    "pymongo",
    "psycopg",
    "celery",
    "import socket",
    "dask",
    "import ray",
    "ipyparallel",
    "joblib.externals.distributed",
    "charm4py",
    "parsl",
};

/* Programs of these names run a script. */
static const char *const interpreters[] = {"python", "pypy", "perl",   "ruby", "Rscript",
                                           "julia",  "lua",  "octave", "node", "tclsh",
                                           "bash",   "sh",   "dash",   "zsh",  "ksh"};

enum fs_rank_use fs_rank_use_both(enum fs_rank_use a, enum fs_rank_use b) {
    if (a == FS_RANK_USED || b == FS_RANK_USED) return FS_RANK_USED;
    return a == FS_RANK_UNUSED ? b : a;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool has_token(const void *bytes, size_t size) {
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        if (memmem(bytes, size, tokens[i], strlen(tokens[i]))) return true;
    return false;
}

/* --- files --- */

static enum fs_rank_use read_mapped(struct fs_rank_readings *readings, int file, int64_t size) {
    if (size == 0) return FS_RANK_UNUSED;
    if (size > file_max || readings->bytes + size > all_max) return FS_RANK_NOT_LOOKED;
    /* read, not mapped: a file that is cut while it is looked at would be a SIGBUS */
    char *bytes = malloc((size_t)size);
    int64_t got = 0;
    while (bytes && got < size) {
        const ssize_t more = read(file, bytes + got, (size_t)(size - got));
        if (more <= 0) break;
        got += more;
    }
    readings->bytes += got;
    enum fs_rank_use use = FS_RANK_NOT_LOOKED;
    if (bytes && has_token(bytes, (size_t)got))
        use = FS_RANK_USED;
    else if (bytes && got == size)
        use = FS_RANK_UNUSED;
    free(bytes);
    return use;
}

static enum fs_rank_use read_file(struct fs_rank_readings *readings, const char *path) {
    struct stat about;
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    enum fs_rank_use use = FS_RANK_NOT_LOOKED;
    if (file < 0) return use;
    if (fstat(file, &about) == 0 && S_ISREG(about.st_mode))
        use = read_mapped(readings, file, about.st_size);
    close(file);
    return use;
}

static bool ends_with(const char *text, const char *ending) {
    const size_t length = strlen(text), end = strlen(ending);
    return length > end && strcmp(text + length - end, ending) == 0;
}

/* The modules in a folder; `below`: also those of packages in it. */
static enum fs_rank_use read_modules(struct fs_rank_readings *readings, const char *folder,
                                     bool below, int *modules) {
    enum fs_rank_use use = FS_RANK_UNUSED;
    char path[PATH_MAX];
    DIR *list = opendir(folder);
    if (!list) return below ? FS_RANK_NOT_LOOKED : FS_RANK_UNUSED;
    for (const struct dirent *entry; use != FS_RANK_USED && (entry = readdir(list));) {
        if (*entry->d_name == '.') continue;
        if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path)
            continue;
        if (ends_with(entry->d_name, ".py"))
            use = fs_rank_use_both(use, ++*modules > MODULES_MAX ? FS_RANK_NOT_LOOKED
                                                                 : read_file(readings, path));
        else if (below && !strchr(entry->d_name, '.'))
            use = fs_rank_use_both(use, read_modules(readings, path, false, modules));
    }
    closedir(list);
    return use;
}

static enum fs_rank_use read_script(struct fs_rank_readings *readings, const char *script,
                                    const char *directory, bool python) {
    char path[PATH_MAX];
    if (*script != '/' && !directory) return FS_RANK_NOT_LOOKED;
    const int length = *script == '/' ? snprintf(path, sizeof path, "%s", script)
                                      : snprintf(path, sizeof path, "%s/%s", directory, script);
    if (length >= (int)sizeof path) return FS_RANK_NOT_LOOKED;
    const enum fs_rank_use use = read_file(readings, path);
    if (!python || use != FS_RANK_UNUSED) return use;
    int modules = 0;
    *strrchr(path, '/') = '\0';
    return read_modules(readings, *path ? path : "/", true, &modules);
}

/* --- command lines --- */

/* The words of a quoted command line, in `room`; returns their number. */
static size_t split(const char *command, char *room, const char *words[WORDS_MAX]) {
    size_t count = 0;
    bool quoted = false, inside = false;
    for (; *command; command++) {
        if (*command == ' ' && !quoted) {
            if (inside) *room++ = '\0';
            inside = false;
            continue;
        }
        if (!inside && count == WORDS_MAX) return count;
        if (!inside) words[count++] = room;
        inside = true;
        if (*command == '\'')
            quoted = !quoted;
        else if (*command == '\\' && !quoted && command[1])
            *room++ = *++command;
        else
            *room++ = *command;
    }
    *room = '\0';
    return count;
}

static bool is_interpreter(const char *name) {
    for (size_t i = 0; i < sizeof interpreters / sizeof *interpreters; i++) {
        const size_t length = strlen(interpreters[i]);
        /* python3.11, but not shred */
        if (strncmp(name, interpreters[i], length) == 0 &&
            name[length + strspn(name + length, "0123456789.")] == '\0')
            return true;
    }
    return false;
}

/* Options that take the word after them, in the interpreters above. */
static bool takes_word(const char *option) {
    return strcmp(option, "-X") == 0 || strcmp(option, "-W") == 0 || strcmp(option, "-O") == 0 ||
           strcmp(option, "-I") == 0 || strcmp(option, "-o") == 0;
}

/* Of an interpreter: its script. Words given with -c were read as arguments. */
static enum fs_rank_use use_of_script(struct fs_rank_readings *readings, const char *name,
                                      const char *const *words, size_t count, const char *directory,
                                      bool cut) {
    const bool python = strncmp(name, "python", 6) == 0 || strncmp(name, "pypy", 4) == 0;
    for (size_t i = 1; i < count; i++) {
        const bool last = i + 1 == count;
        if (*words[i] != '-')
            return last && cut ? FS_RANK_NOT_LOOKED
                               : read_script(readings, words[i], directory, python);
        if (strcmp(words[i], "-c") == 0 || strcmp(words[i], "-e") == 0)
            return cut ? FS_RANK_NOT_LOOKED : FS_RANK_UNUSED;
        if (strcmp(words[i], "-m") == 0 || strcmp(words[i], "-") == 0) return FS_RANK_NOT_LOOKED;
        i += takes_word(words[i]) && python && strcmp(words[i], "-O") != 0 &&
             strcmp(words[i], "-I") != 0;
    }
    return FS_RANK_NOT_LOOKED; /* it reads its program from where nobody looks */
}

static enum fs_rank_use look(struct fs_rank_readings *readings, const char *executable,
                             const char *command, const char *directory) {
    char room[FS_COMMAND_MAX + 1];
    const char *words[WORDS_MAX];
    const size_t length = strlen(command);
    if (length >= sizeof room) return FS_RANK_NOT_LOOKED;
    if (has_token(command, length)) return FS_RANK_USED;
    const bool cut = length + 2 >= FS_COMMAND_MAX;
    const size_t count = split(command, room, words);
    const char *name = base_name(executable);
    if (is_interpreter(name)) return use_of_script(readings, name, words, count, directory, cut);
    const enum fs_rank_use use = read_file(readings, executable);
    return use == FS_RANK_UNUSED && cut ? FS_RANK_NOT_LOOKED : use;
}

enum fs_rank_use fs_rank_use_of(struct fs_rank_readings *readings, const char *executable,
                                const char *command, const char *directory) {
    const size_t most = sizeof readings->known / sizeof *readings->known;
    if (!executable || !command) return FS_RANK_NOT_LOOKED;
    for (size_t i = 0; i < readings->count; i++)
        if (readings->known[i].executable == executable && readings->known[i].command == command)
            return readings->known[i].use;
    if (readings->count == most) return FS_RANK_NOT_LOOKED;
    const enum fs_rank_use use = look(readings, executable, command, directory);
    readings->known[readings->count].executable = executable;
    readings->known[readings->count].command = command;
    readings->known[readings->count++].use = use;
    return use;
}

/* --- frameworks --- */

const char *fs_framework_of(const char *executable, const char *command) {
    static const struct {
        const char *word, *name;
    } frameworks[] = {
        {"dask", "dask"},
        {"dask-worker", "dask"},
        {"dask-scheduler", "dask"},
        {"dask-mpi", "dask"},
        {"distributed.cli.dask_worker", "dask"},
        {"distributed.cli.dask_scheduler", "dask"},
        {"ray", "ray"},
        {"raylet", "ray"},
        {"gcs_server", "ray"},
        {"dragon", "dragon"},
        {"dragon-localsvc", "dragon"},
        {"torchrun", "torchrun"},
        {"torch.distributed.run", "torchrun"},
        {"torch.distributed.launch", "torchrun"},
        {"accelerate", "accelerate"},
        {"deepspeed", "deepspeed"},
        {"horovodrun", "horovod"},
        {"spark-submit", "spark"},
        {"spark-class", "spark"},
        {"ipengine", "ipyparallel"},
        {"ipcontroller", "ipyparallel"},
        {"celery", "celery"},
        {"parallel", "GNU parallel"},
        {"pylauncher", "pylauncher"},
        {"hq", "hyperqueue"},
        {"flux", "flux"},
        {"parsl", "parsl"},
        {"ssh", "ssh"},
        {"pdsh", "pdsh"},
        {"clush", "clush"},
    };
    char room[FS_COMMAND_MAX + 1] = "";
    const char *words[WORDS_MAX + 1];
    size_t count = command && strlen(command) < sizeof room ? split(command, room, words) : 0;
    if (count > 4) count = 4; /* behind these are its own arguments */
    if (executable) words[count++] = executable;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < sizeof frameworks / sizeof *frameworks; j++)
            if (strcmp(base_name(words[i]), frameworks[j].word) == 0) return frameworks[j].name;
    return NULL;
}
