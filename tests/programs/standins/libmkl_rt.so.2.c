/*
 * A stand-in for MKL: a product whose team has as many threads as MKL_NUM_THREADS says when
 * it is called first, or else OMP_NUM_THREADS, as MKL's has. The real one borrows the
 * threads of libiomp5; these are its own.
 */
#include <pthread.h>
#include <stdlib.h>

enum { TEAM_MAX = 64 };

double mkl_standin_product(long work);
int MKL_Get_Max_Threads(void);

struct share {
    long work;
    double sum;
};

static int team;

static void *compute(void *argument) {
    struct share *share = argument;

    for (long i = 1; i <= share->work; i++)
        share->sum += 1.0 / (double)i;
    return NULL;
}

int MKL_Get_Max_Threads(void) {
    const char *own = getenv("MKL_NUM_THREADS"), *general = getenv("OMP_NUM_THREADS");

    if (team == 0) team = own ? atoi(own) : general ? atoi(general) : 1;
    return team < 1 ? 1 : team > TEAM_MAX ? TEAM_MAX : team;
}

double mkl_standin_product(long work) {
    const int count = MKL_Get_Max_Threads();
    struct share shares[TEAM_MAX] = {0};
    pthread_t threads[TEAM_MAX];
    double sum = 0;

    for (int i = 0; i < count; i++)
        shares[i].work = work / count;
    for (int i = 1; i < count; i++)
        if (pthread_create(&threads[i], NULL, compute, &shares[i]) != 0) return -1;
    compute(&shares[0]);
    for (int i = 0; i < count; i++) {
        if (i > 0) pthread_join(threads[i], NULL);
        sum += shares[i].sum;
    }
    return sum;
}
