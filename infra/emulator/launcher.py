"""Starts MiniStack on a faster HTTP server, and counts the requests it answers.

All of MiniStack is one Python process, so its time is the local stack's time. It is served by uvicorn with httptools
and uvloop instead of Hypercorn, whose parser is written in Python; the garbage collector looks rarely at the objects
that live as long as the stack; and Nagle's algorithm is off for its Runtime API, which answers in several small writes
(with delayed acknowledgements a warm invocation costs about 40 ms more).

`GET /_ims/requests` gives the requests so far by service and operation; `disturbed.py` says what else is under `/_ims/`.

Functions' output goes to `$IMS_FUNCTION_LOGS/{function}.log`, where that is set.
"""

import gc
import json
import os
import re
import socketserver
import sys
from collections import Counter
from urllib.parse import parse_qs

import hypercorn.asyncio
import uvicorn
import uvloop
from disturbed import Disturbances, stream_records

socketserver.StreamRequestHandler.disable_nagle_algorithm = True

import ministack.app  # noqa: E402  (must see the setting above)
from ministack.core import lambda_runtime  # noqa: E402
from ministack.services import lambda_svc  # noqa: E402

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


async def answer(send, found):
    """Answers with JSON."""
    body = json.dumps(found).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def read(receive):
    """A request's whole body."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def replay(body, receive):
    """Gives a body that was read again, and then what else comes."""
    given = False

    async def again():
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


disturbances = Disturbances()
deliver = lambda_svc._execute_function


def disturbed(function, event, *more, **named):
    """Delivers an event; a failure of any part is that of the whole batch, which then comes again."""
    records = stream_records(event)
    if records is None:
        return deliver(function, event, *more, **named)
    for part in disturbances.batches((function.get("config") or function)["FunctionName"], records):
        result = deliver(function, {"Records": part}, *more, **named)
        if result.get("error"):
            return result
    return result


lambda_svc._execute_function = disturbed


class Kept:
    """A function's output, copied line by line into a file."""

    def __init__(self, stream, file):
        self.stream, self.file = stream, file

    def readline(self):
        line = self.stream.readline()
        self.file.write(line if isinstance(line, bytes) else line.encode())
        return line

    def close(self):
        self.file.close()
        self.stream.close()


def keep_output(folder):
    """Keeps what functions write, beside what the emulator does with it."""
    pump = lambda_runtime.ProvidedWorker._pump_output

    def kept(worker, stream, lines):
        file = open(os.path.join(folder, f"{worker.func_name}.log"), "ab", buffering=0)  # noqa: SIM115
        pump(worker, Kept(stream, file), lines)

    lambda_runtime.ProvidedWorker._pump_output = kept


async def nowhere(_message):
    """Takes an answer that nobody waits for."""


def wrapped(app):
    """The application; requests are counted, and while it is asked for every SQS message is taken twice."""

    async def call(scope, receive, send):
        if scope["type"] == "http":
            if scope["path"] == "/_ims/requests":
                found = {}
                for (service, name), count in sorted(requests.items()):
                    found.setdefault(service, {})[name] = count
                return await answer(send, found)
            seed = parse_qs(scope["query_string"].decode("latin-1")).get("seed", [None])[0]
            switched = disturbances.switch(scope["path"], seed)
            if switched is not None:
                return await answer(send, switched)
            named = operation(scope)
            if named:
                requests[named] += 1
            if disturbances.twice and named in (("sqs", "SendMessage"), ("sqs", "SendMessageBatch")):
                body = await read(receive)
                await app(scope, replay(body, receive), nowhere)
                receive = replay(body, receive)
        await app(scope, receive, send)

    return call


async def serve(app, config):
    """Serves as Hypercorn would, with its configuration."""
    host, port = config.bind[0].rsplit(":", 1)
    settings = uvicorn.Config(
        app,
        host=host,
        port=int(port),
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=int(config.keep_alive_timeout),
        timeout_graceful_shutdown=2,
    )
    await uvicorn.Server(settings).serve()


if __name__ == "__main__":
    sys.setswitchinterval(0.0005)
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    uvloop.install()
    hypercorn.asyncio.serve = serve
    if os.environ.get("IMS_FUNCTION_LOGS"):
        keep_output(os.environ["IMS_FUNCTION_LOGS"])
    ministack.app.app = wrapped(ministack.app.app)
    ministack.app.main()
