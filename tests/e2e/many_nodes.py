"""The report of many nodes, made from the digest of a real job: the same to the byte whatever
files and directories hold the nodes, within its page at any size, and clear about what is not
whole."""
import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h
import many_nodes
import schema

NODES, RANKS = 200, 4


def template(folder):
    """The digest of a real pool, as if it had run for a while."""
    result = h.under_forksight([h.PYTHON, h.KERNELS / "k3_darts_pi.py", "8000000"],
                               options=["-q"], cwd=folder, env=h.environment(NUM_PROCS="4"))
    h.equal(result.status, 0, f"status\n{result}")
    return many_nodes.template_of(next(result.directory.glob("*.digest")), 200)


def texts_of(folder, nodes, ranks=RANKS):
    return [text for _, text in many_nodes.nodes_of(template(folder), nodes, ranks)]


def write(folder, groups):
    """A file for each group of texts."""
    folder.mkdir(parents=True)
    for number, group in enumerate(groups):
        (folder / f"{number}.digest").write_text("".join(group))
    return folder


def report(*arguments):
    result = h.execute([h.FORKSIGHT, "report", *arguments])
    h.equal(result.status, 0, f"status\n{result}")
    return result.stdout


def reports(*directories):
    """Text, all of the text, and JSON; but for the line that names the directory."""
    forms = (report(*directories), report("-v", "--rules", *directories),
             report("--format", "json", *directories))
    return ["\n".join(line for line in text.splitlines() if not line.startswith("Report "))
            for text in forms]


def refuses(directory, *words):
    result = h.execute([h.FORKSIGHT, "report", directory])
    h.equal(result.status, 3, f"status\n{result}")
    h.equal(result.stdout, "", f"stdout\n{result}")
    h.equal(len(result.stderr.splitlines()), 1, f"lines on stderr\n{result}")
    for word in words:
        h.check(word in result.stderr, f"{word!r} is not in the line\n{result}")


def dealt(chance, texts, count):
    """The texts in another order, in so many groups, none of them empty."""
    texts = chance.sample(texts, len(texts))
    groups = [[text] for text in texts[:count]]
    for text in texts[count:]:
        chance.choice(groups).append(text)
    return groups


@h.test
def order_grouping_and_directories_change_nothing(folder):
    texts = texts_of(folder, NODES)[:-3]  # three nodes left no record
    first = reports(write(folder / "first", [[text] for text in texts]))
    for word in ("error[AFF-01]", "197 of 200 nodes", "no record of 3 nodes",
                 "Clocks    not aligned: unknown on nid00[03,19]", "788/800 ranks"):
        h.check(word in first[0], f"{word!r} is not in\n{first[0]}")
    h.equal(schema.problems(json.loads(first[2])), [], "problems by the schema")
    chance = random.Random(1)
    for number, (files, places) in enumerate(((197, 1), (1, 1), (13, 1), (60, 4), (197, 7))):
        groups = dealt(chance, texts, files)
        base = folder / f"deal{number}"
        directories = [write(base / str(place), groups[place::places]) for place in range(places)]
        for form, (got, expected) in enumerate(zip(reports(*directories), first)):
            h.check(got == expected, f"form {form} of deal {number} differs:\n"
                    + "\n".join(sorted(set(got.splitlines()) ^ set(expected.splitlines()))))


@h.test
def page_keeps_its_size(folder):
    lines = template(folder)
    for nodes, ranks in ((2, 0), (2, 4), (6, 4), (16, 4), (17, 0), (300, 16)):
        texts = [text for _, text in many_nodes.nodes_of(lines, nodes, ranks)]
        directory = write(folder / f"{nodes}x{ranks}", [texts])
        page = report(directory)
        h.check_screen(page)
        h.check(f"{nodes} nodes" in page.splitlines()[0], f"nodes in the header\n{page}")
        whole = report("-v", directory)
        if ranks:
            rows = [line for line in whole.splitlines() if "core/2pu)" in line]
            h.equal(len(rows), nodes * ranks, "ranks with -v")
        utf8 = h.execute([h.FORKSIGHT, "report", directory], env=h.environment(LC_ALL="C.UTF-8"))
        h.check_screen(utf8.stdout)


@h.test
def what_is_no_whole_record_is_named(folder):
    texts = texts_of(folder, 5)
    cut = write(folder / "cut", [[text] for text in texts])
    (cut / "3.digest").write_text(texts[3][:-200])
    refuses(cut, "3.digest", "is no whole record", "cut off")
    foreign = write(folder / "foreign", [[text] for text in texts])
    (foreign / "x.digest").write_text('{"a": 1}\n')
    refuses(foreign, "x.digest", "is no whole record", "not a digest of forksight")
    newer = write(folder / "newer", [[text] for text in texts])
    (newer / "1.digest").write_text(texts[1].replace('{"forksight":1', '{"forksight":2'))
    refuses(newer, "1.digest", "format version 2")
    wrong = write(folder / "wrong", [[text] for text in texts])
    (wrong / "2.digest").write_text(texts[2].replace('"pid":', '"pid":-', 1))
    refuses(wrong, "2.digest", "a wrong value")


if __name__ == "__main__":
    h.main()
