"""The twin of frk05_mpi_child.py: the forked process computes, and the rank alone calls MPI."""
import os

from mpi4py import MPI

world = MPI.COMM_WORLD

reading, writing = os.pipe()
pid = os.fork()
if pid == 0:
    os.write(writing, str(sum(range(1000))).encode())
    os._exit(0)
os.waitpid(pid, 0)
total = world.allreduce(int(os.read(reading, 100)))
print(f"rank {world.rank}: {total}")
