/*
 * mpi.h - what the files about MPI share.
 *
 * Who calls MPI is asked once per thread: a byte of the thread's own storage says that it
 * is known (it initialised MPI, or was noted). New threads and fork children begin
 * without it. Where calls of message passing are watched (mpi_calls_<architecture>.S),
 * each costs a look at that byte and a jump.
 */
#ifndef FSP_MPI_H
#define FSP_MPI_H

#include <stdbool.h>

#include "preload/segment.h"

/* Notes a caller that did not initialise MPI. */
void fsp_mpi_note_caller(enum fsp_mpi_stranger kind, const char *function,
                         const void *return_address);

/* After MPI_Init, before its thread is known: finds what calls of message passing are to go
 * on to, as seen from that caller. False: they are not watched. */
bool fsp_mpi_watch_calls(const void *return_address);

#endif
