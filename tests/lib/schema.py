"""The JSON report held against its schema, by a validator that is not ours.

usage: schema.py FILE...     also for unit tests, which write files; status 1: invalid
"""
import copy
import json
import sys
from pathlib import Path

SCHEMA = Path(__file__).resolve().parents[2] / "report" / "forksight.report-1.schema.json"
BESIDE = {"_base64$": {}, "_bytes$": {"type": "integer", "minimum": 1}}


def closed(schema):
    """The schema with every member that it does not name forbidden: a report may have more for
    its readers, but not without our saying so."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    result = {name: closed(part) for name, part in schema.items()}
    if "properties" in schema and "additionalProperties" not in schema:
        result["additionalProperties"] = False
        result["patternProperties"] = BESIDE
    return result


def problems(report):
    """What is wrong with a report, a line each; [] if nothing is. Needs python3-jsonschema."""
    import jsonschema
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    found = []
    for variant in (schema, closed(copy.deepcopy(schema))):
        validator = jsonschema.Draft202012Validator(variant)
        found += [f"{error.json_path}: {error.message[:200]}"
                  for error in validator.iter_errors(report)]
    return found


def main():
    found = [f"{name}: {line}" for name in sys.argv[1:]
             for line in problems(json.loads(Path(name).read_text(encoding="utf-8")))]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
