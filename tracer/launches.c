/* launches.c - see launches.h. */
#include "tracer/launches.h"

#include "tracer/launch_options.h"
#include "tracer/text.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HOSTFILE_MAX = 1 << 20 };

/* A launcher that the record itself was started as, not the copy of it that a fork makes. */
static const struct fs_image *launcher_image(const struct fs_record *record) {
    const struct fs_image *image = fs_record_image(record);

    return image && image->launch && image->pid == record->pid ? image : NULL;
}

/* Behind a host's name: nothing, or slots=N and what else says no more than that. */
static bool read_slots(const char *text, int *slots) {
    *slots = FS_UNKNOWN;
    while (*(text += strspn(text, " \t\r\n"))) {
        const size_t name = strcspn(text, " \t=");
        const bool counts = fs_text_is(text, name, "slots");
        const bool most =
            fs_text_is(text, name, "max_slots") || fs_text_is(text, name, "max-slots");
        text += name;
        text += strspn(text, " \t");
        if ((!counts && !most) || *text != '=') return false;
        char *end;
        text += 1 + strspn(text + 1, " \t");
        const long number = isdigit((unsigned char)*text) ? strtol(text, &end, 10) : -1;
        if (number < 0 || number > INT_MAX / 2) return false;
        if (counts) *slots = (int)number;
        text = end;
    }
    return true;
}

void fs_hostfile_read(FILE *file, struct fs_launch *launch) {
    char line[4096];
    long sum = 0;
    bool plain = true;

    launch->hostfile_slots = FS_UNKNOWN;
    while (fgets(line, sizeof line, file)) {
        int slots;
        line[strcspn(line, "#")] = '\0';
        const char *host = line + strspn(line, " \t\r\n");
        if (!*host) continue;
        const size_t name = strcspn(host, " \t\r\n");
        plain = plain && isalnum((unsigned char)*host) && !memchr(host, ':', name) &&
                read_slots(host + name, &slots) && sum < INT_MAX / 2;
        if (!plain) return;
        launch->hostfile_hosts++;
        if (slots == FS_UNKNOWN)
            launch->hostfile_open = true;
        else
            sum += slots;
    }
    if (launch->hostfile_hosts > 0 && sum < INT_MAX) launch->hostfile_slots = (int)sum;
}

static void read_hostfile(const struct fs_digest *digest, struct fs_launch *launch) {
    struct fs_launch_options options;
    char path[PATH_MAX];
    struct stat about;

    fs_launch_options_read(fs_launcher_of(launch->executable), launch->words, launch->word_count,
                           &options);
    if (options.launcher != FS_LAUNCHER_OPENMPI || !options.hostfile || digest->complete.recovered)
        return;
    const bool absolute = *options.hostfile == '/';
    snprintf(path, sizeof path, "%s%s%s", absolute || !digest->directory ? "" : digest->directory,
             absolute ? "" : "/", options.hostfile);
    if (stat(path, &about) != 0 || !S_ISREG(about.st_mode) || about.st_size > HOSTFILE_MAX) return;
    FILE *file = fopen(path, "re");
    if (!file) return;
    fs_hostfile_read(file, launch);
    fclose(file);
}

static int add_word(struct fs_launch *launch, const char *word, size_t length) {
    if (launch->word_count == FS_LAUNCH_WORDS_MAX) {
        launch->cut = true;
        return 0;
    }
    launch->words[launch->word_count] = strndup(word, length);
    if (!launch->words[launch->word_count]) return -1;
    launch->word_count++;
    return 0;
}

/* The job's command is known whole; of others what the recorder had room for. */
static int take_words(const struct fs_digest *digest, const struct fs_record *record,
                      const struct fs_image *image, struct fs_launch *launch) {
    const bool is_command = record->pid == digest->main_pid && digest->command_count > 0 &&
                            fs_launcher_of(image->executable) != FS_LAUNCHER_NONE &&
                            record->stage_count == 1;
    int failed = 0;

    launch->words = calloc(FS_LAUNCH_WORDS_MAX + 1, sizeof *launch->words);
    if (!launch->words) return -1;
    if (is_command) {
        for (size_t i = 0; !failed && i < digest->command_count; i++)
            failed = add_word(launch, digest->command[i], strlen(digest->command[i]));
        return failed;
    }
    launch->cut = image->launch_cut;
    for (const char *at = image->launch; !failed && at;) {
        const char *end = strchr(at, FS_LAUNCH_SEPARATOR);
        failed = add_word(launch, at, end ? (size_t)(end - at) : strlen(at));
        at = end ? end + 1 : NULL;
    }
    return failed;
}

/* Whether a record runs a program of its own that the launcher, or a daemon that it started,
 * began. */
static bool is_started_by(const struct fs_record *record, const struct fs_record *launcher) {
    const struct fs_image *image = fs_record_image(record);
    const struct fs_record *maker = record->parent;

    if (!image || image->role == FS_ROLE_LAUNCHER || image->pid != record->pid) return false;
    for (int depth = 0; maker && maker != launcher && depth < 8; depth++) {
        const struct fs_image *between = fs_record_image(maker);
        if (!between || between->role != FS_ROLE_LAUNCHER) return false;
        maker = maker->parent;
    }
    return maker == launcher;
}

static int status_of(const struct fs_digest *digest, const struct fs_record *record) {
    if (record->pid == digest->main_pid && digest->status != FS_UNKNOWN) return digest->status;
    if (record->status_known && !record->secondary_wait) return record->status;
    if (record->over && record->exit != FSP_EXIT_NONE && record->exit != FSP_EXIT_ABORT)
        return (record->exit_code & 0xff) << 8;
    return FS_UNKNOWN;
}

static int fill(const struct fs_evaluation *evaluation, const struct fs_record *record,
                const struct fs_image *image, struct fs_digest *digest, struct fs_launch *launch) {
    *launch =
        (struct fs_launch){.pid = record->pid,
                           .executable = fs_copy_text(image->executable),
                           .root = !evaluation->elsewhere && geteuid() == 0,
                           .status = status_of(digest, record),
                           .begin = fs_job_time(evaluation, fs_record_begin(record)),
                           .end = fs_job_time(evaluation, fs_record_end(record)),
                           .hostfile_slots = FS_UNKNOWN,
                           .variables = fs_copy_variables(image->variables, image->variable_count)};
    launch->variable_count = launch->variables ? image->variable_count : 0;
    for (const struct fs_record *other = evaluation->table->first; other; other = other->next)
        launch->started += is_started_by(other, record);
    if (take_words(digest, record, image, launch) != 0) return -1;
    if (!evaluation->elsewhere) read_hostfile(digest, launch);
    return 0;
}

int fs_evaluate_launches(const struct fs_evaluation *evaluation, struct fs_digest *digest) {
    digest->launches = calloc(FS_LAUNCHES_MAX, sizeof *digest->launches);
    if (!digest->launches) return -1;
    for (const struct fs_record *record = evaluation->table->first; record; record = record->next) {
        const struct fs_image *image = launcher_image(record);
        if (!image) continue;
        if (digest->launch_count == FS_LAUNCHES_MAX) {
            digest->launches_more++;
            continue;
        }
        struct fs_launch *launch = &digest->launches[digest->launch_count++];
        if (fill(evaluation, record, image, digest, launch) != 0) return -1;
    }
    return 0;
}
