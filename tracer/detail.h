/*
 * detail.h - every process of the node, one JSON object a line: <host>.detail.
 *
 * The first line is {"forksight":1,"kind":"detail","host":...,"start_realtime":ns}.
 * Then a line for each process, in the order in which they became known:
 *
 *   pid, ppid     ppid: who made it; null: unknown
 *   birth         "run" (the command itself), "fork", "_Fork", "vfork", "clone",
 *                 "posix_spawn", "system", "popen", "daemon", "forkpty", "atfork" (a
 *                 fork inside libc), "libc" (a clone that no hook saw), "unknown"
 *   start_ns, end_ns  since the start of the job; end_ns null: alive when the record
 *                 was closed
 *   cpu_ns        user + system; null: unknown (also below)
 *   run_ns, wait_ns   on a CPU, and waiting for one (run queue)
 *   maxrss_kib
 *   mask          CPUs that it could use at last, as a list ("0-3,8")
 *   exit          how it ended: n >= 0 exit status, -n signal n; null: unknown, alive
 *   cause         the same in words, with who sent the signal
 *   executable    path of the last program; command: its argv, shell-quoted, cut
 *   images        paths of the programs that it was, in order
 *   site          where it was made: "file:line:function", "module:symbol"; null
 *   threads       beyond the main one: tid, start_ns, end_ns, cpu_ns, run_ns,
 *                 wait_ns, mask, routine (the library whose function it started in)
 *   witness       of "shim", "parent", "proc": who told of it
 *   unseen        null, or why the recorder was not in its last program: "static",
 *                 "secure", "scrubbed", "libc", "off", "short", "other"
 *
 * A last line {"kind":"more","processes":n} says how many did not fit into
 * FS_DETAIL_MAX bytes; {"kind":"end"} that all did. A file without either is cut.
 */
#ifndef FS_DETAIL_H
#define FS_DETAIL_H

#include "tracer/evaluation.h"

#include <stdio.h>

enum { FS_DETAIL_MAX = 8 << 20 };

/* Writes the detail of all records to out. Returns 0, or -1 with errno. */
int fs_detail_write(const struct fs_evaluation *evaluation, const char *host,
                    int64_t start_realtime, FILE *out);

/* How a record ended, in words (at most size-1 bytes). Returns text. */
char *fs_cause_text(const struct fs_evaluation *evaluation, const struct fs_record *record,
                    char *text, size_t size);

#endif
