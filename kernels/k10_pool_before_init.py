"""K10 as it should be: each rank makes its Pool first, and only then begins MPI.

mpi4py is told not to call MPI_Init when it is imported, and to call MPI_Finalize at the
end. No worker is forked while MPI is in use.

    mpirun -n 2 python3 k10_pool_before_init.py

forksight: nothing.
"""
import random
from multiprocessing import Pool

import mpi4py

mpi4py.rc(initialize=False, finalize=True)
from mpi4py import MPI

WORKERS, TASKS, DARTS = 2, 4, 20000


def hits(seed):
    generator = random.Random(seed)
    return sum(generator.random() ** 2 + generator.random() ** 2 < 1 for _ in range(DARTS))


def main():
    with Pool(WORKERS) as pool:
        MPI.Init()
        seed = MPI.COMM_WORLD.Get_rank() * TASKS
        mine = sum(pool.map(hits, range(seed, seed + TASKS)))
    every = MPI.COMM_WORLD.reduce(mine)
    if MPI.COMM_WORLD.Get_rank() == 0:
        print("pi", 4 * every / (MPI.COMM_WORLD.Get_size() * TASKS * DARTS))


if __name__ == "__main__":
    main()
