/*
 * start.c - the life of the recorder in one process image.
 *
 * The constructor runs after those of the application's libraries, which may
 * have forked or made threads by then: so every hook starts the recorder itself
 * when it comes first. Without FSP_ENV_DIR in the environment one look is all.
 * Bash exports functions named getenv and setenv of its own, hence environ is
 * read here.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "preload/call.h"
#include "preload/shim.h"
#include "preload/task_script.h"
#include "preload/text.h"

_Atomic uint32_t fsp_state FSP_DATA = FSP_COLD;
uint64_t fsp_main_handle FSP_DATA;

static struct {
    int argc;
    char **argv; /* NULL: not given to the constructor (or not yet) */
} arguments FSP_DATA;

const void *fsp_stack_end(void) {
    return arguments.argv;
}

static const char *variable(const char *name) {
    const size_t length = fsp_length(name);

    for (char **entry = environ; entry != NULL && *entry != NULL; entry++)
        if (fsp_starts(*entry, name) && (*entry)[length] == '=') return *entry + length + 1;
    return NULL;
}

static unsigned flags_of(const char *text) {
    unsigned flags = 0;

    for (; text != NULL && *text >= '0' && *text <= '9' && flags < 1000; text++)
        flags = flags * 10 + (unsigned)(*text - '0');
    return flags;
}

static void record_executable(struct fsp_header *header) {
    const ssize_t length =
        fsp_readlink("/proc/self/exe", header->executable, sizeof header->executable - 1);

    header->executable[length > 0 ? length : 0] = '\0';
}

static void record_arguments(struct fsp_header *header) {
    struct fsp_text text = {.buffer = header->argv, .size = sizeof header->argv};

    for (int i = 0; i < arguments.argc; i++)
        fsp_text_bytes(&text, arguments.argv[i], fsp_length(arguments.argv[i]) + 1);
    header->argc = (uint32_t)arguments.argc;
    header->argv_length = (uint32_t)text.length;
}

/* A hook came before the constructor: the kernel knows the arguments too. */
static void record_arguments_of_proc(struct fsp_header *header) {
    const int fd = fsp_open("/proc/self/cmdline", O_RDONLY, 0);
    ssize_t length;

    if (fd < 0) return;
    length = fsp_read(fd, header->argv, sizeof header->argv);
    fsp_close(fd);
    header->argv_length = length > 0 ? (uint32_t)length : 0;
    for (ssize_t i = 0; i < length; i++)
        header->argc += header->argv[i] == '\0';
    header->argv[sizeof header->argv - 1] = '\0';
}

static bool record_process(void) {
    struct fsp_process *slot = fsp_process_claim();
    const pid_t pid = fsp_segment(0)->pid;

    if (slot == NULL) return false;
    slot->pid = pid;
    slot->ppid = fsp_segment(0)->ppid;
    slot->birth = FSP_BIRTH_IMAGE;
    slot->t_start = fsp_segment(0)->t_made;
    if (fsp_mask_read(pid, slot->mask) != 0) slot->flags |= FSP_PROCESS_MASK_UNKNOWN;
    atomic_store_explicit(&slot->state, FSP_PROCESS_LIVE, memory_order_release);
    fsp_process_identify(slot, pid);
    fsp_tls.self = slot;
    if (fsp_tid() == pid) fsp_main_handle = (uint64_t)pthread_self();
    return true;
}

/* The bit is for this image, not for those that inherit its environment. */
static void take_repaired(struct fsp_header *header, const char *flags) {
    char *last = (char *)flags + fsp_length(flags) - 1;

    header->env_repaired = 1;
    *last = (char)(*last - FSP_FLAG_REPAIRED);
}

static enum fsp_off open_recorder(const char *folder) {
    const char *flags_text = variable(FSP_ENV_FLAGS);
    unsigned flags = flags_of(flags_text);
    struct fsp_header *header;
    enum fsp_off off;

    if (!fsp_resolvable()) return FSP_OFF_UNRESOLVED;
    off = fsp_segment_base(folder);
    if (off != FSP_OFF_NONE) return off;
    header = fsp_segment(0);
    record_executable(header);
    if (arguments.argv != NULL)
        record_arguments(header);
    else
        record_arguments_of_proc(header);
    if (flags & FSP_FLAG_REPAIRED) take_repaired(header, flags_text);
    if (flags & FSP_FLAG_REPAIR_ENV) fsp_repair_prepare(environ, folder, flags);
    fsp_environment_record(header, environ);
    if (!record_process()) return FSP_OFF_NO_SPACE;
    fsp_birth_register();
    fsp_exit_register();
    atomic_store_explicit(&header->ready, 1, memory_order_release);
    return FSP_OFF_NONE;
}

static bool is_task_script(void) {
    const char *context = variable(FSP_SCRIPT_CONTEXT);

    return context != NULL &&
           (fsp_starts(context, FSP_TASK_PROLOG) || fsp_starts(context, FSP_TASK_EPILOG));
}

bool fsp_start(void) {
    const int error = errno;
    uint32_t expected = FSP_COLD;
    const char *folder;
    enum fsp_off off = FSP_OFF_NONE;

    if (!atomic_compare_exchange_strong(&fsp_state, &expected, FSP_INIT))
        return expected == FSP_READY;
    folder = variable(FSP_ENV_DIR);
    if (folder != NULL && is_task_script()) folder = NULL;
    if (folder != NULL) off = open_recorder(folder);
    if (off != FSP_OFF_NONE && fsp_segment_count() > 0) {
        atomic_store(&fsp_segment(0)->off, off);
        atomic_fetch_add(&fsp_segment(0)->off_count, 1);
    }
    atomic_store_explicit(&fsp_state, folder != NULL && off == FSP_OFF_NONE ? FSP_READY : FSP_OFF,
                          memory_order_release);
    fsp_keep_errno(error);
    return folder != NULL && off == FSP_OFF_NONE;
}

static void construct(int argc, char **argv, char **envp) {
    /* glibc passes main's arguments, other libcs pass nothing: believe only what
     * has the shape in which the kernel laid it on the stack. */
    if (argc > 0 && argc < 1 << 20 && envp != NULL && envp == environ && argv + argc + 1 == envp) {
        arguments.argc = argc;
        arguments.argv = argv;
    }
    fsp_mpi_names();
    fsp_python_end_prepare();
    fsp_ready();
}

/* Beginning a page, and with it the memory of the object that can be written: what the loader
 * relocates and what every start stores into comes next and ends on the same one. */
__attribute__((section(".init_array"), used,
               aligned(FSP_PAGE))) static void (*constructor)(int, char **, char **) = construct;
