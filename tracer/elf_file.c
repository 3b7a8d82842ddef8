/* elf_file.c - see elf_file.h. */
#include "tracer/elf_file.h"

#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { SEGMENTS_MAX = 64, DYNAMIC_MAX = 512, NAME_SIZE = 128 };

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

static bool needs(int file, const struct program *program, const char *prefix) {
    const Elf64_Phdr *segment = find_segment(program, PT_DYNAMIC);
    Elf64_Dyn entries[DYNAMIC_MAX];
    char name[NAME_SIZE];
    uint64_t names = 0;

    if (!segment) return false;
    size_t size = segment->p_filesz < sizeof entries ? (size_t)segment->p_filesz : sizeof entries;
    size -= size % sizeof *entries;
    if (!read_at(file, entries, size, segment->p_offset)) return false;
    const size_t count = size / sizeof *entries;
    for (size_t i = 0; i < count; i++)
        if (entries[i].d_tag == DT_STRTAB) names = file_offset(program, entries[i].d_un.d_ptr);
    for (size_t i = 0; names && i < count && entries[i].d_tag != DT_NULL; i++) {
        const size_t length = strlen(prefix);
        if (entries[i].d_tag == DT_NEEDED && length <= sizeof name &&
            read_at(file, name, length, names + entries[i].d_un.d_val) &&
            memcmp(name, prefix, length) == 0)
            return true;
    }
    return false;
}

bool fs_elf_needs(const char *path, const char *prefix) {
    struct program program;
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (file < 0) return false;
    const bool result = read_program(file, &program) && needs(file, &program, prefix);
    close(file);
    return result;
}
