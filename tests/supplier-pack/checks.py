"""What is tried, in order: each check asks something, and says what was expected and why."""

import time
import uuid

from records import COLUMNS, NHS_NUMBER, nhs_number, record, row

CHECKS = []
# Seconds between looks for acknowledgements, and for how long they are looked for.
PAUSE, PATIENCE = 1, 120


class Wrong(Exception):
    """Something was not as expected."""


def check(name, expected, why, needs=None):
    """Registers a check. It is skipped where the pack was not given what it needs."""

    def register(function):
        CHECKS.append((name, expected, why, needs, function))
        return function

    return register


def want(answer, status, *words):
    """The answer, where it has the status and says the words."""
    if answer.status != status or not all(word in answer.text for word in words):
        raise Wrong(answer.told() or str(answer.status))
    return answer


def refused(answer, status, *words):
    """The answer, where it is a refusal in FHIR."""
    want(answer, status, *words)
    if not answer.diagnostics():
        raise Wrong(f"{answer.status} without an OperationOutcome")
    return answer


class Run:
    """What the checks share."""

    def __init__(self, api, options, buckets=None):
        self.api, self.options, self.buckets = api, options, buckets
        self.number, self.system = nhs_number(), "https://supplier-pack.example/records"
        self.value = f"pack-{uuid.uuid4()}"
        self.id = None

    def record(self, **changes):
        made = record(self.options.vaccine, self.number, self.system, self.value, self.options.day)
        made.update(changes)
        return made

    def path(self):
        if self.id is None:
            raise Wrong("there is no record: it was not created")
        return f"/Immunization/{self.id}"

    def by_patient(self, vaccine, **more):
        return {"patient.identifier": f"{NHS_NUMBER}|{self.number}", "-immunization.target": vaccine, **more}

    def found(self, answer):
        entries = (answer.json or {}).get("entry", [])
        return [entry["resource"] for entry in entries if entry["search"]["mode"] == "match"]


@check("token", "200, a bearer token", "The application proves by a signed assertion who it is.")
def _(run):
    run.first = run.api.assertion()
    answer = want(run.api.ask_token(run.first), 200)
    if answer.json.get("token_type") != "Bearer" or not answer.json.get("expires_in"):
        raise Wrong("no token_type 'Bearer' or no expires_in")
    run.api.token = answer.json["access_token"]
    return answer


@check("token: assertion sent again", "401 invalid_client", "An assertion is good once, so that nobody can repeat it.")
def _(run):
    return want(run.api.ask_token(run.first), 401, "invalid_client", "jti")


@check("token: assertion expired", "401 invalid_client", "An assertion ends when it says.")
def _(run):
    return want(run.api.ask_token(run.api.assertion(seconds=-60)), 401, "invalid_client", "exp")


@check("token: assertion too long", "401 invalid_client", "An assertion may be good for five minutes at most.")
def _(run):
    return want(run.api.ask_token(run.api.assertion(seconds=3600)), 401, "invalid_client", "exp")


@check("token: for another audience", "401 invalid_client", "An assertion for another service is none for this one.")
def _(run):
    return want(run.api.ask_token(run.api.assertion(audience="https://elsewhere.example")), 401, "invalid_client", "aud")


@check("token: changed after signing", "401 invalid_client", "Only the private key makes a signature.")
def _(run):
    head, body, signature = run.api.assertion().split(".")
    flipped = ("A" if signature[9] != "A" else "B").join((signature[:9], signature[10:]))
    return want(run.api.ask_token(f"{head}.{body}.{flipped}"), 401, "invalid_client")


@check("status", "200 pass", "The API is up and answers without a token.")
def _(run):
    return want(run.api.ask("GET", "/_status", token=False), 200, "pass")


@check("description", "200, OpenAPI 3.1", "The API says itself what it takes and answers.")
def _(run):
    answer = want(run.api.ask("GET", "/openapi.json", token=False), 200)
    if not str(answer.json.get("openapi", "")).startswith("3.1"):
        raise Wrong("no OpenAPI 3.1")
    return answer


@check("no token", "401", "Records are shown to nobody unknown.")
def _(run):
    return refused(run.api.ask("GET", f"/Immunization/{uuid.uuid4()}", token=False), 401)


@check("create", "201, Location, E-Tag: 1", "A vaccination is recorded; the service names it.")
def _(run):
    answer = want(run.api.ask("POST", "/Immunization", run.record()), 201)
    if answer.headers.get("E-Tag") != "1":
        raise Wrong(f"E-Tag is '{answer.headers.get('E-Tag')}'")
    run.id = answer.headers["Location"].rsplit("/", 1)[-1]
    return answer


@check("read", "200, the record, E-Tag: 1", "A record is there as soon as its creation is answered.")
def _(run):
    answer = want(run.api.ask("GET", run.path()), 200, run.value, run.number)
    if answer.headers.get("E-Tag") != "1" or answer.json["meta"]["versionId"] != "1":
        raise Wrong("the version is not 1")
    return answer


@check("request ids", "200, both repeated", "A request and its answer are found again by their ids.")
def _(run):
    ids = {"X-Request-ID": str(uuid.uuid4()), "X-Correlation-ID": str(uuid.uuid4())}
    answer = want(run.api.ask("GET", run.path(), headers=ids), 200)
    if any(answer.headers.get(name) != value for name, value in ids.items()):
        raise Wrong("an id was not repeated")
    return answer


@check("create again", "422 duplicate", "An identifier has one record, however often it is sent.")
def _(run):
    return refused(run.api.ask("POST", "/Immunization", run.record()), 422, "is duplicated")


@check("update without version", "400", "An update says which version it is over.")
def _(run):
    return refused(run.api.ask("PUT", run.path(), run.record(id=run.id)), 400, "version not specified")


@check("update", "200, E-Tag: 2", "The version that was read is replaced.")
def _(run):
    body = run.record(id=run.id, lotNumber="PACK2")
    answer = want(run.api.ask("PUT", run.path(), body, {"E-Tag": "1"}), 200)
    if answer.headers.get("E-Tag") != "2":
        raise Wrong(f"E-Tag is '{answer.headers.get('E-Tag')}'")
    return answer


@check("update over an old version", "400", "What changed since it was read is not overwritten.")
def _(run):
    body = run.record(id=run.id, lotNumber="PACK3")
    return refused(run.api.ask("PUT", run.path(), body, {"E-Tag": "1"}), 400, "has changed since the last retrieve")


@check("update of another id", "400", "Path and body name one record.")
def _(run):
    return refused(run.api.ask("PUT", run.path(), run.record(id=str(uuid.uuid4())), {"E-Tag": "2"}), 400, "doesn't match")


@check("the update holds", "200, what it said", "What was refused changed nothing.")
def _(run):
    return want(run.api.ask("GET", run.path()), 200, "PACK2")


@check("search by patient", "200, one record and its patient", "A record is found as soon as it is there.")
def _(run):
    answer = want(run.api.search(run.by_patient(run.options.vaccine, _include="Immunization:patient")), 200)
    if [found["id"] for found in run.found(answer)] != [run.id]:
        raise Wrong(f"found {len(run.found(answer))}")
    return answer


@check("search by form", "200, the same", "By form no NHS number stands in an address.")
def _(run):
    answer = want(run.api.search(run.by_patient(run.options.vaccine), form=True), 200)
    if [found["id"] for found in run.found(answer)] != [run.id]:
        raise Wrong(f"found {len(run.found(answer))}")
    return answer


@check("search by days", "200, nothing before the day", "Days bound a search, both included.")
def _(run):
    before = run.by_patient(run.options.vaccine, **{"-date.to": "1999-12-31"})
    on = run.by_patient(run.options.vaccine, **{"-date.from": run.options.day, "-date.to": run.options.day})
    if run.found(want(run.api.search(before), 200)):
        raise Wrong("found before its day")
    answer = want(run.api.search(on), 200)
    if not run.found(answer):
        raise Wrong("not found on its day")
    return answer


@check("search by identifier", "200, id and version alone", "An application finds its own record by its own identifier.")
def _(run):
    answer = want(run.api.search({"identifier": f"{run.system}|{run.value}", "_elements": "id,meta"}), 200)
    if [sorted(found) for found in run.found(answer)] != [["id", "meta", "resourceType"]]:
        raise Wrong("not the one record with id and meta")
    return answer


@check("search without sense", "400", "What cannot be searched for is said.")
def _(run):
    return refused(run.api.search({"patient.identifier": "1", "-immunization.target": run.options.vaccine}), 400)


@check("search of what is not permitted", "403", "Each vaccine type needs its permission.", "forbidden")
def _(run):
    return refused(run.api.search(run.by_patient(run.options.forbidden)), 403)


@check("search of permitted and not", "200 with a warning", "What may be shown is shown, and the rest is said.", "forbidden")
def _(run):
    both = f"{run.options.vaccine},{run.options.forbidden}"
    answer = want(run.api.search(run.by_patient(both)), 200, "not authorised")
    if not run.found(answer):
        raise Wrong("the permitted record was not found")
    return answer


@check("create of what is not permitted", "403", "Each operation needs its permission.", "forbidden")
def _(run):
    made = record(run.options.forbidden, run.number, run.system, f"{run.value}-x", run.options.day)
    return refused(run.api.ask("POST", "/Immunization", made), 403)


@check("record without a day", "400, names the field", "A field that is missing is named.")
def _(run):
    made = run.record()
    del made["occurrenceDateTime"]
    made["identifier"][0]["value"] += "-y"
    return refused(run.api.ask("POST", "/Immunization", made), 400, "occurrenceDateTime")


@check("record of the future", "400, names the field", "Nothing is recorded before it is given.")
def _(run):
    made = run.record(occurrenceDateTime="2999-01-01T10:00:00+00:00")
    made["identifier"][0]["value"] += "-y"
    return refused(run.api.ask("POST", "/Immunization", made), 400, "occurrenceDateTime")


@check("record with a wrong NHS number", "400, names the field", "A number has its check digit.")
def _(run):
    made = run.record()
    made["identifier"][0]["value"] += "-y"
    last = str((int(run.number[-1]) + 1) % 10)
    made["contained"][0]["identifier"][0]["value"] = run.number[:-1] + last
    return refused(run.api.ask("POST", "/Immunization", made), 400, "NHS number")


@check("not JSON", "400", "What cannot be read is said.")
def _(run):
    return refused(run.api.ask("POST", "/Immunization", '{"resourceType": '), 400, "malformed JSON")


@check("no such record", "404", "What is not there is said.")
def _(run):
    return refused(run.api.ask("GET", f"/Immunization/{uuid.uuid4()}"), 404, "does not exist")


@check("wrong method", "405, Allow", "A path says what it takes.")
def _(run):
    answer = refused(run.api.ask("PATCH", run.path(), "{}"), 405)
    if "GET" not in (answer.headers.get("Allow") or ""):
        raise Wrong("no Allow header")
    return answer


@check("delete", "204", "A record that was sent in error is taken back.")
def _(run):
    return want(run.api.ask("DELETE", run.path()), 204)


@check("read after deletion", "404", "What was deleted is shown no more.")
def _(run):
    return refused(run.api.ask("GET", run.path()), 404)


@check("delete again", "404", "There is nothing to delete.")
def _(run):
    return refused(run.api.ask("DELETE", run.path()), 404)


@check("reinstate", "201, the same id", "An identifier whose record was deleted gets it back.")
def _(run):
    answer = want(run.api.ask("POST", "/Immunization", run.record()), 201)
    if answer.headers["Location"].rsplit("/", 1)[-1] != run.id:
        raise Wrong("another id")
    return answer


@check("clear away", "204", "The pack leaves no record.")
def _(run):
    return want(run.api.ask("DELETE", run.path()), 204)


def acknowledgement(run, prefix, ending=".csv"):
    """Key and text of the acknowledgement, once it is there."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        for key, text in run.buckets.acknowledgements(prefix).items():
            if key.endswith(ending):
                return key, text
        time.sleep(PAUSE)
    raise Wrong(f"no acknowledgement '{prefix}' in {PATIENCE} s")


def drop(run, stem, *rows):
    text = "\n".join(["|".join(COLUMNS), *rows]) + "\n"
    return want(run.buckets.put(f"{stem}.csv", text), 200)


@check("batch file", "InfAck Success; BusAck with the refused row alone", "Good rows are taken, a bad one fails no file.", "buckets")
def _(run):
    stem = f"{run.options.vaccine}_Vaccinations_v5_{run.options.ods}_{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}00"
    good, bad = f"{run.value}-row1", f"{run.value}-row2"
    day = run.options.day
    drop(run, stem, row(run.number, run.system, good, day), row(run.number, run.system, bad, day, DATE_AND_TIME="soon"))
    _, text = acknowledgement(run, f"ack/{stem}_InfAck_")
    if "|Success|" not in text:
        raise Wrong("InfAck: " + text.splitlines()[-1])
    _, text = acknowledgement(run, f"forwardedFile/{stem}_BusAck_")
    lines = text.splitlines()[1:]
    if len(lines) != 1 or f"{bad}^{run.system}" not in lines[0]:
        raise Wrong(f"BusAck has {len(lines)} lines of refused rows")
    found = run.found(want(run.api.search({"identifier": f"{run.system}|{good}"}), 200))
    if len(found) != 1:
        raise Wrong("the good row is not found by its identifier")
    return want(run.api.ask("DELETE", f"/Immunization/{found[0]['id']}"), 204)


@check("batch file with a wrong header", "InfAck Failure", "A file whose columns are not the feed's is not taken.", "buckets")
def _(run):
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(time.time() + 1))
    stem = f"{run.options.vaccine}_Vaccinations_v5_{run.options.ods}_{stamp}00"
    answer = want(run.buckets.put(f"{stem}.csv", f"NHS_NUMBER|{run.value}\n1|2\n"), 200)
    _, text = acknowledgement(run, f"ack/{stem}_InfAck_")
    if "|Failure|" not in text:
        raise Wrong("InfAck: " + text.splitlines()[-1])
    return answer
