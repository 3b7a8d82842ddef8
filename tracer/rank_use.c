/* rank_use.c - see rank_use.h. */
#include "tracer/rank_use.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tracer/command_text.h"
#include "tracer/process_table.h"
#include "tracer/python_modules.h"
#include "tracer/text.h"
#include "tracer/tools.h"

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

enum fs_rank_use fs_rank_use_both(enum fs_rank_use a, enum fs_rank_use b) {
    if (a == FS_RANK_USED || b == FS_RANK_USED) return FS_RANK_USED;
    return a == FS_RANK_UNUSED ? b : a;
}

static bool has_token(const void *bytes, size_t size) {
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        if (memmem(bytes, size, tokens[i], strlen(tokens[i]))) return true;
    return false;
}

/* --- files --- */

/* A Python program: its script, and what lies beside that and may be imported. */
struct modules {
    char folder[PATH_MAX];
    struct {
        char name[64]; /* without .py; of a package its folder's */
        bool package, wanted, read;
    } module[MODULES_MAX];
    size_t count;
    bool cut;     /* there are more */
    bool foreign; /* a module from elsewhere is imported, which may know its rank */
};

static bool is_name_byte(char byte) {
    return byte == '_' || isalnum((unsigned char)byte);
}

static bool has_word(const char *line, size_t length, const char *word) {
    const size_t size = strlen(word);
    for (const char *at = line; (at = memmem(at, (size_t)(line + length - at), word, size)); at++)
        if ((at == line || !is_name_byte(at[-1])) &&
            (at + size == line + length || !is_name_byte(at[size])))
            return true;
    return false;
}

/* Marks the modules that lines of the text import. */
static void note_imports(struct modules *modules, const char *text, size_t size) {
    const char *const end = text + size;
    for (const char *line = text, *next; line < end; line = next + 1) {
        next = memchr(line, '\n', (size_t)(end - line));
        if (!next) next = end;
        while (line < next && (*line == ' ' || *line == '\t'))
            line++;
        const size_t length = (size_t)(next - line);
        if (!(length > 7 && memcmp(line, "import ", 7) == 0) &&
            !(length > 5 && memcmp(line, "from ", 5) == 0))
            continue;
        for (size_t i = 0; i < modules->count; i++)
            if (!modules->module[i].wanted && has_word(line, length, modules->module[i].name))
                modules->module[i].wanted = true;
    }
}

static bool note_foreign(void *context, const char *name, size_t length) {
    struct modules *modules = context;

    for (size_t i = 0; i < modules->count; i++)
        if (strlen(modules->module[i].name) == length &&
            memcmp(modules->module[i].name, name, length) == 0)
            return false;
    modules->foreign = !fs_python_module_is_known(name, length);
    return modules->foreign;
}

static enum fs_rank_use read_bytes(struct fs_rank_readings *readings, int file, int64_t size,
                                   struct modules *modules) {
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
    if (bytes && modules) note_imports(modules, bytes, (size_t)got);
    if (bytes && modules && !modules->foreign)
        fs_python_imports(bytes, (size_t)got, note_foreign, modules);
    free(bytes);
    return use;
}

/* modules: NULL, or those that it imports are marked. */
static enum fs_rank_use read_file(struct fs_rank_readings *readings, const char *path,
                                  struct modules *modules) {
    struct stat about;
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    enum fs_rank_use use = FS_RANK_NOT_LOOKED;
    if (file < 0) return use;
    if (fstat(file, &about) == 0 && S_ISREG(about.st_mode))
        use = read_bytes(readings, file, about.st_size, modules);
    close(file);
    return use;
}

/* The name of a module's file or of a package's folder, or nothing. */
static void add_module(struct modules *modules, const char *name, bool package) {
    const size_t length = strlen(name) - (package ? 0 : 3);
    if (length == 0 || length >= sizeof modules->module->name) return;
    if (modules->count == MODULES_MAX) {
        modules->cut = true;
        return;
    }
    memcpy(modules->module[modules->count].name, name, length);
    modules->module[modules->count++].package = package;
}

static bool is_module_file(const char *name) {
    const size_t length = strlen(name);
    return length > 3 && strcmp(name + length - 3, ".py") == 0;
}

static int list_modules(struct modules *modules) {
    DIR *list = opendir(*modules->folder ? modules->folder : "/");
    if (!list) return -1;
    for (const struct dirent *entry; (entry = readdir(list));) {
        const bool file = is_module_file(entry->d_name);
        if (file || !strchr(entry->d_name, '.')) add_module(modules, entry->d_name, !file);
    }
    closedir(list);
    return 0;
}

/* All files of a package. */
static enum fs_rank_use read_package(struct fs_rank_readings *readings, const char *folder,
                                     struct modules *modules) {
    enum fs_rank_use use = FS_RANK_UNUSED;
    char path[PATH_MAX];
    DIR *list = opendir(folder);
    if (!list) return use; /* a file without an ending */
    for (const struct dirent *entry; use != FS_RANK_USED && (entry = readdir(list));)
        if (is_module_file(entry->d_name) &&
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < (int)sizeof path)
            use = fs_rank_use_both(use, read_file(readings, path, modules));
    closedir(list);
    return use;
}

static enum fs_rank_use read_module(struct fs_rank_readings *readings, struct modules *modules,
                                    size_t number) {
    char path[PATH_MAX];
    const bool package = modules->module[number].package;
    modules->module[number].read = true;
    if (snprintf(path, sizeof path, "%s/%s%s", modules->folder, modules->module[number].name,
                 package ? "" : ".py") >= (int)sizeof path)
        return FS_RANK_NOT_LOOKED;
    return package ? read_package(readings, path, modules) : read_file(readings, path, modules);
}

static enum fs_rank_use read_imports(struct fs_rank_readings *readings, struct modules *modules,
                                     enum fs_rank_use use) {
    bool more = true;
    while (more && use != FS_RANK_USED) {
        more = false;
        for (size_t i = 0; i < modules->count && use != FS_RANK_USED; i++) {
            if (!modules->module[i].wanted || modules->module[i].read) continue;
            use = fs_rank_use_both(use, read_module(readings, modules, i));
            more = true;
        }
    }
    return modules->cut || modules->foreign ? fs_rank_use_both(use, FS_RANK_NOT_LOOKED) : use;
}

static enum fs_rank_use read_python(struct fs_rank_readings *readings, const char *path) {
    struct modules *modules = calloc(1, sizeof *modules);
    if (!modules) return FS_RANK_NOT_LOOKED;
    snprintf(modules->folder, sizeof modules->folder, "%.*s", (int)(strrchr(path, '/') - path),
             path);
    enum fs_rank_use use = FS_RANK_NOT_LOOKED;
    if (list_modules(modules) == 0)
        use = read_imports(readings, modules, read_file(readings, path, modules));
    free(modules);
    return use;
}

static enum fs_rank_use read_script(struct fs_rank_readings *readings, const char *script,
                                    const char *directory, bool python) {
    char path[PATH_MAX];
    if (*script != '/' && !directory) return FS_RANK_NOT_LOOKED;
    const int length = *script == '/' ? snprintf(path, sizeof path, "%s", script)
                                      : snprintf(path, sizeof path, "%s/%s", directory, script);
    if (length >= (int)sizeof path) return FS_RANK_NOT_LOOKED;
    return python ? read_python(readings, path) : read_file(readings, path, NULL);
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

/* Options of interpreters that take the word after them. */
static bool takes_word(const char *option) {
    return strcmp(option, "-X") == 0 || strcmp(option, "-W") == 0 || strcmp(option, "-O") == 0 ||
           strcmp(option, "-I") == 0 || strcmp(option, "-o") == 0;
}

/* A program that Python was given with -c. */
static enum fs_rank_use use_of_text(const char *text) {
    struct modules none = {.count = 0};

    fs_python_imports(text, strlen(text), note_foreign, &none);
    return none.foreign ? FS_RANK_NOT_LOOKED : FS_RANK_UNUSED;
}

/* Of an interpreter: its script. Words given with -c were read as arguments. */
static enum fs_rank_use use_of_script(struct fs_rank_readings *readings, const char *name,
                                      const char *const *words, size_t count,
                                      const char *directory) {
    const bool python = fs_is_python(name);
    for (size_t i = 1; i < count; i++) {
        if (*words[i] != '-') return read_script(readings, words[i], directory, python);
        if (strcmp(words[i], "-c") == 0 || strcmp(words[i], "-e") == 0)
            return python && i + 1 < count ? use_of_text(words[i + 1]) : FS_RANK_UNUSED;
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
    const size_t count = split(command, room, words);
    const char *name = fs_file_name(executable);
    const enum fs_rank_use use = fs_is_interpreter(name)
                                     ? use_of_script(readings, name, words, count, directory)
                                     : read_file(readings, executable, NULL);
    /* In the words that are missing there may be anything. */
    return use == FS_RANK_UNUSED && fs_command_is_cut(command) ? FS_RANK_NOT_LOOKED : use;
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
            if (strcmp(fs_file_name(words[i]), frameworks[j].word) == 0) return frameworks[j].name;
    return NULL;
}
