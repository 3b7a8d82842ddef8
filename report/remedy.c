#include "report/remedy.h"

#include "report/rule.h"
#include "tracer/command_text.h"
#include "tracer/text.h"
#include "tracer/tools.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { COMMAND_MAX = 380 }; /* bytes of a command line on a page of 40 lines */

/* Variables by which scripts size their pools, the plainest first. A thread
 * count comes last: it is used so by mistake only, but then it is what counts. */
static const char *const sizing_variables[] = {
    "NUM_PROCS", "SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "SLURM_NTASKS", "OMP_NUM_THREADS",
};

const char *fs_mask_list(struct fs_arena *arena, hwloc_const_bitmap_t mask) {
    char *list = NULL;
    if (!mask || hwloc_bitmap_list_asprintf(&list, mask) < 0) return "?";
    const char *copy = fs_arena_text(arena, list);
    free(list);
    return copy;
}

const char *fs_cpus_text(struct fs_arena *arena, int cpus, int cores) {
    if (cpus < 0) return "? CPUs";
    const char *plural = cpus == 1 ? "" : "s";
    if (cores < 0) return fs_arena_printf(arena, "%d CPU%s", cpus, plural);
    return fs_arena_printf(arena, "%d CPU%s (%d core%s)", cpus, plural, cores,
                           cores == 1 ? "" : "s");
}

const char *fs_job_cpus_text(struct fs_arena *arena, const struct fs_node *node) {
    if (fs_job_mask_is_guessed(node)) return fs_cpus_text(arena, node->job_cpus, FS_UNKNOWN);
    return fs_arena_printf(arena, "CPU %s: %s", fs_mask_list(arena, node->digest->mask_job),
                           fs_cpus_text(arena, node->job_cpus, node->job_cores));
}

static bool plain_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("_@%+=:,./-", c) != NULL);
}

const char *fs_quote_word(struct fs_arena *arena, const char *word) {
    const size_t length = strlen(word);
    size_t plain = 0;
    bool printable = true;
    for (size_t i = 0; i < length; i++) {
        plain += plain_character(word[i]);
        printable = printable && word[i] >= ' ' && word[i] <= '~';
    }
    if (length > 0 && plain == length && !fs_command_is_cut(word))
        return fs_arena_copy(arena, word, length);

    char *quoted = fs_arena_alloc(arena, 4 * length + 4), *end = quoted;
    if (!quoted) return "";
    if (!printable) *end++ = '$';
    *end++ = '\'';
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)word[i];
        if (!printable && (c < ' ' || c > '~' || c == '\'' || c == '\\'))
            end += snprintf(end, 5, "\\%03o", c);
        else if (c == '\'')
            end = stpcpy(end, "'\\''");
        else
            *end++ = (char)c;
    }
    stpcpy(end, "'");
    return quoted;
}

/* Does a word of options that may be joined ("-ac") hold the flag? */
static bool has_flag(const char *word, char flag) {
    return word[0] == '-' && word[1] != '-' && strchr(word + 1, flag);
}

/* words[0] is taskset: puts mask in the place of its list or bit mask. */
static bool rewrite_taskset(struct fs_arena *arena, const char **words, size_t count,
                            hwloc_const_bitmap_t mask) {
    bool list = false;
    size_t i = 1;
    for (; i < count && words[i][0] == '-' && words[i][1]; i++) {
        if (strcmp(words[i], "--") == 0) {
            i++;
            break;
        }
        if (has_flag(words[i], 'p') || strcmp(words[i], "--pid") == 0) return false;
        list = list || has_flag(words[i], 'c') || strcmp(words[i], "--cpu-list") == 0;
    }
    if (i + 1 >= count) return false;
    char *bits = NULL;
    if (list) {
        words[i] = fs_mask_list(arena, mask);
        return true;
    }
    if (hwloc_bitmap_taskset_asprintf(&bits, mask) < 0) return false;
    words[i] = fs_arena_text(arena, bits);
    free(bits);
    return true;
}

/* The options of numactl that bind to CPUs; nodes are bound with "all". */
static const struct {
    const char *name;
    bool nodes;
} numactl_options[] = {
    {"-C", false},
    {"--physcpubind", false},
    {"-N", true},
    {"--cpunodebind", true},
};

static bool rewrite_numactl(struct fs_arena *arena, const char **words, size_t count,
                            hwloc_const_bitmap_t mask) {
    bool changed = false;
    for (size_t i = 1; i < count && words[i][0] == '-'; i++) {
        const bool separate = strchr("imNCpP", words[i][1]) && words[i][1] && !words[i][2];
        for (size_t j = 0; j < sizeof numactl_options / sizeof *numactl_options; j++) {
            const char *name = numactl_options[j].name;
            const size_t length = strlen(name);
            if (strncmp(words[i], name, length) != 0) continue;
            const char *list = numactl_options[j].nodes ? "all" : fs_mask_list(arena, mask);
            const char *rest = words[i] + length;
            if (*rest)
                words[i] = fs_arena_printf(arena, "%s%s%s", name, *rest == '=' ? "=" : "", list);
            else if (i + 1 < count)
                words[i + 1] = list;
            changed = true;
        }
        i += separate || strcmp(words[i], "--physcpubind") == 0 ||
             strcmp(words[i], "--cpunodebind") == 0;
    }
    return changed;
}

static bool rewrite_mask(struct fs_arena *arena, const char **words, size_t count,
                         hwloc_const_bitmap_t mask) {
    for (size_t i = 0; i < count; i++) {
        const char *name = fs_base_name(words[i]);
        if (strcmp(name, "taskset") == 0 && rewrite_taskset(arena, words + i, count - i, mask))
            return true;
        if (strcmp(name, "numactl") == 0 && rewrite_numactl(arena, words + i, count - i, mask))
            return true;
    }
    return false;
}

/* Slurm's own are srun's to set for its tasks: in front of srun they say something else. */
static bool is_launchers(const struct fs_load *load, const char *name) {
    return fs_begins(name, "SLURM_") && load->node->digest->task_count > 0;
}

static const char *sizing_variable(const struct fs_load *load) {
    for (size_t i = 0; i < sizeof sizing_variables / sizeof *sizing_variables; i++) {
        const char *value = fs_load_variable(load, sizing_variables[i]);
        if (is_launchers(load, sizing_variables[i])) continue;
        char *end;
        if (!value || !*value) continue;
        errno = 0;
        const long number = strtol(value, &end, 10);
        if (errno == 0 && !*end && number == load->workers) return sizing_variables[i];
    }
    return NULL;
}

/* Sets name in an `env NAME=...` prefix of the command, if it is there. */
static bool rewrite_assignment(struct fs_arena *arena, const char **words, size_t count,
                               const char *name, int value) {
    const size_t length = strlen(name);
    for (size_t i = 0; i < count; i++) {
        if (strncmp(words[i], name, length) != 0 || words[i][length] != '=') continue;
        words[i] = fs_arena_printf(arena, "%s=%d", name, value);
        return true;
    }
    return false;
}

struct fs_remedy fs_remedy_command(struct fs_arena *arena, const struct fs_load *load,
                                   hwloc_const_bitmap_t mask, int workers) {
    const struct fs_digest *digest = load->node->digest;
    const size_t count = digest->command_count;
    const char **words = fs_arena_alloc(arena, (count + 1) * sizeof *words);
    struct fs_remedy remedy = {.command = ""};
    if (!words) return remedy;
    for (size_t i = 0; i < count; i++)
        words[i] = digest->command[i];

    if (mask) remedy.mask_set = rewrite_mask(arena, words, count, mask);
    if (workers > 0) remedy.variable = sizing_variable(load);
    if (remedy.variable && !rewrite_assignment(arena, words, count, remedy.variable, workers))
        remedy.command = fs_arena_printf(arena, "%s=%d", remedy.variable, workers);
    size_t length = strlen(remedy.command);
    for (size_t i = 0; i < count && !remedy.cut; i++) {
        const char *word = fs_quote_word(arena, words[i]);
        length += strlen(word) + 1;
        remedy.cut = length > COMMAND_MAX;
        if (!remedy.cut)
            remedy.command =
                fs_arena_printf(arena, "%s%s%s", remedy.command, *remedy.command ? " " : "", word);
    }
    return remedy;
}

void fs_add_command_fix(struct fs_outcome *outcome, const char *when, const char *line) {
    const bool cut = fs_command_is_cut(line);

    fs_add_fix(outcome, cut ? FS_FIX_CODE : FS_FIX_COMMAND, when, "%s", line);
}

void fs_add_remedy(struct fs_outcome *outcome, const char *when, const char *prefix,
                   const struct fs_remedy *remedy) {
    if (remedy->cut)
        fs_add_fix(outcome, FS_FIX_CODE, "and the rest as it was", "%s%s ...", prefix,
                   remedy->command);
    else
        fs_add_fix(outcome, FS_FIX_COMMAND, when, "%s%s", prefix, remedy->command);
}

void fs_set_cores_gain(struct fs_outcome *outcome, const struct fs_load *load) {
    const int cores = load->node->job_cores;
    const int usable = load->workers < cores ? load->workers : cores;

    if (load->cores > 0 && usable > load->cores)
        fs_set_gain(outcome, "up to %.1fx shorter (est)", (double)usable / load->cores);
}

void fs_add_narrowing_cause(struct fs_outcome *outcome, const struct fs_load *load) {
    const struct fs_narrowing *narrowing = load->group->narrowing;
    if (!narrowing) {
        fs_add_cause(outcome, fs_is_outside(load->node->digest)
                                  ? "who narrowed the mask is not seen from outside: taskset, a "
                                    "launcher, a library, or the program itself"
                                  : "no call in the job narrowed the mask: it came with the "
                                    "start");
        return;
    }
    const char *place = fs_place_text(outcome->arena, &narrowing->place);
    const char *program = fs_base_name(narrowing->executable);
    const char *library = fs_base_name(narrowing->place.module);
    const bool named =
        narrowing->place.file && narrowing->place.module && strcmp(library, program) != 0;
    fs_add_cause(outcome, "sched_setaffinity by %s (process %d): CPUs %s -> %s", program,
                 narrowing->pid, fs_mask_list(outcome->arena, narrowing->before),
                 fs_mask_list(outcome->arena, narrowing->after));
    if (named)
        fs_add_cause(outcome, "called from %s, at %s", library, place);
    else if (place && strcmp(place, program) != 0)
        fs_add_cause(outcome, "called from %s", place);
}

void fs_add_birth_cause(struct fs_outcome *outcome, const struct fs_load *load) {
    static const char *const how[] = {
        [FS_GROUP_FORK] = "forked",
        [FS_GROUP_SPAWN] = "spawned",
        [FS_GROUP_FORKSERVER] = "forked by the fork server",
        [FS_GROUP_EXECUTABLE] = "started",
    };
    const struct fs_group *group = load->group;
    const char *place = fs_place_text(outcome->arena, &group->site);
    fs_add_cause(outcome, "%d worker%s %s %s %s; a child inherits its parent's mask", load->workers,
                 load->workers == 1 ? " was" : "s were", how[group->kind], place ? "at" : "by",
                 place ? place : fs_base_name(group->parent_executable));
}

static bool is_executor(const char *stack) {
    return strstr(stack, ":_launch_processes") || strstr(stack, ":_adjust_process_count");
}

/* By the functions that made the workers. */
static const char *python_pool(struct fs_arena *arena, const char *stack, const char *size) {
    if (stack && strstr(stack, "/loky/"))
        return fs_arena_printf(arena, "Parallel(n_jobs=%s)", size);
    if (stack && is_executor(stack)) return fs_arena_printf(arena, "ProcessPoolExecutor(%s)", size);
    return fs_arena_printf(arena, "Pool(%s)", size);
}

/* The program that made the workers; a script's own name where perl runs it. */
static const char *maker_of(const struct fs_group *group) {
    static const char parallel[] = "/parallel";
    const char *name = fs_base_name(group->parent_executable);
    const char *script = group->parent_command ? strchr(group->parent_command, ' ') : NULL;
    const size_t length = script ? strcspn(script + 1, " ") : 0;

    if (!fs_begins(name, "perl") || length < sizeof parallel - 1) return name;
    const char *end = script + 1 + length - (sizeof parallel - 1);
    return strncmp(end, parallel, sizeof parallel - 1) == 0 ? parallel + 1 : name;
}

/* A shell or a tool may start interpreters, too: there is no Pool then. */
static bool is_pool_of_python(const struct fs_group *group) {
    return group->python &&
           (group->kind != FS_GROUP_EXECUTABLE || group->site.stack || !group->parent_executable ||
            fs_is_python(fs_base_name(group->parent_executable)));
}

const char *fs_pool_size_code(struct fs_arena *arena, const struct fs_load *load, int cpus,
                              int count) {
    static const struct {
        const char *maker, *command;
    } tools[] = {
        {"xargs", "xargs -P "}, {"parallel", "parallel -j "}, {"make", "make -j"},
        {"ninja", "ninja -j "}, {"bash", "xargs -P "},        {"sh", "xargs -P "},
        {"dash", "xargs -P "},  {"zsh", "xargs -P "},         {"ksh", "xargs -P "},
    };
    const char *number = fs_arena_printf(arena, "%d", count);
    if (is_pool_of_python(load->group))
        return python_pool(arena, load->group->site.stack,
                           count < cpus ? number : "len(os.sched_getaffinity(0))");
    /* No $(nproc): it obeys OMP_NUM_THREADS, which other findings advise to set to 1. */
    const char *maker = maker_of(load->group);
    for (size_t i = 0; i < sizeof tools / sizeof *tools; i++)
        if (strcmp(maker, tools[i].maker) == 0)
            return fs_arena_printf(arena, "%s%s", tools[i].command, number);
    if (count < cpus) return fs_arena_printf(arena, "workers = %s;", number);
    return fs_arena_printf(arena,
                           "sched_getaffinity(0, sizeof set, &set); workers = "
                           "CPU_COUNT(&set);  /* %d */",
                           count);
}

void fs_add_fork_fixes(struct fs_outcome *outcome, const char *stack, int workers) {
    if (!stack) {
        fs_add_fix(outcome, FS_FIX_CODE, "fork before the first thread is started",
                   "pid_t pid = fork(); /* ... */ pthread_create(&thread, NULL, routine, NULL);");
        fs_add_fix(outcome, FS_FIX_CODE, "or start the program anew",
                   "posix_spawn(&pid, path, NULL, NULL, argv, environ);");
        return;
    }
    if (fs_has_frame(stack, "pool.py", NULL))
        fs_add_fix(outcome, FS_FIX_CODE, NULL,
                   "multiprocessing.get_context(\"forkserver\").Pool(%d)", workers);
    else if (is_executor(stack))
        fs_add_fix(outcome, FS_FIX_CODE, NULL,
                   "ProcessPoolExecutor(%d, multiprocessing.get_context(\"forkserver\"))", workers);
    else if (fs_has_frame(stack, "popen_fork.py", NULL))
        fs_add_fix(outcome, FS_FIX_CODE, "instead of multiprocessing.Process",
                   "multiprocessing.get_context(\"forkserver\").Process");
    else
        fs_add_fix(outcome, FS_FIX_CODE, "instead of os.fork",
                   "multiprocessing.get_context(\"forkserver\").Process(target=work).start()");
    fs_add_fix(outcome, FS_FIX_CODE, "or start threads when the workers are there",
               "thread.start()");
}
