/*
 * A stand-in for an OpenBLAS that is built with affinity, which no distribution ships: as
 * that one does (driver/others/init.c), it pins the main thread to the first CPU of its
 * mask when it is loaded, unless OPENBLAS_MAIN_FREE or GOTOBLAS_MAIN_FREE is 1.
 */
#include <sched.h>
#include <stdlib.h>

int openblas_get_num_threads(void);
int openblas_get_parallel(void);

static int is_free(const char *name) {
    const char *value = getenv(name);
    return value && atoi(value) != 0;
}

__attribute__((constructor)) static void pin(void) {
    cpu_set_t mask;
    int cpu = 0;

    if (is_free("OPENBLAS_MAIN_FREE") || is_free("GOTOBLAS_MAIN_FREE")) return;
    if (sched_getaffinity(0, sizeof mask, &mask) != 0) return;
    while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &mask))
        cpu++;
    CPU_ZERO(&mask);
    CPU_SET(cpu, &mask);
    sched_setaffinity(0, sizeof mask, &mask);
}

int openblas_get_num_threads(void) {
    return 1;
}

int openblas_get_parallel(void) {
    return 1; /* threads of its own */
}
