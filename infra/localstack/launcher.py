"""Starts LocalStack on this computer without Docker: on loopback alone, its DynamoDB in another process.

- LocalStack 4.14 binds every interface, whatever `GATEWAY_LISTEN` says; here it binds the loopback interface.
- Its DynamoDB is a Java program under a licence of its own, fetched from the network. `IMS_DYNAMODB_URL` names the server
  that stands there instead: MiniStack's, or another that speaks DynamoDB and its streams, empty at the start.
- `GET /_ims/requests` counts the requests from outside by service and operation, and `/_ims/…` disturbs deliveries, as
  MiniStack's launcher does (`../emulator/disturbed.py`).
"""

import gc
import json
import os
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "emulator"))

from disturbed import Disturbances, stream_records
from twisted.internet import endpoints

LOOPBACK = "127.0.0.1"
PATIENCE_SECONDS = 2


def bind_loopback() -> None:
    """Binds each of the gateway's ports to the loopback interface."""
    every = endpoints.TCP4ServerEndpoint

    def loopback(reactor, port, **named):
        return every(reactor, port, **{"interface": LOOPBACK, **named})

    endpoints.TCP4ServerEndpoint = loopback


def is_ministack(url: str) -> bool:
    """Whether a server is MiniStack; fails where nobody answers."""
    try:
        with urllib.request.urlopen(f"{url}/_ministack/health", timeout=10) as answer:
            return answer.status == 200
    except urllib.error.HTTPError:
        return False
    except urllib.error.URLError as error:
        sys.exit(f"no DynamoDB answers at {url} (IMS_DYNAMODB_URL): {error.reason}")


def use_dynamodb(url: str) -> None:
    """Puts a running server behind the services dynamodb and dynamodbstreams."""
    from localstack.services.dynamodb import server, utils

    at, kind, ministack = urlsplit(url), server.DynamodbServer, is_ministack(url)
    made = kind.__init__

    def known(self, *_args, **_named):
        made(self, port=at.port, host=at.hostname)

    def running(_self):
        return True

    def stopped(_self):
        """A reset of the state. MiniStack can be emptied; another server's content is its owner's matter."""
        if ministack:
            request = urllib.request.Request(f"{url}/_ministack/reset", method="POST")
            urllib.request.urlopen(request, timeout=10).close()

    kind.__init__, kind.start_dynamodb, kind.stop_dynamodb = known, running, stopped
    if not ministack:
        return
    # LocalStack's own keeps accounts and regions apart by an access key made of both; MiniStack by account and region.
    utils.get_ddb_access_key = lambda account_id, _region_name: account_id

    # Names of streams need no translation.
    from localstack.services.dynamodbstreams.v2.provider import DynamoDBStreamsProvider

    DynamoDBStreamsProvider.modify_stream_arn_for_ddb_local = lambda _self, name: name


def count_requests(counts: Counter) -> None:
    """Counts what comes from outside."""
    from localstack.aws import handlers

    lock = threading.Lock()

    def count(_chain, context, _response):
        if context.operation is not None and not context.is_internal_call:
            with lock:
                counts[context.operation.service_model.service_name, context.operation.name] += 1

    handlers.run_custom_response_handlers.append(count)


def disturb(disturbances: Disturbances) -> None:
    """Has messages and stream records delivered as is switched on."""
    from localstack.services.lambda_.event_source_mapping.senders.lambda_sender import LambdaSender
    from localstack.services.sqs.provider import SqsProvider

    put, send = SqsProvider._put_message, LambdaSender.send_events

    def put_again(self, *args, **named):
        if disturbances.twice:
            put(self, *args, **named)
        return put(self, *args, **named)

    def send_in_parts(self, events):
        if stream_records(events) is None:
            return send(self, events)
        for part in disturbances.batches(self.target_arn, events):
            result = send(self, part)
        return result

    SqsProvider._put_message, LambdaSender.send_events = put_again, send_in_parts


def end_soon() -> None:
    """Ends soon after a request to stop: all here goes with the process, and the executor's keeper ends the functions."""
    from localstack.runtime.runtime import LocalstackRuntime

    shutdown = LocalstackRuntime.shutdown

    def short(self):
        timer = threading.Timer(PATIENCE_SECONDS, os._exit, (0,))
        timer.daemon = True
        timer.start()
        shutdown(self)

    LocalstackRuntime.shutdown = short


def serve(disturbances: Disturbances, counts: Counter) -> None:
    """Answers under `/_ims/`."""
    from localstack.http import Response
    from localstack.services.edge import ROUTER

    def reply(found, status=200):
        return Response(json.dumps(found), status=status, mimetype="application/json")

    def requests(_request):
        found = {}
        for (service, name), count in sorted(counts.items()):
            found.setdefault(service, {})[name] = count
        return reply(found)

    def switch(request, **_named):
        state = disturbances.switch(request.path, request.args.get("seed"))
        return reply({"error": f"no switch {request.path}"}, 404) if state is None else reply(state)

    ROUTER.add("/_ims/requests", requests)
    ROUTER.add("/_ims/<path:switch>", switch)


def main() -> None:
    """Starts LocalStack; returns when it has ended."""
    bind_loopback()
    use_dynamodb(os.environ["IMS_DYNAMODB_URL"].rstrip("/"))
    disturbances, counts = Disturbances(), Counter()
    count_requests(counts)
    disturb(disturbances)
    serve(disturbances, counts)
    end_soon()

    from localstack.runtime.main import main as run

    # As for MiniStack: threads take turns sooner, and the collector seldom looks at what lives as long as the stack.
    sys.setswitchinterval(0.0005)
    gc.set_threshold(50_000, 20, 50)
    run()


if __name__ == "__main__":
    main()
