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
#include "tracer/digest_reader.h"
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

struct fs_digest_reader {
    FILE *in;
    char *line; /* without its newline, NUL-terminated */
    size_t length, room;
    long number;                 /* of the line, from 1 */
    int64_t offset, next_offset; /* of the line, and of the one behind it */

    struct fs_digest *digest;    /* the one that is being read, once its first line was */
    bool open, whole;            /* its end was not read yet, or was just now */
    bool skims;                  /* only its place is asked for */
    struct fs_digest_mark *mark; /* of it */
    struct known_topology *topologies;
    size_t topology_count, topology_room;

    char *error;
    size_t error_size;
};

static int fail(struct fs_digest_reader *reader, int error, const char *text) {
    if (reader->error_size)
        snprintf(reader->error, reader->error_size, "line %ld: %s", reader->number, text);
    errno = error;
    return -1;
}

static int fail_here(struct fs_digest_reader *reader) { /* no memory, or the disk */
    const int error = errno;
    return fail(reader, error, strerror(error));
}

/* A structure was not read: errno and the name of the wrong member say why. */
static int fail_fields(struct fs_digest_reader *reader, const char *wrong) {
    char text[96];
    if (errno != EBADMSG && errno != EFBIG) return fail_here(reader);
    snprintf(text, sizeof text,
             errno == EFBIG ? "too long texts in \"%s\"" : "a wrong value for \"%s\"", wrong);
    return fail(reader, EBADMSG, text);
}

static int fail_version(struct fs_digest_reader *reader, json_int_t version) {
    char text[96];
    snprintf(text, sizeof text, "a digest of format version %lld; this forksight reads version %d",
             (long long)version, FS_DIGEST_VERSION);
    return fail(reader, EPROTONOSUPPORT, text);
}

/* --- lines --- */

static int add_byte(struct fs_digest_reader *reader, char byte) {
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
static int next_line(struct fs_digest_reader *reader) {
    int byte;
    reader->length = 0;
    reader->number++;
    reader->offset = reader->next_offset;
    while ((byte = getc_unlocked(reader->in)) != EOF && byte != '\n')
        if (add_byte(reader, (char)byte)) return -1;
    if (byte == EOF && ferror(reader->in)) return fail_here(reader);
    if (byte == EOF && reader->length == 0) return 0;
    if (add_byte(reader, '\0')) return -1;
    reader->length--;
    reader->next_offset += (int64_t)reader->length + (byte == '\n');
    return 1;
}

/* FNV-1a */
static void add_to_mark(struct fs_digest_reader *reader) {
    uint64_t hash = reader->mark->hash;
    for (size_t i = 0; i < reader->length; i++)
        hash = (hash ^ (unsigned char)reader->line[i]) * 0x100000001b3;
    reader->mark->hash = hash;
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

static const char *string_member(const json_t *line, const char *name) {
    return json_string_value(json_object_get(line, name));
}

static int read_node(struct fs_digest_reader *reader, const json_t *line) {
    const char *host = string_member(line, "host"), *wrong = NULL;
    if (reader->open) return fail(reader, EBADMSG, "the digest before has no end");
    if (!host) return fail(reader, EBADMSG, "a digest without a host");
    struct fs_digest *digest = reader->digest;
    fs_digest_init(digest);
    digest->host = strdup(host);
    reader->open = true;
    *reader->mark = (struct fs_digest_mark){
        .offset = reader->offset, .line = reader->number, .hash = 0xcbf29ce484222325};
    add_to_mark(reader);
    if (!digest->host) return fail_here(reader);
    if (reader->skims) {
        const json_t *start = json_object_get(line, "start");
        if (json_is_integer(start)) digest->start_realtime = json_integer_value(start);
        digest->launchers_only = json_is_true(json_object_get(line, "launchers_only"));
        return 0;
    }
    if (fs_fields_read(&fs_digest_fields, line, digest, &wrong) == 0) return 0;
    return fail_fields(reader, wrong);
}

/* Whether the line belongs to the digest that is open. */
static int check_host(struct fs_digest_reader *reader, const json_t *line) {
    const char *host = string_member(line, "host");
    if (!reader->open) return fail(reader, EBADMSG, "the begin of its digest is missing");
    if (!host || strcmp(host, reader->digest->host) != 0)
        return fail(reader, EBADMSG, "in the digest of another host");
    return 0;
}

static int read_group(struct fs_digest_reader *reader, const json_t *line) {
    const char *wrong = NULL;
    if (check_host(reader, line)) return -1;
    struct fs_digest *digest = reader->digest;
    add_to_mark(reader);
    if (digest->group_count >= FS_GROUPS_MAX) return fail(reader, EBADMSG, "too many groups");
    struct fs_group *groups =
        realloc(digest->groups, (digest->group_count + 1) * sizeof *digest->groups);
    if (!groups) return fail_here(reader);
    digest->groups = groups;
    struct fs_group *group = &digest->groups[digest->group_count++];
    fs_group_init(group);
    if (reader->skims) return 0;
    if (fs_fields_read(&fs_group_fields, line, group, &wrong) == 0) return 0;
    return fail_fields(reader, wrong);
}

static struct known_topology *find_topology(struct fs_digest_reader *reader, const char *hash) {
    for (size_t i = 0; i < reader->topology_count; i++)
        if (strcmp(reader->topologies[i].hash, hash) == 0) return &reader->topologies[i];
    return NULL;
}

static int read_topology(struct fs_digest_reader *reader, const json_t *line) {
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

static int read_end(struct fs_digest_reader *reader, const json_t *line) {
    const json_t *groups = json_object_get(line, "groups");
    if (check_host(reader, line)) return -1;
    if (!json_is_integer(groups) ||
        json_integer_value(groups) != (json_int_t)reader->digest->group_count)
        return fail(reader, EBADMSG, "groups of this digest are missing");
    reader->open = false;
    reader->whole = true;
    return 0;
}

static const struct {
    const char *kind;
    int (*read)(struct fs_digest_reader *, const json_t *);
} kinds[] = {
    {"node", read_node},
    {"group", read_group},
    {"topology", read_topology},
    {"end", read_end},
};

static int read_line(struct fs_digest_reader *reader, const json_t *line) {
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

static int read_json(struct fs_digest_reader *reader) {
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
    return result;
}

static int read_lines(struct fs_digest_reader *reader) {
    int more;
    reader->whole = false;
    while (!reader->whole && (more = next_line(reader)) != 0) {
        if (more < 0) return -1;
        if (reader->length > 0 && read_json(reader)) return -1;
    }
    if (reader->open) return fail(reader, EBADMSG, "cut off: the digest has no end");
    return reader->whole;
}

struct fs_digest_reader *fs_digest_reader_new(void) {
    return calloc(1, sizeof(struct fs_digest_reader));
}

void fs_digest_reader_free(struct fs_digest_reader *reader) {
    if (!reader) return;
    for (size_t i = 0; i < reader->topology_count; i++)
        if (!reader->topologies[i].taken) hwloc_topology_destroy(reader->topologies[i].topology);
    free(reader->topologies);
    free(reader->line);
    free(reader);
}

int fs_digest_reader_seek(struct fs_digest_reader *reader, FILE *in,
                          const struct fs_digest_mark *mark) {
    if (in) reader->in = in;
    reader->number = mark ? mark->line - 1 : 0;
    reader->next_offset = mark ? mark->offset : 0;
    return mark ? fseeko(reader->in, (off_t)mark->offset, SEEK_SET) : 0;
}

int fs_digest_reader_next(struct fs_digest_reader *reader, struct fs_digest *digest,
                          struct fs_digest_mark *mark, char *error, size_t error_size) {
    struct fs_digest_mark unused = {0};
    reader->digest = digest;
    reader->mark = mark ? mark : &unused;
    reader->open = false;
    reader->error = error;
    reader->error_size = error_size;
    if (error_size) *error = '\0';
    digest->host = NULL;
    const int result = read_lines(reader), saved = errno;
    if (result == 1 && digest->topology_hash) {
        const struct known_topology *known = find_topology(reader, digest->topology_hash);
        if (known) digest->topology = known->topology;
    }
    if (result < 0 && reader->open) fs_digest_release(digest);
    errno = saved;
    return result;
}

int fs_digest_reader_skim(struct fs_digest_reader *reader, struct fs_digest *digest,
                          struct fs_digest_mark *mark, char *error, size_t error_size) {
    reader->skims = true;
    const int result = fs_digest_reader_next(reader, digest, mark, error, error_size);
    reader->skims = false;
    return result;
}

/* Gives each digest its topology, also one that came later; the first to name one owns it
 * (see fs_digest_list_free). */
static void resolve_topologies(struct fs_digest_reader *reader, struct fs_digest *list,
                               size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *hash = list[i].topology_hash;
        struct known_topology *known = hash ? find_topology(reader, hash) : NULL;
        list[i].topology = known ? known->topology : NULL;
        if (known) known->taken = true;
    }
}

/* The digests of the text, and their number; -1. */
static int read_all(struct fs_digest_reader *reader, struct fs_digest **list, size_t *count) {
    char *error = reader->error;
    const size_t error_size = reader->error_size;
    size_t room = 0;
    int result = 1;
    while (result > 0) {
        struct fs_digest *larger = grow(*list, *count, &room, sizeof **list);
        if (!larger) return fail_here(reader);
        *list = larger;
        if (*count >= DIGESTS_MAX) return fail(reader, EBADMSG, "too many digests");
        result = fs_digest_reader_next(reader, &larger[*count], NULL, error, error_size);
        *count += result > 0;
    }
    if (result == 0 && *count == 0) return fail(reader, EBADMSG, "no digest in it");
    return result;
}

int fs_digest_read(FILE *in, struct fs_digest **list, size_t *count, char *error,
                   size_t error_size) {
    struct fs_digest_reader *reader = fs_digest_reader_new();
    *list = NULL;
    *count = 0;
    if (!reader) return -1;
    reader->in = in;
    reader->error = error;
    reader->error_size = error_size;
    const int result = read_all(reader, list, count), saved = errno;
    if (result == 0) resolve_topologies(reader, *list, *count);
    for (size_t i = 0; result < 0 && i < *count; i++)
        fs_digest_release(&(*list)[i]);
    if (result < 0) {
        free(*list);
        *list = NULL;
        *count = 0;
    }
    fs_digest_reader_free(reader);
    errno = saved;
    return result;
}
