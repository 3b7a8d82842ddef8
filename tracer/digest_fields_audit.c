/* digest_fields_audit.c - members of what an audit says of itself. */
#include "tracer/digest_fields.h"

static const struct fs_field audited_field[] = {
    FIELD(fs_audited, COUNT, "window", window_ns),
    FIELD(fs_audited, COUNT, "scan", scan_ns),
    FIELD(fs_audited, COUNT, "scan_cpu", scan_cpu_ns),
    FIELD(fs_audited, COUNT, "age", age_ns),
    FIELD(fs_audited, INT, "inside", inside),
    FIELD(fs_audited, INT, "denied", denied),
    FIELD(fs_audited, INT, "deleted", deleted),
    FIELD(fs_audited, STRING, "deleted_example", deleted_example),
    FIELD(fs_audited, COUNT, "migrations", migrations),
    FIELD(fs_audited, COUNT, "numa_migrations", numa_migrations),
    FIELD(fs_audited, COUNT, "looks", looks),
    FIELD(fs_audited, INT, "given", given),
    FIELD(fs_audited, INT, "step", step),
    FIELD(fs_audited, BOOL, "stacks", stacks),
    FIELD(fs_audited, BOOL, "captured", captured),
    FIELD(fs_audited, BOOL, "whole", whole),
};
const struct fs_fields fs_audited_fields = TABLE(audited_field, fs_audited);
