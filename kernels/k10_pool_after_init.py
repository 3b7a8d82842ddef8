"""K10: hits for pi, shared out among the ranks of MPI and, in each, among a Pool's workers.

Importing mpi4py.MPI calls MPI_Init, so the workers are forked while MPI is in use: they
have copies of its locks, its connections and its memory.

    mpirun -n 2 python3 k10_pool_after_init.py

forksight: FRK-01.
"""
import random
from multiprocessing import Pool

from mpi4py import MPI

WORKERS, TASKS, DARTS = 2, 4, 20000


def hits(seed):
    generator = random.Random(seed)
    return sum(generator.random() ** 2 + generator.random() ** 2 < 1 for _ in range(DARTS))


def main():
    with Pool(WORKERS) as pool:
        seed = MPI.COMM_WORLD.Get_rank() * TASKS
        mine = sum(pool.map(hits, range(seed, seed + TASKS)))
    every = MPI.COMM_WORLD.reduce(mine)
    if MPI.COMM_WORLD.Get_rank() == 0:
        print("pi", 4 * every / (MPI.COMM_WORLD.Get_size() * TASKS * DARTS))


if __name__ == "__main__":
    main()
