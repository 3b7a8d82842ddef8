"""K10 without a fork: the workers are ranks of MPI themselves, by mpi4py.futures.

    mpirun -n 2 python3 k10_mpi_futures.py

forksight: nothing.
"""
import random

from mpi4py import MPI
from mpi4py.futures import MPICommExecutor

TASKS, DARTS = 8, 20000


def hits(seed):
    generator = random.Random(seed)
    return sum(generator.random() ** 2 + generator.random() ** 2 < 1 for _ in range(DARTS))


def main():
    with MPICommExecutor(MPI.COMM_WORLD, root=0) as executor:
        if executor is not None:
            print("pi", 4 * sum(executor.map(hits, range(TASKS))) / (TASKS * DARTS))


if __name__ == "__main__":
    main()
