/* json.c - the report for machines as a whole, and its parts about the job. */
#include "report/print/json.h"

#include "report/commands.h"
#include "report/overview.h"
#include "report/totals.h"
#include "report/whole.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

static json_t *tool_of(struct fs_json *json) {
    json_t *tool = fs_json_object(json);
    fs_json_text(json, tool, "name", "forksight");
    fs_json_text(json, tool, "version", FS_VERSION);
    return tool;
}

static void set_start(struct fs_json *json, json_t *object, int64_t realtime) {
    const time_t seconds = (time_t)(realtime / 1000000000);
    char text[32] = "";
    struct tm parts;
    if (realtime > 0 && gmtime_r(&seconds, &parts))
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    fs_json_text(json, object, "start", *text ? text : NULL);
}

static void set_signal(struct fs_json *json, json_t *object, const char *name, int number) {
    const char *abbreviation = number > 0 ? sigabbrev_np(number) : NULL;
    char text[32];
    snprintf(text, sizeof text, "SIG%s", abbreviation ? abbreviation : "");
    if (number > 0 && !abbreviation) snprintf(text, sizeof text, "%d", number);
    fs_json_text(json, object, name, number > 0 ? text : NULL);
}

static json_t *job_of(struct fs_json *json, const struct fs_digest *digest,
                      const struct fs_digest *front) {
    json_t *job = fs_json_object(json);
    const bool ended = front->status >= 0 && WIFEXITED(front->status);
    const bool killed = front->status >= 0 && WIFSIGNALED(front->status);
    fs_json_text(json, job, "id", digest->scheduler.job);
    fs_json_text(json, job, "array_task", digest->scheduler.array_task);
    fs_json_text(json, job, "step", digest->scheduler.step);
    fs_json_text(json, job, "scheduler", digest->scheduler.name);
    fs_json_text(json, job, "launcher", digest->launcher);
    fs_json_texts(json, job, "cmd", (const char *const *)digest->command, digest->command_count);
    fs_json_text(json, job, "directory", digest->directory);
    set_start(json, job, digest->start_realtime);
    fs_json_seconds(json, job, "wall_s", digest->wall_ns);
    fs_json_count(json, job, "exit_status", ended ? WEXITSTATUS(front->status) : -1);
    set_signal(json, job, "signal", killed ? WTERMSIG(front->status) : 0);
    set_signal(json, job, "interrupted_by", front->interrupted);
    return job;
}

static json_t *scope_of(struct fs_json *json, const struct fs_job *job) {
    const struct fs_totals *totals = &job->totals;
    json_t *scope = fs_json_object(json);
    const int tasks = job->node_count ? job->nodes[0].digest->scheduler.step_tasks : FS_UNKNOWN;
    fs_json_count(json, scope, "nodes", (int64_t)totals->nodes);
    fs_json_count(json, scope, "steps", (int64_t)totals->steps);
    fs_json_count(json, scope, "records", (int64_t)totals->records);
    fs_json_count(json, scope, "nodes_at_hand", (int64_t)job->node_count);
    fs_json_count(json, scope, "tasks", tasks);
    fs_json_count(json, scope, "ranks", job->overview->ranks.count);
    fs_json_count(json, scope, "ranks_expected", fs_whole_ranks_expected(job->whole));
    fs_json_count(json, scope, "processes", totals->processes);
    return scope;
}

static json_t *audited_of(struct fs_json *json, const struct fs_totals *totals) {
    if (!totals->audited) return json_null();
    json_t *object = fs_json_object(json);
    fs_json_count(json, object, "nodes", (int64_t)totals->audited);
    fs_json_real(json, object, "window_s", totals->window);
    fs_json_real(json, object, "scan_s", totals->scan);
    fs_json_bool(json, object, "captured", totals->captured);
    fs_json_count(json, object, "threads", totals->processes + totals->threads);
    fs_json_count(json, object, "denied", totals->denied);
    fs_json_count(json, object, "executables_deleted", totals->deleted);
    return object;
}

static json_t *data_of(struct fs_json *json, const struct fs_job *job, struct fs_arena *arena) {
    const struct fs_totals *totals = &job->totals;
    static const char *const reasons[FS_UNSEEN_COUNT] = {
        [FS_UNSEEN_STATIC] = "static",     [FS_UNSEEN_SECURE] = "set_user_id",
        [FS_UNSEEN_SCRUBBED] = "scrubbed", [FS_UNSEEN_LIBC] = "another_libc",
        [FS_UNSEEN_ROOT] = "another_root", [FS_UNSEEN_OFF] = "recorder_off",
        [FS_UNSEEN_SHORT] = "too_short",   [FS_UNSEEN_OTHER] = "other",
    };
    json_t *data = fs_json_object(json), *unseen = fs_json_object(json);
    fs_json_bool(json, data, "complete", totals->complete);
    fs_json_text(json, data, "why", totals->complete ? NULL : fs_incomplete_text(arena, job));
    fs_json_count(json, data, "processes_seen", totals->processes);
    fs_json_count(json, data, "processes_recorded", totals->recorded);
    for (int reason = 0; reason < FS_UNSEEN_COUNT; reason++)
        fs_json_count(json, unseen, reasons[reason], totals->unseen_for[reason]);
    fs_json_set(json, data, "processes_not_entered", unseen);
    fs_json_text(json, data, "container_lacks", totals->lacks);
    fs_json_text(json, data, "container_binds", totals->binds);
    fs_json_count(json, data, "processes_told_by_parent", totals->told);
    fs_json_count(json, data, "processes_alive", totals->alive);
    fs_json_count(json, data, "processes_lost", totals->lost_processes);
    fs_json_count(json, data, "threads_lost", totals->lost_threads);
    fs_json_count(json, data, "events_lost", totals->lost_events);
    fs_json_count(json, data, "places_lost", totals->lost_sites);
    fs_json_count(json, data, "nodes_missing", (int64_t)totals->missing);
    fs_json_text(json, data, "missing_hosts", totals->missing_hosts);
    fs_json_count(json, data, "tasks_without_variables", totals->bare_tasks);
    fs_json_bool(json, data, "recovered", totals->recovered);
    fs_json_bool(json, data, "interim", totals->interim > 0);
    fs_json_text(json, data, "interim_host", totals->interim_host);
    fs_json_real(json, data, "overhead", totals->collector_share);
    fs_json_set(json, data, "audited", audited_of(json, totals));
    return data;
}

static json_t *verdict_of(struct fs_json *json, const struct fs_verdict *verdict, double cpu_used) {
    json_t *object = fs_json_object(json);
    fs_json_count(json, object, "errors", verdict->errors);
    fs_json_count(json, object, "warnings", verdict->warnings);
    fs_json_count(json, object, "notes", verdict->notes);
    fs_json_count(json, object, "passed", verdict->passed);
    fs_json_count(json, object, "not_applicable", verdict->not_applicable);
    fs_json_count(json, object, "unknown", verdict->unknown);
    fs_json_real(json, object, "cpu_used", cpu_used);
    fs_json_text(json, object, "text", verdict->count ? verdict->findings[0].title : "no findings");
    return object;
}

static json_t *rules_of(struct fs_json *json, const struct fs_verdict *verdict) {
    static const char *const words[] = {
        [FS_NOT_APPLICABLE] = "na",
        [FS_PASS] = "pass",
        [FS_STATUS_UNKNOWN] = "unknown",
        [FS_FINDING] = "fail",
    };
    json_t *rules = fs_json_array(json);
    for (int i = 0; i < FS_RULE_COUNT; i++) {
        const struct fs_outcome *outcome = &verdict->outcomes[i];
        json_t *rule = fs_json_object(json);
        fs_json_text(json, rule, "id", outcome->rule->id);
        fs_json_text(json, rule, "title", outcome->rule->title);
        fs_json_text(json, rule, "status", words[outcome->status]);
        fs_json_text(json, rule, "why",
                     outcome->status == FS_FINDING ? outcome->findings[0].title : outcome->why);
        fs_json_append(json, rules, rule);
    }
    return rules;
}

json_t *fs_json_place(struct fs_json *json, const struct fs_place *place) {
    if (!place->file && !place->function && !place->module) return json_null();
    json_t *object = fs_json_object(json);
    fs_json_text(json, object, "file", place->file);
    fs_json_count(json, object, "line", place->line > 0 ? place->line : -1);
    fs_json_text(json, object, "function", place->function);
    fs_json_text(json, object, "module", place->module);
    return object;
}

int fs_json_print(const struct fs_job *job, const struct fs_verdict *verdict, FILE *out) {
    struct fs_json json = {0};
    struct fs_arena arena = {0};
    json_t *report = fs_json_object(&json);

    fs_json_text(&json, report, "schema", FS_JSON_SCHEMA);
    fs_json_set(&json, report, "tool", tool_of(&json));
    if (job->node_count > 0) {
        const struct fs_digest *digest = job->nodes[0].digest;
        fs_json_set(&json, report, "job", job_of(&json, digest, fs_job_front(job)));
    }
    fs_json_set(&json, report, "scope", scope_of(&json, job));
    fs_json_set(&json, report, "data", data_of(&json, job, &arena));
    fs_json_set(&json, report, "verdict", verdict_of(&json, verdict, job->totals.cpu_used));
    fs_json_set(&json, report, "findings", fs_json_findings(&json, verdict));
    fs_json_set(&json, report, "rules", rules_of(&json, verdict));
    fs_json_set(&json, report, "classes", fs_json_classes(&json, job));
    fs_json_set(&json, report, "metrics", fs_json_metrics(&json, job));
    fs_json_set(&json, report, "outliers", fs_json_outliers(&json, job));
    if (job->overview->ranks.count > 0) {
        fs_json_set(&json, report, "rank_classes", fs_json_rank_classes(&json, job));
        fs_json_set(&json, report, "ranks", fs_json_ranks(&json, job));
    }
    fs_json_set(&json, report, "clocks", fs_json_clocks(&json, job));
    fs_json_set(&json, report, "nodes", fs_json_nodes(&json, job));
    json.failed = json.failed || arena.failed;
    fs_arena_free(&arena);
    return fs_json_write(&json, report, out);
}
