/* detail.c - see detail.h. */
#include "tracer/detail.h"

#include "tracer/mask.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static const char *const births[FS_BIRTH_COUNT] = {
    [FSP_BIRTH_UNKNOWN] = "unknown",
    [FSP_BIRTH_IMAGE] = "libc",
    [FSP_BIRTH_FORK] = "fork",
    [FSP_BIRTH__FORK] = "_Fork",
    [FSP_BIRTH_VFORK] = "vfork",
    [FSP_BIRTH_CLONE] = "clone",
    [FSP_BIRTH_SPAWN] = "posix_spawn",
    [FSP_BIRTH_ATFORK] = "atfork",
    [FSP_BIRTH_DAEMON] = "daemon",
    [FSP_BIRTH_FORKPTY] = "forkpty",
    [FS_BIRTH_RUN] = "run",
    [FS_BIRTH_SYSTEM] = "system",
    [FS_BIRTH_POPEN] = "popen",
    [FS_BIRTH_INSIDE_LIBC] = "libc",
};
static const char *const unseen_reasons[FS_UNSEEN_COUNT] = {
    [FS_UNSEEN_STATIC] = "static", [FS_UNSEEN_SECURE] = "secure", [FS_UNSEEN_SCRUBBED] = "scrubbed",
    [FS_UNSEEN_LIBC] = "libc",     [FS_UNSEEN_ROOT] = "root",     [FS_UNSEEN_OFF] = "off",
    [FS_UNSEEN_SHORT] = "short",   [FS_UNSEEN_OTHER] = "other",
};

static json_t *number(int64_t value) {
    return value == FS_UNKNOWN ? json_null() : json_integer(value);
}

/* Paths and arguments are any bytes; JSON holds UTF-8 only. */
static json_t *text_of(const char *text) {
    json_t *value = text ? json_string(text) : json_null();
    if (value || !text) return value;
    char *copy = strdup(text);
    for (char *c = copy; c && *c; c++)
        if ((unsigned char)*c >= 0x80) *c = '?';
    value = copy ? json_string(copy) : NULL;
    free(copy);
    return value ? value : json_null();
}

static json_t *mask_of(const struct fs_evaluation *evaluation, uint32_t mask_number) {
    hwloc_const_bitmap_t mask = fs_mask_of(&evaluation->table->interned, mask_number);
    char *list = mask ? fs_mask_text(mask) : NULL;
    json_t *value = text_of(list);

    free(list);
    return value;
}

/* The exit status as Python's multiprocessing gives it. */
static json_t *exit_of(const struct fs_record *record) {
    if (!record->over && !record->zombie) return json_null();
    if (record->status_known && WIFEXITED(record->status))
        return json_integer(WEXITSTATUS(record->status));
    if (record->status_known && WIFSIGNALED(record->status))
        return json_integer(-WTERMSIG(record->status));
    if (record->exit == FSP_EXIT_ABORT) return json_integer(-SIGABRT);
    if (record->exit != FSP_EXIT_NONE) return json_integer(record->exit_code & 0xff);
    return json_null();
}

static void signal_text(const struct fs_evaluation *evaluation, const struct fs_record *record,
                        int signal, char *text, size_t size) {
    const int sender = fs_sender_of(evaluation->table, record);
    const char *name = sigabbrev_np(signal);
    char number_text[16];

    snprintf(number_text, sizeof number_text, "%d", signal);
    if (!name) name = number_text;
    if (sender && sender == record->ppid)
        snprintf(text, size, "signal SIG%s, sent by its parent %d", name, sender);
    else if (sender == record->pid)
        snprintf(text, size, "signal SIG%s, sent by itself", name);
    else if (sender)
        snprintf(text, size, "signal SIG%s, sent by %d", name, sender);
    else if (fs_is_oom_victim(evaluation, record))
        snprintf(text, size, "signal SIG%s, out-of-memory killer", name);
    else
        snprintf(text, size, "signal SIG%s, sender not recorded", name);
}

char *fs_cause_text(const struct fs_evaluation *evaluation, const struct fs_record *record,
                    char *text, size_t size) {
    static const char *const calls[FSP_EXIT_COUNT] = {[FSP_EXIT_NONE] = "exit",
                                                      [FSP_EXIT_EXIT] = "exit",
                                                      [FSP_EXIT__EXIT] = "_exit",
                                                      [FSP_EXIT_QUICK] = "quick_exit",
                                                      [FSP_EXIT_ABORT] = "abort"};
    const char *call = calls[record->exit < FSP_EXIT_COUNT ? record->exit : FSP_EXIT_NONE];
    const int signal = fs_record_signal(record);

    if (!record->over && !record->zombie)
        snprintf(text, size, "alive");
    else if (signal)
        signal_text(evaluation, record, signal, text, size);
    else if (record->status_known)
        snprintf(text, size, "%s %d", call, WEXITSTATUS(record->status));
    else if (record->exit == FSP_EXIT_ABORT)
        snprintf(text, size, "abort, not waited for");
    else if (record->exit != FSP_EXIT_NONE)
        snprintf(text, size, "%s %d, not waited for", call, record->exit_code & 0xff);
    else
        snprintf(text, size, "ended unseen, not waited for");
    return text;
}

static json_t *images_of(const struct fs_record *record) {
    json_t *images = json_array();

    for (size_t i = 0; i < record->stage_count; i++)
        if (record->stages[i].image)
            json_array_append_new(images, text_of(record->stages[i].image->executable));
    const struct fs_image *last = fs_record_image(record);
    const bool exec_unseen =
        record->t_exec != FS_UNKNOWN && record->exec_errno == 0 && record->exec_path &&
        (!record->stage_count || record->t_exec > record->stages[record->stage_count - 1].t);
    if (exec_unseen && (!last || last->executable != record->exec_path))
        json_array_append_new(images, text_of(record->exec_path));
    return images;
}

static json_t *site_of(const struct fs_table *table, struct fs_site_key id) {
    const struct fs_site *site = fs_table_site(table, id);
    char text[4096];

    if (site && site->file)
        snprintf(text, sizeof text, "%s:%d:%s", site->file, site->line,
                 site->function ? site->function : "");
    else if (site && site->module)
        snprintf(text, sizeof text, "%s:%s", site->module, site->function ? site->function : "");
    else
        return json_null();
    return text_of(text);
}

static json_t *threads_of(const struct fs_evaluation *evaluation, const struct fs_record *record) {
    json_t *threads = json_array();

    for (size_t i = 0; i < record->thread_count; i++) {
        const struct fs_thread *thread = &record->threads[i];
        const struct fs_site *routine = fs_table_site(evaluation->table, thread->routine);
        const int64_t end = thread->ended ? thread->t_end : fs_record_end(record);
        json_array_append_new(
            threads,
            json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "tid", thread->tid, "start_ns",
                      number(fs_job_time(evaluation, thread->t_start)), "end_ns",
                      number(fs_job_time(evaluation, end)), "cpu_ns",
                      number(thread->cpu_ns != FS_UNKNOWN ? thread->cpu_ns : thread->run_ns),
                      "run_ns", number(thread->run_ns), "wait_ns", number(thread->wait_ns), "mask",
                      mask_of(evaluation, thread->mask), "routine",
                      text_of(routine ? routine->module : NULL)));
    }
    return threads;
}

static json_t *witnesses_of(const struct fs_record *record) {
    static const struct {
        int bit;
        const char *name;
    } names[] = {
        {FS_WITNESS_SHIM, "shim"}, {FS_WITNESS_PARENT, "parent"}, {FS_WITNESS_PROC, "proc"}};
    json_t *witnesses = json_array();

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (record->witnesses & names[i].bit)
            json_array_append_new(witnesses, json_string(names[i].name));
    return witnesses;
}

static json_t *process_of(const struct fs_evaluation *evaluation, const struct fs_record *record) {
    const struct fs_image *image = fs_record_image(record);
    const int unseen = fs_unseen_of(record);
    json_t *images = images_of(record);
    const char *executable = image ? image->executable : NULL;
    char cause[128];

    if (json_array_size(images) > 0)
        executable = json_string_value(json_array_get(images, json_array_size(images) - 1));
    fs_cause_text(evaluation, record, cause, sizeof cause);
    return json_pack(
        "{s:i, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, "
        "s:o, s:o}",
        "pid", record->pid, "ppid", record->ppid > 0 ? json_integer(record->ppid) : json_null(),
        "birth", births[record->birth < FS_BIRTH_COUNT ? record->birth : 0], "start_ns",
        number(fs_job_time(evaluation, fs_record_begin(record))), "end_ns",
        number(fs_job_time(evaluation, fs_record_end(record))), "cpu_ns",
        number(fs_record_cpu(record)), "run_ns", number(record->run_ns), "wait_ns",
        number(record->wait_ns), "maxrss_kib", number(record->maxrss_kib), "mask",
        mask_of(evaluation, record->mask), "exit", exit_of(record), "cause", cause, "executable",
        text_of(executable), "command", text_of(image ? image->command : NULL), "images", images,
        "site", site_of(evaluation->table, record->birth_site), "threads",
        threads_of(evaluation, record), "witness", witnesses_of(record), "unseen",
        unseen < 0 ? json_null() : json_string(unseen_reasons[unseen]));
}

/* Writes a line if it fits. 1: it did not; -1: error. */
static int write_line(json_t *line, int64_t *written, FILE *out) {
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    int result = -1;

    json_decref(line);
    if (!text) return errno = ENOMEM, -1;
    const size_t length = strlen(text);
    if (*written + (int64_t)length > FS_DETAIL_MAX) {
        result = 1;
    } else if (fwrite(text, 1, length, out) == length && fputc('\n', out) != EOF) {
        *written += (int64_t)length + 1;
        result = 0;
    }
    free(text);
    return result;
}

int fs_detail_write(const struct fs_evaluation *evaluation, const char *host,
                    int64_t start_realtime, FILE *out) {
    int64_t written = 0;
    int more = 0;

    json_t *head = json_pack("{s:i, s:s, s:o, s:I}", "forksight", 1, "kind", "detail", "host",
                             text_of(host), "start_realtime", (json_int_t)start_realtime);
    if (write_line(head, &written, out) != 0) return -1;
    for (const struct fs_record *record = evaluation->table->first; record; record = record->next) {
        if (more > 0) {
            more++;
            continue;
        }
        const int result = write_line(process_of(evaluation, record), &written, out);
        if (result < 0) return -1;
        more += result;
    }
    more += (int)evaluation->table->forgotten;
    const int result = more > 0 ? fprintf(out, "{\"kind\":\"more\",\"processes\":%d}\n", more)
                                : fprintf(out, "{\"kind\":\"end\"}\n");
    return result < 0 ? -1 : 0;
}
