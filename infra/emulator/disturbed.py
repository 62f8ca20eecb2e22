"""Deliveries as AWS may make them and emulators do not: messages that come twice, stream records that repeat or come in
another order. Both emulators' launchers ask this module, and answer its switches at `/_ims/…`.

After `/_ims/twice/on` every message sent to SQS is there twice, until `/_ims/twice/off`. After `/_ims/streams/repeat/on`
every batch of stream records is delivered once more, after the batch that follows it; after `/_ims/streams/reorder/on`
records arrive shard by shard, the shards of a batch in any order (`?seed=N`): one key's records keep their order unless they
repeat.
"""

import random
import re
import zlib
from collections import Counter

SHARDS = 4
# Such a record asks what has come before it, so it comes last.
MARK = "MARK#"

SWITCH = re.compile(r"/_ims/(?:(twice)|streams/(repeat|reorder))/(on|off)")


class Disturbances:
    """What is switched on, and the batches that are to come again."""

    def __init__(self):
        self.twice = self.repeat = self.reorder = False
        self.draw = random.Random(0)
        self.before = {}
        self.counts = Counter()

    def switch(self, path, seed=None):
        """Sets what a path says; the state thereafter, or `None` where the path is no switch."""
        found = SWITCH.fullmatch(path)
        if not found:
            return None
        setattr(self, found[1] or found[2], found[3] == "on")
        if found[1]:
            return {"twice": self.twice}
        if seed is not None:
            self.draw.seed(int(seed))
        state = {"repeat": self.repeat, "reorder": self.reorder}
        return state | {"repeated": self.counts["repeated"], "reordered": self.counts["reordered"]}

    def batches(self, function, records):
        """What is delivered to a function one after another instead of a batch of stream records."""
        parts = self.shards(records) if self.reorder else [records]
        if self.repeat:
            whose = function, records[0]["eventSourceARN"]
            again, self.before[whose] = self.before.get(whose), records
            self.counts["repeated"] += again is not None
            parts = [*parts, *([again] if again else [])]
        return parts

    def shards(self, records):
        """Records by shard, in any order of the shards."""
        shards, marks = {}, []
        for record in records:
            key = record["dynamodb"]["Keys"]["pk"]["S"]
            if key.startswith(MARK):
                marks.append(record)
            else:
                shards.setdefault(zlib.crc32(key.encode()) % SHARDS, []).append(record)
        parts = list(shards.values())
        self.draw.shuffle(parts)
        self.counts["reordered"] += len(parts) > 1
        return [part for part in [*parts, marks] if part]


def stream_records(event):
    """The records of an event that comes from a DynamoDB stream, else `None`."""
    records = event.get("Records") if isinstance(event, dict) else event
    of_stream = bool(records) and isinstance(records, list) and isinstance(records[0], dict)
    return records if of_stream and records[0].get("eventSource") == "aws:dynamodb" else None
