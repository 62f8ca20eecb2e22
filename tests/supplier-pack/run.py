#!/usr/bin/env python3
"""Tries a supplier's application against a sandbox, and says of each step what was expected, why, and whether it came.

Exit status 0: all passed; 1: something did not; 2: wrong usage.
"""

import argparse
import json
import sys
import urllib.error

from checks import CHECKS, Run, Wrong
from records import DISEASES
from sandbox import Api, Buckets
from signing import KeyProblem, read_key

PASSED, FAILED, SKIPPED = "passed", "FAILED", "skipped"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    need = parser.add_argument_group("needed")
    need.add_argument("--base", required=True, metavar="URL", help="base URL of the API: {base}/Immunization")
    need.add_argument("--client", required=True, metavar="ID", help="id of the registered application")
    need.add_argument("--key", required=True, metavar="FILE", help="its RSA private key (PEM, no password)")
    need.add_argument("--kid", required=True, metavar="KID", help="id of the key, as registered")
    parser.add_argument("--token-url", metavar="URL", help="where tokens are given [default: {base}/oauth2/token]")
    parser.add_argument("--vaccine", default="FLU", choices=DISEASES, help="a vaccine type with CRUDS [default: FLU]")
    parser.add_argument("--forbidden", choices=DISEASES, metavar="TYPE", help="a vaccine type without permission")
    parser.add_argument("--day", default="2025-09-30", metavar="YYYY-MM-DD", help="a day that has passed in the sandbox")
    parser.add_argument("--json", metavar="FILE", help="write the results there as JSON, too")
    files = parser.add_argument_group("for batch files, all together")
    files.add_argument("--s3", metavar="URL", help="S3 endpoint")
    files.add_argument("--inbound", metavar="BUCKET", help="where files are dropped")
    files.add_argument("--acks", metavar="BUCKET", help="where acknowledgements lie")
    files.add_argument("--ods", metavar="CODE", help="the supplier's ODS code, for file names")
    files.add_argument("--access-key", metavar="ID", default="test")
    files.add_argument("--secret-key", metavar="SECRET", default="test")
    files.add_argument("--region", default="eu-west-2")
    options = parser.parse_args()
    given = [options.s3, options.inbound, options.acks, options.ods]
    if any(given) and not all(given):
        parser.error("--s3, --inbound, --acks and --ods belong together")
    if not options.base.startswith(("http://", "https://")):
        parser.error(f"--base '{options.base}' is no http address")
    return options


def judge(run, needs, function):
    """Result, and what was answered."""
    missing = {"forbidden": not run.options.forbidden, "buckets": not run.buckets}
    if needs and missing[needs]:
        return SKIPPED, f"needs {'--forbidden' if needs == 'forbidden' else '--s3'}"
    try:
        answer = function(run)
        return PASSED, str(answer.status)
    except Wrong as error:
        return FAILED, str(error)
    except (urllib.error.URLError, OSError) as error:
        return FAILED, f"no answer: {error}"
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return FAILED, f"an answer that is not as described: {error!r}"


def main():
    options = arguments()
    try:
        key = read_key(options.key)
    except KeyProblem as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    base = options.base.rstrip("/")
    api = Api(base, options.client, options.kid, key, options.token_url or f"{base}/oauth2/token")
    buckets = None
    if options.s3:
        buckets = Buckets(options.s3, options.inbound, options.acks, options.access_key, options.secret_key, options.region)
    run, rows = Run(api, options, buckets), []
    width = max(len(name) for name, *_ in CHECKS)
    print(f"{'check':{width}}  result   expected; why")
    for name, expected, why, needs, function in CHECKS:
        result, got = judge(run, needs, function)
        rows.append({"check": name, "result": result.lower(), "expected": expected, "got": got, "why": why})
        print(f"{name:{width}}  {result:8} {expected}; {why}", flush=True)
        if result != PASSED:
            print(f"{'':{width}}           got: {got}", flush=True)
        if name == "token" and result == FAILED:
            print("Without a token nothing else can be tried.", file=sys.stderr)
            break
    counts = {result: sum(row["result"] == result.lower() for row in rows) for result in (PASSED, FAILED, SKIPPED)}
    print(f"\n{counts[PASSED]} passed, {counts[FAILED]} failed, {counts[SKIPPED]} skipped")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)
    return 1 if counts[FAILED] else 0


if __name__ == "__main__":
    sys.exit(main())
