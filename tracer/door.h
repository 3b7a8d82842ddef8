/*
 * door.h - how the tasks of a node come to the collector that follows them.
 *
 * A collector that others may join has a socket, "door", in its segment folder. A supervisor
 * of a task (inner form) connects, says when its task started and ended, and hangs up; a task
 * that no forksight waits for (outer form) is announced by its prolog and taken leave of by its
 * epilog. The file "tasks" beside it lists them for a reader after an accident.
 *
 * A door is closed for good under the lock of its place (rendezvous.h), and people connect under
 * it: so nobody comes to a collector that has decided to end.
 */
#ifndef FS_DOOR_H
#define FS_DOOR_H

#include "preload/segment.h"
#include "tracer/collector.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fs_word {
    /* from a task's side */
    FS_WORD_COME = 1,    /* pid: of the task, 0: not started yet; expected, mask */
    FS_WORD_STARTED,     /* pid, ppid, t */
    FS_WORD_INTERRUPTED, /* status: the signal, t */
    FS_WORD_ENDED,       /* end */
    FS_WORD_LEFT,        /* by the epilog: step, rank */
    FS_WORD_ASK,         /* by a reader: is somebody still there? */
    /* from the collector's */
    FS_WORD_WELCOME,
    FS_WORD_REFUSED, /* text */
    FS_WORD_NOTED,   /* go on: others are still there */
    FS_WORD_WRITTEN, /* the digest is in the job directory */
};

/* One packet; both ends are the same program. */
struct fs_message {
    uint32_t magic, word;
    int32_t pid, ppid, rank, expected, status;
    bool variables_lost; /* COME: the launcher did not hand down the environment of `run` */
    int64_t t;
    struct fs_task_end end;
    uint64_t mask[FSP_MASK_WORDS]; /* all 0: not known */
    char step[64], text[512];
};
#define FS_MESSAGE_MAGIC 0x46534431u

struct fs_guest {
    int connection; /* -1: hung up */
    int pid;        /* 0: not started yet */
    int rank;
    bool supervised; /* somebody waits for it and will tell */
    bool ended, waits, asks;
    int64_t t_start;
    char step[64];
};

struct fs_door {
    int poll; /* readable when somebody wants something */
    int listener, list;
    char path[PATH_MAX + 16];
    struct fs_guest **guests;
    size_t count;
    int expected;     /* tasks on this node, as the launcher says; 0: it does not */
    int64_t t_change; /* when somebody last came or went */
    bool stays;       /* the collector goes on when all its guests have gone: nobody waits for it */
};

/* Opens the door of a folder. -1 with errno. */
int fs_door_open(struct fs_door *door, const char *folder);

/* Serves who came and what they say; does not wait. */
void fs_door_serve(struct fs_door *door, struct fs_collector *collector);

/* Whether a task lives, or is about to start. */
bool fs_door_present(const struct fs_door *door, const struct fs_collector *collector);
/* Tasks that came so far. */
int fs_door_seen(const struct fs_door *door);

/* Nobody finds it from now on. To be called under the lock. */
void fs_door_close(struct fs_door *door);
/* Tells those who wait, and releases all. error NULL: the digest is written. */
void fs_door_farewell(struct fs_door *door, const char *error);

/* Reads the list of tasks of a folder and calls visit for each; nothing if there is none. */
void fs_door_list(const char *folder, void (*visit)(void *context, int pid, int ppid, int64_t t),
                  void *context);

/* One packet over a connection. -1 with errno; fs_message_receive: ENODATA: hung up. */
int fs_message_send(int connection, const struct fs_message *message);
int fs_message_receive(int connection, struct fs_message *message);

/* Whether a folder has a door, and has not closed it. */
bool fs_door_is_open(const char *folder);
/* Connects to it; -1 with errno. */
int fs_door_knock(const char *folder);
/* Waits until the collector of a folder that has no task any more has written, or timeout. */
void fs_door_await(const char *folder, int timeout_ms);

#endif
