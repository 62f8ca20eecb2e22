"""Compares what should have happened with what did. Findings name references and person ids, never people."""

from collections import Counter, defaultdict

from .happened import reference
from .replay import Key

EXAMPLES = 20
STATES = ("dead", "removed", "superseded", "invalidated", "restricted")


class Comparison:
    """One replay against one run."""

    def __init__(self, replay, happened):
        self.replay = replay
        self.happened = happened
        self.numbers = {
            person_id: str(row["nhs_number"]) for person_id, row in happened.people.items() if row["nhs_number"]
        }
        self.person_ids = {number: person_id for person_id, number in self.numbers.items()}
        self.expected_references = {self.reference_of(key): key for key in replay.messages}
        self.held = {row["message_id"]: row for row in happened.contacts if row["kind"] == "message"}

    def reference_of(self, key):
        """The reference that the message must carry; someone who is not in the snapshot has none."""
        person_id = self.person_ids.get(key.nhs_number)
        return reference(person_id, *key[1:]) if person_id else f"no person in the snapshot ({key.campaign}, {key.step})"

    def key_of(self, ref):
        """Which message a reference stands for: by its derivation, else by the snapshot, else `None`."""
        if ref in self.expected_references:
            return self.expected_references[ref]
        row = self.held.get(ref)
        if row is None or row["person_id"] not in self.numbers:
            return None
        return Key(self.numbers[row["person_id"]], row["campaign"], int(row["dose"]), row["step"], row["channel"])

    # Messages ------------------------------------------------------------------------------------------------------

    def messages(self):
        """Duplicates, wrong sends, missing and unexpected ones."""
        times = Counter(left.reference for left in self.happened.left)
        seen = defaultdict(set)
        for ref in times:
            seen[self.key_of(ref) or ref].add(ref)
        twice = {ref for ref, count in times.items() if count > 1}
        twice |= {ref for refs in seen.values() if len(refs) > 1 for ref in refs}
        keys = {ref: self.key_of(ref) for ref in times}
        unexpected = {ref: self.why_unexpected(key) for ref, key in keys.items() if key not in self.replay.messages}
        ineligible = {
            ref: why.removeprefix("ineligible: ") for ref, why in unexpected.items() if why.startswith("ineligible: ")
        }
        missing = {
            self.reference_of(key) + self.what_became_of(key) for key in self.replay.messages if key not in seen
        }
        return {
            "duplicates": listing(twice),
            "sent_to_ineligible": listing(ineligible, ineligible),
            "missing": listing(missing) | {"count": sum(key not in seen for key in self.replay.messages)},
            "unexpected": listing(unexpected, unexpected),
            "wrong_recipient": listing({left.reference for left in self.happened.left if self.is_misdirected(left)}),
            "wrong_day": listing({ref for ref in times if self.is_on_wrong_day(ref)}),
        }

    def what_became_of(self, key):
        """The state that the service holds for a missing message."""
        row = self.held.get(self.reference_of(key))
        return f" ({row['state']}{', ' + row['reason'] if row['reason'] else ''})" if row else ""

    def why_unexpected(self, key):
        """Why a message that left should not have."""
        if key is None:
            return "the reference is not known"
        reason = self.replay.refused.get(key[:4])
        if reason:
            return f"ineligible: {reason}"
        if self.other_channel(key) in self.replay.messages:
            return "sent by another channel than expected"
        campaign = self.replay.campaigns.get(key.campaign)
        if campaign is None:
            return "the campaign is not known"
        if key.nhs_number not in campaign.eligible:
            return "ineligible: never eligible in any wave"
        if (key.nhs_number, key.dose) in campaign.invited:
            return "the step was not due, or the invitation had ended"
        return "eligible, but not selected for this dose"

    def other_channel(self, key):
        """The same message by the other channel."""
        return key._replace(channel="letter" if key.channel == "sms" else "sms")

    def is_misdirected(self, left):
        """Whether a text went to a number that was not the person's."""
        expected = self.replay.messages.get(self.key_of(left.reference))
        return left.channel == "sms" and expected is not None and national(left.to) != national(expected.to)

    def is_on_wrong_day(self, ref):
        """Whether the snapshot says that a message left on another day than it should have."""
        expected = self.replay.messages.get(self.key_of(ref))
        row = self.held.get(ref)
        return bool(expected and row and row["on_date"]) and row["on_date"][:10] != expected.on.isoformat()

    # Waves ---------------------------------------------------------------------------------------------------------

    def waves(self):
        """For each wave that was issued: who was selected, and what was decided about each."""
        decided = defaultdict(dict)
        for row in sorted(self.decisions("invite"), key=lambda row: row["on_date"] or ""):
            decided[row["campaign"], row["wave"]][row["person_id"]] = row
        found = {}
        for campaign in self.replay.campaigns.values():
            for name, wave in campaign.waves.items():
                found[f"{campaign.id}/{name}"] = self.wave(wave, decided.pop((campaign.id, name), {}))
        for (campaign, name), rows in decided.items():
            found[f"{campaign}/{name}"] = {"in_timeline": False, "selected_unexpected": listing(rows)}
        return found

    def wave(self, wave, decided):
        """One wave."""
        expected = {self.person_ids.get(number): number for number in wave.outcomes if number in self.person_ids}
        both = [person_id for person_id in expected if person_id in decided]
        lost = sum(number not in self.person_ids for number in wave.outcomes)
        reasons, cohorts = {}, {}
        for person_id in both:
            wanted, said = wave.outcomes[expected[person_id]], decided[person_id]["reason"] or None
            if wanted != said:
                reasons[person_id] = f"expected {wanted or 'sent'}, was {said or 'sent'}"
            cohort = wave.candidates[expected[person_id]][1]
            if cohort != decided[person_id]["cohort"]:
                cohorts[person_id] = f"expected {cohort}, was {decided[person_id]['cohort']}"
        return {
            "issued": wave.issued,
            "eligible": wave.eligible,
            "eligible_in_cohorts": wave.eligible_in_cohorts,
            "selected": len(wave.candidates),
            "outcomes": dict(Counter(reason or "sent" for reason in wave.outcomes.values())),
            "selected_missing": add(listing(set(expected) - set(decided)), lost),
            "selected_unexpected": listing(set(decided) - set(expected)),
            "outcome_differs": listing(reasons, reasons),
            "cohort_differs": listing(cohorts, cohorts),
        }

    def decisions(self, step):
        """Decisions of the snapshot about a step."""
        return [row for row in self.happened.contacts if row["kind"] == "decision" and row["step"] == step]

    def reminders(self):
        """Reminder decisions that differ, where the snapshot holds one."""
        differs = {}
        for row in self.decisions("reminder"):
            campaign = self.replay.campaigns.get(row["campaign"])
            at = (self.numbers.get(row["person_id"]), int(row["dose"]))
            if campaign is None or at not in campaign.reminder_outcomes:
                differs[row["person_id"]] = "no reminder was due"
            elif campaign.reminder_outcomes[at] != (row["reason"] or None):
                wanted = campaign.reminder_outcomes[at] or "sent"
                differs[row["person_id"]] = f"expected {wanted}, was {row['reason'] or 'sent'}"
        return listing(differs, differs)

    def recall_tasks(self):
        """People to telephone, by campaign."""
        found = {}
        for campaign in self.replay.campaigns.values():
            expected = {(self.person_ids.get(number), dose) for number, dose in campaign.calls}
            held = {
                (row["person_id"], int(row["dose"]))
                for row in self.happened.contacts
                if row["kind"] == "call" and row["campaign"] == campaign.id
            }
            found[campaign.id] = {
                "missing": listing(person for person, _ in expected - held),
                "unexpected": listing(person for person, _ in held - expected),
            }
        return found

    # People --------------------------------------------------------------------------------------------------------

    def people(self):
        """Everyone acknowledged is in the snapshot, once, in the state that the records leave them in."""
        register = self.replay.register.people
        times = Counter(self.numbers.values())
        states = {}
        for number, person in register.items():
            row = self.happened.people.get(self.person_ids.get(number))
            if row is None:
                continue
            wrong = [state for state in STATES if getattr(person, state) != bool(row[state])]
            if person.told_dead and "dead" in wrong:
                wrong.remove("dead")  # how the service holds contact after such a call is its own affair
            if wrong:
                states[row["person_id"]] = "differs: " + ", ".join(wrong)
        return {
            "expected": len(register),
            "missing": {"count": len(set(register) - set(times))},
            "unexpected": listing(self.person_ids[number] for number in set(times) - set(register)),
            "number_held_twice": listing(self.person_ids[number] for number, count in times.items() if count > 1),
            "state_differs": listing(states, states),
        }

    # Result --------------------------------------------------------------------------------------------------------

    def happened_sums(self):
        """What left and what the snapshot holds, in the same shape as the expected sums where it can be told."""
        found = {}
        for campaign in self.replay.campaigns:
            keys = {self.key_of(left.reference) for left in self.happened.left}
            keys = {key for key in keys if key and key.campaign == campaign}
            messages = {"sms": Counter(), "letters": Counter()}
            for key in keys:
                messages["sms" if key.channel == "sms" else "letters"][key.step] += 1
            found[campaign] = {
                "selected": len({row["person_id"] for row in self.decisions("invite") if row["campaign"] == campaign}),
                "sent": len({key.nhs_number for key in keys}),
                "messages": {kind: dict(counts) for kind, counts in messages.items()},
                "recall_tasks": sum(row["kind"] == "call" and row["campaign"] == campaign for row in self.happened.contacts),
            }
        return found

    def result(self):
        """Everything, as it is written to the result file."""
        findings = {
            **self.messages(),
            "waves": self.waves(),
            "reminders_differ": self.reminders(),
            "recall_tasks": self.recall_tasks(),
            "people": self.people(),
        }
        expected = {name: self.replay.sums(campaign) for name, campaign in self.replay.campaigns.items()}
        for name, sums in expected.items():
            sums["duplicates"] = self.count_of(findings["duplicates"]["all"], name)
            sums["sent_to_ineligible"] = self.count_of(findings["sent_to_ineligible"]["all"], name)
        findings["sent_to_ineligible"]["references"] = findings["sent_to_ineligible"]["all"]
        equal = not self.replay.disagreements and differences(findings) == 0
        return {
            "equal": equal,
            "differences": differences(findings),
            **{name: without_all(value) for name, value in findings.items()},
            "acknowledged_but_refused_here": dict(self.replay.disagreements),
            "expected": {**self.replay.records(), "campaigns": expected},
            "happened": {"campaigns": self.happened_sums()},
            "files": self.replay.register.files,
        }

    def count_of(self, references, campaign):
        """How many of the references are of the campaign."""
        return sum(key is not None and key.campaign == campaign for key in map(self.key_of, references))


def national(number):
    """The last ten digits of a telephone number: the same with 0 and with +44."""
    return "".join(filter(str.isdigit, number))[-10:]


def listing(items, why=None):
    """A count, up to 20 examples, and (for counting only) all of them."""
    items = sorted(map(str, items))
    shown = items[:EXAMPLES]
    examples = [{"id": item, "why": why[item]} for item in shown] if why else shown
    return {"count": len(items), "examples": examples, "all": items}


def add(found, more):
    """A listing with some more that have no id to show."""
    return found | {"count": found["count"] + more}


def differences(value):
    """The sum of every `count` in the findings."""
    if not isinstance(value, dict):
        return 0
    if "count" in value:
        return value["count"]
    return sum(differences(part) for part in value.values())


def without_all(value):
    """The findings without the full lists, which only counting needs; ineligible sends keep theirs as `references`."""
    if not isinstance(value, dict):
        return value
    return {name: without_all(part) for name, part in value.items() if name != "all"}
