/* empty.c - a preload object that does nothing: what loading any object costs. */
int forksight_bench_empty(void);
int forksight_bench_empty(void) {
    return 0;
}
