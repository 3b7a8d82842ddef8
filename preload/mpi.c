/*
 * mpi.c - MPI from its begin to its end, whoever's it is.
 *
 * Interposes MPI_Init, MPI_Init_thread, MPI_Finalize and MPI_Abort, their PMPI_ names and
 * those that Fortran calls. The shim is built against no MPI: which one it is, is told by
 * what its objects export and say of themselves. Normal code.
 *
 * One call may come by here several times: mpi_init_ calls PMPI_Init, a profiler's
 * MPI_Init too. The outermost one is the one that counts, and the profiler is called as
 * ever. Beside version, thread level, rank and size nothing is asked, and nothing that
 * other ranks would have to answer.
 *
 * Where the program has no MPI at all, the names are not to be seen (mpi_names.c); a caller
 * that finds them all the same (in an interpreter) gets an error code.
 */
#include "preload/mpi.h"

#include "preload/entries.h"
#include "preload/shim.h"
#include "preload/text.h"

enum { NO_MPI = 15 };         /* MPI_ERR_OTHER of Open MPI and MPICH */
enum { VERSION_ROOM = 8192 }; /* MPI_MAX_LIBRARY_VERSION_STRING is 8192 at most */
enum { MPICH_WORLD = 0x44000000, ABI_WORLD = 0x101 };

/* In a section of their own, by which mpi_names.c knows them. */
#define DECLARE(type, name, arguments)                                                             \
    FSP_EXPORT __attribute__((section("fsp_mpi"))) type name arguments;
FSP_ENTRIES(DECLARE)
#undef DECLARE

static struct fsp_mpi *state(void) {
    return &fsp_segment(0)->mpi;
}

/* ---- callers that did not initialise it ---- */

void fsp_mpi_note_caller(enum fsp_mpi_stranger kind, const char *function,
                         const void *return_address) {
    const int error = errno;
    struct fsp_mpi_caller *caller = &state()->caller[kind];

    if (atomic_fetch_add_explicit(&caller->count, 1, memory_order_relaxed) == 0) {
        caller->pid = fsp_pid();
        caller->tid = fsp_tid();
        caller->t = fsp_now();
        caller->site = fsp_site_call(return_address);
        caller->created = fsp_tls.thread != NULL ? fsp_tls.thread->create_site : 0;
        if (kind == FSP_MPI_CHILD && fsp_tls.self != NULL)
            caller->created = fsp_tls.self->birth_site;
        fsp_text_copy(caller->function, sizeof caller->function, function);
        atomic_store_explicit(&caller->known, 1, memory_order_release);
    }
    fsp_keep_errno(error);
}

static bool is_ours(const struct fsp_process *self) {
    return self != NULL && atomic_load_explicit(&state()->pid, memory_order_acquire) == self->pid;
}

/* A fork child of the process that initialised MPI? */
static bool is_child(const struct fsp_process *self) {
    return self != NULL && !is_ours(self) &&
           atomic_load_explicit(&state()->t_ready, memory_order_acquire) != 0;
}

/* ---- what it is ---- */

static uint8_t level_of(int level) {
    switch (level) {
    case 0:
    case 1:
    case 2:
    case FSP_MPI_LEVEL_MAX:
        return (uint8_t)level;
    case 1024:
        return 1; /* as the standard's binary interface numbers them */
    case 2048:
        return 2;
    case 4096:
        return FSP_MPI_LEVEL_MAX;
    default:
        return FSP_MPI_LEVEL_UNKNOWN;
    }
}

static enum fsp_mpi_library library_of(const char *version, const char *file,
                                       const void *open_mpi_world) {
    if (file != NULL && fsp_starts(fsp_text_basename(file), "libmpi_abi.")) return FSP_MPI_ABI;
    if (open_mpi_world != NULL) return FSP_MPI_OPEN_MPI;
    if (fsp_find(version, "MPICH") != NULL || fsp_starts(version, "Intel(R) MPI") ||
        fsp_starts(version, "MVAPICH"))
        return FSP_MPI_MPICH;
    return FSP_MPI_OTHER;
}

/* The first line, for more does not fit; runs of blanks as one. */
static void store_version(struct fsp_mpi *mpi, const char *text) {
    size_t length = 0;

    for (; length + 1 < sizeof mpi->version && (*text >= ' ' || *text == '\t'); text++) {
        const char letter = *text == '\t' ? ' ' : *text;

        if (letter != ' ' || (length > 0 && mpi->version[length - 1] != ' '))
            mpi->version[length++] = letter;
        FSP_PLAIN_LOOP();
    }
    mpi->version[length] = '\0';
}

/* The object whose address is Open MPI's handle of all ranks. A program that was linked with
 * the library may have it in its own memory (a copy relocation), where the library uses it,
 * too: so it is looked for from the program on, unlike functions. */
static void *open_mpi_world(const void *return_address) {
    void *world = fsp_symbol("ompi_mpi_comm_world");

    return world != NULL ? world : fsp_entry_other("ompi_mpi_comm_world", return_address);
}

/* Before MPI is initialised, when this may be asked already: so that a library which ends
 * the process in MPI_Init is known, too. */
__attribute__((noinline)) static void describe(struct fsp_mpi *mpi, const void *return_address) {
    char version[VERSION_ROOM];
    int (*ask)(char *, int *) =
        (int (*)(char *, int *))fsp_entry_other("PMPI_Get_library_version", return_address);
    const void *known = (const void *)ask;
    const char *file;
    int length = 0;

    version[0] = '\0';
    if (ask != NULL && ask(version, &length) != 0) version[0] = '\0';
    version[sizeof version - 1] = '\0';
    store_version(mpi, version);
    if (known == NULL) known = fsp_entry_other("PMPI_Init", return_address);
    if (known == NULL) known = fsp_entry_other("MPI_Init", return_address);
    file = known != NULL ? fsp_entry_file(known) : NULL;
    mpi->object = file != NULL ? fsp_site_object(file) : 0;
    mpi->library = (uint8_t)library_of(version, file, open_mpi_world(return_address));
}

static void ask_rank(struct fsp_mpi *mpi, const void *return_address) {
    int (*rank)(uintptr_t, int *) =
        (int (*)(uintptr_t, int *))fsp_entry_other("PMPI_Comm_rank", return_address);
    int (*size)(uintptr_t, int *) =
        (int (*)(uintptr_t, int *))fsp_entry_other("PMPI_Comm_size", return_address);
    int (*level)(int *) = (int (*)(int *))fsp_entry_other("PMPI_Query_thread", return_address);
    uintptr_t world = 0;
    int provided;

    switch ((enum fsp_mpi_library)mpi->library) {
    case FSP_MPI_OPEN_MPI:
        world = (uintptr_t)open_mpi_world(return_address);
        break;
    case FSP_MPI_MPICH:
        world = MPICH_WORLD;
        break;
    case FSP_MPI_ABI:
        world = ABI_WORLD;
        break;
    default:
        break;
    }
    if (level != NULL && level(&provided) == 0) mpi->provided = level_of(provided);
    if (world == 0 || rank == NULL || size == NULL) return;
    if (rank(world, &mpi->rank) != 0 || size(world, &mpi->size) != 0 || mpi->size < 1)
        mpi->rank = mpi->size = 0;
}

/* ---- begin ---- */

/* True for the outermost call of the process that initialises the image's MPI: what must
 * be told to init_end. */
static bool init_begin(int asked, const void *return_address) {
    const int error = errno;
    struct fsp_process *self;
    struct fsp_mpi *mpi;
    int32_t nobody = 0;

    if (!fsp_ready()) return false;
    self = fsp_self();
    if (self == NULL) return false;
    mpi = state();
    if (!atomic_compare_exchange_strong(&mpi->pid, &nobody, self->pid)) {
        if (nobody != self->pid && !fsp_tls.mpi_known) {
            fsp_tls.mpi_known = true; /* it has an MPI of its own from here on */
            atomic_fetch_add_explicit(&mpi->others, 1, memory_order_relaxed);
        }
        return false;
    }
    mpi->tid = fsp_tid();
    mpi->asked = level_of(asked);
    mpi->provided = FSP_MPI_LEVEL_UNKNOWN;
    mpi->site = fsp_site_call(return_address);
    describe(mpi, return_address);
    atomic_store_explicit(&mpi->t_init, fsp_now(), memory_order_release);
    fsp_keep_errno(error);
    return true;
}

static void init_end(bool outermost, int result, const void *return_address) {
    const int error = errno;
    struct fsp_mpi *mpi;
    uint64_t now;

    if (!outermost) return;
    mpi = state();
    now = fsp_now();
    mpi->result = result;
    if (result == 0) {
        ask_rank(mpi, return_address);
        fsp_libraries_note(now);
        mpi->calls_seen = fsp_mpi_watch_calls(return_address);
        fsp_tls.mpi_known = true;
        atomic_store_explicit(&mpi->t_ready, now, memory_order_release);
    }
    fsp_keep_errno(error);
}

/* The real function behind an entry; NULL: there is none. */
#define REAL(name)                                                                                 \
    const void *const from = __builtin_return_address(0);                                          \
    const struct fsp_target *const target = fsp_target_of(FSP_ENTRY_##name, from);                 \
    fsp_##name##_type *const real =                                                                \
        target != NULL ? (fsp_##name##_type *)atomic_load(&target->function) : NULL

#define INIT(name)                                                                                 \
    int name(int *argc, char ***argv) {                                                            \
        bool outermost;                                                                            \
        int result;                                                                                \
        REAL(name);                                                                                \
                                                                                                   \
        if (real == NULL) return NO_MPI;                                                           \
        outermost = init_begin(0, from);                                                           \
        result = real(argc, argv);                                                                 \
        init_end(outermost, result, from);                                                         \
        return result;                                                                             \
    }

#define INIT_THREAD(name)                                                                          \
    int name(int *argc, char ***argv, int required, int *provided) {                               \
        bool outermost;                                                                            \
        int result;                                                                                \
        REAL(name);                                                                                \
                                                                                                   \
        if (real == NULL) return NO_MPI;                                                           \
        outermost = init_begin(required, from);                                                    \
        result = real(argc, argv, required, provided);                                             \
        init_end(outermost, result, from);                                                         \
        return result;                                                                             \
    }

#define INIT_FORTRAN(name)                                                                         \
    void name(int *error) {                                                                        \
        bool outermost;                                                                            \
        REAL(name);                                                                                \
                                                                                                   \
        if (real == NULL) {                                                                        \
            *error = NO_MPI;                                                                       \
            return;                                                                                \
        }                                                                                          \
        outermost = init_begin(0, from);                                                           \
        real(error);                                                                               \
        init_end(outermost, *error, from);                                                         \
    }

#define INIT_THREAD_FORTRAN(name)                                                                  \
    void name(int *required, int *provided, int *error) {                                          \
        bool outermost;                                                                            \
        REAL(name);                                                                                \
                                                                                                   \
        if (real == NULL) {                                                                        \
            *error = NO_MPI;                                                                       \
            return;                                                                                \
        }                                                                                          \
        outermost = init_begin(*required, from);                                                   \
        real(required, provided, error);                                                           \
        init_end(outermost, *error, from);                                                         \
    }

/* ---- end ---- */

/* True for the outermost call in the process that initialised it. */
static bool finalize_begin(const char *function, const void *return_address) {
    const int error = errno;
    struct fsp_process *self;
    uint64_t never = 0;
    bool outermost;

    if (!fsp_ready()) return false;
    self = fsp_self();
    if (is_child(self) && !fsp_tls.mpi_known) {
        fsp_tls.mpi_known = true;
        fsp_mpi_note_caller(FSP_MPI_CHILD, function, return_address);
    }
    if (!is_ours(self)) return false;
    outermost = atomic_compare_exchange_strong(&state()->t_finalize, &never, fsp_now());
    if (outermost) state()->finalize_site = fsp_site_call(return_address);
    fsp_keep_errno(error);
    return outermost;
}

static void finalize_end(bool outermost) {
    if (outermost) atomic_store(&state()->t_finalized, fsp_now());
}

#define FINALIZE(name)                                                                             \
    int name(void) {                                                                               \
        bool outermost;                                                                            \
        int result;                                                                                \
        REAL(name);                                                                                \
                                                                                                   \
        if (real == NULL) return NO_MPI;                                                           \
        outermost = finalize_begin(#name, from);                                                   \
        result = real();                                                                           \
        finalize_end(outermost);                                                                   \
        return result;                                                                             \
    }

#define FINALIZE_FORTRAN(name)                                                                     \
    void name(int *error) {                                                                        \
        bool outermost;                                                                            \
        REAL(name);                                                                                \
                                                                                                   \
        if (real == NULL) {                                                                        \
            *error = NO_MPI;                                                                       \
            return;                                                                                \
        }                                                                                          \
        outermost = finalize_begin(#name, from);                                                   \
        real(error);                                                                               \
        finalize_end(outermost);                                                                   \
    }

static void abort_begin(const char *function, int code, const void *return_address) {
    struct fsp_process *self;
    uint64_t never = 0;

    if (!fsp_ready()) return;
    self = fsp_self();
    if (is_child(self) && !fsp_tls.mpi_known) {
        fsp_tls.mpi_known = true;
        fsp_mpi_note_caller(FSP_MPI_CHILD, function, return_address);
    }
    if (is_ours(self) && atomic_compare_exchange_strong(&state()->t_abort, &never, fsp_now()))
        state()->abort_code = code;
}

#define ABORT(name)                                                                                \
    int name(uintptr_t communicator, int code) {                                                   \
        REAL(name);                                                                                \
                                                                                                   \
        if (real == NULL) return NO_MPI;                                                           \
        abort_begin(#name, code, from);                                                            \
        return real(communicator, code);                                                           \
    }

#define ABORT_FORTRAN(name)                                                                        \
    void name(void *communicator, int *code, int *error) {                                         \
        REAL(name);                                                                                \
                                                                                                   \
        if (real == NULL) {                                                                        \
            *error = NO_MPI;                                                                       \
            return;                                                                                \
        }                                                                                          \
        abort_begin(#name, *code, from);                                                           \
        real(communicator, code, error);                                                           \
    }

INIT(MPI_Init)
INIT(PMPI_Init)
INIT_THREAD(MPI_Init_thread)
INIT_THREAD(PMPI_Init_thread)
INIT_FORTRAN(mpi_init_)
INIT_FORTRAN(pmpi_init_)
INIT_THREAD_FORTRAN(mpi_init_thread_)
INIT_THREAD_FORTRAN(pmpi_init_thread_)
FINALIZE(MPI_Finalize)
FINALIZE(PMPI_Finalize)
FINALIZE_FORTRAN(mpi_finalize_)
FINALIZE_FORTRAN(pmpi_finalize_)
ABORT(MPI_Abort)
ABORT(PMPI_Abort)
ABORT_FORTRAN(mpi_abort_)
ABORT_FORTRAN(pmpi_abort_)
