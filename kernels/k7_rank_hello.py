"""K7 with mpi4py: every rank says who it is.

Importing MPI initialises it, and the end of the interpreter finalizes it. Start it with
srun or mpirun: without a launcher it is one rank, whatever the job asked for (MPI-01).
"""
from mpi4py import MPI

world = MPI.COMM_WORLD
print(f"Hello from rank {world.rank} of {world.size} on {MPI.Get_processor_name()}", flush=True)
