/*
 * mpi_names.c - names of MPI are to be seen only where there is an MPI.
 *
 * Libraries ask whether a program uses MPI by a weak reference to one of its functions, or
 * by dlsym: where nothing but the shim has that name, the answer must be no. The loader has
 * bound everything before any code of the shim runs, so in the constructor
 *
 * - weak references of other objects to names that only the shim has become NULL again;
 * - these names are taken out of the shim's own table of symbols, for whoever asks later.
 *   The loader finds the table through the shim's dynamic section, which is writable: it is
 *   pointed to a copy. A loader that remembers the table (musl's) goes on seeing the names.
 *
 * An interpreter may load an MPI at any time, for itself (mpi4py), and its extension is
 * bound before anything could be noticed: so there the names stay. Programs that look at no
 * symbol by name need no copy. Constructors of other libraries that ask run before this.
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

/* What a dynamic section tells of an object. */
struct object {
    const elf_dynamic *dynamic;
    uintptr_t base, relro, relro_end;
    const elf_symbol *symbols;
    const char *strings;
    size_t strings_size;
    const uint32_t *hash; /* GNU's; NULL: none */
    const elf_relocation *relocations[2];
    size_t relocation_count[2], relative; /* the first ones of [0] that name no symbol */
};

static elf_symbol copy[SYMBOLS_MAX] FSP_DATA;

static bool is_mpi(const char *name) {
    if (name[0] == 'P' || name[0] == 'p') name++;
    return fsp_starts(name, "MPI_") || fsp_starts(name, "mpi_");
}

/* ---- objects ---- */

/* The loader has made addresses of offsets, but not in every object. */
static uintptr_t address_in(uintptr_t base, uintptr_t value) {
    return value < base ? base + value : value;
}

static void read_dynamic(struct object *object, const elf_dynamic *entry) {
    for (; entry->d_tag != DT_NULL; entry++) {
        const uintptr_t at = address_in(object->base, entry->d_un.d_ptr);

        switch (entry->d_tag) {
        case DT_SYMTAB:
            object->symbols = (const elf_symbol *)at;
            break;
        case DT_STRTAB:
            object->strings = (const char *)at;
            break;
        case DT_STRSZ:
            object->strings_size = entry->d_un.d_val;
            break;
        case DT_GNU_HASH:
            object->hash = (const uint32_t *)at;
            break;
        case DT_RELA:
            object->relocations[0] = (const elf_relocation *)at;
            break;
        case DT_RELASZ:
            object->relocation_count[0] = entry->d_un.d_val / sizeof(elf_relocation);
            break;
        case DT_RELACOUNT:
            object->relative = entry->d_un.d_val;
            break;
        case DT_JMPREL:
            object->relocations[1] = (const elf_relocation *)at;
            break;
        case DT_PLTRELSZ:
            object->relocation_count[1] = entry->d_un.d_val / sizeof(elf_relocation);
            break;
        default:
            break;
        }
    }
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

static bool has(const struct object *object, const char *name, uint32_t hash) {
    const uint32_t *table = object->hash;
    const uint32_t buckets = table != NULL ? table[0] : 0, first = table != NULL ? table[1] : 0;
    const uintptr_t *bloom = (const uintptr_t *)(table + 4);
    const unsigned bits = 8 * sizeof *bloom;
    const uint32_t *chain;
    uintptr_t word;
    uint32_t i;

    if (buckets == 0 || table[2] == 0) return false;
    word = bloom[hash / bits % table[2]];
    if ((word >> hash % bits & word >> (hash >> table[3]) % bits & 1) == 0) return false;
    chain = (const uint32_t *)(bloom + table[2]);
    i = chain[hash % buckets];
    if (i < first || i == 0) return false;
    for (chain += buckets;; i++) {
        const uint32_t there = chain[i - first];
        const elf_symbol *symbol = &object->symbols[i];

        if ((there | 1) == (hash | 1) && symbol->st_shndx != SHN_UNDEF &&
            fsp_starts(name_of(object, symbol), name) &&
            name_of(object, symbol)[fsp_length(name)] == '\0')
            return true;
        if ((there & 1) != 0) return false;
    }
}

/* ---- the look at all objects ---- */

enum { SLOTS_MAX = 64 };

/* A word of an object's memory that a weak reference to a name of MPI was bound in. */
struct slot {
    uintptr_t *at, page, page_end; /* page_end 0: it can be written */
    uintptr_t addend;
    const char *name;
};

struct look {
    struct object own;
    uint32_t count;                /* of own symbols */
    uint8_t provided[SYMBOLS_MAX]; /* some other object has it, too */
    struct slot slot[SLOTS_MAX];
    unsigned slots;
    bool by_name; /* some object looks for symbols by name, or loads others */
};

static bool looks_by_name(const char *name) {
    return fsp_starts(name, "dlsym") || fsp_starts(name, "dlopen") || fsp_starts(name, "dlvsym") ||
           fsp_starts(name, "dlmopen");
}

static void note_slot(struct look *look, const struct object *object,
                      const elf_relocation *relocation, const char *name) {
    const int type = (int)(relocation->r_info & 0xffffffff);
    struct slot *slot = &look->slot[look->slots];
    const uintptr_t at = object->base + relocation->r_offset;

    if ((type != DATA && type != CALL && type != WORD) || look->slots == SLOTS_MAX) return;
    *slot = (struct slot){.at = (uintptr_t *)at, .name = name};
    if (type == WORD) slot->addend = (uintptr_t)relocation->r_addend;
    if (at >= object->relro && at < object->relro_end) {
        slot->page = object->relro & ~(uintptr_t)(FSP_PAGE - 1);
        slot->page_end = object->relro_end;
    }
    look->slots++;
}

static void look_at_references(struct look *look, const struct object *object) {
    for (unsigned part = 0; part < 2; part++)
        for (size_t i = part == 0 ? object->relative : 0; i < object->relocation_count[part]; i++) {
            const elf_relocation *relocation = &object->relocations[part][i];
            const elf_symbol *symbol = &object->symbols[relocation->r_info >> 32];
            const char *name;

            if (relocation->r_info >> 32 == 0 || symbol->st_shndx != SHN_UNDEF) continue;
            name = name_of(object, symbol);
            look->by_name |= looks_by_name(name);
            if (ELF64_ST_BIND(symbol->st_info) == STB_WEAK && is_mpi(name))
                note_slot(look, object, relocation, name);
        }
}

static void look_for_names(struct look *look, const struct object *object) {
    if (!has(object, "MPI_Init", hash_of("MPI_Init")) &&
        !has(object, "mpi_init_", hash_of("mpi_init_")))
        return;
    for (uint32_t i = 1; i < look->count; i++) {
        const char *name = name_of(&look->own, &look->own.symbols[i]);

        if (!look->provided[i] && is_mpi(name) && has(object, name, hash_of(name)))
            look->provided[i] = 1;
    }
}

static int look_at(struct dl_phdr_info *info, size_t size, void *pointer) {
    struct look *look = pointer;
    struct object object;

    (void)size;
    if (!read_object(&object, info) || object.dynamic == _DYNAMIC) return 0;
    look_for_names(look, &object);
    /* libc looks symbols up for itself alone. */
    if (!has(&object, "__libc_start_main", hash_of("__libc_start_main")))
        look_at_references(look, &object);
    return 0;
}

static int find_own(struct dl_phdr_info *info, size_t size, void *pointer) {
    (void)size;
    return read_object(pointer, info) && ((struct object *)pointer)->dynamic == _DYNAMIC;
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

/* ---- what follows ---- */

static bool is_provided(const struct look *look, const char *wanted) {
    for (uint32_t i = 1; i < look->count; i++) {
        const char *name = name_of(&look->own, &look->own.symbols[i]);

        if (look->own.symbols[i].st_shndx != SHN_UNDEF && fsp_starts(name, wanted) &&
            name[fsp_length(wanted)] == '\0')
            return look->provided[i] != 0;
    }
    return true; /* no name of ours */
}

static void unbind(const struct look *look, const struct slot *slot) {
    const size_t bytes = slot->page_end - slot->page;

    if (is_provided(look, slot->name)) return;
    if (slot->page_end == 0) {
        *slot->at = slot->addend;
    } else if (fsp_call(SYS_mprotect, (long)slot->page, (long)bytes, PROT_READ | PROT_WRITE, 0) ==
               0) {
        *slot->at = slot->addend;
        fsp_call(SYS_mprotect, (long)slot->page, (long)bytes, PROT_READ, 0);
    }
}

static void hide(const struct look *look) {
    bool hidden = false;

    for (uint32_t i = 0; i < look->count; i++) {
        copy[i] = look->own.symbols[i];
        if (i == 0 || look->provided[i] || copy[i].st_shndx == SHN_UNDEF ||
            !is_mpi(name_of(&look->own, &copy[i])))
            continue;
        copy[i].st_shndx = SHN_UNDEF;
        copy[i].st_value = 0;
        hidden = true;
    }
    for (elf_dynamic *entry = _DYNAMIC; hidden && entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_SYMTAB)
            __atomic_store_n(&entry->d_un.d_ptr, (uintptr_t)copy, __ATOMIC_RELEASE);
}

void fsp_mpi_names(void) {
    struct look look;

    fsp_clear(&look, sizeof look);
    if (DATA < 0 || dl_iterate_phdr(find_own, &look.own) == 0) return;
    look.count = count_symbols(&look.own);
    if (look.count == 0 || look.count > SYMBOLS_MAX) return;
    dl_iterate_phdr(look_at, &look);
    for (unsigned i = 0; i < look.slots; i++)
        unbind(&look, &look.slot[i]);
    if (look.by_name && !fsp_python_there()) hide(&look);
}
