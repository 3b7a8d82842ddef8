"""Commands on an emulated machine (tests/bignode), larger than this one."""
import harness as h

BIGNODE = h.ROOT / "tests" / "bignode"


def execute(folder, limit, *arguments, **environment):
    """The result of bignode with these arguments. The machine may write into the folder (None: into
    none), and is given `limit` seconds. Where none can be emulated, the test is skipped."""
    options = ["-s", limit, *(["-o", folder] if folder else [])]
    result = h.execute([BIGNODE, *options, *arguments], cwd=folder,
                       env=h.environment(**environment), timeout=limit + 60)
    if result.status == 77:
        raise h.Skip(result.stderr.strip().splitlines()[-1])
    return result
