/* A stand-in for Intel's OpenMP runtime: its name and a few of its functions, which do no work. */
int omp_get_max_threads(void);
int kmp_get_blocktime(void);

int omp_get_max_threads(void) {
    return 1;
}

int kmp_get_blocktime(void) {
    return 200;
}
