"""FRK-05: a process forked after MPI_Init asks MPI for messages. It has its parent's
connections, which are not its own: what it takes is missing there."""
import os

from mpi4py import MPI

world = MPI.COMM_WORLD

pid = os.fork()
if pid == 0:
    world.Iprobe()
    os._exit(0)
os.waitpid(pid, 0)
