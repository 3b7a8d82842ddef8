/* text_facts.c - what was seen, without judgement: header, CPUs, tree, completeness. */
#include "report/commands.h"
#include "report/overview.h"
#include "report/print/text.h"
#include "report/remedy.h"
#include "report/totals.h"
#include "report/whole.h"

#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static const char *plain_name(const char *word) {
    const bool path = (word[0] == '/' || word[0] == '.') && !strpbrk(word, " \t\n;|&<>");
    return path ? fs_base_name(word) : word;
}

/* The command as a person would tell it: programs and files without their folders. */
static const char *command_text(struct fs_arena *arena, const struct fs_digest *digest) {
    const char *text = "";
    for (size_t i = 0; i < digest->command_count && strlen(text) < 200; i++)
        text = fs_arena_printf(arena, "%s%s%s", text, i ? " " : "",
                               fs_quote_word(arena, plain_name(digest->command[i])));
    return text;
}

/* What the job was made of; the more there is, the less is told of it here. */
static const char *scope_text(struct fs_arena *arena, const struct fs_job *job, size_t room) {
    const long nodes = (long)job->totals.nodes, ranks = job->overview->ranks.count,
               processes = job->totals.processes, missing = (long)job->totals.missing,
               steps = (long)job->totals.steps, records = (long)job->totals.records;
    const long wall = job->totals.wall_ns > 0 ? (long)(job->totals.wall_ns / 1000000000) : 0;
    const char *time =
        fs_arena_printf(arena, "  %ld:%02ld:%02ld", wall / 3600, wall / 60 % 60, wall % 60);
    const char *parts[] = {
        fs_arena_printf(
            arena, "  %s%s node%s", fs_text_count(arena, nodes),
            missing > 0 ? fs_arena_printf(arena, " of %s", fs_text_count(arena, nodes + missing))
                        : "",
            fs_plural(nodes + missing)),
        steps > 1         ? fs_arena_printf(arena, "  %s steps", fs_text_count(arena, steps))
        : records > nodes ? fs_arena_printf(arena, "  %s records", fs_text_count(arena, records))
                          : "",
        ranks > 0
            ? fs_arena_printf(arena, "  %s rank%s", fs_text_count(arena, ranks), fs_plural(ranks))
            : "",
        fs_arena_printf(arena, "  %s process%s", fs_text_count(arena, processes),
                        processes == 1 ? "" : "es"),
    };
    const char *text = "";
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (i == 0 || strlen(text) + strlen(parts[i]) + strlen(time) <= room)
            text = fs_arena_printf(arena, "%s%s", text, parts[i]);
    return fs_arena_printf(arena, "%s%s", text, time);
}

void fs_text_header(struct fs_page *page, const struct fs_job *job) {
    enum { COMMAND_LEAST = 12 };
    struct fs_arena *arena = page->arena;
    if (job->node_count == 0) return;
    const struct fs_digest *digest = job->nodes[0].digest;
    const struct fs_scheduler *scheduler = &digest->scheduler;
    const char *id = "";
    const char *step = job->totals.steps > 1 ? NULL : scheduler->step; /* one of several */
    if (scheduler->job)
        id = fs_arena_printf(arena, "job %s%s%s  ",
                             scheduler->array_task ? scheduler->array_task : scheduler->job,
                             step ? "." : "", step ? step : "");
    const char *head = fs_arena_printf(arena, "forksight %s  %s", FS_VERSION, id);
    head =
        fs_text_cut(arena, fs_harmless(arena, head, page->charset), FS_COLUMNS / 2, page->charset);
    const size_t begin = fs_text_width(head, page->charset);
    const char *tail = scope_text(arena, job, FS_COLUMNS - COMMAND_LEAST - begin);
    const size_t taken = begin + strlen(tail);
    const char *command = fs_harmless(arena, command_text(arena, digest), page->charset);
    fs_page_line(
        page, "%s%s%s", head,
        fs_text_cut(arena, command, taken < FS_COLUMNS ? FS_COLUMNS - taken : 0, page->charset),
        tail);
}

/* One character for a run of CPUs: busy wins over allowed, allowed over foreign. */
static char cpus_symbol(const struct fs_digest *digest, hwloc_const_bitmap_t allowed,
                        const int *cpus, size_t count) {
    char symbol = '-';
    for (size_t i = 0; i < count; i++) {
        const unsigned cpu = (unsigned)cpus[i];
        if (digest->cpus_busy && hwloc_bitmap_isset(digest->cpus_busy, cpu)) return '#';
        if (hwloc_bitmap_isset(allowed, cpu)) symbol = '.';
    }
    return symbol;
}

enum { STRIP_WIDTH = 56, STRIP_ROWS = 4, CPUS_MAX = 4096 };

/* CPUs below object: the first hardware thread of every core, then the second ones. */
static size_t list_cpus(hwloc_topology_t topology, hwloc_obj_t object, int *cpus) {
    size_t count = 0;
    bool found = true;
    for (unsigned thread = 0; found; thread++) {
        found = false;
        hwloc_obj_t core = NULL;
        while ((core = hwloc_get_next_obj_inside_cpuset_by_type(topology, object->cpuset,
                                                                HWLOC_OBJ_CORE, core)) != NULL) {
            hwloc_obj_t pu =
                hwloc_get_obj_inside_cpuset_by_type(topology, core->cpuset, HWLOC_OBJ_PU, thread);
            if (!pu || count == CPUS_MAX) continue;
            cpus[count++] = (int)pu->os_index;
            found = true;
        }
    }
    return count;
}

static void print_strip(struct fs_page *page, const struct fs_digest *digest, hwloc_obj_t object,
                        const char *name, hwloc_const_bitmap_t allowed) {
    int cpus[CPUS_MAX];
    char strip[STRIP_WIDTH + 1];
    const size_t count = list_cpus(digest->topology, object, cpus);
    const size_t fold = (count + STRIP_WIDTH - 1) / STRIP_WIDTH;
    size_t length = 0;
    for (size_t i = 0; i < count; i += fold)
        strip[length++] =
            cpus_symbol(digest, allowed, cpus + i, count - i < fold ? count - i : fold);
    strip[length] = '\0';
    if (fold > 1)
        fs_page_line(page, "  %-9s %s  x%zu", name, strip, fold);
    else if (count > 0)
        fs_page_line(page, "  %-9s %s", name, strip);
}

void fs_text_cpus(struct fs_page *page, const struct fs_finding *finding) {
    const struct fs_digest *digest = finding->node->digest;
    hwloc_const_bitmap_t allowed = finding->load && finding->load->group->mask_union
                                       ? finding->load->group->mask_union
                                       : digest->mask_job;
    if (!digest->topology || !allowed) return;
    if (allowed == digest->mask_job && fs_job_mask_is_guessed(finding->node)) return;
    const int packages = hwloc_get_nbobjs_by_type(digest->topology, HWLOC_OBJ_PACKAGE);
    const char *host = fs_harmless(page->arena, digest->host ? digest->host : "", page->charset);

    fs_page_line(page, "CPUs %-12s  # busy   . allowed, idle   - not in the workers' mask",
                 fs_text_cut(page->arena, host, 20, page->charset));
    if (packages < 1 || packages > STRIP_ROWS) {
        print_strip(page, digest, hwloc_get_root_obj(digest->topology), "all", allowed);
        return;
    }
    for (int i = 0; i < packages; i++)
        print_strip(page, digest,
                    hwloc_get_obj_by_type(digest->topology, HWLOC_OBJ_PACKAGE, (unsigned)i),
                    fs_arena_printf(page->arena, "socket %d", i), allowed);
}

static const char *group_text(struct fs_arena *arena, const struct fs_group *group) {
    static const char *const births[] = {
        [FS_GROUP_FORK] = "fork",
        [FS_GROUP_SPAWN] = "spawn",
        [FS_GROUP_FORKSERVER] = "fork server",
        [FS_GROUP_EXECUTABLE] = "exec",
    };
    int by_parent = 0, by_others = 0;
    for (size_t i = 0; i < group->death_count; i++)
        *(group->deaths[i].sent_by_parent ? &by_parent : &by_others) += 1;
    by_others += group->deaths_more;
    const char *ended = "";
    if (by_parent > 0)
        ended = fs_arena_printf(arena, ", %d ended by the parent's signal", by_parent);
    if (by_others > 0)
        ended = fs_arena_printf(arena, "%s, %d killed%s", ended, by_others,
                                group->deaths_more ? " (some by the parent)" : "");
    return fs_arena_printf(arena, "%d %s (%s)%s", group->workers,
                           group->kind == FS_GROUP_EXECUTABLE ? fs_base_name(group->executable)
                           : group->workers == 1              ? "worker"
                                                              : "workers",
                           births[group->kind], ended);
}

static const char *end_text(struct fs_arena *arena, const struct fs_digest *digest) {
    if (digest->interrupted > 0) {
        const char *name = sigabbrev_np(digest->interrupted);
        return fs_arena_printf(arena, "interrupted by SIG%s", name ? name : "?");
    }
    if (digest->audited && digest->status < 0)
        return fs_arena_printf(arena, "running for %ld:%02ld:%02ld",
                               (long)(digest->audited->age_ns / 3600000000000),
                               (long)(digest->audited->age_ns / 60000000000 % 60),
                               (long)(digest->audited->age_ns / 1000000000 % 60));
    if (digest->status < 0) return "end not seen";
    if (WIFSIGNALED(digest->status)) {
        const char *name = sigabbrev_np(WTERMSIG(digest->status));
        return fs_arena_printf(arena, "ended by SIG%s", name ? name : "?");
    }
    return fs_arena_printf(arena, "exit status %d", WEXITSTATUS(digest->status));
}

void fs_text_tree(struct fs_page *page, const struct fs_job *job) {
    struct fs_arena *arena = page->arena;
    if (job->node_count == 0) return;
    const struct fs_digest *digest = job->nodes[0].digest;
    const char *groups = "";
    const bool several = job->totals.records > 1; /* then one of them is an example */
    int shown = 0, left_out = digest->groups_more;
    for (size_t i = 0; i < digest->group_count; i++) {
        if (digest->groups[i].helper) continue;
        if (shown++ < (several ? 1 : 3))
            groups = fs_arena_printf(arena, "%s%s%s", groups, *groups ? "; " : "",
                                     group_text(arena, &digest->groups[i]));
        else
            left_out++;
    }
    if (left_out > 0)
        groups =
            fs_arena_printf(arena, "%s; %d more group%s", groups, left_out, fs_plural(left_out));
    const char *command = fs_text_cut(
        arena, fs_harmless(arena, command_text(arena, digest), page->charset), 40, page->charset);
    const char *where =
        several ? fs_arena_printf(arena, " on %.24s:", digest->host ? digest->host : "?") : "";
    fs_page_wrap(page, "Tree",
                 fs_arena_printf(arena, "%s%s%s%s%s; %s", command, *groups ? " ->" : "",
                                 *groups ? where : "", *groups ? " " : "", groups,
                                 end_text(arena, fs_job_front(job))),
                 2);
}

/* Of a job that was only looked at. */
static void tell_audit(struct fs_page *page, const struct fs_totals *totals, const char *share) {
    struct fs_arena *arena = page->arena;
    /* Of a captured system nobody knows how long it took. */
    const char *scan =
        totals->scan > 0 ? fs_arena_printf(arena, "; first look %.2f s", totals->scan) : "";

    fs_page_wrap(page, "Data",
                 fs_arena_printf(arena, "%s for %.1f s: %ld process%s, %ld thread%s%s%s",
                                 totals->captured ? "captured" : "audited from outside",
                                 totals->window, totals->processes,
                                 totals->processes == 1 ? "" : "es",
                                 totals->processes + totals->threads,
                                 fs_plural(totals->processes + totals->threads), share, scan),
                 2);
    if (totals->denied)
        fs_page_wrap(page, "",
                     fs_arena_printf(arena, "%ld process%s may not be read (another user's?)",
                                     totals->denied, totals->denied == 1 ? "" : "es"),
                     1);
    if (totals->deleted)
        fs_page_wrap(page, "",
                     fs_arena_printf(arena, "%ld process%s of an executable that is gone: %s",
                                     totals->deleted, totals->deleted == 1 ? "" : "es",
                                     totals->deleted_example ? totals->deleted_example : "?"),
                     1);
}

/* Ranks that were seen, and how many the launchers said there would be. */
static const char *ranks_text(struct fs_arena *arena, const struct fs_job *job) {
    const struct fs_ranks *ranks = &job->overview->ranks;
    const long expected = fs_whole_ranks_expected(job->whole);
    if (ranks->count == 0) return "";
    if (expected < 0)
        return fs_arena_printf(arena, ", %s ranks", fs_text_count(arena, ranks->count));
    return fs_arena_printf(arena, ", %s/%s ranks", fs_text_count(arena, ranks->count),
                           fs_text_count(arena, expected));
}

/* A line for a shell; one that would fill the page is cut, and so none for a shell. */
static void put_export(struct fs_page *page, const char *name, const char *value) {
    enum { EXPORT_MAX = 240 };
    const char *word =
        fs_quote_word(page->arena, fs_arena_printf(page->arena, "%s%s", name, value));
    const char *text = fs_arena_printf(page->arena, "export %s", word);

    if (strlen(text) <= EXPORT_MAX)
        fs_page_command(page, "", text);
    else
        fs_page_wrap(page, "", text, 2);
}

/* What to do about processes in a container: Apptainer's variables are the shortest way. */
static void tell_container(struct fs_page *page, const struct fs_totals *totals) {
    const bool variable = totals->lacks[0] != '/';

    fs_page_wrap(page, "",
                 fs_arena_printf(page->arena, "their container lacks %s%s", totals->lacks,
                                 variable ? "" : "; bind it:"),
                 2);
    if (variable) put_export(page, "APPTAINERENV_", totals->lacks);
    put_export(page, "APPTAINER_BIND=", totals->binds ? totals->binds : "?");
}

void fs_text_data(struct fs_page *page, const struct fs_job *job) {
    struct fs_arena *arena = page->arena;
    const struct fs_totals *totals = &job->totals;
    const char *share =
        isnan(totals->collector_share)
            ? ""
            : fs_arena_printf(arena, ", collector %.1f %% of a CPU", 100 * totals->collector_share);
    const char *unseen = fs_unseen_text(arena, job), *losses = fs_losses_text(arena, totals);

    if (totals->audited) {
        tell_audit(page, totals, share);
        return;
    }
    fs_page_wrap(page, "Data",
                 fs_arena_printf(arena, "%s: %s/%s processes%s, %lld event%s lost%s",
                                 totals->complete ? "complete" : "incomplete",
                                 fs_text_count(arena, totals->recorded),
                                 fs_text_count(arena, totals->processes), ranks_text(arena, job),
                                 totals->lost_events, fs_plural((long)totals->lost_events), share),
                 2);
    if (*unseen) fs_page_wrap(page, "", fs_arena_printf(arena, "not entered: %s", unseen), 2);
    if (totals->lacks) tell_container(page, totals);
    if (*losses) fs_page_wrap(page, "", losses, 2);
    if (totals->bare_tasks)
        fs_page_wrap(page, "",
                     fs_arena_printf(arena,
                                     "srun --export kept the variables of the job from %ld task%s",
                                     totals->bare_tasks, fs_plural(totals->bare_tasks)),
                     2);
    if (totals->told)
        fs_page_wrap(page, "",
                     fs_arena_printf(
                         arena, "%ld short-lived process%s not entered (%s), known from %s alone",
                         totals->told, totals->told == 1 ? "" : "es",
                         totals->told_example ? fs_base_name(totals->told_example) : "?",
                         totals->told == 1 ? "its parent" : "their parents"),
                     2);
}
