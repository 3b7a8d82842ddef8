/* A profiler of MPI as there are many: stands in front of some functions, calls them by their
 * PMPI_ names and prints at the end how often it was called. Handles are passed on as they
 * are, for it serves every MPI. */
#include <stdint.h>
#include <stdio.h>

extern int PMPI_Init(int *argc, char ***argv);
extern int PMPI_Iprobe(int source, int tag, uintptr_t communicator, int *flag, void *status);
extern int PMPI_Finalize(void);
int MPI_Init(int *argc, char ***argv);
int MPI_Iprobe(int source, int tag, uintptr_t communicator, int *flag, void *status);
int MPI_Finalize(void);

static int begun, probes;

int MPI_Init(int *argc, char ***argv) {
    begun++;
    return PMPI_Init(argc, argv);
}

int MPI_Iprobe(int source, int tag, uintptr_t communicator, int *flag, void *status) {
    probes++;
    return PMPI_Iprobe(source, tag, communicator, flag, status);
}

int MPI_Finalize(void) {
    printf("profiler: %d begun, %d probes\n", begun, probes);
    fflush(stdout);
    return PMPI_Finalize();
}
