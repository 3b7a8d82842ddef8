/* A library that works with MPI if the program uses it: it asks by weak references. */
#include <stdio.h>

#pragma weak MPI_Init
#pragma weak PMPI_Finalize
extern int MPI_Init(int *argc, char ***argv);
extern int PMPI_Finalize(void);

void ask(const char *when);
void ask(const char *when) {
    printf("%s: MPI_Init %s, PMPI_Finalize %s\n", when, MPI_Init ? "there" : "missing",
           PMPI_Finalize ? "there" : "missing");
}
