/* launch_options.c - see launch_options.h. */
#include "tracer/launch_options.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tracer/digest.h"
#include "tracer/text.h"

enum { O = 1, H = 2, S = 4 }; /* Open MPI (4 and 5), hydra, srun */

enum what {
    SKIP, /* says nothing about places */
    RANKS,
    CPUS,
    MAP_BY,
    BIND_TO,
    DISTRIBUTION,
    HOSTS,
    HOSTFILE,
    OVERSUBSCRIBE,
    HWTHREADS,
    OVERLAP,
    OVERCOMMIT,
    HINT,
    THREADS_PER_CORE,
    PARAMETER, /* Open MPI's name and value, two words */
    ELSEWHERE,
    AS_ROOT,
    ASKS,
};

/*
 * Long names stand without dashes: Open MPI and hydra take one or two. What srun writes
 * with one dash is a letter; its value may be joined to it.
 */
static const struct option {
    const char *name;
    unsigned char launchers, values; /* values: words that belong to it */
    unsigned char what;
} table[] = {
    {"n", O | H | S, 1, RANKS},
    {"np", O | H, 1, RANKS},
    {"c", O, 1, RANKS},
    {"ntasks", S, 1, RANKS},
    {"c", S, 1, CPUS},
    {"cpus-per-task", S, 1, CPUS},
    {"cpus-per-proc", O, 1, CPUS},
    {"cpus-per-rank", O, 1, CPUS},
    {"map-by", O | H, 1, MAP_BY},
    {"bind-to", O | H, 1, BIND_TO},
    {"binding", H, 1, BIND_TO},
    {"bind-to-core", O, 0, BIND_TO},
    {"bind-to-socket", O, 0, BIND_TO},
    {"cpu-bind", S, 1, BIND_TO},
    {"cpu_bind", S, 1, BIND_TO},
    {"m", S, 1, DISTRIBUTION},
    {"distribution", S, 1, DISTRIBUTION},
    {"H", O, 1, HOSTS},
    {"host", O | H, 1, HOSTS},
    {"hosts", H, 1, HOSTS},
    {"hostfile", O | H, 1, HOSTFILE},
    {"machinefile", O | H, 1, HOSTFILE},
    {"default-hostfile", O, 1, HOSTFILE},
    {"f", H, 1, HOSTFILE},
    {"oversubscribe", O, 0, OVERSUBSCRIBE},
    {"use-hwthread-cpus", O, 0, HWTHREADS},
    {"overlap", S, 0, OVERLAP},
    {"O", S, 0, OVERCOMMIT},
    {"overcommit", S, 0, OVERCOMMIT},
    {"hint", S, 1, HINT},
    {"threads-per-core", S, 1, THREADS_PER_CORE},
    {"mca", O, 2, PARAMETER},
    {"gmca", O, 2, PARAMETER},
    {"omca", O, 2, PARAMETER},
    {"prtemca", O, 2, PARAMETER},
    {"pmixmca", O, 2, PARAMETER},
    {"app", O, 1, ELSEWHERE},
    {"rf", O, 1, ELSEWHERE},
    {"rankfile", O, 1, ELSEWHERE},
    {"tune", O, 1, ELSEWHERE},
    {"am", O, 1, ELSEWHERE},
    {"cpu-set", O, 1, ELSEWHERE},
    {"cpu-list", O, 1, ELSEWHERE},
    {"N", O, 1, ELSEWHERE},
    {"npernode", O, 1, ELSEWHERE},
    {"npersocket", O, 1, ELSEWHERE},
    {"pernode", O, 0, ELSEWHERE},
    {"configfile", H, 1, ELSEWHERE},
    {"multi-prog", S, 0, ELSEWHERE},
    {"allow-run-as-root", O, 0, AS_ROOT},
    {"h", O | H | S, 0, ASKS},
    {"help", O | H | S, 0, ASKS},
    {"usage", S, 0, ASKS},
    {"V", O | S, 0, ASKS},
    {"version", O | H | S, 0, ASKS},
    {"info", H, 0, ASKS},
    {"test-only", S, 0, ASKS},
    {"do-not-launch", O, 0, ASKS},
    {"bycore", O, 0, SKIP},
    {"bynode", O, 0, SKIP},
    {"byslot", O, 0, SKIP},
    {"rank-by", O, 1, SKIP},
    {"report-bindings", O, 0, SKIP},
    {"nooversubscribe", O, 0, SKIP},
    {"x", O, 1, SKIP},
    {"wd", O, 1, SKIP},
    {"wdir", O | H, 1, SKIP},
    {"path", O | H, 1, SKIP},
    {"prefix", O, 1, SKIP},
    {"noprefix", O, 0, SKIP},
    {"q", O, 0, SKIP},
    {"quiet", O | S, 0, SKIP},
    {"v", O | H | S, 0, SKIP},
    {"verbose", O | H | S, 0, SKIP},
    {"tag-output", O, 0, SKIP},
    {"timestamp-output", O, 0, SKIP},
    {"output-filename", O, 1, SKIP},
    {"output", O | S, 1, SKIP},
    {"display", O, 1, SKIP},
    {"display-map", O, 0, SKIP},
    {"display-allocation", O, 0, SKIP},
    {"runtime-options", O, 1, SKIP},
    {"timeout", O, 1, SKIP},
    {"stdin", O, 1, SKIP},
    {"merge-stderr-to-stdout", O, 0, SKIP},
    {"enable-recovery", O, 0, SKIP},
    {"personality", O, 1, SKIP},
    {"mpi", S, 1, SKIP},
    {"ppn", H, 1, SKIP},
    {"perhost", H, 1, SKIP},
    {"genv", H, 2, SKIP},
    {"env", H, 2, SKIP},
    {"genvlist", H, 1, SKIP},
    {"envlist", H, 1, SKIP},
    {"genvall", H, 0, SKIP},
    {"genvnone", H, 0, SKIP},
    {"envall", H, 0, SKIP},
    {"envnone", H, 0, SKIP},
    {"l", H | S, 0, SKIP},
    {"prepend-rank", H, 0, SKIP},
    {"launcher", H, 1, SKIP},
    {"launcher-exec", H, 1, SKIP},
    {"bootstrap", H, 1, SKIP},
    {"rmk", H, 1, SKIP},
    {"iface", H, 1, SKIP},
    {"nameserver", H, 1, SKIP},
    {"disable-auto-cleanup", H, 0, SKIP},
    {"outfile-pattern", H, 1, SKIP},
    {"errfile-pattern", H, 1, SKIP},
    {"N", S, 1, SKIP},
    {"nodes", S, 1, SKIP},
    {"ntasks-per-node", S, 1, SKIP},
    {"ntasks-per-core", S, 1, SKIP},
    {"ntasks-per-socket", S, 1, SKIP},
    {"exact", S, 0, SKIP},
    {"exclusive", S, 0, SKIP},
    {"export", S, 1, SKIP},
    {"kill-on-bad-exit", S, 0, SKIP},
    {"K", S, 0, SKIP},
    {"label", S, 0, SKIP},
    {"u", S, 0, SKIP},
    {"unbuffered", S, 0, SKIP},
    {"pty", S, 0, SKIP},
    {"Q", S, 0, SKIP},
    {"A", S, 1, SKIP},
    {"account", S, 1, SKIP},
    {"B", S, 1, SKIP},
    {"C", S, 1, SKIP},
    {"constraint", S, 1, SKIP},
    {"chdir", S, 1, SKIP},
    {"D", S, 1, SKIP},
    {"cpu-freq", S, 1, SKIP},
    {"e", S, 1, SKIP},
    {"error", S, 1, SKIP},
    {"exclude", S, 1, SKIP},
    {"x", S, 1, SKIP},
    {"G", S, 1, SKIP},
    {"gpus", S, 1, SKIP},
    {"gpus-per-task", S, 1, SKIP},
    {"gres", S, 1, SKIP},
    {"i", S, 1, SKIP},
    {"input", S, 1, SKIP},
    {"J", S, 1, SKIP},
    {"job-name", S, 1, SKIP},
    {"jobid", S, 1, SKIP},
    {"mem", S, 1, SKIP},
    {"mem-bind", S, 1, SKIP},
    {"mem-per-cpu", S, 1, SKIP},
    {"o", S, 1, SKIP},
    {"open-mode", S, 1, SKIP},
    {"p", S, 1, SKIP},
    {"partition", S, 1, SKIP},
    {"qos", S, 1, SKIP},
    {"reservation", S, 1, SKIP},
    {"t", S, 1, SKIP},
    {"time", S, 1, SKIP},
    {"W", S, 1, SKIP},
    {"w", S, 1, SKIP},
    {"nodelist", S, 1, SKIP},
};

enum fs_launcher fs_launcher_of(const char *executable) {
    static const struct {
        const char *name;
        enum fs_launcher launcher;
    } names[] = {
        {"orterun", FS_LAUNCHER_OPENMPI},
        {"prterun", FS_LAUNCHER_OPENMPI},
        {"mpirun.openmpi", FS_LAUNCHER_OPENMPI},
        {"mpiexec.openmpi", FS_LAUNCHER_OPENMPI},
        {"mpiexec.hydra", FS_LAUNCHER_HYDRA},
        {"mpirun.hydra", FS_LAUNCHER_HYDRA},
        {"mpirun.mpich", FS_LAUNCHER_HYDRA},
        {"mpiexec.mpich", FS_LAUNCHER_HYDRA},
        {"srun", FS_LAUNCHER_SRUN},
    };
    const char *name = executable ? fs_file_name(executable) : NULL;

    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i].name) == 0) return names[i].launcher;
    return FS_LAUNCHER_NONE;
}

/* A word of the command line as an option. */
struct found {
    const struct option *option; /* NULL: it is not in the table */
    const char *value;           /* NULL: none */
    size_t words;                /* that it takes */
    size_t joined;               /* value stands in the same word, from here on; 0: it does not */
};

static const struct option *find(unsigned launcher, const char *name, size_t length) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if ((table[i].launchers & launcher) && fs_text_is(name, length, table[i].name))
            return &table[i];
    return NULL;
}

static unsigned bit_of(enum fs_launcher launcher) {
    static const unsigned bits[] = {
        [FS_LAUNCHER_OPENMPI] = O, [FS_LAUNCHER_HYDRA] = H, [FS_LAUNCHER_SRUN] = S};

    return bits[launcher];
}

/* words[0] begins with a dash. */
static struct found take(enum fs_launcher launcher, char *const *words, size_t count) {
    const unsigned bit = bit_of(launcher);
    const bool two = words[0][1] == '-';
    const char *name = words[0] + (two ? 2 : 1);
    const bool letter = launcher == FS_LAUNCHER_SRUN && !two;
    const size_t length = letter ? 1 : strcspn(name, "=");
    struct found found = {.option = *name ? find(bit, name, length) : NULL, .words = 1};

    if (!found.option) return found;
    if (letter && strlen(found.option->name) != 1) found.option = NULL;
    const char *rest = name + length;
    if (*rest) {
        /* srun's "-n4"; "-lu" are two letters, which nobody needs to know here. */
        if (letter && found.option && found.option->values == 0) found.option = NULL;
        found.value = rest + (*rest == '=');
        found.joined = (size_t)(found.value - words[0]);
        return found;
    }
    if (!found.option) return found;
    found.words += found.option->values;
    if (found.words > count)
        found.option = NULL;
    else if (found.option->values > 0)
        found.value = words[1];
    return found;
}

static int number_of(const char *text) {
    char *end;
    const long number = text ? strtol(text, &end, 10) : 0;

    return text && *text && !*end && number > 0 && number < INT_MAX ? (int)number : FS_UNKNOWN;
}

static bool is_word(const char *text, size_t length, const char *word) {
    return strlen(word) == length && strncasecmp(text, word, length) == 0;
}

/* "slot:PE=2:OVERSUBSCRIBE", "ppr:2:node:pe=4", "hwthread", "core:overload-allowed". */
static void read_policy(struct fs_launch_options *options, const char *policy) {
    while (policy && *policy) {
        const size_t length = strcspn(policy, ":,");
        if (length > 3 && strncasecmp(policy, "pe=", 3) == 0) {
            char digits[12] = "";
            if (length - 3 < sizeof digits) memcpy(digits, policy + 3, length - 3);
            options->cpus = number_of(digits);
        }
        options->oversubscribe |= is_word(policy, length, "oversubscribe");
        options->hwthreads |=
            is_word(policy, length, "hwthread") || is_word(policy, length, "hwtcpus");
        options->elsewhere |= is_word(policy, length, "ppr") || is_word(policy, length, "rankfile");
        policy += length + (policy[length] != '\0');
    }
}

static bool is_true(const char *value) {
    return value && (strcmp(value, "1") == 0 || strcasecmp(value, "true") == 0 ||
                     strcasecmp(value, "yes") == 0);
}

/* Open MPI's parameters, of which the environment has those with the prefix, too. */
static void read_parameter(struct fs_launch_options *options, const char *name, const char *value) {
    if (strcmp(name, "rmaps_base_oversubscribe") == 0)
        options->oversubscribe |= is_true(value);
    else if (strcmp(name, "hwloc_base_use_hwthreads_as_cpus") == 0)
        options->hwthreads |= is_true(value);
    else if (strcmp(name, "rmaps_base_mapping_policy") == 0 ||
             strcmp(name, "rmaps_default_mapping_policy") == 0) {
        options->map_by = value;
        read_policy(options, value);
    } else if (strcmp(name, "hwloc_base_binding_policy") == 0 ||
               strcmp(name, "hwloc_default_binding_policy") == 0) {
        options->bind_to = value;
        read_policy(options, value);
    }
}

/* Adds what one option says. count: the ranks of the program that it stands before. */
static void apply(struct fs_launch_options *options, const struct found *found, char *const *words,
                  int *count) {
    switch ((enum what)found->option->what) {
    case RANKS:
        *count = number_of(found->value);
        break;
    case CPUS:
        options->cpus = number_of(found->value);
        break;
    case MAP_BY:
        options->map_by = found->value;
        read_policy(options, found->value);
        break;
    case BIND_TO:
        options->bind_to = found->value ? found->value : found->option->name;
        read_policy(options, found->value);
        break;
    case HOSTS:
        options->hosts = found->value;
        break;
    case HOSTFILE:
        options->hostfile = found->value;
        break;
    case OVERSUBSCRIBE:
        options->oversubscribe = true;
        break;
    case HWTHREADS:
        options->hwthreads = true;
        break;
    case OVERLAP:
        options->overlap = true;
        break;
    case OVERCOMMIT:
        options->overcommit = true;
        break;
    case HINT:
        options->hwthreads |= found->value && strcmp(found->value, "multithread") == 0;
        break;
    case THREADS_PER_CORE:
        options->hwthreads |= number_of(found->value) > 1;
        break;
    case PARAMETER:
        if (found->words == 3) read_parameter(options, words[1], words[2]);
        break;
    case ELSEWHERE:
        options->elsewhere = true;
        break;
    case AS_ROOT:
        options->as_root = true;
        break;
    case ASKS:
        options->asks = true;
        break;
    case DISTRIBUTION:
    case SKIP:
        break;
    }
}

/* Index of the word behind the options from words[at] on, which are applied; those behind an
 * unknown one are not. */
static size_t read_options(struct fs_launch_options *options, char *const *words, size_t at,
                           size_t count, int *ranks) {
    while (at < count && words[at][0] == '-' && words[at][1]) {
        if (strcmp(words[at], "--") == 0) return at + 1;
        const struct found found = take(options->launcher, words + at, count - at);
        if (!found.option) {
            options->understood = false;
            return count;
        }
        apply(options, &found, words + at, ranks);
        at += found.words;
    }
    return at;
}

void fs_launch_options_read(enum fs_launcher launcher, char *const *words, size_t count,
                            struct fs_launch_options *options) {
    int sum = 0;
    size_t at = 1;

    *options = (struct fs_launch_options){.launcher = launcher,
                                          .understood = launcher != FS_LAUNCHER_NONE && count > 0,
                                          .program = count,
                                          .ranks = FS_UNKNOWN,
                                          .cpus = FS_UNKNOWN};
    if (!options->understood) return;
    for (;;) {
        int ranks = FS_UNKNOWN;
        at = read_options(options, words, at, count, &ranks);
        if (options->programs++ == 0) options->program = at < count ? at : count;
        sum = sum < 0 || ranks < 0 || ranks > INT_MAX - sum ? FS_UNKNOWN : sum + ranks;
        while (launcher != FS_LAUNCHER_SRUN && at < count && strcmp(words[at], ":") != 0)
            at++;
        if (launcher == FS_LAUNCHER_SRUN || at >= count) break;
        at++;
    }
    if (options->program == count) options->understood = false;
    options->ranks = options->understood ? sum : FS_UNKNOWN;
}

void fs_launch_options_environment(struct fs_launch_options *options,
                                   const struct fs_variable *variables, size_t count) {
    static const char *const prefixes[] = {"OMPI_MCA_", "PRTE_MCA_"};

    if (options->launcher != FS_LAUNCHER_OPENMPI) return;
    for (size_t i = 0; i < count; i++) {
        options->as_root |= strcmp(variables[i].name, "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM") == 0 ||
                            strcmp(variables[i].name, "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM") == 0;
        for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++) {
            const size_t length = strlen(prefixes[p]);
            if (strncmp(variables[i].name, prefixes[p], length) == 0)
                read_parameter(options, variables[i].name + length, variables[i].value);
        }
    }
}

int fs_host_list_slots(const char *hosts) {
    int sum = 0;

    while (hosts && *hosts) {
        const size_t length = strcspn(hosts, ",");
        const char *colon = memchr(hosts, ':', length);
        char digits[12] = "1";
        if (colon) {
            const size_t width = length - (size_t)(colon + 1 - hosts);
            if (width >= sizeof digits) return FS_UNKNOWN;
            memcpy(digits, colon + 1, width);
            digits[width] = '\0';
        }
        const int slots = number_of(digits);
        if (slots < 0 || slots > INT_MAX - sum) return FS_UNKNOWN;
        sum += slots;
        hosts += length + (hosts[length] != '\0');
    }
    return sum > 0 ? sum : FS_UNKNOWN;
}

size_t fs_launch_ranks_word(enum fs_launcher launcher, char *const *words, size_t count,
                            size_t *joined) {
    *joined = 0;
    for (size_t at = 1; launcher != FS_LAUNCHER_NONE && at < count && words[at][0] == '-';) {
        const struct found found = take(launcher, words + at, count - at);
        if (!found.option || strcmp(words[at], "--") == 0) return 0;
        if (found.option->what == RANKS) {
            *joined = found.joined;
            return found.joined ? at : at + 1;
        }
        at += found.words;
    }
    return 0;
}

size_t fs_launch_placement_words(enum fs_launcher launcher, char *const *words, size_t count,
                                 bool cpus_too) {
    if (launcher == FS_LAUNCHER_NONE || count == 0 || words[0][0] != '-' || !words[0][1]) return 0;
    const struct found found = take(launcher, words, count);
    if (!found.option) return 0;
    const enum what what = (enum what)found.option->what;
    const bool binding =
        what == MAP_BY || what == BIND_TO || what == HINT || what == THREADS_PER_CORE;
    const bool cpus = what == CPUS || what == DISTRIBUTION;
    return binding || (cpus && cpus_too) ? found.words : 0;
}
