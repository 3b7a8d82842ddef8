"""What the captures beside this file were taken of, while it sleeps:

python3.N capture.py & build/probes/stacks --capture $! > 3.N.capture
"""
import time


class Worker:
    def run(self, depth):
        if depth:
            return self.run(depth - 1)
        values = [
            self.wäit(number)
            for number in range(1)
        ]
        return values

    def wäit(self, number):
        print("ready", flush=True)
        time.sleep(20)


Worker().run(2)
