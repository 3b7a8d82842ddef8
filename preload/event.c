/*
 * event.c - the bounded list of rare things.
 *
 * Normal code and signal handlers. A process writes to a chunk of its own. The
 * first EVENTS_CHUNKS chunks of a process are kept, what comes after is counted.
 */
#include <string.h>
#include <unistd.h>

#include "preload/shim.h"
#include "preload/text.h"

enum { CHUNKS_PER_PROCESS = 64 };

/* Of the process that owns the chunk: a fork child sees another owner in it and
 * takes its own. */
static _Atomic(struct fsp_chunk *) current FSP_DATA;
static _Atomic uint32_t owned FSP_DATA;

static struct fsp_chunk *claim_in(struct fsp_header *segment, int32_t pid) {
    struct fsp_chunk *chunks = (struct fsp_chunk *)((char *)segment + segment->chunks_at);
    const uint32_t hint = atomic_load_explicit(&segment->chunk_hint, memory_order_relaxed);

    for (uint32_t k = 0; k < segment->chunks; k++) {
        struct fsp_chunk *chunk = chunks + (hint + k) % segment->chunks;
        int32_t expected = 0;

        if (!fsp_segment_commit(segment, chunk, sizeof *chunk)) return NULL;
        if (!atomic_compare_exchange_strong(&chunk->owner, &expected, pid)) continue;
        fsp_clear(chunk->event, sizeof chunk->event);
        atomic_store(&chunk->used, 0);
        chunk->t_owned = fsp_now();
        atomic_store_explicit(&segment->chunk_hint, (hint + k + 1) % segment->chunks,
                              memory_order_relaxed);
        return chunk;
    }
    return NULL;
}

static struct fsp_chunk *claim(int32_t pid) {
    unsigned from = 0;

    do {
        const unsigned count = fsp_segment_count();

        for (unsigned i = from; i < count; i++) {
            struct fsp_header *segment = fsp_segment(i);
            struct fsp_chunk *chunk = segment != NULL ? claim_in(segment, pid) : NULL;

            if (chunk != NULL) return chunk;
        }
        from = count;
    } while (fsp_segment_extend(FSP_EXTENSION_ANY));
    return NULL;
}

/* A chunk of pid with room; *at gets the place in it. NULL: full. */
static struct fsp_chunk *reserve(int32_t pid, uint32_t *at) {
    struct fsp_chunk *chunk = atomic_load_explicit(&current, memory_order_acquire);
    const bool ours = chunk != NULL && atomic_load(&chunk->owner) == pid;

    if (ours) {
        *at = atomic_fetch_add_explicit(&chunk->used, 1, memory_order_relaxed);
        if (*at < FSP_CHUNK_EVENTS) return chunk;
        atomic_store_explicit(&chunk->used, FSP_CHUNK_EVENTS, memory_order_relaxed);
    } else {
        atomic_store(&owned, 0);
    }
    if (atomic_fetch_add(&owned, 1) >= CHUNKS_PER_PROCESS) {
        atomic_store(&owned, CHUNKS_PER_PROCESS);
        return NULL;
    }
    chunk = claim(pid);
    if (chunk == NULL) return NULL;
    *at = atomic_fetch_add(&chunk->used, 1);
    atomic_store_explicit(&current, chunk, memory_order_release);
    return chunk;
}

void fsp_event(struct fsp_event event) {
    const uint32_t kind = atomic_load_explicit(&event.kind, memory_order_relaxed);
    const int32_t pid = fsp_tls.self != NULL ? fsp_tls.self->pid : fsp_pid();
    uint32_t at;
    struct fsp_chunk *chunk = reserve(pid, &at);
    struct fsp_event *place;

    if (chunk == NULL) {
        atomic_fetch_add_explicit(&fsp_segment(0)->lost_events, 1, memory_order_relaxed);
        return;
    }
    place = &chunk->event[at];
    place->t = event.t != 0 ? event.t : fsp_now();
    place->tid = fsp_tid();
    place->a = event.a;
    place->b = event.b;
    place->site = event.site;
    memcpy(place->u, event.u, sizeof place->u);
    atomic_store_explicit(&place->kind, kind, memory_order_release);
}

void fsp_event_text(uint32_t kind, int32_t b, uint64_t site, const char *text) {
    struct fsp_event event = {.kind = kind, .b = b, .site = site};

    fsp_text_copy(event.text, sizeof event.text, text);
    fsp_event(event);
}
