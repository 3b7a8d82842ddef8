"""A curses program: shows the size of its screen, reads keys until q, prints them at the end."""
import curses
import sys


def main(screen):
    height, width = screen.getmaxyx()
    screen.addstr(1, 2, f"size {height}x{width} ready")
    screen.refresh()
    keys = []
    while True:
        key = screen.getch()
        if key == ord("q"):
            return keys, height, width
        keys.append("up" if key == curses.KEY_UP else chr(key))
        screen.addstr(2, 2, f"key {len(keys)} {keys[-1]}")
        screen.refresh()


keys, height, width = curses.wrapper(main)
print("keys", ",".join(keys), "size", height, width)
sys.exit(4)
