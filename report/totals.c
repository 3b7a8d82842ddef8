#include "report/totals.h"

#include "report/remedy.h"

#include <math.h>

static long long known(int64_t count) {
    return count > 0 ? (long long)count : 0;
}

static void add_losses(struct fs_totals *totals, const struct fs_completeness *complete) {
    totals->alive += (long)known(complete->alive);
    totals->shim_off += (long)known(complete->shim_off);
    totals->bad += (long)known(complete->bad_segments);
    for (int reason = 0; reason < FS_UNSEEN_COUNT; reason++)
        totals->unseen += (long)known(complete->unseen[reason]);
    totals->lost_processes += known(complete->lost_processes);
    totals->lost_threads += known(complete->lost_threads);
    totals->lost_events += known(complete->lost_events);
    totals->lost_sites += known(complete->lost_sites);
    totals->recovered = totals->recovered || complete->recovered;
    totals->interim = totals->interim || complete->interim;
}

static double cpu_used(const struct fs_job *job) {
    double used = 0, allowed = 0;
    for (size_t i = 0; i < job->node_count; i++) {
        const struct fs_node *node = &job->nodes[i];
        const struct fs_digest *digest = node->digest;
        if (digest->cpu_ns < 0 || digest->wall_ns <= 0 || node->job_cpus < 1) return NAN;
        used += (double)digest->cpu_ns;
        allowed += (double)digest->wall_ns * node->job_cpus;
    }
    return allowed > 0 ? used / allowed : NAN;
}

struct fs_totals fs_job_totals(const struct fs_job *job) {
    struct fs_totals totals = {
        .collector_share = NAN, .cpu_used = cpu_used(job), .complete = job->node_count > 0};
    for (size_t i = 0; i < job->node_count; i++) {
        const struct fs_digest *digest = job->nodes[i].digest;
        const struct fs_completeness *complete = &digest->complete;
        totals.processes += complete->processes;
        totals.recorded += complete->recorded;
        totals.complete = totals.complete && complete->processes > 0;
        add_losses(&totals, complete);
        if (complete->collector_cpu_ns < 0 || digest->wall_ns <= 0) continue;
        const double share = (double)complete->collector_cpu_ns / (double)digest->wall_ns;
        if (!(share <= totals.collector_share)) totals.collector_share = share;
    }
    const long long lost =
        totals.lost_processes + totals.lost_threads + totals.lost_events + totals.lost_sites;
    totals.complete = totals.complete && totals.recorded >= totals.processes &&
                      totals.unseen == 0 && lost == 0 && !totals.bad && !totals.shim_off &&
                      !totals.recovered && !totals.interim;
    return totals;
}

long fs_job_unseen(const struct fs_job *job, int reason, const char **example) {
    long count = 0;
    if (example) *example = NULL;
    for (size_t i = 0; i < job->node_count; i++) {
        const struct fs_completeness *complete = &job->nodes[i].digest->complete;
        if (complete->unseen[reason] <= 0) continue;
        count += complete->unseen[reason];
        if (example && !*example) *example = complete->unseen_example[reason];
    }
    return count;
}

const char *fs_unseen_text(struct fs_arena *arena, const struct fs_job *job) {
    static const char *const names[FS_UNSEEN_COUNT] = {
        [FS_UNSEEN_STATIC] = "statically linked",      [FS_UNSEEN_SECURE] = "set-user-ID",
        [FS_UNSEEN_SCRUBBED] = "environment scrubbed", [FS_UNSEEN_LIBC] = "another libc",
        [FS_UNSEEN_OFF] = "recorder switched off",     [FS_UNSEEN_SHORT] = "too short-lived",
        [FS_UNSEEN_OTHER] = "for another reason",
    };
    const char *text = "", *example;
    for (int reason = 0; reason < FS_UNSEEN_COUNT; reason++) {
        const long count = fs_job_unseen(job, reason, &example);
        if (count > 0)
            text = fs_arena_printf(arena, "%s%s%ld %s (%s)", text, *text ? ", " : "", count,
                                   names[reason], fs_base_name(example));
    }
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
    if (totals->interim) text = fs_arena_printf(arena, "%s; the collector never finished", text);
    return *text ? text + 2 : text;
}

const char *fs_incomplete_text(struct fs_arena *arena, const struct fs_job *job) {
    const struct fs_totals totals = fs_job_totals(job);
    const char *unseen = fs_unseen_text(arena, job), *losses = fs_losses_text(arena, &totals);
    return fs_arena_printf(arena, "%ld of %ld processes recorded, %lld events lost%s%s%s%s",
                           totals.recorded, totals.processes, totals.lost_events,
                           *unseen ? "; not entered: " : "", unseen, *losses ? "; " : "", losses);
}
