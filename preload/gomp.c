/*
 * gomp.c - parallel regions of programs that were compiled for libgomp, counted.
 *
 * Interposes the GOMP_parallel family, which libomp and libiomp5 serve as well; whose
 * function it is decides which counter moves. Normal code, any thread. A region costs two
 * additions and a question to the runtime (how many threads by default); no clock, no
 * system call, nothing is handed to the threads of the team. The body is passed on as it
 * is, so stacks look as ever below this one frame.
 *
 * Without a runtime to call on, which the child of a _Fork may find, the region is run by
 * the thread that asked for it: a team of one is what OpenMP allows at any time. The old
 * _start forms are followed by a call of the body in the program itself.
 *
 * libomp's tool interface (OMPT) is not used: with nothing but a counter at the begin of
 * regions it made those of one thread 25 to 40 % slower and those of two 4 to 9 %.
 */
#include "preload/entries.h"
#include "preload/regions.h"
#include "preload/shim.h"

/* What the compiler calls; no header declares them. */
#define DECLARE(type, name, arguments) FSP_EXPORT type name arguments;
FSP_ENTRIES(DECLARE)
#undef DECLARE

#define BEGIN(name, threads)                                                                       \
    struct fsp_region_call call;                                                                   \
    fsp_##name##_type *real = (fsp_##name##_type *)fsp_region_begin(                               \
        &call, FSP_ENTRY_##name, __builtin_return_address(0), threads)

void GOMP_parallel(fsp_region *body, void *data, unsigned threads, unsigned flags) {
    BEGIN(GOMP_parallel, threads);

    if (real != NULL)
        real(body, data, threads, flags);
    else
        body(data);
    fsp_region_end(&call);
}

unsigned GOMP_parallel_reductions(fsp_region *body, void *data, unsigned threads, unsigned flags) {
    BEGIN(GOMP_parallel_reductions, threads);
    unsigned team = 1;

    if (real != NULL)
        team = real(body, data, threads, flags);
    else
        body(data);
    fsp_region_end(&call);
    return team;
}

void GOMP_parallel_sections(fsp_region *body, void *data, unsigned threads, unsigned count,
                            unsigned flags) {
    BEGIN(GOMP_parallel_sections, threads);

    if (real != NULL)
        real(body, data, threads, count, flags);
    else
        body(data);
    fsp_region_end(&call);
}

#define LOOP_CHUNKS(name)                                                                          \
    void name(fsp_region *body, void *data, unsigned threads, long from, long to, long step,       \
              long chunk, unsigned flags) {                                                        \
        BEGIN(name, threads);                                                                      \
                                                                                                   \
        if (real != NULL)                                                                          \
            real(body, data, threads, from, to, step, chunk, flags);                               \
        else                                                                                       \
            body(data);                                                                            \
        fsp_region_end(&call);                                                                     \
    }

LOOP_CHUNKS(GOMP_parallel_loop_static)
LOOP_CHUNKS(GOMP_parallel_loop_dynamic)
LOOP_CHUNKS(GOMP_parallel_loop_guided)
LOOP_CHUNKS(GOMP_parallel_loop_nonmonotonic_dynamic)
LOOP_CHUNKS(GOMP_parallel_loop_nonmonotonic_guided)

#define LOOP(name)                                                                                 \
    void name(fsp_region *body, void *data, unsigned threads, long from, long to, long step,       \
              unsigned flags) {                                                                    \
        BEGIN(name, threads);                                                                      \
                                                                                                   \
        if (real != NULL)                                                                          \
            real(body, data, threads, from, to, step, flags);                                      \
        else                                                                                       \
            body(data);                                                                            \
        fsp_region_end(&call);                                                                     \
    }

LOOP(GOMP_parallel_loop_runtime)
LOOP(GOMP_parallel_loop_nonmonotonic_runtime)
LOOP(GOMP_parallel_loop_maybe_nonmonotonic_runtime)

/* ---- what compilers before GCC 4.9 call ---- */

void GOMP_parallel_start(fsp_region *body, void *data, unsigned threads) {
    BEGIN(GOMP_parallel_start, threads);

    if (real != NULL) real(body, data, threads);
}

void GOMP_parallel_sections_start(fsp_region *body, void *data, unsigned threads, unsigned count) {
    BEGIN(GOMP_parallel_sections_start, threads);

    if (real != NULL) real(body, data, threads, count);
}

#define LOOP_CHUNKS_START(name)                                                                    \
    void name(fsp_region *body, void *data, unsigned threads, long from, long to, long step,       \
              long chunk) {                                                                        \
        BEGIN(name, threads);                                                                      \
                                                                                                   \
        if (real != NULL) real(body, data, threads, from, to, step, chunk);                        \
    }

LOOP_CHUNKS_START(GOMP_parallel_loop_static_start)
LOOP_CHUNKS_START(GOMP_parallel_loop_dynamic_start)
LOOP_CHUNKS_START(GOMP_parallel_loop_guided_start)

void GOMP_parallel_loop_runtime_start(fsp_region *body, void *data, unsigned threads, long from,
                                      long to, long step) {
    BEGIN(GOMP_parallel_loop_runtime_start, threads);

    if (real != NULL) real(body, data, threads, from, to, step);
}

void GOMP_parallel_end(void) {
    const struct fsp_target *target =
        fsp_target_of(FSP_ENTRY_GOMP_parallel_end, __builtin_return_address(0));
    fsp_GOMP_parallel_end_type *real =
        target != NULL ? (fsp_GOMP_parallel_end_type *)target->function : NULL;

    if (real != NULL) {
        real();
        fsp_region_leave(target->provider);
    }
}
