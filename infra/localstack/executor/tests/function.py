"""The trivial function: it does what an event says. It knows the Runtime API and the standard library alone."""

import http.client
import json
import os
import subprocess
import sys
import time

ROOT = "/2018-06-01/runtime/"
connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])


def call(method, path, body=None, **named):
    connection.request(method, ROOT + path, body, **named)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def work(event, headers):
    do = event.get("do", "echo")
    if do == "crash":
        print("about to crash", flush=True)
        os._exit(event["status"])
    if do == "sleep":
        time.sleep(event["seconds"])
    if do == "print":
        print(event["text"], end=event.get("end", "\n"), flush=True)
    if do == "environment":
        return dict(os.environ)
    if do == "who":
        return {"pid": os.getpid(), "cwd": os.getcwd(), "deadline": headers["Lambda-Runtime-Deadline-Ms"]}
    if do == "child":
        return {"pid": subprocess.Popen(["sleep", "600"]).pid}
    if do == "long":
        return "x" * event["bytes"]
    return event


match os.environ.get("INIT"):
    case "exit":
        sys.exit(3)
    case "error":
        call("POST", "init/error", json.dumps({"errorType": "Extension.Nothing", "errorMessage": "no table"}))
        sys.exit(1)
    case "hang":
        time.sleep(600)
    case "late" if os.path.exists("crashed"):
        sys.exit(4)

while True:
    status, headers, body = call("GET", "invocation/next")
    if status != 200:
        sys.exit(0)
    request, event = headers["Lambda-Runtime-Aws-Request-Id"], json.loads(body)
    if event.get("do") == "fail":
        error = {"errorType": "Wrong", "errorMessage": "as asked"}
        call("POST", f"invocation/{request}/error", json.dumps(error))
    elif event.get("do") == "chunked":
        parts = [b'{"in":', b'"parts"}']
        call(
            "POST",
            f"invocation/{request}/response",
            iter(parts),
            encode_chunked=True,
            headers={"Transfer-Encoding": "chunked"},
        )
    elif event.get("do") == "other":
        status, _, said = call("POST", "invocation/somebody-elses/response", b"{}")
        call("POST", f"invocation/{request}/response", json.dumps({"status": status, "said": json.loads(said)}))
    else:
        answer = json.dumps(work(event, headers), ensure_ascii=False, separators=(",", ":"))
        call("POST", f"invocation/{request}/response", answer.encode())
