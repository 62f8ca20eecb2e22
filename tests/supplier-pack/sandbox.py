"""Requests to a sandbox: its API, and its buckets where the supplier has access to them."""

import json
import urllib.error
import urllib.parse
import urllib.request

from signing import assertion, s3_headers

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# No proxy of this computer's stands between the pack and the sandbox, and redirects are answers.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Answer:
    """What was answered: status, headers, and the body as text and, where it is one, as JSON."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.text = status, headers, body.decode("utf-8", "replace")
        try:
            self.json = json.loads(self.text)
        except ValueError:
            self.json = None

    def diagnostics(self):
        """What an OperationOutcome says, or nothing."""
        if not isinstance(self.json, dict) or self.json.get("resourceType") != "OperationOutcome":
            return ""
        return "; ".join(issue.get("diagnostics", "") for issue in self.json.get("issue", []))

    def told(self):
        """The answer in a few words."""
        detail = self.diagnostics()
        if not detail and isinstance(self.json, dict):
            detail = self.json.get("error_description", "")
        return f"{self.status} {detail}".strip()


def send(method, url, body=None, headers=None, timeout=30):
    request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
    try:
        with OPENER.open(request, timeout=timeout) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())


class Api:
    """The API as one application uses it."""

    def __init__(self, base, client, kid, key, token_url):
        self.base, self.client, self.kid, self.key, self.token_url = base.rstrip("/"), client, kid, key, token_url
        self.token = None

    def assertion(self, **changes):
        return assertion(self.key, self.client, self.kid, **{"audience": self.token_url, **changes})

    def ask_token(self, signed):
        form = {"grant_type": "client_credentials", "client_assertion_type": JWT_BEARER, "client_assertion": signed}
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return send("POST", self.token_url, urllib.parse.urlencode(form).encode(), kind)

    def ask(self, method, path, body=None, headers=None, token=True):
        sent = {"Accept": "application/fhir+json", **(headers or {})}
        if token:
            sent["Authorization"] = f"Bearer {self.token}"
        if isinstance(body, dict):
            body = json.dumps(body)
        if body is not None:
            sent.setdefault("Content-Type", "application/fhir+json")
            body = body.encode()
        return send(method, self.base + path, body, sent)

    def search(self, parameters, form=False):
        text = urllib.parse.urlencode(parameters)
        if form:
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            return self.ask("POST", "/Immunization/_search", text, kind)
        return self.ask("GET", f"/Immunization?{text}")


class Buckets:
    """The buckets for files and their acknowledgements."""

    def __init__(self, url, inbound, acks, access, secret, region):
        self.url, self.inbound, self.acks = url.rstrip("/"), inbound, acks
        self.credentials = (access, secret, region)

    def ask(self, method, path, body=b""):
        url = f"{self.url}/{path}"
        return send(method, url, body or None, s3_headers(method, url, body, *self.credentials))

    def put(self, name, text):
        return self.ask("PUT", f"{self.inbound}/{name}", text.encode())

    def acknowledgements(self, prefix):
        """Acknowledgements whose key begins so: key and text."""
        listed = self.ask("GET", f"{self.acks}?list-type=2&prefix={urllib.parse.quote(prefix, safe='')}")
        keys = [part.split("</Key>")[0] for part in listed.text.split("<Key>")[1:]]
        return {key: self.ask("GET", f"{self.acks}/{urllib.parse.quote(key)}").text for key in keys}
