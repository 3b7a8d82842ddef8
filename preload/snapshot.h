/*
 * snapshot.h - the file that holds the C stack of a fork site, as the shim leaves it.
 *
 * Nothing is unwound inside the application: the shim copies the top of the stack and says
 * what was mapped where. The file is written, never mapped: a mapping would make every
 * fork dearer, and write() refuses what is not there where a copy loop would crash.
 *
 *   header | stack, from sp upwards | modules
 *
 * The header is written last: a file whose first bytes are zero is not finished. The
 * reader treats every byte as hostile. Only fixed-width types here; for the shim and
 * the collector, and for nobody else.
 */
#ifndef FSP_SNAPSHOT_H
#define FSP_SNAPSHOT_H

#include <stdint.h>

#define FSP_SNAPSHOT_MAGIC   0x0a0d4b4353505346ull /* "FSPSCK\r\n", little endian */
#define FSP_SNAPSHOT_VERSION 1u

/* A snapshot's name in the segment folder: "<key of the site>-<image>" + suffix. */
#define FSP_SUFFIX_SNAPSHOT ".stk"

enum { FSP_SNAPSHOT_STACK = 16 * 1024 }; /* bytes of stack at most */
enum { FSP_SNAPSHOT_MODULES = 32 };      /* objects with code that the stack points into */
enum { FSP_SNAPSHOTS_MAX = 16 };         /* of an image and all its forks */

enum fsp_machine { FSP_MACHINE_X86_64 = 1, FSP_MACHINE_AARCH64 };

struct fsp_snapshot {
    uint64_t magic;
    uint32_t version, machine; /* enum fsp_machine */
    uint64_t image, site;      /* whose site: fsp_header.image, fsp_site.key */
    uint64_t pc, sp, fp;       /* inside the shim, which saved all other registers */
    uint32_t stack_size, modules;
};

struct fsp_module {
    uint64_t base;      /* what is added to the addresses in the file */
    uint64_t low, high; /* of its code */
    char path[232];     /* NUL-terminated; as the loader knows it */
};

_Static_assert(sizeof(struct fsp_snapshot) == 64, "header of a snapshot");
_Static_assert(sizeof(struct fsp_module) == 256, "module of a snapshot");

#endif
