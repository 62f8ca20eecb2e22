"""Starts MiniStack with Nagle's algorithm off, and counts the requests it answers.

Its Runtime API answers in several small writes; with Nagle and delayed acknowledgements each warm invocation then
costs about 40 ms more. `GET /_ims/requests` gives the requests so far by service and operation.
"""

import json
import re
import socketserver
from collections import Counter
from urllib.parse import parse_qs

socketserver.StreamRequestHandler.disable_nagle_algorithm = True

import ministack.app  # noqa: E402  (must see the setting above)

SCOPE = re.compile(r"Credential=[^/]+/[^/]+/[^/]+/([^/,]+)/")
requests = Counter()


def operation(scope):
    """(service, operation) of a signed request, or `None` for anything else."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    signed = SCOPE.search(headers.get("authorization", ""))
    if not signed:
        return None
    target = headers.get("x-amz-target")
    if target:
        return signed[1], target.rsplit(".", 1)[-1]
    path, query = scope["path"], parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if "x-id" in query:
        return signed[1], query["x-id"][0]
    if "list-type" in query:
        return signed[1], "ListObjectsV2"
    if path.endswith("/invocations"):
        return signed[1], "Invoke"
    return signed[1], scope["method"]


def counting(app):
    """The application, counting what passes."""

    async def counted(scope, receive, send):
        if scope["type"] == "http":
            if scope["path"] == "/_ims/requests":
                found = {}
                for (service, name), count in sorted(requests.items()):
                    found.setdefault(service, {})[name] = count
                body = json.dumps(found).encode()
                headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
            named = operation(scope)
            if named:
                requests[named] += 1
        await app(scope, receive, send)

    return counted


if __name__ == "__main__":
    ministack.app.app = counting(ministack.app.app)
    ministack.app.main()
