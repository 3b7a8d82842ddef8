/* stack_names.c - functions and lines by libdw (stack_native.h). */
#include "tracer/stack_native.h"

#include "tracer/elf_file.h"
#include "tracer/text.h"

#include <elfutils/libdwfl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fs_names {
    Dwfl *session;
    Dwfl_Callbacks callbacks;
};

void fs_names_close(struct fs_names *names) {
    if (!names) return;
    if (names->session) dwfl_end(names->session);
    free(names);
}

struct fs_names *fs_names_open(int pid) {
    struct fs_names *names = calloc(1, sizeof *names);

    if (!names) return NULL;
    /* Nothing may be asked from the network: dwfl_standard_find_debuginfo would. */
    unsetenv("DEBUGINFOD_URLS");
    names->callbacks = (Dwfl_Callbacks){
        .find_elf = dwfl_linux_proc_find_elf,
        .find_debuginfo = dwfl_standard_find_debuginfo,
    };
    names->session = dwfl_begin(&names->callbacks);
    if (names->session && dwfl_linux_proc_report(names->session, pid) == 0 &&
        dwfl_report_end(names->session, NULL, NULL) == 0)
        return names;
    fs_names_close(names);
    return NULL;
}

static const char *module_name(Dwfl_Module *module, Dwarf_Addr *start) {
    const char *name = dwfl_module_info(module, NULL, start, NULL, NULL, NULL, NULL, NULL);

    return name ? fs_file_name(name) : "?";
}

static void add_line(Dwfl_Module *module, uint64_t address, char *text, size_t size) {
    Dwfl_Line *line = dwfl_module_getsrc(module, address);
    int number = 0;
    const char *file = line ? dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL) : NULL;
    const size_t length = strlen(text);

    if (file && number > 0)
        snprintf(text + length, size - length, " at %s:%d", fs_file_name(file), number);
}

/* Where nobody looks for the fault; their debug information is large. */
static bool is_everyones(const char *module) {
    static const char *const prefixes[] = {"libc.so",    "libc-2.", "ld-",
                                           "libpthread", "python3", "libpython3"};

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (fs_begins(module, prefixes[i])) return true;
    return false;
}

void fs_names_describe(struct fs_names *names, uint64_t address, bool returns_to, bool lines,
                       char *text, size_t size) {
    const uint64_t inside = returns_to && address ? address - 1 : address;
    Dwfl_Module *module = dwfl_addrmodule(names->session, inside);
    Dwarf_Addr start = 0;

    if (!module) {
        snprintf(text, size, "%#llx", (unsigned long long)address);
        return;
    }
    const char *where = module_name(module, &start);
    const char *function = dwfl_module_addrname(module, inside);
    if (function && *function)
        snprintf(text, size, "%.*s (%.80s)", fs_elf_symbol_length(function), function, where);
    else
        snprintf(text, size, "%.80s+%#llx", where, (unsigned long long)(address - start));
    if (lines && !is_everyones(where)) add_line(module, inside, text, size);
}

struct search {
    const char *variable;
    uint64_t address;
    char *file;
    size_t size;
    bool first;
};

static int look_into(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr start,
                     void *argument) {
    struct search *search = argument;
    const bool main_program = search->first;
    const char *base = fs_file_name(name);
    GElf_Sym symbol;
    GElf_Addr address;

    (void)data;
    (void)start;
    search->first = false;
    if (!main_program && !fs_begins(base, "libpython") && !fs_begins(base, "python"))
        return DWARF_CB_OK;
    const int count = dwfl_module_getsymtab(module);
    for (int i = 1; i < count; i++) {
        const char *found = dwfl_module_getsym_info(module, i, &symbol, &address, NULL, NULL, NULL);
        if (!found || strcmp(found, search->variable) != 0 || symbol.st_shndx == SHN_UNDEF)
            continue;
        search->address = address;
        if (search->file) snprintf(search->file, search->size, "%s", base);
        return DWARF_CB_ABORT;
    }
    return DWARF_CB_OK;
}

uint64_t fs_names_of_python(struct fs_names *names, const char *variable, char *file, size_t size) {
    struct search search = {.variable = variable, .file = file, .size = size, .first = true};

    dwfl_getmodules(names->session, look_into, &search, 0);
    return search.address;
}
