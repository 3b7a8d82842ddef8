"""K6: the field of a plane wave that a round obstacle scatters, point by point.

usage: k6_scatter.py [points along an edge, default 32] [--omp]

computeField(k), k = j*nx1 + i, gives the incident and the scattered field at one
grid node, in any order. To expect: no finding. With --omp the number of workers is
taken from OMP_NUM_THREADS, a thread count: THR-02.
"""
import cmath
import math
import multiprocessing
import os
import sys

ARGUMENTS = [a for a in sys.argv[1:] if a != "--omp"]
nx1 = ny1 = int(ARGUMENTS[0]) if ARGUMENTS else 32
WAVE_NUMBER = 2.0 * math.pi  # wavelength 1, obstacle of radius 1 in the middle
SEGMENTS = 128


def worker_count():
    names = ("OMP_NUM_THREADS",) if "--omp" in sys.argv else ("NUM_PROCS", "SLURM_CPUS_PER_TASK")
    for name in names:
        if os.environ.get(name):
            return int(os.environ[name])
    return len(os.sched_getaffinity(0))


def incident_wave(x, y):
    return cmath.exp(1j * WAVE_NUMBER * x)


def green(distance):
    """Field of a line source, far from it (the large-argument Hankel function)."""
    phase = WAVE_NUMBER * distance
    return 0.25j * cmath.exp(1j * (phase - math.pi / 4)) * math.sqrt(2.0 / (math.pi * phase))


def computeField(k):
    x = -4.0 + 8.0 * (k % nx1) / (nx1 - 1)
    y = -4.0 + 8.0 * (k // nx1) / (ny1 - 1)
    if x * x + y * y <= 1.0:
        return 0j, 0j
    scattered = 0j
    length = 2.0 * math.pi / SEGMENTS
    for segment in range(SEGMENTS):
        angle = (segment + 0.5) * length
        bx, by = math.cos(angle), math.sin(angle)
        if bx > 0.0:
            continue  # in the obstacle's shadow
        current = 2j * WAVE_NUMBER * bx * incident_wave(bx, by)
        scattered -= current * green(math.hypot(x - bx, y - by)) * length
    return incident_wave(x, y), scattered


if __name__ == "__main__":
    with multiprocessing.Pool(processes=worker_count()) as pool:
        fields = pool.map(computeField, range(ny1 * nx1))
    energy = sum(abs(incident + scattered) ** 2 for incident, scattered in fields)
    print(f"nodes {len(fields)} mean energy {energy / len(fields):.6f}")
