"""JUnit XML as those read it whom it is for.

usage: junit.py FILE...     prints "NAME: STATE" of each test case; status 1: not as it should be

Read twice: by junitparser, which test systems use, and as plain XML against what the
schemas of Jenkins and Surefire allow.
"""
import sys
import xml.etree.ElementTree as ElementTree

ALLOWED = {  # element: (attributes that must be, that may be, children)
    "testsuites": (set(), set(), {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped", "time"}, set(), {"testcase"}),
    "testcase": ({"classname", "name", "time"}, set(), {"failure", "error", "skipped", "system-out"}),
    "failure": ({"message", "type"}, set(), set()),
    "error": ({"message", "type"}, set(), set()),
    "skipped": ({"message"}, set(), set()),
    "system-out": (set(), set(), set()),
}


def check_element(element):
    must, may, children = ALLOWED[element.tag]
    assert must <= set(element.attrib) <= must | may, f"attributes of {element.tag}: {element.attrib}"
    for child in element:
        assert child.tag in children, f"{child.tag} in {element.tag}"
        check_element(child)


def check_counts(suite):
    cases = suite.findall("testcase")
    assert int(suite.get("tests")) == len(cases), "count of tests"
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        found = sum(case.find(tag) is not None for case in cases)
        assert int(suite.get(attribute)) == found, f"count of {attribute}"
    names = [case.get("name") for case in cases]
    assert len(set(names)) == len(names), "a name comes twice: readers ignore the second"


def cases(path):
    """{rule: (state, text)} of a file; AssertionError if it is not as it should be."""
    import junitparser
    root = ElementTree.parse(path).getroot()
    check_element(root)
    for suite in root:
        check_counts(suite)
    states = {junitparser.Failure: "failed", junitparser.Error: "error",
              junitparser.Skipped: "skipped"}
    result = {}
    for suite in junitparser.JUnitXml.fromfile(str(path)):
        for case in suite:
            assert case.classname == suite.name, case.classname
            found = [r for r in case.result if type(r) in states]
            assert len(found) <= 1, f"{case.name} has two results"
            state = states[type(found[0])] if found else "passed"
            text = ((found[0].message or "") + "\n" + (found[0].text or "")) if found else \
                (case.system_out or "")
            result[case.name.split()[0]] = (state, text)
    return result


def main():
    for path in sys.argv[1:]:
        for rule, (state, _) in cases(path).items():
            print(f"{rule}: {state}")


if __name__ == "__main__":
    main()
