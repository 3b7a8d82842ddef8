/* digest_fields_placement.c - the members of the structures of digest_placement.h. */
#include "tracer/digest_fields.h"

static const struct fs_field launch_field[] = {
    FIELD(fs_launch, ID, "pid", pid),
    FIELD(fs_launch, STRING, "exe", executable),
    FIELD(fs_launch, LIST, "words", words, .count_offset = offsetof(struct fs_launch, word_count),
          .length = FS_LAUNCH_WORDS_MAX),
    FIELD(fs_launch, BOOL, "cut", cut),
    FIELD(fs_launch, BOOL, "root", root),
    FIELD(fs_launch, INT, "status", status),
    FIELD(fs_launch, INT, "started", started),
    FIELD(fs_launch, TIME, "begin", begin),
    FIELD(fs_launch, TIME, "end", end),
    FIELD(fs_launch, INT, "slots", hostfile_slots),
    FIELD(fs_launch, ID, "hosts", hostfile_hosts),
    FIELD(fs_launch, BOOL, "open", hostfile_open),
    FIELD(fs_launch, ARRAY, "variables", variables,
          .count_offset = offsetof(struct fs_launch, variable_count),
          .length = FS_DIGEST_VARIABLES_MAX, .fields = &fs_variable_fields),
};
const struct fs_fields fs_launch_fields = TABLE(launch_field, fs_launch);

static const struct fs_field siblings_field[] = {
    FIELD(fs_siblings, COUNT, "looks", looks),
    FIELD(fs_siblings, COUNT, "shared", shared),
    FIELD(fs_siblings, MASK, "busy", busy),
    FIELD(fs_siblings, MASK, "idle", idle),
};
const struct fs_fields fs_siblings_fields = TABLE(siblings_field, fs_siblings);

static const char *const scheduler_words[] = {"slurm", "pbs", NULL};

static const struct fs_field login_field[] = {
    FIELD(fs_login, INT, "users", users),
    FIELD(fs_login, LITERAL, "scheduler", scheduler, .words = scheduler_words),
    FIELD(fs_login, BOOL, "elsewhere", elsewhere),
    FIELD(fs_login, BOOL, "compute", compute),
};
const struct fs_fields fs_login_fields = TABLE(login_field, fs_login);
