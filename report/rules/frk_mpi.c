/* frk_mpi.c - rules on children that ranks of MPI fork while MPI is in use. */
#include "preload/segment.h"
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "report/thread_libraries.h"

#include <string.h>
#include <strings.h>

static const char *plural(long count) {
    return count == 1 ? "" : "s";
}

/* --- facts of a place that forks --- */

/* As MPI_Init found it; NULL: unset. */
static const char *variable(const struct fs_mpi_fork *fork, const char *name) {
    for (size_t i = 0; i < fork->variable_count; i++)
        if (strcmp(fork->variables[i].name, name) == 0) return fork->variables[i].value;
    return NULL;
}

static const char *const yes[] = {"1", "y", "yes", "true", "on", NULL};
static const char *const no[] = {"0", "n", "no", "false", "off", NULL};

static bool is_any(const char *value, const char *const *words) {
    while (value && *words && strcasecmp(value, *words) != 0)
        words++;
    return value && *words;
}

/* Between such a fork and its exec, if there is one, the parent runs. */
static bool shares_pages(const struct fs_mpi_fork *fork) {
    return fork->children > fork->blocked;
}

struct judgement { /* of a place for one kind of network */
    enum fs_status status;
    const char *why;
};

static struct judgement judge_gni(const struct fs_mpi_fork *fork) {
    const char *mode = variable(fork, "MPICH_GNI_FORK_MODE");

    if (!(fork->libraries & FSP_LIBRARY_UGNI))
        return (struct judgement){FS_NOT_APPLICABLE, "no library of a Gemini or Aries network"};
    if (fork->libraries & FSP_LIBRARY_CXI)
        return (struct judgement){FS_PASS, "the network is Slingshot"};
    if (!shares_pages(fork))
        return (struct judgement){FS_PASS, "the parent stood still until each child's exec"};
    if (mode && strcasecmp(mode, "FULLCOPY") == 0)
        return (struct judgement){FS_PASS, "MPICH_GNI_FORK_MODE is FULLCOPY"};
    return (struct judgement){FS_FINDING, NULL};
}

static bool has_huge_pages(const struct fs_mpi_fork *fork) {
    return fork->huge_bytes > 0;
}

static struct judgement judge_cxi(const struct fs_mpi_fork *fork) {
    if (!(fork->libraries & FSP_LIBRARY_CXI))
        return (struct judgement){FS_NOT_APPLICABLE, "no library of a Slingshot network"};
    if (!shares_pages(fork))
        return (struct judgement){FS_PASS, "the parent stood still until each child's exec"};
    if (is_any(variable(fork, "FI_CXI_ODP"), yes))
        return (struct judgement){FS_PASS, "the card pages in on demand (FI_CXI_ODP)"};
    if (!variable(fork, "CXI_FORK_SAFE")) return (struct judgement){FS_FINDING, NULL};
    if (variable(fork, "CXI_FORK_SAFE_HP"))
        return (struct judgement){FS_PASS, "CXI_FORK_SAFE and CXI_FORK_SAFE_HP are set"};
    if (has_huge_pages(fork)) return (struct judgement){FS_FINDING, NULL};
    if (fork->huge_bytes < 0)
        return (struct judgement){FS_STATUS_UNKNOWN, "nobody looked for huge pages"};
    if (variable(fork, "HUGETLB_MORECORE") && !is_any(variable(fork, "HUGETLB_MORECORE"), no))
        return (struct judgement){FS_STATUS_UNKNOWN,
                                  "HUGETLB_MORECORE asks for huge pages; none were seen yet"};
    return (struct judgement){FS_PASS, "CXI_FORK_SAFE is set, and there were no huge pages"};
}

static bool is_in(const struct fs_place *place, const char *library) {
    return place->module && strncmp(fs_base_name(place->module), library, strlen(library)) == 0;
}

static bool is_efa(const struct fs_mpi_fork *fork) {
    return (fork->libraries & FSP_LIBRARY_EFA) && is_in(&fork->registrar, "libfabric");
}

static struct judgement judge_verbs(const struct fs_digest *digest,
                                    const struct fs_mpi_fork *fork) {
    if (!(fork->libraries & FSP_LIBRARY_VERBS) && fork->registrations == 0)
        return (struct judgement){FS_NOT_APPLICABLE, "libibverbs was not loaded"};
    if (fork->registered == 0)
        return (struct judgement){FS_PASS,
                                  "no memory was registered with libibverbs before such a fork "
                                  "without fork support, or the parent stood still"};
    if (variable(fork, "RDMAV_FORK_SAFE") || variable(fork, "IBV_FORK_SAFE"))
        return (struct judgement){FS_PASS, "RDMAV_FORK_SAFE or IBV_FORK_SAFE is set"};
    if (is_efa(fork) && is_any(variable(fork, "FI_EFA_FORK_SAFE"), yes))
        return (struct judgement){FS_STATUS_UNKNOWN,
                                  "FI_EFA_FORK_SAFE is set, but libfabric did not call "
                                  "ibv_fork_init: the card may be another one"};
    if (is_in(&fork->registrar, "libuct") && !is_any(variable(fork, "UCX_IB_FORK_INIT"), no))
        return (struct judgement){FS_PASS, "UCX asks for fork support by itself"};
    if (digest->copies_on_fork < 0)
        return (struct judgement){FS_STATUS_UNKNOWN,
                                  "whether the kernel copies registered memory is not known"};
    if (digest->copies_on_fork == 1)
        return (struct judgement){FS_PASS, "the kernel copies registered memory at a fork"};
    return (struct judgement){FS_FINDING, NULL};
}

/* --- what is said --- */

/* As fs_place_text; a C place of which no name is known is "module+0x1f". */
static const char *place_text(struct fs_arena *arena, const struct fs_place *place) {
    const char *text = fs_place_text(arena, place);

    if (text && !place->file && !place->function)
        return fs_arena_printf(arena, "%s+%#llx", text, (unsigned long long)place->offset);
    return text ? text : "a place that is not known";
}

static const struct fs_mpi_ranks *ranks_of(const struct fs_digest *digest,
                                           const struct fs_mpi_fork *fork) {
    for (size_t i = 0; i < digest->mpi_count; i++)
        if (digest->mpi[i].executable && fork->executable && digest->mpi[i].size == fork->size &&
            strcmp(digest->mpi[i].executable, fork->executable) == 0)
            return &digest->mpi[i];
    return NULL;
}

/* "on n1, " where the job has ranks on other nodes, too. */
static const char *node_text(struct fs_arena *arena, const struct fs_digest *digest,
                             const struct fs_mpi_fork *fork) {
    int here = 0;

    for (size_t i = 0; i < digest->mpi_count; i++)
        here += digest->mpi[i].size == fork->size ? digest->mpi[i].count : 0;
    return here < fork->size && digest->host ? fs_arena_printf(arena, "on %s, ", digest->host) : "";
}

static void tell_children(struct fs_outcome *outcome, const struct fs_digest *digest,
                          const struct fs_mpi_fork *fork) {
    fs_add_evidence(
        outcome, "children", fork->children, "count",
        "%s%d rank%s of %d made %d child%s between MPI_Init and MPI_Finalize, first rank "
        "%d (process %d)",
        node_text(outcome->arena, digest, fork), fork->ranks, plural(fork->ranks), fork->size,
        fork->children, fork->children == 1 ? "" : "ren", fork->rank, fork->pid);
    if (fork->execs > 0)
        fs_add_evidence(outcome, "execs", fork->execs, "count",
                        fork->execs == fork->children
                            ? "each of them started another program within a second"
                            : "%d of them started another program within a second",
                        fork->execs);
    fs_add_number(outcome, "ranks", fork->ranks, "ranks");
}

static void tell_places(struct fs_outcome *outcome, const struct fs_digest *digest,
                        const struct fs_mpi_fork *fork) {
    const struct fs_mpi_ranks *ranks = ranks_of(digest, fork);
    const bool known = ranks && (ranks->site.file || ranks->site.module);

    fs_add_cause(outcome, "%s forks at %s%s%s", fs_base_name(fork->executable),
                 place_text(outcome->arena, &fork->place),
                 known ? ", after MPI began at " : ", after MPI began",
                 known ? place_text(outcome->arena, &ranks->site) : "");
}

/* How to do without. Always said: it helps whatever the network. */
static void add_avoidance(struct fs_outcome *outcome, const struct fs_mpi_fork *fork) {
    const bool workers = fork->children > fork->execs;

    if (fork->python) {
        fs_add_fix(outcome, FS_FIX_CODE,
                   workers ? "before mpi4py.MPI is imported; then the pool, then MPI.Init()"
                           : "before mpi4py.MPI is imported; then the programs, then MPI.Init()",
                   "import mpi4py; mpi4py.rc(initialize=False, finalize=True)");
        if (workers)
            fs_add_fix(outcome, FS_FIX_CODE,
                       "instead of a Pool; its workers are ranks of python3 -m mpi4py.futures",
                       "from mpi4py.futures import MPIPoolExecutor");
    } else if (workers) {
        fs_add_fix(outcome, FS_FIX_CODE, "fork before MPI begins",
                   "pid_t pid = fork(); /* ... */ then MPI_Init(&argc, &argv)");
    } else {
        fs_add_fix(outcome, FS_FIX_CODE, "the parent stands still until the exec",
                   "posix_spawn(&pid, path, NULL, NULL, argv, environ)");
    }
}

/* --- what all of them have in common --- */

typedef struct judgement judge_place(const struct fs_digest *digest,
                                     const struct fs_mpi_fork *fork);
typedef void report_place(const struct fs_node *node, const struct fs_mpi_fork *fork,
                          struct fs_outcome *outcome);

static bool forks_beside_mpi(const struct fs_digest *digest) {
    for (size_t i = 0; i < digest->fork_site_count; i++)
        if (digest->fork_sites[i].libraries & FSP_LIBRARY_MPI) return true;
    return false;
}

static void vote_rest(const struct fs_digest *digest, struct fs_outcome *outcome) {
    if (digest->mpi_forks_more != 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "not every place that forks was kept");
    else if (digest->mpi_count == 0 && digest->mpi_silent > 0 && forks_beside_mpi(digest))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "whether MPI had begun before a fork was not seen");
    else if (digest->mpi_count == 0 && digest->mpi_silent != 0 && fs_is_outside(digest))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "whether a rank forked is not seen from outside");
    else if (digest->mpi_count == 0)
        fs_vote(outcome, FS_NOT_APPLICABLE, "no process initialised MPI");
    else
        fs_vote(outcome, FS_PASS, "no rank forked between MPI_Init and MPI_Finalize");
}

static void check_places(const struct fs_job *job, struct fs_outcome *outcome, judge_place *judge,
                         report_place *report) {
    for (size_t i = 0; i < job->node_count; i++) {
        const struct fs_digest *digest = job->nodes[i].digest;
        for (size_t j = 0; j < digest->mpi_fork_count; j++) {
            const struct fs_mpi_fork *fork = &digest->mpi_forks[j];
            const struct judgement judgement = judge(digest, fork);
            if (fork->size == 1)
                fs_vote(outcome, FS_PASS, "the world of MPI has one rank only");
            else if (judgement.status != FS_FINDING)
                fs_vote(outcome, judgement.status, "%s", judgement.why);
            else if (fork->size < 1)
                fs_vote(outcome, FS_STATUS_UNKNOWN, "how many ranks there are is not known");
            else
                report(&job->nodes[i], fork, outcome);
        }
        if (digest->mpi_fork_count == 0 || digest->mpi_forks_more != 0) vote_rest(digest, outcome);
    }
}

static void begin_finding(const struct fs_node *node, const struct fs_mpi_fork *fork,
                          enum fs_severity severity, const char *title,
                          struct fs_outcome *outcome) {
    fs_add_finding(outcome, severity, node, NULL);
    fs_set_title(outcome, "%s: %s", title, place_text(outcome->arena, &fork->place));
    fs_set_place(outcome, &fork->place);
}

/* --- FRK-01 --- */

static bool endangers_memory(const struct fs_digest *digest, const struct fs_mpi_fork *fork) {
    return judge_gni(fork).status == FS_FINDING || judge_cxi(fork).status == FS_FINDING ||
           judge_verbs(digest, fork).status == FS_FINDING;
}

static struct judgement judge_fork(const struct fs_digest *digest, const struct fs_mpi_fork *fork) {
    (void)digest;
    if (fork->unknown > 0 && fork->unknown == fork->children - fork->execs && fork->execs == 0)
        return (struct judgement){FS_STATUS_UNKNOWN,
                                  "a child was too young to tell whether it will exec"};
    return (struct judgement){FS_FINDING, NULL};
}

static void report_fork(const struct fs_node *node, const struct fs_mpi_fork *fork,
                        struct fs_outcome *outcome) {
    const int workers = fork->children - fork->execs - fork->unknown;
    const bool danger = endangers_memory(node->digest, fork);

    begin_finding(node, fork,
                  danger        ? FS_ERROR
                  : workers > 0 ? FS_WARNING
                                : FS_NOTE,
                  workers > 0 ? "fork after MPI_Init" : "program started after MPI_Init", outcome);
    fs_set_population(outcome, workers > 0 ? workers : fork->execs, fork->children, "children");
    tell_children(outcome, node->digest, fork);
    if (!fork->place.stack && fork->frames) {
        const char *line = "";
        const char *frames = fork->frames;
        for (int count = 0; *frames && count < 4; count++) {
            const size_t length = strcspn(frames, "\n");
            line = fs_arena_printf(outcome->arena, "%s%s%.*s", line, count ? " < " : "",
                                   (int)length, frames);
            frames += length + (frames[length] == '\n');
        }
        fs_add_evidence(outcome, "c_stack", 1, "count", "C stack: %s", line);
    }
    tell_places(outcome, node->digest, fork);
    if (workers > 0)
        fs_add_cause(outcome, "a child has a copy of MPI's memory and of its locks, but neither "
                              "its threads nor its place in the job");
    else
        fs_add_cause(outcome, "harmless where the network library allows it: an exec drops "
                              "what the child copied");
    add_avoidance(outcome, fork);
}

static void check_fork(const struct fs_job *job, const struct fs_thresholds *thresholds,
                       struct fs_outcome *outcome) {
    (void)thresholds;
    check_places(job, outcome, judge_fork, report_fork);
}

const struct fs_rule fs_rule_frk_01 = {
    .id = "FRK-01",
    .family = "fork safety",
    .title = "fork after MPI_Init",
    .severity = FS_WARNING,
    .every_process = true,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "calls of MPI are",
    .check = check_fork,
    .why =
        "A rank that forks gives its child a copy of MPI's memory: of locks that MPI's own threads "
        "hold, of connections, and of pages that a network card writes into. Open MPI warns that "
        "the job \"may hang, crash, or produce silent data corruption\"; sites call it a hack. "
        "Where and whether it goes wrong depends on the network.",
    .decided =
        "A process forked after its MPI_Init had returned and before its MPI_Finalize, in a job "
        "of two ranks or more, as recorded inside the process whatever the MPI. An error when one "
        "of FRK-02 to FRK-04 finds that the network in use is not told of forks; a note when "
        "all such children started another program within a second (system, popen, subprocess, "
        "posix_spawn, vfork).",
    .exceptions = "Silent for forks before MPI_Init and after MPI_Finalize, in a world of one "
                  "rank, and for forks that a forked child makes. Unknown where a process with an "
                  "MPI library forked and MPI was called in ways that are not seen.",
    .fix = "import mpi4py; mpi4py.rc(initialize=False, finalize=True), then the pool, then "
           "MPI.Init(); or mpi4py.futures.MPIPoolExecutor instead of Pool; in C: fork before "
           "MPI_Init.",
    .dispute = "Sites give a setting for their network (MPICH_GNI_FORK_MODE, CXI_FORK_SAFE, "
               "RDMAV_FORK_SAFE), Open MPI says to avoid fork. The setting named is that of the "
               "network library that was loaded, and avoidance is always named beside it.",
    .sources = (const char *const[]){"N1", "OMF", "AMR", NULL},
};

/* --- FRK-02 --- */

static struct judgement judge_fork_gni(const struct fs_digest *digest,
                                       const struct fs_mpi_fork *fork) {
    (void)digest;
    return judge_gni(fork);
}

static void report_gni(const struct fs_node *node, const struct fs_mpi_fork *fork,
                       struct fs_outcome *outcome) {
    const char *mode = variable(fork, "MPICH_GNI_FORK_MODE");

    begin_finding(node, fork, FS_ERROR, "fork beside Cray GNI without FULLCOPY", outcome);
    fs_set_population(outcome, fork->children - fork->blocked, fork->children, "children");
    tell_children(outcome, node->digest, fork);
    if (mode)
        fs_add_evidence(outcome, "mode", 1, "count", "libugni is loaded, MPICH_GNI_FORK_MODE=%s",
                        mode);
    else
        fs_add_evidence(outcome, "mode", 0, "count",
                        "libugni is loaded, MPICH_GNI_FORK_MODE is not set");
    tell_places(outcome, node->digest, fork);
    fs_add_cause(outcome, "memory registered with the network card is shared copy-on-write after "
                          "the fork: who writes first gets another page than the card");
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, "the child gets copies at once",
               "export MPICH_GNI_FORK_MODE=FULLCOPY");
    add_avoidance(outcome, fork);
}

static void check_gni(const struct fs_job *job, const struct fs_thresholds *thresholds,
                      struct fs_outcome *outcome) {
    (void)thresholds;
    check_places(job, outcome, judge_fork_gni, report_gni);
}

const struct fs_rule fs_rule_frk_02 = {
    .id = "FRK-02",
    .family = "fork safety",
    .title = "Cray GNI without FULLCOPY",
    .severity = FS_ERROR,
    .every_process = true,
    .outside = FS_OUTSIDE_FINDINGS,
    .check = check_gni,
    .why = "On Cray's Gemini and Aries networks the card reads and writes registered memory by its "
           "physical pages. A fork makes parent and child share these pages copy-on-write; the "
           "one that writes first gets a new page, the card keeps the old one. See man mpi_intro.",
    .decided = "What FRK-01 finds, in a program that has libugni loaded, while "
               "MPICH_GNI_FORK_MODE was not FULLCOPY when MPI began.",
    .exceptions = "Silent beside libcxi (then the network is Slingshot, see FRK-03), and when the "
                  "parent stood still until its children's exec (vfork, posix_spawn, system).",
    .fix = "export MPICH_GNI_FORK_MODE=FULLCOPY",
    .sources = (const char *const[]){"N1", "DES", NULL},
};

/* --- FRK-03 --- */

static struct judgement judge_fork_cxi(const struct fs_digest *digest,
                                       const struct fs_mpi_fork *fork) {
    (void)digest;
    return judge_cxi(fork);
}

static void report_cxi(const struct fs_node *node, const struct fs_mpi_fork *fork,
                       struct fs_outcome *outcome) {
    const bool small_safe = variable(fork, "CXI_FORK_SAFE") != NULL;

    begin_finding(node, fork, FS_ERROR,
                  small_safe ? "fork over Slingshot unsafe with huge pages"
                             : "fork over Slingshot unsafe",
                  outcome);
    fs_set_population(outcome, fork->children - fork->blocked, fork->children, "children");
    tell_children(outcome, node->digest, fork);
    fs_add_evidence(outcome, "fork_safe", small_safe, "count",
                    "libcxi is loaded, %s is not set when MPI begins",
                    small_safe ? "CXI_FORK_SAFE_HP" : "CXI_FORK_SAFE");
    if (has_huge_pages(fork))
        fs_add_evidence(outcome, "huge_pages", (double)fork->huge_bytes, "bytes",
                        "such a rank has %lld MiB in huge pages",
                        (long long)(fork->huge_bytes >> 20));
    tell_places(outcome, node->digest, fork);
    fs_add_cause(outcome, "the card knows registered memory by its pages; copy-on-write after a "
                          "fork gives the rank others");
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, "being set is enough, even to 0",
               "export CXI_FORK_SAFE=1 CXI_FORK_SAFE_HP=1");
    add_avoidance(outcome, fork);
}

static void check_cxi(const struct fs_job *job, const struct fs_thresholds *thresholds,
                      struct fs_outcome *outcome) {
    (void)thresholds;
    check_places(job, outcome, judge_fork_cxi, report_cxi);
}

const struct fs_rule fs_rule_frk_03 = {
    .id = "FRK-03",
    .family = "fork safety",
    .title = "Slingshot fork unsafe",
    .severity = FS_ERROR,
    .every_process = true,
    .outside = FS_OUTSIDE_FINDINGS,
    .check = check_cxi,
    .why = "Slingshot's card pins registered memory. After a fork the pages are shared "
           "copy-on-write: when the rank writes to one it gets a new page, while the card goes on "
           "with the old one, and data is lost in silence. libcxi keeps registered memory out of "
           "children when CXI_FORK_SAFE is set, that in huge pages with CXI_FORK_SAFE_HP.",
    .decided = "What FRK-01 finds, in a program that has libcxi loaded, while CXI_FORK_SAFE was "
               "not set when MPI began; or with memory in huge pages (/proc/PID/status) and "
               "without CXI_FORK_SAFE_HP. Any value sets them, even 0.",
    .exceptions = "Silent with on-demand paging (FI_CXI_ODP=1), where copy-on-write works, and "
                  "when the parent stood still until its children's exec (vfork, posix_spawn, "
                  "system).",
    .fix = "export CXI_FORK_SAFE=1 CXI_FORK_SAFE_HP=1",
    .sources = (const char *const[]){"CXI", "LUP", NULL},
};

/* --- FRK-04 --- */

static void report_verbs(const struct fs_node *node, const struct fs_mpi_fork *fork,
                         struct fs_outcome *outcome) {
    begin_finding(node, fork, FS_ERROR, "fork beside memory registered for RDMA", outcome);
    fs_set_population(outcome, fork->registered, fork->children, "children");
    tell_children(outcome, node->digest, fork);
    fs_add_evidence(outcome, "registrations", fork->registrations, "count",
                    "%d memory registration%s with libibverbs in a rank, first at %s",
                    fork->registrations, plural(fork->registrations),
                    place_text(outcome->arena, &fork->registrar));
    fs_add_evidence(outcome, "fork_init", 0, "count",
                    "no ibv_fork_init, neither RDMAV_FORK_SAFE nor IBV_FORK_SAFE%s, and the kernel "
                    "does not say that it copies such memory",
                    is_efa(fork) ? " nor, for EFA, FI_EFA_FORK_SAFE" : "");
    tell_places(outcome, node->digest, fork);
    fs_add_cause(outcome, "copy-on-write after a fork gives the rank new pages; the card's DMA "
                          "goes on with the stale ones");
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, "registered memory stays out of children",
               is_efa(fork) ? "export FI_EFA_FORK_SAFE=1 RDMAV_FORK_SAFE=1 RDMAV_HUGEPAGES_SAFE=1"
                            : "export RDMAV_FORK_SAFE=1 RDMAV_HUGEPAGES_SAFE=1");
    add_avoidance(outcome, fork);
}

static void check_verbs(const struct fs_job *job, const struct fs_thresholds *thresholds,
                        struct fs_outcome *outcome) {
    (void)thresholds;
    check_places(job, outcome, judge_verbs, report_verbs);
}

const struct fs_rule fs_rule_frk_04 = {
    .id = "FRK-04",
    .family = "fork safety",
    .title = "verbs or EFA fork unsafe",
    .severity = FS_ERROR,
    .every_process = true,
    .outside = FS_OUTSIDE_FINDINGS,
    .check = check_verbs,
    .why = "InfiniBand, RoCE and EFA cards read and write memory that was registered through "
           "libibverbs by its physical pages. Without fork support the pages are shared "
           "copy-on-write after a fork: the rank gets new ones when it writes, and the card goes "
           "on with stale ones.",
    .decided = "What FRK-01 finds, after memory was registered (ibv_reg_mr, counted inside the "
               "process), while ibv_fork_init was not called (libfabric calls it for EFA when "
               "FI_EFA_FORK_SAFE is set), neither RDMAV_FORK_SAFE nor IBV_FORK_SAFE was set when "
               "MPI began, and the kernel does not answer over netlink that it copies registered "
               "memory at a fork, as libibverbs asks it.",
    .exceptions =
        "Silent where the kernel copies such memory (IBV_FORK_UNNEEDED), for memory that is paged "
        "in on demand, for UCX, which asks for fork support unless UCX_IB_FORK_INIT=n, and when "
        "the parent stood still until its children's exec (vfork, posix_spawn, system). Not "
        "seen: libibverbs linked into the program itself.",
    .fix = "export RDMAV_FORK_SAFE=1 RDMAV_HUGEPAGES_SAFE=1; for EFA export FI_EFA_FORK_SAFE=1",
    .sources = (const char *const[]){"IBV", "UCX", "EFA", NULL},
};
