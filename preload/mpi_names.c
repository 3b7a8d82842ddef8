/*
 * mpi_names.c - names of libraries are to be seen only where there is such a library.
 *
 * Programs ask whether a library is there by a weak reference to one of its functions, or by
 * dlsym: where nothing but the shim has that name, the answer must be no. The loader has bound
 * everything before any code of the shim runs, so in the constructor
 *
 * - weak references of other objects to names that only the shim has become NULL again;
 * - names of MPI that only the shim has are taken out of its own table of symbols, for whoever
 *   asks later. The loader finds the table through the shim's dynamic section, which is
 *   writable: it is pointed to a copy. A loader that remembers the table (musl's) goes on
 *   seeing the names.
 *
 * Every exec pays for this, so the first look is at what an object leaves undefined, which
 * stands first in its table of symbols, and of that at weak names: a handful. Relocations are
 * searched only where one of these is ours.
 *
 * The same look finds what hooks call on that a signal handler may be the first to call, when
 * the loader must not be asked: sigaction and syscall, of the first object behind the shim that
 * has them, as RTLD_NEXT has it, for a tenth of what dlsym costs.
 *
 * An interpreter may load an MPI at any time, for itself (mpi4py), and its extension is
 * bound before anything could be noticed: so there the names stay. Programs that look at no
 * symbol by name need no copy. Constructors of other libraries that ask run before this, and
 * objects that are loaded later find the names of other libraries than MPI.
 */
#include <elf.h>
#include <link.h>

#include "preload/call.h"
#include "preload/shim.h"
#include "preload/text.h"

#if defined __x86_64__
enum { DATA = R_X86_64_GLOB_DAT, CALL = R_X86_64_JUMP_SLOT, WORD = R_X86_64_64 };
#elif defined __aarch64__
enum { DATA = R_AARCH64_GLOB_DAT, CALL = R_AARCH64_JUMP_SLOT, WORD = R_AARCH64_ABS64 };
#else
enum { DATA = -1, CALL = -1, WORD = -1 };
#endif

typedef ElfW(Sym) elf_symbol;
typedef ElfW(Rela) elf_relocation;
typedef ElfW(Dyn) elf_dynamic;

enum { SYMBOLS_MAX = 512 };

extern elf_dynamic _DYNAMIC[] __attribute__((visibility("hidden")));
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char __start_fsp_mpi[] __attribute__((visibility("hidden")));
extern const char __stop_fsp_mpi[] __attribute__((visibility("hidden")));

/* What a dynamic section tells of an object. */
struct object {
    const elf_dynamic *dynamic;
    uintptr_t base, relro, relro_end;
    const elf_symbol *symbols;
    const char *strings;
    size_t strings_size;
    const uint16_t *versions; /* NULL: none */
    const uint32_t *hash;     /* GNU's; NULL: none */
    const uint32_t *old_hash; /* System V's; NULL: none */
    const elf_relocation *relocations[2];
    size_t relocation_count[2], relative; /* the first ones of [0] that name no symbol */
};

static elf_symbol copy[SYMBOLS_MAX] FSP_DATA;

static bool is_mpi(const char *name) {
    if (name[0] == 'P' || name[0] == 'p') name++;
    if (name[0] != 'M' && name[0] != 'm') return false;
    return fsp_starts(name, "MPI_") || fsp_starts(name, "mpi_");
}

/* Of the names that the shim has, those of libraries that a program may do without: libc's are
 * always somebody's. */
static bool is_optional(const char *name) {
    return is_mpi(name) || fsp_starts(name, "GOMP_") || fsp_starts(name, "cu") ||
           fsp_starts(name, "hip") || fsp_starts(name, "ibv_") || fsp_starts(name, "XOpen");
}

/* ---- objects ---- */

/* The loader has made addresses of offsets, but not in every object. */
static const void *pointer_in(uintptr_t base, uintptr_t value) {
    if (value == 0) return NULL;
    return (const void *)(value < base ? base + value : value);
}

static void read_dynamic(struct object *object, const elf_dynamic *entry) {
    uintptr_t value[DT_JMPREL + 1] = {0};

    for (; entry->d_tag != DT_NULL; entry++) {
        const uint64_t tag = (uint64_t)entry->d_tag;

        if (tag <= DT_JMPREL)
            value[tag] = entry->d_un.d_val;
        else if (tag == DT_GNU_HASH)
            object->hash = pointer_in(object->base, entry->d_un.d_ptr);
        else if (tag == DT_VERSYM)
            object->versions = pointer_in(object->base, entry->d_un.d_ptr);
        else if (tag == DT_RELACOUNT)
            object->relative = entry->d_un.d_val;
    }
    object->symbols = pointer_in(object->base, value[DT_SYMTAB]);
    object->strings = pointer_in(object->base, value[DT_STRTAB]);
    object->strings_size = value[DT_STRSZ];
    object->old_hash = pointer_in(object->base, value[DT_HASH]);
    object->relocations[0] = pointer_in(object->base, value[DT_RELA]);
    object->relocation_count[0] = value[DT_RELASZ] / sizeof(elf_relocation);
    object->relocations[1] = pointer_in(object->base, value[DT_JMPREL]);
    object->relocation_count[1] = value[DT_PLTRELSZ] / sizeof(elf_relocation);
}

static bool read_object(struct object *object, const struct dl_phdr_info *info) {
    *object = (struct object){.base = info->dlpi_addr};
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const uintptr_t at = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

        if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO) {
            object->relro = at;
            object->relro_end = at + info->dlpi_phdr[i].p_memsz;
        } else if (info->dlpi_phdr[i].p_type == PT_DYNAMIC) {
            object->dynamic = (const elf_dynamic *)at;
            read_dynamic(object, object->dynamic);
        }
    }
    return object->symbols != NULL && object->strings != NULL;
}

static const char *name_of(const struct object *object, const elf_symbol *symbol) {
    return symbol->st_name < object->strings_size ? object->strings + symbol->st_name : "";
}

/* ---- who has a name ---- */

static uint32_t hash_of(const char *name) {
    uint32_t hash = 5381;

    for (; *name != '\0'; name++) {
        hash = hash * 33 + (unsigned char)*name;
        FSP_PLAIN_LOOP();
    }
    return hash;
}

static bool is_there(const struct object *object, const elf_symbol *symbol, const char *name) {
    const char *there = name_of(object, symbol);

    return symbol->st_shndx != SHN_UNDEF && fsp_starts(there, name) &&
           there[fsp_length(name)] == '\0';
}

/* Without GNU's table: some vendors' libraries, and old ones. */
static uint32_t find_slowly(const struct object *object, const char *name) {
    const uint32_t count = object->old_hash != NULL ? object->old_hash[1] : 0;

    for (uint32_t i = 1; i < count; i++)
        if (is_there(object, &object->symbols[i], name)) return i;
    return 0;
}

static uint32_t find_by_hash(const struct object *object, const char *name, uint32_t hash) {
    const uint32_t *table = object->hash;
    const uint32_t buckets = table[0], first = table[1];
    const uintptr_t *bloom = (const uintptr_t *)(table + 4);
    const unsigned bits = 8 * sizeof *bloom;
    const uint32_t *chain;
    uintptr_t word;
    uint32_t i;

    if (buckets == 0 || table[2] == 0) return 0;
    word = bloom[hash / bits % table[2]];
    if ((word >> hash % bits & word >> (hash >> table[3]) % bits & 1) == 0) return 0;
    chain = (const uint32_t *)(bloom + table[2]);
    i = chain[hash % buckets];
    if (i < first || i == 0) return 0;
    for (chain += buckets;; i++) {
        const uint32_t there = chain[i - first];

        if ((there | 1) == (hash | 1) && is_there(object, &object->symbols[i], name)) return i;
        if ((there & 1) != 0) return 0;
    }
}

/* Number of an object's own symbol of that name; 0: it has none. */
static uint32_t find(const struct object *object, const char *name, uint32_t hash) {
    return object->hash != NULL ? find_by_hash(object, name, hash) : find_slowly(object, name);
}

/* Names that every object is asked for; their hashes are made once. */
enum known {
    KNOWN_SIGACTION,
    KNOWN_SYSCALL,
    KNOWN_MPI,
    KNOWN_MPI_FORTRAN,
    KNOWN_LIBC,
    KNOWN_COUNT
};
static const char known_names[KNOWN_COUNT][20] = {"sigaction", "syscall", "MPI_Init", "mpi_init_",
                                                  "__libc_start_main"};

struct known_hashes {
    uint32_t of[KNOWN_COUNT];
};

static uint32_t find_known(const struct object *object, const struct known_hashes *hashes,
                           enum known known) {
    return find(object, known_names[known], hashes->of[known]);
}

static bool has_mpi(const struct object *object, const struct known_hashes *hashes) {
    return find_known(object, hashes, KNOWN_MPI) != 0 ||
           find_known(object, hashes, KNOWN_MPI_FORTRAN) != 0;
}

/* ---- what comes next ---- */

struct next_functions {
    bool passed; /* the shim itself */
    uintptr_t sigaction, syscall;
};

/* 0: it has none, or one that takes more to be called. */
static uintptr_t function_in(const struct object *object, uint32_t i) {
    enum { HIDDEN_VERSION = 0x8000 };
    const elf_symbol *symbol = &object->symbols[i];

    if (i == 0 || ELF64_ST_TYPE(symbol->st_info) != STT_FUNC ||
        (object->versions != NULL && (object->versions[i] & HIDDEN_VERSION) != 0))
        return 0;
    return object->base + symbol->st_value;
}

static void look_for_next(struct next_functions *next, const struct object *object,
                          const struct known_hashes *hashes) {
    if (next->sigaction == 0)
        next->sigaction = function_in(object, find_known(object, hashes, KNOWN_SIGACTION));
    if (next->syscall == 0)
        next->syscall = function_in(object, find_known(object, hashes, KNOWN_SYSCALL));
}

/* What was not found is asked of dlsym. */
static void keep_next(const struct next_functions *next) {
    fsp_real_functions.sigaction = (__typeof__(fsp_real_functions.sigaction))next->sigaction;
    if (next->syscall != 0) fsp_bare_next((void *)next->syscall);
}

/* ---- the first look: who asks? ---- */

enum { ASKED = 1, PROVIDED = 2 };

struct look {
    struct object own;
    struct known_hashes hashes;
    struct next_functions next;
    uint32_t count;             /* of own symbols */
    uint8_t state[SYMBOLS_MAX]; /* ASKED: by a weak reference; PROVIDED: another has it, too */
    bool asked;
    bool mpi;     /* some object has MPI */
    bool by_name; /* some object looks for symbols by name, or loads others */
};

static bool looks_by_name(const char *name) {
    return name[0] == 'd' && name[1] == 'l' &&
           (fsp_starts(name, "dlsym") || fsp_starts(name, "dlopen") || fsp_starts(name, "dlvsym") ||
            fsp_starts(name, "dlmopen"));
}

static void note(struct look *look, const struct object *object, const elf_symbol *symbol) {
    const char *name;
    uint32_t own;

    if (symbol->st_shndx != SHN_UNDEF) return;
    name = name_of(object, symbol);
    if (!look->by_name) look->by_name = looks_by_name(name);
    if (ELF64_ST_BIND(symbol->st_info) != STB_WEAK || !is_optional(name)) return;
    own = find(&look->own, name, hash_of(name));
    if (own == 0 || own >= SYMBOLS_MAX) return;
    look->state[own] |= ASKED;
    look->asked = true;
}

/* What an object leaves undefined comes before what its table of hashes has; an object that has
 * nothing to offer does not say where that is. */
static void look_at_undefined(struct look *look, const struct object *object) {
    const uint32_t end = object->hash != NULL ? object->hash[1] : 0;

    for (uint32_t i = 1; i < end; i++) {
        const elf_symbol *symbol = &object->symbols[i];

        /* Most are neither weak nor "dl...". */
        if (ELF64_ST_BIND(symbol->st_info) == STB_WEAK ||
            (!look->by_name && *name_of(object, symbol) == 'd'))
            note(look, object, symbol);
    }
    if (end > 1) return;
    for (unsigned part = 0; part < 2; part++)
        for (size_t i = part == 0 ? object->relative : 0; i < object->relocation_count[part]; i++)
            note(look, object, &object->symbols[object->relocations[part][i].r_info >> 32]);
}

static bool is_other(struct object *object, const struct dl_phdr_info *info) {
    return read_object(object, info) && object->dynamic != _DYNAMIC;
}

static int look_at(struct dl_phdr_info *info, size_t size, void *pointer) {
    struct look *look = pointer;
    struct object object;

    (void)size;
    if (!is_other(&object, info)) {
        look->next.passed |= object.dynamic == _DYNAMIC;
        return 0;
    }
    if (look->next.passed) look_for_next(&look->next, &object, &look->hashes);
    if (!look->mpi) look->mpi = has_mpi(&object, &look->hashes);
    /* libc looks symbols up for itself alone. */
    if (find_known(&object, &look->hashes, KNOWN_LIBC) == 0) look_at_undefined(look, &object);
    return 0;
}

/* The table of symbols says nowhere how long it is. */
static uint32_t count_symbols(const struct object *object) {
    const uint32_t *table = object->hash;
    const uint32_t *buckets, *chain;
    uint32_t last = 0;

    if (table == NULL || table[0] == 0) return 0;
    buckets = (const uint32_t *)((const uintptr_t *)(table + 4) + table[2]);
    chain = buckets + table[0];
    for (uint32_t i = 0; i < table[0]; i++)
        if (buckets[i] > last) last = buckets[i];
    if (last < table[1]) return 0;
    while ((chain[last - table[1]] & 1) == 0)
        last++;
    return last + 1;
}

/* ---- who else has it? ---- */

static const char *own_name(const struct look *look, uint32_t i) {
    return name_of(&look->own, &look->own.symbols[i]);
}

static int look_for_names(struct dl_phdr_info *info, size_t size, void *pointer) {
    struct look *look = pointer;
    struct object object;
    bool mpi;

    (void)size;
    if (!is_other(&object, info)) return 0;
    mpi = look->mpi && has_mpi(&object, &look->hashes);
    for (uint32_t i = 1; i < look->count; i++) {
        const char *name = own_name(look, i);

        if ((look->state[i] == ASKED || (mpi && is_mpi(name))) &&
            find(&object, name, hash_of(name)) != 0)
            look->state[i] |= PROVIDED;
    }
    return 0;
}

/* ---- what follows ---- */

static void unbind(const struct object *object, const elf_relocation *relocation) {
    const int type = (int)(relocation->r_info & 0xffffffff);
    const uintptr_t at = object->base + relocation->r_offset;
    const uintptr_t page = object->relro & ~(uintptr_t)(FSP_PAGE - 1);
    const long bytes = (long)(object->relro_end - page);
    const bool closed = at >= object->relro && at < object->relro_end;

    if (type != DATA && type != CALL && type != WORD) return;
    if (closed && fsp_call(SYS_mprotect, (long)page, bytes, PROT_READ | PROT_WRITE, 0) != 0) return;
    *(uintptr_t *)at = type == WORD ? (uintptr_t)relocation->r_addend : 0;
    if (closed) fsp_call(SYS_mprotect, (long)page, bytes, PROT_READ, 0);
}

/* Weak references to what only the shim has. */
static int unbind_in(struct dl_phdr_info *info, size_t size, void *pointer) {
    const struct look *look = pointer;
    struct object object;

    (void)size;
    if (!is_other(&object, info) || find_known(&object, &look->hashes, KNOWN_LIBC) != 0) return 0;
    for (unsigned part = 0; part < 2; part++)
        for (size_t i = part == 0 ? object.relative : 0; i < object.relocation_count[part]; i++) {
            const elf_relocation *relocation = &object.relocations[part][i];
            const elf_symbol *symbol = &object.symbols[relocation->r_info >> 32];
            const char *name = name_of(&object, symbol);
            uint32_t own;

            if (symbol->st_shndx != SHN_UNDEF || ELF64_ST_BIND(symbol->st_info) != STB_WEAK)
                continue;
            own = find(&look->own, name, hash_of(name));
            if (own != 0 && own < SYMBOLS_MAX && look->state[own] == ASKED)
                unbind(&object, relocation);
        }
    return 0;
}

/* All functions of MPI lie in a section of their own: a place is told sooner than a name. */
static void hide(const struct look *look) {
    const uintptr_t from = (uintptr_t)__start_fsp_mpi - look->own.base;
    const uintptr_t size = (uintptr_t)__stop_fsp_mpi - (uintptr_t)__start_fsp_mpi;
    bool hidden = false;

    for (uint32_t i = 0; i < look->count; i++) {
        copy[i] = look->own.symbols[i];
        if (copy[i].st_value - from >= size || (look->state[i] & PROVIDED) != 0) continue;
        copy[i].st_shndx = SHN_UNDEF;
        copy[i].st_value = 0;
        hidden = true;
    }
    for (elf_dynamic *entry = _DYNAMIC; hidden && entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_SYMTAB)
            __atomic_store_n(&entry->d_un.d_ptr, (uintptr_t)copy, __ATOMIC_RELEASE);
}

void fsp_mpi_names(void) {
    const bool python = fsp_python_there();
    struct look look;

    fsp_clear(&look, sizeof look);
    if (DATA < 0) return;
    look.own.base = (uintptr_t)__ehdr_start;
    read_dynamic(&look.own, _DYNAMIC);
    look.by_name = python;
    for (unsigned i = 0; i < KNOWN_COUNT; i++)
        look.hashes.of[i] = hash_of(known_names[i]);
    dl_iterate_phdr(look_at, &look);
    keep_next(&look.next);
    if (!look.asked && (python || !look.by_name)) return;
    look.count = count_symbols(&look.own);
    if (look.count == 0 || look.count > SYMBOLS_MAX) return;
    if (look.asked || look.mpi) dl_iterate_phdr(look_for_names, &look);
    if (look.asked) dl_iterate_phdr(unbind_in, &look);
    if (look.by_name && !python) hide(&look);
}
