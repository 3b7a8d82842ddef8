"""Every variant of kernels/expectations.json: recorded, and its findings held
against those that it must and must not cause; then put through `forksight check`, as a
test system of a centre would, which must come to the same. `make check-kernels` runs these.
What needs more CPUs than this machine has runs on an emulated one of 16, all in one boot."""
import json
import os
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import emulator
import harness as h
import junit
from terminal import Terminal


VARIANTS = json.loads((h.KERNELS / "expectations.json").read_text())["variants"]
TOPOLOGY = "2:4:2"
LIMIT = 500  # seconds on the emulated machine
EMULATED = "KERNELS_EMULATED" in os.environ
emulated = {}  # of a variant: its lines there, the result first


def as_here(variant):
    """The variant with what it has instead on the emulated machine."""
    instead = variant.get("emulated", {}) if EMULATED else {}
    return {**variant, "args": instead.get("args", variant["args"]),
            "environment": {**variant["environment"], **instead.get("environment", {})}}


def boot():
    """Runs this file on the emulated machine, for all that is wanted and too large for this one."""
    names = [f"kernels/{v['name']}" for v in VARIANTS if v["cpus"] > h.cpu_count()]
    patterns = [a for a in sys.argv[1:] if not a.startswith("--")]
    wanted = [n for n in names if not patterns or any(p in n for p in patterns)]
    result = emulator.execute(None, LIMIT, "-t", TOPOLOGY, h.PYTHON, "-B", __file__, *wanted,
                              KERNELS_EMULATED=1)
    lines = []
    for line in result.stdout.splitlines():
        found = re.match(r"(ok|not ok|skip) kernels/(\S+?):?( .*)?$", line)
        if found:
            lines = emulated[found[2]] = [(found[1], found[3] or "")]
        else:
            lines.append(line)
    for name in wanted:
        emulated.setdefault(name.removeprefix("kernels/"), [("not ok", f"the machine ended before\n{result}")])


def run_emulated(variant):
    def body(_folder):
        if not emulated:
            boot()
        (word, why), *more = emulated[variant["name"]]
        if word == "skip":
            raise h.Skip(why)
        h.equal(word, "ok", f"on the emulated machine:{why}\n" + "\n".join(more))
        print(f"# {variant['name']}: on an emulated machine of 16 CPUs{why}")
    body.lane = "emulated"
    return body


def command_of(variant):
    file = h.KERNELS / variant["file"]
    if "mpi" in variant and file.suffix != ".py":
        return [h.BUILD / "kernels" / f"{file.stem}.{variant['mpi']}", *variant["args"]]
    if file.suffix == ".c":
        return [h.BUILD / "kernels" / file.stem, *variant["args"]]
    return [h.PYTHON, file, *variant["args"]]


def wrapper_of(variant):
    cores = h.core_count()
    return [word.replace("{cores+1}", str(cores + 1)).replace("{cores}", str(cores))
            for word in variant.get("wrapper", [])]


def need_modules(file):
    for module in ("numpy", "numba", "scipy", "joblib", "threadpoolctl", "mpi4py"):
        if file.suffix == ".py" and (f"import {module}" in file.read_text()
                                       or f"from {module}" in file.read_text()):
            h.python_path(module)


def press_until_it_ends(command, folder, variant):
    """A hung job on a terminal: the key goes to all of its processes. Returns the result."""
    env = h.environment(TERM="vt100", **variant["environment"])
    arguments = [*variant.get("outer", []), h.FORKSIGHT, "run", "-o", folder / "job", "--", *command]
    with Terminal(arguments, cwd=folder, env=env) as terminal:
        end = time.monotonic() + variant["interrupt"]
        while time.monotonic() < end:
            terminal.read(0.1)
        for _ in range(10):
            terminal.send(b"\x03")
            end = time.monotonic() + 3
            while terminal.status is None and time.monotonic() < end:
                terminal.read(0.1)
                terminal.poll()
        terminal.finish()
        text = h.plain(terminal.text()).replace("^C", "")
        return h.Result(arguments, terminal.status, b"", text.encode(), folder / "job")


# They hang, or sleep, and nothing that they must find or must not depends on free CPUs.
WAITING = {"k1-unjoined", "k5-sleeps", "k11-numba-parallel-before-fork", "frk-07-region-before-fork",
           "frk-08-lock-held", "frk-08-progress-lock"}


def run_variant(variant):
    def body(folder):
        h.need_cpus(variant["cpus"])
        need_modules(h.KERNELS / variant["file"])
        h.need_files(*variant.get("files", []))
        if "interrupt" in variant:
            command = [*wrapper_of(variant), *command_of(variant)]
            result = press_until_it_ends(command, folder, variant)
            h.expect_rules(result, variant["must"], variant["must_not"], variant["later"])
            h.check_screen(result.report)
            check_variant(variant, result.directory, folder)
            return
        result = h.under_forksight([*wrapper_of(variant), *command_of(variant)],
                                   outer=variant.get("outer", ()), cwd=folder,
                                   env=h.environment(**variant["environment"]),
                                   timeout=LIMIT if EMULATED else h.HANG)
        h.equal(result.status, variant.get("status", 0), f"status\n{result}")
        h.check(re.search(variant.get("output", ""), result.stdout, re.M), f"output\n{result}")
        h.expect_rules(result, variant["must"], variant["must_not"], variant["later"])
        h.check_screen(result.report)
        check_variant(variant, result.directory, folder)
    return h.waits(body) if variant["name"] in WAITING else body


def check_variant(variant, job, folder):
    h.python_path("junitparser")
    result = h.execute([h.FORKSIGHT, "check", "--expect", h.KERNELS / "expectations.json",
                        "--variant", variant["name"], "--junit", "check.xml", job], cwd=folder)
    h.equal(result.status, 0, f"forksight check\n{result}")
    print("# " + result.stdout.splitlines()[0])
    failed = [rule for rule, (state, _) in junit.cases(folder / "check.xml").items()
              if state == "failed"]
    h.equal(failed, [], "failed in check.xml")


for entry in map(as_here, VARIANTS):
    too_large = entry["cpus"] > h.cpu_count() and not EMULATED
    h.add(entry["name"], (run_emulated if too_large else run_variant)(entry))


@h.test
def every_kernel_has_expectations(_folder):
    named = {v["file"] for v in VARIANTS}
    present = {p.name for p in h.KERNELS.iterdir() if p.suffix in (".py", ".c", ".f90")}
    h.equal(named, present, "kernels in expectations.json")
    for name in present:
        lines = (h.KERNELS / name).read_text().splitlines()
        h.check(len(lines) <= 80, f"{name} has {len(lines)} lines")


@h.test
def every_guard_says_what_its_rules_come_to(_folder):
    """A variant without a finding proves something where the rules were judged: those which it
    names under "pass", `forksight check` sees to it. What its kernel's faulty variants must find
    either passes there or does not apply."""
    for variant in VARIANTS:
        if variant["must"]:
            continue
        twins = {rule for other in VARIANTS if other["kernel"] == variant["kernel"] for rule in other["must"]}
        silent = twins - {*variant["pass"], *variant.get("not_applicable", ())}
        h.check(variant["pass"] and not silent, f"{variant['name']} does not tell of {silent or 'any rule'}")


if __name__ == "__main__":
    h.main()
