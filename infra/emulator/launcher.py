"""Starts MiniStack on a faster HTTP server, and counts the requests it answers.

All of MiniStack is one Python process, so its time is the local stack's time. It is served by uvicorn with httptools
and uvloop instead of Hypercorn, whose parser is written in Python; the garbage collector looks rarely at the objects
that live as long as the stack; and Nagle's algorithm is off for its Runtime API, which answers in several small writes
(with delayed acknowledgements a warm invocation costs about 40 ms more).

`GET /_ims/requests` gives the requests so far by service and operation. After `GET /_ims/twice/on` every message sent to
SQS is there twice, as SQS may deliver it, until `GET /_ims/twice/off`. After `GET /_ims/streams/repeat/on` every batch of
stream records is delivered once more, after the batch that follows it; after `GET /_ims/streams/reorder/on` records arrive
shard by shard, the shards of a batch in any order (`?seed=N`): one key's records keep their order unless they repeat.

Functions' output goes to `$IMS_FUNCTION_LOGS/{function}.log`, where that is set.
"""

import gc
import json
import os
import random
import re
import socketserver
import sys
import zlib
from collections import Counter
from urllib.parse import parse_qs

import hypercorn.asyncio
import uvicorn
import uvloop

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


class Streams:
    """Deliveries of DynamoDB's streams: as the emulator makes them, or repeated and reordered as Lambda may make them."""

    SHARDS = 4
    MARK = "MARK#"

    def __init__(self, deliver):
        self.deliver = deliver
        self.repeat = self.reorder = False
        self.draw = random.Random(0)
        self.before = {}
        self.counts = Counter()

    def shards(self, records):
        """Records by shard, in any order of the shards. Marks ask what has come before them, so they come last."""
        shards, marks = {}, []
        for record in records:
            key = record["dynamodb"]["Keys"]["pk"]["S"]
            if key.startswith(self.MARK):
                marks.append(record)
            else:
                shards.setdefault(zlib.crc32(key.encode()) % self.SHARDS, []).append(record)
        parts = list(shards.values())
        self.draw.shuffle(parts)
        self.counts["reordered"] += len(parts) > 1
        return [part for part in [*parts, marks] if part]

    def __call__(self, function, event, *more, **named):
        """Delivers an event; a failure of any part is that of the whole batch, which then comes again."""
        records = event.get("Records") if isinstance(event, dict) else None
        source = records[0].get("eventSource") if records else None
        if source != "aws:dynamodb" or not (self.repeat or self.reorder):
            return self.deliver(function, event, *more, **named)
        parts = self.shards(records) if self.reorder else [records]
        if self.repeat:
            stream = records[0]["eventSourceARN"]
            again, self.before[stream] = self.before.get(stream), records
            self.counts["repeated"] += again is not None
            parts = [*parts, *([again] if again else [])]
        for part in parts:
            result = self.deliver(function, {"Records": part}, *more, **named)
            if result.get("error"):
                return result
        return result


streams = lambda_svc._execute_function = Streams(lambda_svc._execute_function)


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
    twice = False

    async def call(scope, receive, send):
        nonlocal twice
        if scope["type"] == "http":
            if scope["path"] == "/_ims/requests":
                found = {}
                for (service, name), count in sorted(requests.items()):
                    found.setdefault(service, {})[name] = count
                return await answer(send, found)
            if scope["path"] in ("/_ims/twice/on", "/_ims/twice/off"):
                twice = scope["path"].endswith("/on")
                return await answer(send, {"twice": twice})
            switch = re.fullmatch(r"/_ims/streams/(repeat|reorder)/(on|off)", scope["path"])
            if switch:
                setattr(streams, switch[1], switch[2] == "on")
                seed = parse_qs(scope["query_string"].decode("latin-1")).get("seed")
                if seed:
                    streams.draw.seed(int(seed[0]))
                state = {"repeat": streams.repeat, "reorder": streams.reorder}
                return await answer(send, state | {"repeated": streams.counts["repeated"], "reordered": streams.counts["reordered"]})
            named = operation(scope)
            if named:
                requests[named] += 1
            if twice and named in (("sqs", "SendMessage"), ("sqs", "SendMessageBatch")):
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
