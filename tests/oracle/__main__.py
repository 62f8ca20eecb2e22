"""`python -m oracle`: replays a timeline, compares, writes the result. Exit 0 only when everything is equal."""

import argparse
import json
import sys
from pathlib import Path

from . import happened
from .compare import Comparison
from .replay import Replay, load_plans, load_timeline


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="oracle", description=__doc__)
    for name, text in {
        "timeline": "NDJSON: what was acknowledged, in that order; paths are relative to this file",
        "campaigns": "folder with *.plan.json",
        "sent": "JSON: Notify's list of what it accepted",
        "manifests": "folder with print manifests, searched below too",
        "snapshot": "folder with people/*.parquet and contacts/*.parquet",
        "out": "JSON: the result",
    }.items():
        parser.add_argument(f"--{name}", required=True, type=Path, help=text)
    return parser.parse_args()


def summary(result):
    """A few lines for a person."""
    lines = ["oracle: equal" if result["equal"] else f"oracle: NOT EQUAL, {result['differences']} differences"]
    for name in ("duplicates", "sent_to_ineligible", "missing", "unexpected", "wrong_recipient", "wrong_day"):
        lines.append(f"  {name:20} {result[name]['count']}")
    people = result["people"]
    lines.append(f"  {'people':20} {people['expected']}, missing {people['missing']['count']}, "
                 f"unexpected {people['unexpected']['count']}, state differs {people['state_differs']['count']}")
    for name, wave in result["waves"].items():
        wrong = {key: part["count"] for key, part in wave.items() if isinstance(part, dict) and part.get("count")}
        lines.append(f"  {name:20} selected {wave.get('selected', 0)}, {wave.get('outcomes', {})}, differs {wrong or 'nowhere'}")
    for name, tasks in result["recall_tasks"].items():
        wrong = {key: part["count"] for key, part in tasks.items() if part["count"]}
        lines.append(f"  {name + ' calls':20} {result['expected']['campaigns'][name]['recall_tasks']}, differs {wrong or 'nowhere'}")
    if result["acknowledged_but_refused_here"]:
        lines.append(f"  acknowledged but refused here: {result['acknowledged_but_refused_here']}")
    return "\n".join(lines)


def main():
    """Runs it."""
    options = arguments()
    replay = Replay(load_plans(options.campaigns))
    replay.play(load_timeline(options.timeline), base=options.timeline.parent)
    seen = happened.read(options.sent, options.manifests, options.snapshot)
    result = Comparison(replay, seen).result()
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(summary(result), file=sys.stderr)
    return 0 if result["equal"] else 1


if __name__ == "__main__":
    sys.exit(main())
