/*
 * made_segment.h - segments as the shim would leave them, made in memory for tests.
 */
#ifndef FS_TESTS_MADE_SEGMENT_H
#define FS_TESTS_MADE_SEGMENT_H

#include <stdlib.h>
#include <string.h>

#include "preload/segment.h"

struct made_segment {
    char *bytes;
    size_t size;
    struct fsp_header *header;
    struct fsp_process *processes;
    struct fsp_thread *threads;
    struct fsp_chunk *chunks;
    struct fsp_site *sites;
    _Atomic int32_t *index;
};

/* An image's base segment (or an extension of it) with a live process in slot 0, all pages
 * committed. bytes is for the caller to free. */
static inline struct made_segment make_segment(uint64_t size, uint32_t extension) {
    struct made_segment made = {.bytes = aligned_alloc(FSP_PAGE, size), .size = size};
    memset(made.bytes, 0, size);
    made.header = (void *)made.bytes;
    fsp_layout(made.header, size, extension);
    made.processes = (void *)(made.bytes + made.header->processes_at);
    made.threads = (void *)(made.bytes + made.header->threads_at);
    made.chunks = (void *)(made.bytes + made.header->chunks_at);
    made.sites = (void *)(made.bytes + made.header->sites_at);
    made.index = (void *)(made.bytes + made.header->index_at);
    made.header->magic = FSP_MAGIC;
    made.header->version = FSP_VERSION;
    made.header->endian = FSP_ENDIAN;
    made.header->pid = 1000;
    made.header->ppid = 999;
    made.header->t_made = made.header->image = 1000000;
    made.header->ready = 1;
    for (size_t page = 0; page < size / FSP_PAGE; page++)
        made.header->committed[page / 64] |= UINT64_C(1) << page % 64;
    made.processes[0].state = FSP_PROCESS_LIVE;
    made.processes[0].pid = 1000;
    made.processes[0].ppid = 999;
    made.processes[0].birth = FSP_BIRTH_IMAGE;
    made.processes[0].t_start = 1000001;
    made.index[0] = 1000;
    return made;
}

/* Puts some of everything in: two children, a thread, a chunk of two events, a site. */
static inline void fill_segment(struct made_segment *made) {
    for (int i = 1; i <= 2; i++) {
        struct fsp_process *child = &made->processes[i];
        child->state = FSP_PROCESS_LIVE;
        child->pid = 1000 + i;
        child->ppid = 1000;
        child->birth = FSP_BIRTH_FORK;
        child->birth_site = 77;
        child->t_fork = 2000000;
        child->t_start = 2000100;
        child->self.user_us = 5;
        made->index[i] = 1000 + i;
    }
    made->threads[0].state = FSP_THREAD_ENDED;
    made->threads[0].pid = 1000;
    made->threads[0].tid = 1005;
    made->chunks[0].owner = 1000;
    made->chunks[0].used = 2;
    made->chunks[0].event[0].kind = FSP_EVENT_SETENV;
    strcpy(made->chunks[0].event[0].text, "OMP_NUM_THREADS=4");
    made->chunks[0].event[1].kind = FSP_EVENT_KILL;
    made->chunks[0].event[1].a = 1001;
    made->chunks[0].event[1].b = 15;
    made->sites[0].key = 77;
    made->sites[0].kind = FSP_SITE_PYTHON;
    strcpy(made->sites[0].text, "pool.py:41:main\n");
}

#endif
