"""Many tiny tasks through a Pool of two: prints nanoseconds per task."""
import sys
import time
from multiprocessing import get_context


def main():
    tasks = int(sys.argv[1])
    with get_context("fork").Pool(2) as pool:
        pool.map(abs, range(1000), chunksize=1)
        begin = time.monotonic_ns()
        pool.map(abs, range(tasks), chunksize=1)
        took = time.monotonic_ns() - begin
    print(took / tasks)


if __name__ == "__main__":
    main()
