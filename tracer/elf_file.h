/*
 * elf_file.h - what an executable file says about how it is loaded.
 *
 * For 64-bit ELF files of this machine's byte order; any bytes may come.
 */
#ifndef FS_ELF_FILE_H
#define FS_ELF_FILE_H

#include <stdbool.h>

enum { FS_LOADER_SIZE = 256 };

/* The loader that the program in an open file names, into path. Returns 1; 0: it is
 * static; -1: no such program. */
int fs_elf_loader(int file, char path[FS_LOADER_SIZE]);

/* Whether the dynamic names of the object at path (what it defines, uses and needs) hold
 * name as a whole. */
bool fs_elf_names(const char *path, const char *name);

/* Whether the program at path needs a shared object whose name begins with prefix. */
bool fs_elf_needs(const char *path, const char *prefix);

/* Bytes of a symbol's name without the version that a library gives it,
 * "sem_wait@@GLIBC_2.34", and not more than a line of text has room for. */
int fs_elf_symbol_length(const char *symbol);

#endif
