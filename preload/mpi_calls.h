/*
 * mpi_calls.h - calls of message passing whose callers are told apart.
 *
 * FSP_MPI_CALLS(X) expands X(name) per function, without its MPI_ or PMPI_. All of them
 * were there in MPI 3.0: a library that asks by a weak reference for newer ones must find
 * the truth. Functions that any thread may ask (MPI_Comm_rank, MPI_Initialized) are left
 * out, and so is MPI_Pcontrol, whose arguments vary. Fortran's bodies call these.
 *
 * For assembly, too: nothing but the list is in here.
 */
#ifndef FSP_MPI_CALLS_H
#define FSP_MPI_CALLS_H

/* clang-format off */
#define FSP_MPI_CALLS(X)                                                                           \
    X(Send) X(Recv) X(Bsend) X(Ssend) X(Rsend) X(Sendrecv) X(Sendrecv_replace)                     \
    X(Isend) X(Irecv) X(Ibsend) X(Issend) X(Irsend)                                                \
    X(Probe) X(Iprobe) X(Mprobe) X(Improbe) X(Mrecv) X(Imrecv)                                     \
    X(Wait) X(Waitall) X(Waitany) X(Waitsome) X(Test) X(Testall) X(Testany) X(Testsome)            \
    X(Start) X(Startall)                                                                           \
    X(Barrier) X(Bcast) X(Gather) X(Gatherv) X(Scatter) X(Scatterv) X(Allgather) X(Allgatherv)     \
    X(Alltoall) X(Alltoallv) X(Alltoallw) X(Reduce) X(Allreduce) X(Reduce_scatter)                 \
    X(Reduce_scatter_block) X(Scan) X(Exscan)                                                      \
    X(Ibarrier) X(Ibcast) X(Igather) X(Iscatter) X(Iallgather) X(Ialltoall) X(Ireduce)             \
    X(Iallreduce)                                                                                  \
    X(Comm_dup) X(Comm_split) X(Comm_create) X(Comm_free) X(Comm_spawn) X(Comm_disconnect)         \
    X(Win_create) X(Win_allocate) X(Win_free) X(Win_fence) X(Win_lock) X(Win_unlock)               \
    X(Put) X(Get) X(Accumulate) X(Fetch_and_op)                                                    \
    X(File_open) X(File_close) X(File_read_at) X(File_write_at) X(File_read_all) X(File_write_all)
/* clang-format on */

/* Where fsp_tls.mpi_known lies. */
#define FSP_TLS_MPI_KNOWN 40

#endif
