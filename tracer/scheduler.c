/* scheduler.c - see scheduler.h. */
#include "tracer/scheduler.h"

#include "tracer/text.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *fs_environment_value(char *const *environment, const char *name) {
    const size_t length = strlen(name);
    for (; environment && *environment; environment++)
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    return NULL;
}

bool fs_scheduler_reads(const char *name, size_t length) {
    static const char *const names[] = {
        "SLURM_JOB_ID",
        "SLURM_JOBID",
        "SLURM_ARRAY_JOB_ID",
        "SLURM_ARRAY_TASK_ID",
        "SLURM_STEP_ID",
        "SLURM_PROCID",
        "SLURM_NODEID",
        "SLURMD_NODENAME",
        "SLURM_JOB_NODELIST",
        "SLURM_STEP_NODELIST",
        "SLURM_JOB_NUM_NODES",
        "SLURM_NNODES",
        "SLURM_JOB_CPUS_PER_NODE",
        "SLURM_CPUS_ON_NODE",
        "SLURM_CPUS_PER_TASK",
        "SLURM_CPU_BIND_LIST",
        "SLURM_CPU_BIND_TYPE",
        "SLURM_THREADS_PER_CORE",
        "SLURM_NTASKS",
        "SLURM_NPROCS",
        "SLURM_TASKS_PER_NODE",
        "SLURM_STEP_NUM_TASKS",
        "SLURM_STEP_TASKS_PER_NODE",
        "PBS_JOBID",
        "PBS_NP",
        "PBS_NUM_NODES",
        "PBS_NUM_PPN",
        "NCPUS",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (fs_text_is(name, length, names[i])) return true;
    return false;
}

/* A non-negative number at *at, which moves behind it; FS_UNKNOWN: none, or too large. */
static int take_number(const char **at) {
    long number = FS_UNKNOWN;
    for (; **at >= '0' && **at <= '9'; ++*at) {
        number = (number < 0 ? 0 : number) * 10 + (**at - '0');
        if (number > INT_MAX) return FS_UNKNOWN;
    }
    return (int)number;
}

int fs_count_of(const char *text) {
    const int number = take_number(&text);
    return *text == '\0' ? number : FS_UNKNOWN;
}

static int number_of(char *const *environment, const char *name) {
    const char *value = fs_environment_value(environment, name);
    return value ? fs_count_of(value) : FS_UNKNOWN;
}

int fs_slurm_count_at(const char *list, int index) {
    int common = FS_UNKNOWN;
    for (long position = 0; *list;) {
        const int count = take_number(&list);
        int repeat = 1;
        if (fs_begins(list, "(x")) {
            list += 2;
            repeat = take_number(&list);
            if (*list++ != ')') return FS_UNKNOWN;
        }
        if (count < 0 || repeat < 1 || (*list && *list != ',')) return FS_UNKNOWN;
        if (index >= 0 && index < position + repeat) return count;
        if (index < 0 && common != FS_UNKNOWN && count != common) return FS_UNKNOWN;
        common = count;
        position += repeat;
        if (*list == ',') list++;
    }
    return index < 0 ? common : FS_UNKNOWN;
}

/* One item of a node list: prefix, then optionally [ranges], then suffix. */
struct node_item {
    const char *prefix, *ranges, *suffix;
    size_t prefix_length, ranges_length, suffix_length;
};

/* The item at text; returns what follows it and its comma, NULL: no such item. */
static const char *take_item(const char *text, struct node_item *item) {
    *item = (struct node_item){.prefix = text, .prefix_length = strcspn(text, ",[]")};
    text += item->prefix_length;
    if (*text == '[') {
        item->ranges = text + 1;
        item->ranges_length = strcspn(item->ranges, "]");
        text = item->ranges + item->ranges_length;
        if (*text++ != ']') return NULL;
        item->suffix = text;
        item->suffix_length = strcspn(text, ",[]");
        text += item->suffix_length;
    }
    if (*text && *text != ',') return NULL;
    return *text == ',' ? text + 1 : text;
}

struct range {
    int first, last, width; /* width: of the first one, as written */
    bool padded;            /* with zeros in front, which are part of a name */
};

/* The range at *at, which moves behind it: "001-003", "7". */
static bool take_range(const char **at, const char *end, struct range *range) {
    const char *start = *at;
    range->first = range->last = take_number(at);
    range->width = (int)(*at - start);
    range->padded = *start == '0' && range->width > 1;
    if (**at == '-') {
        ++*at;
        range->last = take_number(at);
    }
    return range->first >= 0 && range->last >= range->first && (*at >= end || **at == ',');
}

/*
 * Position of number (digits as text, width characters) in ranges "001-003,7". *count
 * gets how many numbers the ranges hold. -1: not in them. 1 is not in 001-003.
 */
static long place_in_ranges(const struct node_item *item, const char *digits, size_t width,
                            long *count) {
    const char *at = item->ranges, *end = at + item->ranges_length;
    const char *cursor = digits;
    const int wanted = width ? take_number(&cursor) : FS_UNKNOWN;
    long place = -1;
    *count = 0;
    while (at < end) {
        struct range range;
        if (!take_range(&at, end, &range)) return -1;
        const bool same_width =
            range.padded ? width == (size_t)range.width : width == 1 || *digits != '0';
        if (place < 0 && same_width && wanted >= range.first && wanted <= range.last)
            place = *count + wanted - range.first;
        *count += (long)range.last - range.first + 1;
        if (at < end) at++;
    }
    return place;
}

/* Position of host (length bytes) within an item; -1: not in it. *count: its nodes. */
static long place_in_item(const struct node_item *item, const char *host, size_t length,
                          long *count) {
    *count = 1;
    const size_t fixed = item->prefix_length + item->suffix_length;
    const char *tail = item->suffix_length && length >= item->suffix_length
                           ? host + length - item->suffix_length
                           : host;
    const bool around =
        length >= fixed && strncmp(host, item->prefix, item->prefix_length) == 0 &&
        strncmp(tail, item->suffix_length ? item->suffix : "", item->suffix_length) == 0;
    if (!item->ranges) return around && length == fixed ? 0 : -1;

    const char *digits = around ? host + item->prefix_length : "";
    const size_t width = around ? length - fixed : 0;
    const bool number = width > 0 && strspn(digits, "0123456789") >= width;
    char copy[16] = "";
    if (number && width < sizeof copy) memcpy(copy, digits, width);
    return place_in_ranges(item, copy, strlen(copy), count);
}

int fs_slurm_node_index(const char *list, const char *host) {
    const size_t length = strcspn(host, ".");
    long before = 0;
    while (list && *list) {
        struct node_item item;
        list = take_item(list, &item);
        if (!list) return -1;
        long count;
        const char *dot = memchr(item.prefix, '.', item.prefix_length);
        if (dot && !item.ranges) item.prefix_length = (size_t)(dot - item.prefix);
        const long place = place_in_item(&item, host, length, &count);
        if (place >= 0) return before + place > INT_MAX ? -1 : (int)(before + place);
        before += count;
    }
    return -1;
}

/* The names of an item, one after the other. */
static int visit_item(const struct node_item *item, fs_node_name_visitor *visit, void *context) {
    const char *at = item->ranges, *end = at ? at + item->ranges_length : NULL;
    char name[FS_NODE_NAME_MAX];
    const int prefix = (int)item->prefix_length, suffix = (int)item->suffix_length;

    if (!at) {
        if (snprintf(name, sizeof name, "%.*s", prefix, item->prefix) >= (int)sizeof name)
            return -1;
        return visit(context, name);
    }
    while (at < end) {
        struct range range;
        if (!take_range(&at, end, &range)) return -1;
        for (long number = range.first; number <= range.last; number++) {
            if (snprintf(name, sizeof name, "%.*s%0*ld%.*s", prefix, item->prefix,
                         range.padded ? range.width : 1, number, suffix,
                         suffix ? item->suffix : "") >= (int)sizeof name)
                return -1;
            const int result = visit(context, name);
            if (result) return result;
        }
        if (at < end) at++;
    }
    return 0;
}

int fs_slurm_nodes(const char *list, fs_node_name_visitor *visit, void *context) {
    while (*list) {
        struct node_item item;
        list = take_item(list, &item);
        const int result = list ? visit_item(&item, visit, context) : -1;
        if (result) return result;
    }
    return 0;
}

static int copy_value(char **member, char *const *environment, const char *name) {
    const char *value = fs_environment_value(environment, name);
    if (!value) return 0;
    *member = strdup(value);
    return *member ? 0 : -1;
}

static int first_known(int a, int b) {
    return a != FS_UNKNOWN ? a : b;
}

/* This node's name in Slurm's lists, if it is not host. Hydra hands the environment of its own
 * node to all others, so what the variable says counts only where the host is in no list. */
static const char *slurm_name(char *const *environment, const char *host) {
    const char *nodes = fs_environment_value(environment, "SLURM_JOB_NODELIST");
    return nodes && fs_slurm_node_index(nodes, host) >= 0
               ? NULL
               : fs_environment_value(environment, "SLURMD_NODENAME");
}

/* This node's element of a per-node list of the job; FS_UNKNOWN. */
static int job_count_here(char *const *environment, const char *name, const char *host) {
    const char *list = fs_environment_value(environment, name);
    const char *nodes = fs_environment_value(environment, "SLURM_JOB_NODELIST");
    const char *told = slurm_name(environment, host);
    if (!list) return FS_UNKNOWN;
    const int index = fs_slurm_node_index(nodes, told ? told : host);
    return first_known(index >= 0 ? fs_slurm_count_at(list, index) : FS_UNKNOWN,
                       fs_slurm_count_at(list, -1));
}

bool fs_slurm_real_step(const char *id) {
    enum { FIRST_SPECIAL = 0x7ffffff0 };
    const int number = fs_count_of(id);
    return number != FS_UNKNOWN && number < FIRST_SPECIAL;
}

int fs_slurm_restarts(char *const *environment) {
    const int restarts = number_of(environment, "SLURM_RESTART_COUNT");

    return restarts > 0 ? restarts : 0;
}

bool fs_slurm_array_task(char *const *environment, char *name, size_t size) {
    const int array = number_of(environment, "SLURM_ARRAY_JOB_ID");
    const int task = number_of(environment, "SLURM_ARRAY_TASK_ID");

    if (array == FS_UNKNOWN || task == FS_UNKNOWN) return false;
    snprintf(name, size, "%d_%d", array, task);
    return true;
}

static int read_array(char *const *environment, struct fs_scheduler *facts) {
    char name[FS_ARRAY_TASK_SIZE];

    if (!fs_slurm_array_task(environment, name, sizeof name)) return 0;
    facts->array_task = strdup(name);
    return facts->array_task ? 0 : -1;
}

static int read_lists(char *const *environment, const char *host, struct fs_scheduler *facts) {
    const bool in_step = facts->in_step;
    const char *told = slurm_name(environment, host);
    const char *tasks = in_step ? "SLURM_STEP_TASKS_PER_NODE" : "SLURM_TASKS_PER_NODE";

    if (copy_value(&facts->node_list, environment, "SLURM_JOB_NODELIST")) return -1;
    if (told && !(facts->node_name = strdup(told))) return -1;
    if (copy_value(&facts->cpus_per_node, environment, "SLURM_JOB_CPUS_PER_NODE")) return -1;
    if (in_step && copy_value(&facts->step_node_list, environment, "SLURM_STEP_NODELIST"))
        return -1;
    return copy_value(&facts->tasks_per_node, environment, tasks);
}

static int read_slurm(char *const *environment, const char *host, struct fs_scheduler *facts) {
    facts->name = "slurm";
    const char *step = fs_environment_value(environment, "SLURM_STEP_ID");
    facts->in_step =
        step && fs_slurm_real_step(step) && fs_environment_value(environment, "SLURM_PROCID");
    if (copy_value(&facts->job, environment, "SLURM_JOB_ID")) return -1;
    if (facts->in_step && copy_value(&facts->step, environment, "SLURM_STEP_ID")) return -1;
    if (read_array(environment, facts) || read_lists(environment, host, facts)) return -1;

    /* Inside a step SLURM_CPUS_ON_NODE is the step's share: the job's list comes first. */
    facts->cpus_on_node = first_known(job_count_here(environment, "SLURM_JOB_CPUS_PER_NODE", host),
                                      number_of(environment, "SLURM_CPUS_ON_NODE"));
    facts->cpus_per_task = number_of(environment, "SLURM_CPUS_PER_TASK");
    facts->tasks =
        first_known(number_of(environment, "SLURM_NTASKS"), number_of(environment, "SLURM_NPROCS"));
    facts->nodes = first_known(number_of(environment, "SLURM_JOB_NUM_NODES"),
                               number_of(environment, "SLURM_NNODES"));
    facts->threads_per_core = number_of(environment, "SLURM_THREADS_PER_CORE");
    if (facts->in_step) {
        const char *list = fs_environment_value(environment, "SLURM_STEP_TASKS_PER_NODE");
        const int node = number_of(environment, "SLURM_NODEID");
        facts->step_tasks = number_of(environment, "SLURM_STEP_NUM_TASKS");
        if (list) facts->step_tasks_on_node = fs_slurm_count_at(list, node);
    }
    return 0;
}

static int read_pbs(char *const *environment, struct fs_scheduler *facts) {
    facts->name = "pbs";
    if (copy_value(&facts->job, environment, "PBS_JOBID")) return -1;
    facts->cpus_on_node =
        first_known(number_of(environment, "NCPUS"), number_of(environment, "PBS_NUM_PPN"));
    facts->tasks = number_of(environment, "PBS_NP");
    facts->nodes = number_of(environment, "PBS_NUM_NODES");
    return 0;
}

int fs_scheduler_read(char *const *environment, const char *host, struct fs_scheduler *facts) {
    *facts = (struct fs_scheduler){
        .cpus_on_node = FS_UNKNOWN,
        .cpus_per_task = FS_UNKNOWN,
        .tasks = FS_UNKNOWN,
        .step_tasks = FS_UNKNOWN,
        .nodes = FS_UNKNOWN,
        .threads_per_core = FS_UNKNOWN,
        .step_tasks_on_node = FS_UNKNOWN,
        .steps_beside = FS_UNKNOWN,
    };
    int result = 0;
    if (fs_environment_value(environment, "SLURM_JOB_ID"))
        result = read_slurm(environment, host, facts);
    else if (fs_environment_value(environment, "PBS_JOBID"))
        result = read_pbs(environment, facts);
    if (result) fs_scheduler_free(facts);
    return result;
}

void fs_scheduler_free(struct fs_scheduler *facts) {
    char **const texts[] = {
        &facts->job,           &facts->step,           &facts->node_list, &facts->step_node_list,
        &facts->cpus_per_node, &facts->tasks_per_node, &facts->node_name, &facts->array_task};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        free(*texts[i]);
        *texts[i] = NULL;
    }
}

bool fs_is_launcher(const char *executable) {
    static const char *const names[] = {
        "srun",          "mpirun",        "mpiexec",        "orterun",         "prun",
        "prterun",       "mpirun_rsh",    "mpiexec.hydra",  "mpirun.hydra",    "mpiexec_mpt",
        "mpiexec.pbs",   "mpiexec.slurm", "aprun",          "jsrun",           "ibrun",
        "flux",          "palsrun",       "mpirun.openmpi", "mpiexec.openmpi", "mpirun.mpich",
        "mpiexec.mpich",
    };
    const char *name = fs_file_name(executable);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}
