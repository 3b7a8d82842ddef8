"""A command on a terminal of its own: it is the session's leader and in the foreground."""
import os
import pty
import select
import signal
import time

import harness as h


class Terminal:
    """`with Terminal(command, cwd, env) as t`: t.send keys, t.expect text, t.finish()."""

    def __init__(self, command, cwd=None, env=None):
        self.output = b""
        self.status = None
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            try:
                for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGPIPE):
                    signal.signal(number, signal.SIG_DFL)
                if cwd:
                    os.chdir(cwd)
                os.execvpe(str(command[0]), [str(c) for c in command], env or h.environment(TERM="vt100"))
            finally:
                os._exit(127)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.status is None:
            h.kill_session(self.pid)
            os.waitpid(self.pid, 0)
        os.close(self.master)

    def send(self, keys):
        os.write(self.master, keys)

    def read(self, seconds):
        ready, _, _ = select.select([self.master], [], [], seconds)
        if not ready:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # the other side is closed
            data = b""
        self.output += data
        return bool(data)

    def expect(self, text, since=0, timeout=60):
        """Reads until text (bytes) came after offset since; returns the offset behind it."""
        end = time.monotonic() + timeout
        while text not in self.output[since:]:
            h.check(time.monotonic() < end,
                    f"the terminal never showed {text!r}; it showed\n{self.text()}")
            if not self.read(0.1):
                self.poll()
                h.check(self.status is None or text in self.output[since:],
                        f"the command ended before {text!r}; it showed\n{self.text()}")
        return self.output.index(text, since) + len(text)

    def poll(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                while self.read(0.05):
                    pass

    def finish(self, timeout=60):
        """Waits for the command's end; returns its status (-n: ended by signal n)."""
        end = time.monotonic() + timeout
        while self.status is None:
            h.check(time.monotonic() < end, f"hung\n{h.process_states(self.pid)}{self.text()}")
            self.read(0.05)
            self.poll()
        return self.status

    def text(self):
        return self.output.decode("utf-8", "replace").replace("\r\n", "\n")
