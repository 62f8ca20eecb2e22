"""What really happened: what GOV.UK Notify accepted, what was printed, and what the service's snapshot says."""

import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path

# Namespace of the service's identifiers, as documented with them.
NAMESPACE = uuid.UUID("1b0c5c0e-8e55-4d5b-9a1e-1b6e2f6a9c11")


def reference(person_id, campaign, dose, step, channel):
    """The reference of the one message for a person, campaign, dose, step and channel (UUID v5)."""
    parts = [str(person_id), campaign, str(dose), step, channel]
    return str(uuid.uuid5(NAMESPACE, "message" + "".join(f"|{len(part.encode())}:{part}" for part in parts)))


@dataclass
class Left:
    """A message that left."""

    reference: str
    channel: str
    to: str


@dataclass
class Happened:
    """All that was seen."""

    left: list  # [Left]
    people: dict = field(default_factory=dict)  # person id -> row of the snapshot
    contacts: list = field(default_factory=list)  # rows of the snapshot


def read_sent(path):
    """Notify's list."""
    return [
        Left(str(sent["reference"]), str(sent["channel"]), str(sent.get("to") or ""))
        for sent in json.loads(Path(path).read_text())
    ]


def read_manifests(folder):
    """Letters of every sealed print batch; other JSON files are passed over."""
    letters = []
    for path in sorted(Path(folder).rglob("*.json")):
        manifest = json.loads(path.read_text())
        if isinstance(manifest, dict) and "letters" in manifest:
            letters += [Left(str(letter["reference"]), "letter", "") for letter in manifest["letters"]]
    return letters


def read_parquet(folder, columns):
    """Rows of all Parquet files in a folder as dictionaries; a column that is not there is `None`."""
    import duckdb

    files = [str(path) for path in sorted(Path(folder).glob("*.parquet"))]
    if not files:
        return []
    relation = duckdb.read_parquet(files, union_by_name=True)
    present = [column for column in columns if column in relation.columns]
    wanted = ", ".join(f'"{column}"' for column in present)
    return [dict.fromkeys(columns) | dict(zip(present, row)) for row in relation.select(wanted).fetchall()]


PEOPLE = "person_id nhs_number dead removed superseded invalidated restricted".split()
CONTACTS = (
    "kind person_id campaign programme dose wave step channel state reason cohort on_date message_id batch".split()
)


def read_snapshot(folder):
    """(people by id, contacts)."""
    people = read_parquet(Path(folder) / "people", PEOPLE)
    contacts = read_parquet(Path(folder) / "contacts", CONTACTS)
    for row in people + contacts:
        for name in ("person_id", "message_id", "on_date"):
            if row.get(name) is not None:
                row[name] = as_text(row[name])
    return {row["person_id"]: row for row in people}, contacts


def as_text(value):
    """Identifiers and dates as text, however the column is typed."""
    return str(uuid.UUID(bytes=value)) if isinstance(value, bytes) and len(value) == 16 else str(value)


def read(sent, manifests, snapshot):
    """All of it."""
    people, contacts = read_snapshot(snapshot)
    return Happened(read_sent(sent) + read_manifests(manifests), people, contacts)
