/*
 * digest_read.c - digests from lines. The text may be cut, foreign, of another version or
 * made to do harm; nothing of it is repeated in an error but line numbers and our own
 * member names.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/digest_fields.h"
#include "tracer/digest_fields_read.h"
#include "tracer/topology.h"

enum {
    LINE_MAX_BYTES = 4 << 20,
    DIGESTS_MAX = 1 << 20,
    TOPOLOGIES_MAX = 1 << 16,
    TOPOLOGY_TEXT_MAX = 256 * 1024,
};

struct known_topology {
    char hash[FS_TOPOLOGY_HASH_SIZE];
    hwloc_topology_t topology;
    bool taken; /* a digest owns it */
};

struct reader {
    FILE *in;
    char *line; /* without its newline, NUL-terminated */
    size_t length, room;
    long number; /* of the line, from 1 */

    struct fs_digest *list;
    size_t count, list_room;
    bool open; /* the last digest's end was not read yet */
    struct known_topology *topologies;
    size_t topology_count, topology_room;

    char *error;
    size_t error_size;
};

static int fail(struct reader *reader, int error, const char *text) {
    if (reader->error_size)
        snprintf(reader->error, reader->error_size, "line %ld: %s", reader->number, text);
    errno = error;
    return -1;
}

static int fail_here(struct reader *reader) { /* no memory, or the disk */
    const int error = errno;
    return fail(reader, error, strerror(error));
}

/* A structure was not read: errno and, for EBADMSG, the name of the wrong member say why. */
static int fail_fields(struct reader *reader, const char *wrong) {
    char text[96];
    if (errno != EBADMSG) return fail_here(reader);
    snprintf(text, sizeof text, "a wrong value for \"%s\"", wrong);
    return fail(reader, EBADMSG, text);
}

static int fail_version(struct reader *reader, json_int_t version) {
    char text[96];
    snprintf(text, sizeof text, "a digest of format version %lld; this forksight reads version %d",
             (long long)version, FS_DIGEST_VERSION);
    return fail(reader, EPROTONOSUPPORT, text);
}

/* --- lines --- */

static int add_byte(struct reader *reader, char byte) {
    if (reader->length + 1 >= reader->room) {
        const size_t room = reader->room ? 2 * reader->room : 16 * 1024;
        if (room > 2 * (size_t)LINE_MAX_BYTES)
            return fail(reader, EBADMSG, "too long for a digest");
        char *larger = realloc(reader->line, room);
        if (!larger) return fail_here(reader);
        reader->line = larger;
        reader->room = room;
    }
    reader->line[reader->length++] = byte;
    return 0;
}

/* 1: a line; 0: the end; -1. */
static int next_line(struct reader *reader) {
    int byte;
    reader->length = 0;
    reader->number++;
    while ((byte = getc_unlocked(reader->in)) != EOF && byte != '\n')
        if (add_byte(reader, (char)byte)) return -1;
    if (byte == EOF && ferror(reader->in)) return fail_here(reader);
    if (byte == EOF && reader->length == 0) return 0;
    if (add_byte(reader, '\0')) return -1;
    reader->length--;
    return 1;
}

/* Makes room for one more element; the array or NULL. */
static void *grow(void *array, size_t count, size_t *room, size_t size) {
    if (count < *room) return array;
    const size_t larger = *room ? 2 * *room : 4;
    void *moved = realloc(array, larger * size);
    if (moved) *room = larger;
    return moved;
}

/* --- kinds of lines --- */

static struct fs_digest *last_digest(struct reader *reader) {
    return &reader->list[reader->count - 1];
}

static const char *string_member(const json_t *line, const char *name) {
    return json_string_value(json_object_get(line, name));
}

static int read_node(struct reader *reader, const json_t *line) {
    const char *host = string_member(line, "host"), *wrong = NULL;
    if (reader->open) return fail(reader, EBADMSG, "the digest before has no end");
    if (!host) return fail(reader, EBADMSG, "a digest without a host");
    if (reader->count >= DIGESTS_MAX) return fail(reader, EBADMSG, "too many digests");
    struct fs_digest *list = grow(reader->list, reader->count, &reader->list_room, sizeof *list);
    if (!list) return fail_here(reader);
    reader->list = list;
    reader->count++;
    struct fs_digest *digest = last_digest(reader);
    fs_digest_init(digest);
    digest->host = strdup(host);
    reader->open = true;
    if (!digest->host) return fail_here(reader);
    if (fs_fields_read(&fs_digest_fields, line, digest, &wrong) == 0) return 0;
    return fail_fields(reader, wrong);
}

/* Whether the line belongs to the digest that is open. */
static int check_host(struct reader *reader, const json_t *line) {
    const char *host = string_member(line, "host");
    if (!reader->open) return fail(reader, EBADMSG, "the begin of its digest is missing");
    if (!host || strcmp(host, last_digest(reader)->host) != 0)
        return fail(reader, EBADMSG, "in the digest of another host");
    return 0;
}

static int read_group(struct reader *reader, const json_t *line) {
    const char *wrong = NULL;
    if (check_host(reader, line)) return -1;
    struct fs_digest *digest = last_digest(reader);
    if (digest->group_count >= FS_GROUPS_MAX) return fail(reader, EBADMSG, "too many groups");
    if (!digest->groups) digest->groups = calloc(FS_GROUPS_MAX, sizeof *digest->groups);
    if (!digest->groups) return fail_here(reader);
    struct fs_group *group = &digest->groups[digest->group_count++];
    fs_group_init(group);
    if (fs_fields_read(&fs_group_fields, line, group, &wrong) == 0) return 0;
    return fail_fields(reader, wrong);
}

static struct known_topology *find_topology(struct reader *reader, const char *hash) {
    for (size_t i = 0; i < reader->topology_count; i++)
        if (strcmp(reader->topologies[i].hash, hash) == 0) return &reader->topologies[i];
    return NULL;
}

static int read_topology(struct reader *reader, const json_t *line) {
    const char *hash = string_member(line, "hash"), *text = string_member(line, "text");
    struct known_topology new = {0};
    if (!hash || !text || strlen(text) > TOPOLOGY_TEXT_MAX)
        return fail(reader, EBADMSG, "not a topology");
    fs_topology_hash(text, new.hash);
    if (strcmp(hash, new.hash) != 0) return fail(reader, EBADMSG, "a changed topology");
    if (find_topology(reader, hash)) return 0;
    if (reader->topology_count >= TOPOLOGIES_MAX)
        return fail(reader, EBADMSG, "too many topologies");
    void *larger = grow(reader->topologies, reader->topology_count, &reader->topology_room,
                        sizeof *reader->topologies);
    if (!larger) return fail_here(reader);
    reader->topologies = larger;
    if (fs_topology_from_text(text, &new.topology))
        return errno == EBADMSG ? fail(reader, EBADMSG, "not a topology") : fail_here(reader);
    reader->topologies[reader->topology_count++] = new;
    return 0;
}

static int read_end(struct reader *reader, const json_t *line) {
    const json_t *groups = json_object_get(line, "groups");
    if (check_host(reader, line)) return -1;
    if (!json_is_integer(groups) ||
        json_integer_value(groups) != (json_int_t)last_digest(reader)->group_count)
        return fail(reader, EBADMSG, "groups of this digest are missing");
    reader->open = false;
    return 0;
}

static const struct {
    const char *kind;
    int (*read)(struct reader *, const json_t *);
} kinds[] = {
    {"node", read_node},
    {"group", read_group},
    {"topology", read_topology},
    {"end", read_end},
};

static int read_line(struct reader *reader, const json_t *line) {
    const json_t *version = json_object_get(line, "forksight");
    const char *kind = string_member(line, "kind");
    if (!json_is_integer(version)) return fail(reader, EBADMSG, "not a digest of forksight");
    if (json_integer_value(version) != FS_DIGEST_VERSION)
        return fail_version(reader, json_integer_value(version));
    if (!kind) return fail(reader, EBADMSG, "not a digest of forksight");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].kind, kind) == 0) return kinds[i].read(reader, line);
    return 0; /* a kind of a later forksight of the same version */
}

static int read_lines(struct reader *reader) {
    int more;
    while ((more = next_line(reader)) > 0) {
        if (reader->length == 0) continue;
        json_error_t details;
        json_t *line = json_loadb(reader->line, reader->length, JSON_REJECT_DUPLICATES, &details);
        if (!line && json_error_code(&details) == json_error_out_of_memory) {
            errno = ENOMEM;
            return fail_here(reader);
        }
        if (!line)
            return fail(reader, EBADMSG,
                        feof(reader->in) ? "cut off, or not a digest of forksight"
                                         : "not a digest of forksight");
        const int result = read_line(reader, line);
        json_decref(line);
        if (result) return -1;
    }
    if (more < 0) return -1;
    if (reader->open) return fail(reader, EBADMSG, "cut off: the digest has no end");
    return reader->count ? 0 : fail(reader, EBADMSG, "no digest in it");
}

/* Gives each digest its topology; the first to name one owns it (see fs_digest_list_free). */
static void resolve_topologies(struct reader *reader) {
    for (size_t i = 0; i < reader->count; i++) {
        const char *hash = reader->list[i].topology_hash;
        struct known_topology *known = hash ? find_topology(reader, hash) : NULL;
        if (!known) continue;
        reader->list[i].topology = known->topology;
        known->taken = true;
    }
}

int fs_digest_read(FILE *in, struct fs_digest **list, size_t *count, char *error,
                   size_t error_size) {
    struct reader reader = {.in = in, .error = error, .error_size = error_size};
    if (error_size) *error = '\0';
    const int result = read_lines(&reader);
    const int saved = errno;
    if (!result) resolve_topologies(&reader);
    for (size_t i = 0; i < reader.topology_count; i++)
        if (!reader.topologies[i].taken) hwloc_topology_destroy(reader.topologies[i].topology);
    free(reader.topologies);
    free(reader.line);
    if (result) {
        fs_digest_list_free(reader.list, reader.count);
        *list = NULL;
        *count = 0;
        errno = saved;
        return -1;
    }
    *list = reader.list;
    *count = reader.count;
    return 0;
}
