"""Another program that holds a line: `holder.py DEVICE OFFSET` says so and waits to be killed."""

import signal
import sys

import gpiod
from gpiod.line import Direction

if __name__ == "__main__":
    settings = gpiod.LineSettings(direction=Direction.INPUT)
    with gpiod.request_lines(sys.argv[1], consumer="another-program", config={int(sys.argv[2]): settings}):
        print("held", flush=True)
        signal.pause()
