/*
 * segment_mpi.h - what a segment's header says of MPI. See segment.h for the conventions.
 */
#ifndef FSP_SEGMENT_MPI_H
#define FSP_SEGMENT_MPI_H

#include <stdatomic.h>
#include <stdint.h>

enum fsp_mpi_library { /* whose MPI it is */
                       FSP_MPI_NONE = 0,
                       FSP_MPI_OPEN_MPI,
                       FSP_MPI_MPICH, /* and all with its binary interface: Intel, MVAPICH, Cray */
                       FSP_MPI_ABI,   /* the standard's own binary interface */
                       FSP_MPI_OTHER, /* handles unknown: it is not asked for rank and size */
                       FSP_MPI_LIBRARY_COUNT
};

/* Thread levels, as the standard orders them; of what was not asked or told: */
enum { FSP_MPI_LEVEL_MAX = 3, FSP_MPI_LEVEL_UNKNOWN = 255 };

/* Callers of MPI that did not initialise it: the first one, and how many. */
enum fsp_mpi_stranger { FSP_MPI_CHILD = 0, FSP_MPI_THREAD, FSP_MPI_STRANGER_COUNT };
struct fsp_mpi_caller {
    _Atomic uint32_t count; /* processes forked after MPI was initialised; or other threads */
    _Atomic uint32_t known; /* 1 once the rest is stored */
    int32_t pid, tid;
    uint64_t t, site;
    uint64_t created; /* of the call that made the thread, or of the fork; 0: not known */
    char function[24];
};

/* How a Python that initialised MPI came to its end. */
enum fsp_mpi_ending {
    FSP_MPI_ENDING_UNSEEN = 0, /* it did not, or could not be asked */
    FSP_MPI_ENDING_PLAIN,
    FSP_MPI_ENDING_EXCEPTION, /* its main program raised one that nobody caught */
    FSP_MPI_ENDING_COUNT
};

/*
 * MPI in an image. An image initialises it once; the process that does writes all, callers
 * apart. Times: the outermost call, before and after; 0: not yet.
 */
struct fsp_mpi {
    _Atomic int32_t pid; /* of the process that initialises it; 0: none does */
    int32_t tid;
    _Atomic uint64_t t_init, t_ready, t_finalize, t_finalized, t_abort;
    uint64_t site;          /* of the call that initialises it */
    uint64_t object;        /* site (FSP_SITE_OBJECT) of the library's file */
    uint64_t finalize_site; /* of MPI_Finalize */
    int32_t result;         /* of MPI_Init; 0: success */
    int32_t rank, size;     /* in MPI_COMM_WORLD, as the library says; size 0: not known */
    int32_t abort_code;
    uint8_t library;         /* enum fsp_mpi_library */
    uint8_t asked, provided; /* thread level */
    uint8_t calls_seen;      /* 1: callers of message passing are told apart */
    _Atomic uint32_t others; /* processes of the image that initialised it for themselves */
    char version[64];        /* the begin of the library's own words */
    struct fsp_mpi_caller caller[FSP_MPI_STRANGER_COUNT];
    _Atomic uint32_t ending; /* enum fsp_mpi_ending, stored after the rest */
    uint32_t pad;
    uint64_t raised;    /* site of the raise; 0: not known */
    char exception[32]; /* its type */
};

_Static_assert(sizeof(struct fsp_mpi) == 336, "MPI in the header");

#endif
