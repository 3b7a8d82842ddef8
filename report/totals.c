#include "report/totals.h"

#include "report/launch.h"
#include "report/remedy.h"
#include "report/whole.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static long known(int64_t count) {
    return count > 0 ? (long)count : 0;
}

void fs_totals_init(struct fs_totals *totals) {
    *totals = (struct fs_totals){
        .wall_ns = FS_UNKNOWN, .collector_share = NAN, .cpu_used = NAN, .window = NAN, .scan = NAN};
}

int fs_totals_end(struct fs_totals *totals, const struct fs_whole *whole) {
    enum { MISSING_COLUMNS = 200 };
    struct fs_arena arena = {0};
    totals->nodes = whole->recorded.known ? whole->recorded.count : totals->records;
    totals->steps = whole->steps.count;
    totals->missing = whole->missing.count;
    if (totals->missing == 0) return 0;
    totals->complete = false;
    totals->missing_hosts = strdup(fs_names_text(&arena, &whole->missing, MISSING_COLUMNS));
    fs_arena_free(&arena);
    return totals->missing_hosts ? 0 : -1;
}

void fs_totals_free(struct fs_totals *totals) {
    free(totals->missing_hosts);
    for (int reason = 0; reason < FS_UNSEEN_COUNT; reason++)
        free(totals->unseen_example[reason]);
    free(totals->told_example);
    free(totals->interim_host);
    free(totals->lacks);
    free(totals->binds);
    free(totals->deleted_example);
    fs_totals_init(totals);
}

/* The first one stays. */
static int keep_example(char **kept, const char *example) {
    if (*kept || !example) return 0;
    *kept = strdup(example);
    return *kept ? 0 : -1;
}

static int add_unseen(struct fs_totals *totals, const struct fs_completeness *complete) {
    for (int reason = 0; reason < FS_UNSEEN_COUNT; reason++) {
        char **example = &totals->unseen_example[reason];
        if (complete->unseen[reason] <= 0) continue;
        totals->unseen += complete->unseen[reason];
        totals->unseen_for[reason] += complete->unseen[reason];
        if (keep_example(example, complete->unseen_example[reason]) < 0) return -1;
    }
    totals->told += known(complete->told);
    if (keep_example(&totals->lacks, complete->lacks) < 0 ||
        keep_example(&totals->binds, complete->binds) < 0)
        return -1;
    return keep_example(&totals->told_example, complete->told_example);
}

static void add_losses(struct fs_totals *totals, const struct fs_completeness *complete) {
    totals->processes += known(complete->processes);
    totals->recorded += known(complete->recorded);
    totals->alive += known(complete->alive);
    totals->shim_off += known(complete->shim_off);
    totals->bad += known(complete->bad_segments);
    totals->lost_processes += known(complete->lost_processes);
    totals->lost_threads += known(complete->lost_threads);
    totals->lost_events += known(complete->lost_events);
    totals->lost_sites += known(complete->lost_sites);
    if (complete->bare_tasks > 0) totals->bare_tasks += complete->bare_tasks;
    totals->recovered = totals->recovered || complete->recovered;
    totals->interim += complete->interim;
}

static long unrecorded(const struct fs_completeness *complete) {
    const long incomplete = known((int64_t)complete->processes - complete->recorded);
    long unseen = 0;
    for (int reason = 0; reason < FS_UNSEEN_COUNT; reason++)
        unseen += known(complete->unseen[reason]);
    return (unseen > incomplete ? unseen : incomplete) + known(complete->lost_processes);
}

double fs_node_cpu_used(const struct fs_node *node) {
    const struct fs_digest *digest = node->digest;
    if (digest->cpu_ns < 0 || digest->wall_ns <= 0 || node->job_cpus < 1) return NAN;
    return (double)digest->cpu_ns / ((double)digest->wall_ns * node->job_cpus);
}

static void add_cpus(struct fs_totals *totals, const struct fs_node *node) {
    const struct fs_digest *digest = node->digest;
    const bool there = digest->cpu_ns >= 0 && digest->wall_ns > 0 && node->job_cpus > 0;
    totals->cpu_ns += there ? (double)digest->cpu_ns : NAN;
    totals->allowed_ns += there ? (double)digest->wall_ns * node->job_cpus : NAN;
    totals->cpu_used = totals->cpu_ns / totals->allowed_ns;
    if (digest->complete.collector_cpu_ns < 0 || digest->wall_ns <= 0) return;
    const double share = (double)digest->complete.collector_cpu_ns / (double)digest->wall_ns;
    if (!(share <= totals->collector_share)) totals->collector_share = share;
}

static int add_audited(struct fs_totals *totals, const struct fs_digest *digest) {
    const struct fs_audited *audited = digest->audited;

    if (!fs_is_outside(digest)) return 0;
    totals->audited++;
    totals->captured = totals->captured || audited->captured;
    totals->window = fmax(totals->window, (double)audited->window_ns / 1e9);
    if (audited->scan_ns >= 0) totals->scan = fmax(totals->scan, (double)audited->scan_ns / 1e9);
    totals->threads += known(digest->complete.threads);
    totals->denied += known(audited->denied);
    totals->deleted += known(audited->deleted);
    if (totals->deleted_example || !audited->deleted_example) return 0;
    totals->deleted_example = strdup(audited->deleted_example);
    return totals->deleted_example ? 0 : -1;
}

int fs_totals_add(struct fs_totals *totals, const struct fs_node *node) {
    const struct fs_completeness *complete = &node->digest->complete;
    const bool so_far = totals->records++ == 0 || totals->complete;
    int result = add_unseen(totals, complete) | add_audited(totals, node->digest);
    if (complete->interim) result |= keep_example(&totals->interim_host, node->digest->host);
    add_losses(totals, complete);
    add_cpus(totals, node);
    totals->unrecorded += unrecorded(complete);
    if (node->digest->launchers_only && node->digest->status == 0 &&
        !fs_launches_ask_only(node->digest))
        totals->launched_only = true;
    if (node->digest->wall_ns > totals->wall_ns) totals->wall_ns = node->digest->wall_ns;
    const long long lost =
        totals->lost_processes + totals->lost_threads + totals->lost_events + totals->lost_sites;
    totals->complete = so_far && complete->processes > 0 && totals->recorded >= totals->processes &&
                       totals->unseen == 0 && lost == 0 && !totals->bad && !totals->shim_off &&
                       !totals->recovered && !totals->interim && !totals->audited &&
                       !totals->launched_only;
    return result;
}

const char *fs_unseen_text(struct fs_arena *arena, const struct fs_job *job) {
    static const char *const names[FS_UNSEEN_COUNT] = {
        [FS_UNSEEN_STATIC] = "statically linked",       [FS_UNSEEN_SECURE] = "set-user-ID",
        [FS_UNSEEN_SCRUBBED] = "environment scrubbed",  [FS_UNSEEN_LIBC] = "another libc",
        [FS_UNSEEN_ROOT] = "in another root directory", [FS_UNSEEN_OFF] = "recorder switched off",
        [FS_UNSEEN_SHORT] = "too short-lived",          [FS_UNSEEN_OTHER] = "for another reason",
    };
    const struct fs_totals *totals = &job->totals;
    const char *text = "";
    for (int reason = 0; reason < FS_UNSEEN_COUNT; reason++)
        if (totals->unseen_for[reason] > 0)
            text = fs_arena_printf(arena, "%s%s%ld %s (%s)", text, *text ? ", " : "",
                                   totals->unseen_for[reason], names[reason],
                                   fs_base_name(totals->unseen_example[reason]));
    return text;
}

const char *fs_losses_text(struct fs_arena *arena, const struct fs_totals *totals) {
    const char *text = "";
    if (totals->lost_processes + totals->lost_threads + totals->lost_sites > 0)
        text = fs_arena_printf(arena, "; lost: %lld processes, %lld threads, %lld places",
                               totals->lost_processes, totals->lost_threads, totals->lost_sites);
    if (totals->shim_off)
        text = fs_arena_printf(arena, "%s; recorder off in %ld", text, totals->shim_off);
    if (totals->bad) text = fs_arena_printf(arena, "%s; %ld damaged records", text, totals->bad);
    if (totals->alive) text = fs_arena_printf(arena, "%s; %ld still running", text, totals->alive);
    if (totals->recovered)
        text = fs_arena_printf(arena, "%s; recovered without the collector", text);
    if (totals->missing)
        text = fs_arena_printf(arena, "%s; no record of %zu node%s (%s)", text, totals->missing,
                               totals->missing == 1 ? "" : "s", totals->missing_hosts);
    if (totals->launched_only)
        text = fs_arena_printf(arena, "%s; no record of the tasks that were launched", text);
    if (totals->interim > 1)
        text = fs_arena_printf(arena, "%s; collectors of %zu nodes (%s ...) never finished", text,
                               totals->interim, totals->interim_host ? totals->interim_host : "?");
    else if (totals->interim)
        text = fs_arena_printf(arena, "%s; the collector of %s never finished", text,
                               totals->interim_host ? totals->interim_host : "?");
    return *text ? text + 2 : text;
}

const char *fs_incomplete_text(struct fs_arena *arena, const struct fs_job *job) {
    const struct fs_totals *totals = &job->totals;
    const char *unseen = fs_unseen_text(arena, job), *losses = fs_losses_text(arena, totals);
    if (totals->audited)
        return fs_arena_printf(arena, "%s for %.1f s, not recorded",
                               totals->captured ? "captured" : "looked at from outside",
                               totals->window);
    return fs_arena_printf(arena, "%ld of %ld processes recorded, %lld events lost%s%s%s%s",
                           totals->recorded, totals->processes, totals->lost_events,
                           *unseen ? "; not entered: " : "", unseen, *losses ? "; " : "", losses);
}
