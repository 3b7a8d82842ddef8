/*
 * sources.h - the documents that rules rest on.
 */
#ifndef FS_REPORT_SOURCES_H
#define FS_REPORT_SOURCES_H

struct fs_source {
    const char *key, *title, *link;
};

/* The source with that key, or NULL ("own": a number that this tool chose). */
const struct fs_source *fs_source_find(const char *key);

#endif
