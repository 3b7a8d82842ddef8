/* elf_file.c - see elf_file.h. */
#include "tracer/elf_file.h"

#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEGMENTS_MAX = 64, DYNAMIC_MAX = 512, NAME_SIZE = 128, NAMES_MAX = 16 << 20 };
enum { SYMBOL_MAX = 100 };

struct program {
    Elf64_Phdr segments[SEGMENTS_MAX];
    unsigned count;
};

static bool read_at(int file, void *data, size_t size, uint64_t at) {
    return at <= INT64_MAX && pread(file, data, size, (off_t)at) == (ssize_t)size;
}

static bool read_program(int file, struct program *program) {
    Elf64_Ehdr header;

    if (!read_at(file, &header, sizeof header, 0) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof *program->segments ||
        header.e_phnum > SEGMENTS_MAX)
        return false;
    program->count = header.e_phnum;
    return read_at(file, program->segments, program->count * sizeof *program->segments,
                   header.e_phoff);
}

static const Elf64_Phdr *find_segment(const struct program *program, uint32_t type) {
    for (unsigned i = 0; i < program->count; i++)
        if (program->segments[i].p_type == type) return &program->segments[i];
    return NULL;
}

int fs_elf_loader(int file, char path[FS_LOADER_SIZE]) {
    struct program program;

    if (!read_program(file, &program)) return -1;
    const Elf64_Phdr *segment = find_segment(&program, PT_INTERP);
    if (!segment) return 0;
    const size_t size =
        segment->p_filesz < FS_LOADER_SIZE ? (size_t)segment->p_filesz : FS_LOADER_SIZE - 1;
    if (!read_at(file, path, size, segment->p_offset)) return -1;
    path[size] = '\0';
    return 1;
}

/* Where an address of the loaded program is in its file; 0: nowhere. */
static uint64_t file_offset(const struct program *program, uint64_t address) {
    for (unsigned i = 0; i < program->count; i++) {
        const Elf64_Phdr *segment = &program->segments[i];
        if (segment->p_type == PT_LOAD && address >= segment->p_vaddr &&
            address - segment->p_vaddr < segment->p_filesz)
            return segment->p_offset + (address - segment->p_vaddr);
    }
    return 0;
}

/* What the loader reads. */
struct dynamic {
    Elf64_Dyn entries[DYNAMIC_MAX];
    size_t count;
    uint64_t names, names_size; /* offset of the table of names in the file; 0: none */
};

static bool read_dynamic(int file, const struct program *program, struct dynamic *dynamic) {
    const Elf64_Phdr *segment = find_segment(program, PT_DYNAMIC);

    dynamic->names = dynamic->names_size = 0;
    if (!segment) return false;
    size_t size = segment->p_filesz < sizeof dynamic->entries ? (size_t)segment->p_filesz
                                                              : sizeof dynamic->entries;
    size -= size % sizeof *dynamic->entries;
    if (!read_at(file, dynamic->entries, size, segment->p_offset)) return false;
    dynamic->count = size / sizeof *dynamic->entries;
    for (size_t i = 0; i < dynamic->count; i++) {
        const Elf64_Dyn *entry = &dynamic->entries[i];
        if (entry->d_tag == DT_STRTAB) dynamic->names = file_offset(program, entry->d_un.d_ptr);
        if (entry->d_tag == DT_STRSZ) dynamic->names_size = entry->d_un.d_val;
    }
    return dynamic->names != 0;
}

static bool needs(int file, const struct dynamic *dynamic, const char *prefix) {
    const size_t length = strlen(prefix);
    char name[NAME_SIZE];

    for (size_t i = 0; i < dynamic->count && dynamic->entries[i].d_tag != DT_NULL; i++)
        if (dynamic->entries[i].d_tag == DT_NEEDED && length <= sizeof name &&
            read_at(file, name, length, dynamic->names + dynamic->entries[i].d_un.d_val) &&
            memcmp(name, prefix, length) == 0)
            return true;
    return false;
}

/* The name with the NUL on both sides of it. */
static bool has_name(int file, const struct dynamic *dynamic, const char *name) {
    const size_t length = strlen(name), size = (size_t)dynamic->names_size;
    char *names = dynamic->names_size > 0 && dynamic->names_size <= NAMES_MAX ? malloc(size) : NULL;
    bool found = false;

    if (names && read_at(file, names, size, dynamic->names))
        for (const char *at = names; !found && at;
             at = memmem(at + 1, size - (size_t)(at + 1 - names), name, length + 1))
            found = at > names && at[-1] == '\0';
    free(names);
    return found;
}

typedef bool question(int file, const struct dynamic *dynamic, const char *text);

static bool ask(const char *path, question *holds, const char *text) {
    struct program program;
    struct dynamic dynamic;
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (file < 0) return false;
    const bool result = read_program(file, &program) && read_dynamic(file, &program, &dynamic) &&
                        holds(file, &dynamic, text);
    close(file);
    return result;
}

bool fs_elf_needs(const char *path, const char *prefix) {
    return ask(path, needs, prefix);
}

bool fs_elf_names(const char *path, const char *name) {
    return ask(path, has_name, name);
}

int fs_elf_symbol_length(const char *symbol) {
    const size_t length = strcspn(symbol, "@");

    return length < SYMBOL_MAX ? (int)length : SYMBOL_MAX;
}
