/* stack_offline.c - see stack_offline.h. */
#include "tracer/stack_offline.h"

#include "tracer/elf_file.h"
#include "tracer/text.h"

#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { REGISTERS_X86_64_FP = 6, REGISTERS_X86_64_SP = 7 };
enum { REGISTERS_AARCH64_FP = 29, REGISTERS_AARCH64_SP = 31 };

/* --- the copy --- */

static const struct fsp_module *modules_of(const struct fsp_snapshot *snapshot) {
    return (const void *)((const char *)(snapshot + 1) + snapshot->stack_size);
}

bool fs_snapshot_sound(const void *data, size_t size) {
    const struct fsp_snapshot *snapshot = data;

    if (size < sizeof *snapshot || snapshot->magic != FSP_SNAPSHOT_MAGIC ||
        snapshot->version != FSP_SNAPSHOT_VERSION || snapshot->stack_size > FSP_SNAPSHOT_STACK ||
        snapshot->stack_size % sizeof(uint64_t) != 0 || snapshot->modules > FSP_SNAPSHOT_MODULES ||
        (snapshot->machine != FSP_MACHINE_X86_64 && snapshot->machine != FSP_MACHINE_AARCH64) ||
        snapshot->sp > UINT64_MAX - FSP_SNAPSHOT_STACK)
        return false;
    if (size !=
        sizeof *snapshot + snapshot->stack_size + snapshot->modules * sizeof(struct fsp_module))
        return false;
    for (uint32_t i = 0; i < snapshot->modules; i++)
        if (!memchr(modules_of(snapshot)[i].path, '\0', sizeof modules_of(snapshot)[i].path))
            return false;
    return true;
}

/* --- files --- */

/* Looked at before it is opened: to open a device or a pipe may do or wait for something. */
static int open_regular(const char *path) {
    struct stat status;
    char link[32];

    if (path[0] != '/') return -1;
    const int look = open(path, O_PATH | O_CLOEXEC);
    if (look < 0) return -1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", look);
    const bool regular = fstat(look, &status) == 0 && S_ISREG(status.st_mode);
    const int file = regular ? open(link, O_RDONLY | O_CLOEXEC) : -1;
    close(look);
    return file;
}

/* Debug information only from the file itself: nothing is searched for, here or elsewhere. */
static int no_debug_file(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr base,
                         const char *file, const char *link, GElf_Word check, char **found) {
    (void)module, (void)data, (void)name, (void)base;
    (void)file, (void)link, (void)check, (void)found;
    return -1;
}

static int no_other_file(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr base,
                         char **found, Elf **elf) {
    (void)module, (void)data, (void)name, (void)base, (void)found, (void)elf;
    return -1;
}

static const Dwfl_Callbacks callbacks = {
    .find_elf = no_other_file,
    .find_debuginfo = no_debug_file,
    .section_address = dwfl_offline_section_address,
};

/* --- words --- */

/* As text of one line and of one column: names come from files. */
static void put_plain(FILE *out, const char *text, size_t length) {
    for (size_t i = 0; i < length && text[i]; i++)
        fputc((unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i], out);
}

static const char *line_of(Dwfl_Module *module, uint64_t address, int *line) {
    Dwfl_Line *found = dwfl_module_getsrc(module, address);
    const char *file = found ? dwfl_lineinfo(found, NULL, line, NULL, NULL, NULL) : NULL;

    return file && *line > 0 ? file : NULL;
}

/* --- frames --- */

struct walk {
    const struct fsp_snapshot *snapshot;
    Dwfl *session;
    FILE *out;
    const char *prefix;
    const Dwfl_Module *shim;
    size_t frames, written;
};

static pid_t next_thread(Dwfl *session, void *argument, void **thread) {
    (void)session;
    const bool first = *thread == NULL;
    *thread = argument;
    return first ? 1 : 0;
}

static bool read_memory(Dwfl *session, Dwarf_Addr address, Dwarf_Word *word, void *argument) {
    const struct fsp_snapshot *snapshot = ((struct walk *)argument)->snapshot;
    const uint64_t offset = address - snapshot->sp;

    (void)session;
    if (address < snapshot->sp || offset > snapshot->stack_size ||
        snapshot->stack_size - offset < sizeof *word)
        return false;
    memcpy(word, (const char *)(snapshot + 1) + offset, sizeof *word);
    return true;
}

static bool set_registers(Dwfl_Thread *thread, void *argument) {
    const struct fsp_snapshot *snapshot = ((struct walk *)argument)->snapshot;
    const bool intel = snapshot->machine == FSP_MACHINE_X86_64;
    const Dwarf_Word fp = snapshot->fp, sp = snapshot->sp;

    dwfl_thread_state_register_pc(thread, snapshot->pc);
    return dwfl_thread_state_registers(thread, intel ? REGISTERS_X86_64_FP : REGISTERS_AARCH64_FP,
                                       1, &fp) &&
           dwfl_thread_state_registers(thread, intel ? REGISTERS_X86_64_SP : REGISTERS_AARCH64_SP,
                                       1, &sp);
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
    .next_thread = next_thread,
    .memory_read = read_memory,
    .set_initial_registers = set_registers,
};

static void write_frame(struct walk *walk, Dwfl_Module *module, uint64_t inside, uint64_t counter) {
    Dwarf_Addr start = 0;
    int line = 0;
    const char *path = dwfl_module_info(module, NULL, &start, NULL, NULL, NULL, NULL, NULL);
    const char *function = dwfl_module_addrname(module, inside);
    const char *file = line_of(module, inside, &line);

    fputs(walk->prefix, walk->out);
    if (function && *function) {
        put_plain(walk->out, function, (size_t)fs_elf_symbol_length(function));
        fputs(" (", walk->out);
        put_plain(walk->out, fs_file_name(path ? path : "?"), 80);
        fputc(')', walk->out);
    } else {
        put_plain(walk->out, fs_file_name(path ? path : "?"), 80);
        fprintf(walk->out, "+%#llx", (unsigned long long)(counter - start));
    }
    if (file) {
        fputs(" at ", walk->out);
        put_plain(walk->out, fs_file_name(file), 100);
        fprintf(walk->out, ":%d", line);
    }
    fputc('\n', walk->out);
}

static int take_frame(Dwfl_Frame *frame, void *argument) {
    struct walk *walk = argument;
    Dwarf_Addr counter;
    bool activation;

    if (walk->frames == FS_OFFLINE_FRAMES_MAX || !dwfl_frame_pc(frame, &counter, &activation))
        return DWARF_CB_ABORT;
    const uint64_t inside = activation ? counter : counter - 1;
    Dwfl_Module *module = dwfl_addrmodule(walk->session, inside);
    if (!module) return DWARF_CB_ABORT;
    if (walk->frames++ == 0) walk->shim = module;
    if (walk->written > 0 || module != walk->shim) {
        write_frame(walk, module, inside, counter);
        walk->written++;
    }
    return DWARF_CB_OK;
}

static void report_modules(Dwfl *session, const struct fsp_snapshot *snapshot) {
    for (uint32_t i = 0; i < snapshot->modules; i++) {
        const struct fsp_module *module = &modules_of(snapshot)[i];
        const int file = open_regular(module->path);
        if (file < 0) continue;
        if (!dwfl_report_elf(session, module->path, module->path, file, module->base, true))
            close(file);
    }
}

size_t fs_offline_frames(const void *data, FILE *out, const char *prefix) {
    struct walk walk = {.snapshot = data, .out = out, .prefix = prefix};

    walk.session = dwfl_begin(&callbacks);
    if (!walk.session) return 0;
    dwfl_report_begin(walk.session);
    report_modules(walk.session, walk.snapshot);
    if (dwfl_report_end(walk.session, NULL, NULL) == 0 &&
        dwfl_attach_state(walk.session, NULL, 1, &thread_callbacks, &walk))
        dwfl_getthread_frames(walk.session, 1, take_frame, &walk);
    dwfl_end(walk.session);
    return walk.written;
}

/* --- single addresses --- */

void fs_offline_place(const char *path, uint64_t offset, FILE *out, const char *prefix) {
    const int descriptor = open_regular(path);
    Dwfl *session = descriptor >= 0 ? dwfl_begin(&callbacks) : NULL;
    const char *function = NULL, *file = NULL;
    Dwarf_Addr start = 0, end = 0;
    int line = 0;

    if (!session) {
        if (descriptor >= 0) close(descriptor);
        return;
    }
    dwfl_report_begin(session);
    Dwfl_Module *module = dwfl_report_offline(session, path, path, descriptor);
    if (!module) close(descriptor);
    dwfl_report_end(session, NULL, NULL);
    if (module && dwfl_module_info(module, NULL, &start, &end, NULL, NULL, NULL, NULL) &&
        offset < end - start) {
        function = dwfl_module_addrname(module, start + offset);
        file = line_of(module, start + offset, &line);
    }
    if (function || file) {
        fputs(prefix, out);
        if (function) put_plain(out, function, (size_t)fs_elf_symbol_length(function));
        fputc('\t', out);
        if (file) put_plain(out, file, 1000);
        fprintf(out, "\t%d\n", line);
    }
    dwfl_end(session);
}
