/* frk_networks.c - rules on networks that are not told of the forks of MPI's ranks. */
#include "preload/segment.h"
#include "report/mpi_forks.h"
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "tracer/text.h"

#include <string.h>
#include <strings.h>

/* --- what each kind of network wants --- */

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

static struct fs_judgement judge_gni(const struct fs_digest *digest,
                                     const struct fs_mpi_fork *fork) {
    const char *mode = fs_mpi_fork_variable(fork, "MPICH_GNI_FORK_MODE");

    (void)digest;
    if (!(fork->libraries & FSP_LIBRARY_UGNI))
        return (struct fs_judgement){FS_NOT_APPLICABLE, "no library of a Gemini or Aries network"};
    if (fork->libraries & FSP_LIBRARY_CXI)
        return (struct fs_judgement){FS_PASS, "the network is Slingshot"};
    if (!shares_pages(fork))
        return (struct fs_judgement){FS_PASS, "the parent stood still until each child's exec"};
    if (mode && strcasecmp(mode, "FULLCOPY") == 0)
        return (struct fs_judgement){FS_PASS, "MPICH_GNI_FORK_MODE is FULLCOPY"};
    return (struct fs_judgement){FS_FINDING, NULL};
}

static bool has_huge_pages(const struct fs_mpi_fork *fork) {
    return fork->huge_bytes > 0;
}

static struct fs_judgement judge_cxi(const struct fs_digest *digest,
                                     const struct fs_mpi_fork *fork) {
    (void)digest;
    if (!(fork->libraries & FSP_LIBRARY_CXI))
        return (struct fs_judgement){FS_NOT_APPLICABLE, "no library of a Slingshot network"};
    if (!shares_pages(fork))
        return (struct fs_judgement){FS_PASS, "the parent stood still until each child's exec"};
    if (is_any(fs_mpi_fork_variable(fork, "FI_CXI_ODP"), yes))
        return (struct fs_judgement){FS_PASS, "the card pages in on demand (FI_CXI_ODP)"};
    if (!fs_mpi_fork_variable(fork, "CXI_FORK_SAFE"))
        return (struct fs_judgement){FS_FINDING, NULL};
    if (fs_mpi_fork_variable(fork, "CXI_FORK_SAFE_HP"))
        return (struct fs_judgement){FS_PASS, "CXI_FORK_SAFE and CXI_FORK_SAFE_HP are set"};
    if (has_huge_pages(fork)) return (struct fs_judgement){FS_FINDING, NULL};
    if (fork->huge_bytes < 0)
        return (struct fs_judgement){FS_STATUS_UNKNOWN, "nobody looked for huge pages"};
    if (fs_mpi_fork_variable(fork, "HUGETLB_MORECORE") &&
        !is_any(fs_mpi_fork_variable(fork, "HUGETLB_MORECORE"), no))
        return (struct fs_judgement){FS_STATUS_UNKNOWN,
                                     "HUGETLB_MORECORE asks for huge pages; none were seen yet"};
    return (struct fs_judgement){FS_PASS, "CXI_FORK_SAFE is set, and there were no huge pages"};
}

static bool is_in(const struct fs_place *place, const char *library) {
    return place->module && fs_begins(fs_base_name(place->module), library);
}

static bool is_efa(const struct fs_mpi_fork *fork) {
    return (fork->libraries & FSP_LIBRARY_EFA) && is_in(&fork->registrar, "libfabric");
}

static struct fs_judgement judge_verbs(const struct fs_digest *digest,
                                       const struct fs_mpi_fork *fork) {
    if (!(fork->libraries & FSP_LIBRARY_VERBS) && fork->registrations == 0)
        return (struct fs_judgement){FS_NOT_APPLICABLE, "libibverbs was not loaded"};
    if (fork->registered == 0)
        return (struct fs_judgement){FS_PASS,
                                     "no memory was registered with libibverbs before such a fork "
                                     "without fork support, or the parent stood still"};
    if (fs_mpi_fork_variable(fork, "RDMAV_FORK_SAFE") ||
        fs_mpi_fork_variable(fork, "IBV_FORK_SAFE"))
        return (struct fs_judgement){FS_PASS, "RDMAV_FORK_SAFE or IBV_FORK_SAFE is set"};
    if (is_efa(fork) && is_any(fs_mpi_fork_variable(fork, "FI_EFA_FORK_SAFE"), yes))
        return (struct fs_judgement){FS_STATUS_UNKNOWN,
                                     "FI_EFA_FORK_SAFE is set, but libfabric did not call "
                                     "ibv_fork_init: the card may be another one"};
    if (is_in(&fork->registrar, "libuct") &&
        !is_any(fs_mpi_fork_variable(fork, "UCX_IB_FORK_INIT"), no))
        return (struct fs_judgement){FS_PASS, "UCX asks for fork support by itself"};
    if (digest->copies_on_fork < 0)
        return (struct fs_judgement){FS_STATUS_UNKNOWN,
                                     "whether the kernel copies registered memory is not known"};
    if (digest->copies_on_fork == 1)
        return (struct fs_judgement){FS_PASS, "the kernel copies registered memory at a fork"};
    return (struct fs_judgement){FS_FINDING, NULL};
}

bool fs_network_loses_pages(const struct fs_digest *digest, const struct fs_mpi_fork *fork) {
    return judge_gni(digest, fork).status == FS_FINDING ||
           judge_cxi(digest, fork).status == FS_FINDING ||
           judge_verbs(digest, fork).status == FS_FINDING;
}

/* --- FRK-02 --- */

static void report_gni(const struct fs_node *node, const struct fs_mpi_fork *fork,
                       struct fs_outcome *outcome) {
    const char *mode = fs_mpi_fork_variable(fork, "MPICH_GNI_FORK_MODE");

    fs_begin_mpi_finding(node, fork, FS_ERROR, "fork beside Cray GNI without FULLCOPY", outcome);
    fs_set_population(outcome, fork->children - fork->blocked, fork->children, "children");
    fs_tell_mpi_children(outcome, node->digest, fork);
    if (mode)
        fs_add_evidence(outcome, "mode", 1, "count", "libugni is loaded, MPICH_GNI_FORK_MODE=%s",
                        mode);
    else
        fs_add_evidence(outcome, "mode", 0, "count",
                        "libugni is loaded, MPICH_GNI_FORK_MODE is not set");
    fs_tell_mpi_places(outcome, node->digest, fork);
    fs_add_cause(outcome, "memory registered with the network card is shared copy-on-write after "
                          "the fork: who writes first gets another page than the card");
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, "the child gets copies at once",
               "export MPICH_GNI_FORK_MODE=FULLCOPY");
    fs_add_mpi_avoidance(outcome, fork);
}

static void check_gni(const struct fs_job *job, const struct fs_thresholds *thresholds,
                      struct fs_outcome *outcome) {
    (void)thresholds;
    fs_each_mpi_fork(job, outcome, judge_gni, report_gni);
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

static void report_cxi(const struct fs_node *node, const struct fs_mpi_fork *fork,
                       struct fs_outcome *outcome) {
    const bool small_safe = fs_mpi_fork_variable(fork, "CXI_FORK_SAFE") != NULL;

    fs_begin_mpi_finding(node, fork, FS_ERROR,
                         small_safe ? "fork over Slingshot unsafe with huge pages"
                                    : "fork over Slingshot unsafe",
                         outcome);
    fs_set_population(outcome, fork->children - fork->blocked, fork->children, "children");
    fs_tell_mpi_children(outcome, node->digest, fork);
    fs_add_evidence(outcome, "fork_safe", small_safe, "count",
                    "libcxi is loaded, %s is not set when MPI begins",
                    small_safe ? "CXI_FORK_SAFE_HP" : "CXI_FORK_SAFE");
    if (has_huge_pages(fork))
        fs_add_evidence(outcome, "huge_pages", (double)fork->huge_bytes, "bytes",
                        "such a rank has %lld MiB in huge pages",
                        (long long)(fork->huge_bytes >> 20));
    fs_tell_mpi_places(outcome, node->digest, fork);
    fs_add_cause(outcome, "the card knows registered memory by its pages; copy-on-write after a "
                          "fork gives the rank others");
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, "being set is enough, even to 0",
               "export CXI_FORK_SAFE=1 CXI_FORK_SAFE_HP=1");
    fs_add_mpi_avoidance(outcome, fork);
}

static void check_cxi(const struct fs_job *job, const struct fs_thresholds *thresholds,
                      struct fs_outcome *outcome) {
    (void)thresholds;
    fs_each_mpi_fork(job, outcome, judge_cxi, report_cxi);
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
    fs_begin_mpi_finding(node, fork, FS_ERROR, "fork beside memory registered for RDMA", outcome);
    fs_set_population(outcome, fork->registered, fork->children, "children");
    fs_tell_mpi_children(outcome, node->digest, fork);
    fs_add_evidence(outcome, "registrations", fork->registrations, "count",
                    "%d memory registration%s with libibverbs in a rank, first at %s",
                    fork->registrations, fs_plural(fork->registrations),
                    fs_exact_place_text(outcome->arena, &fork->registrar));
    fs_add_evidence(outcome, "fork_init", 0, "count",
                    "no ibv_fork_init, neither RDMAV_FORK_SAFE nor IBV_FORK_SAFE%s, and the kernel "
                    "does not say that it copies such memory",
                    is_efa(fork) ? " nor, for EFA, FI_EFA_FORK_SAFE" : "");
    fs_tell_mpi_places(outcome, node->digest, fork);
    fs_add_cause(outcome, "copy-on-write after a fork gives the rank new pages; the card's DMA "
                          "goes on with the stale ones");
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, "registered memory stays out of children",
               is_efa(fork) ? "export FI_EFA_FORK_SAFE=1 RDMAV_FORK_SAFE=1 RDMAV_HUGEPAGES_SAFE=1"
                            : "export RDMAV_FORK_SAFE=1 RDMAV_HUGEPAGES_SAFE=1");
    fs_add_mpi_avoidance(outcome, fork);
}

static void check_verbs(const struct fs_job *job, const struct fs_thresholds *thresholds,
                        struct fs_outcome *outcome) {
    (void)thresholds;
    fs_each_mpi_fork(job, outcome, judge_verbs, report_verbs);
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
