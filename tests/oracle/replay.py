"""Goes through the timeline, as things were acknowledged, and works out what should have happened at each point."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple, Optional

from .contact import channel, may_telephone, off_the_list, opted_out
from .criteria import CRITERIA
from .fields import Rejected
from .register import Register


class Key(NamedTuple):
    """One message that a person may get once."""

    nhs_number: str
    campaign: str
    dose: int
    step: str
    channel: str


class Expected(NamedTuple):
    """A message that should have left."""

    on: date
    to: str  # the mobile number of a text message


@dataclass
class Invitation:
    """A person written to about a dose."""

    nhs_number: str
    dose: int
    issued: date
    steps_left: list  # [(step, day it falls due)]


@dataclass
class Wave:
    """What one wave should have done."""

    day: Optional[date] = None
    eligible: int = 0
    eligible_in_cohorts: int = 0
    candidates: dict = field(default_factory=dict)  # NHS number -> (dose, cohort)
    outcomes: dict = field(default_factory=dict)  # NHS number -> reason, or `None` where written to
    issued: bool = False


class Campaign:
    """A campaign's plan (days, steps, waves: read from its file) and its criteria (from `criteria.py`)."""

    def __init__(self, plan):
        self.id = plan["campaign"]
        self.count_doses_from = date.fromisoformat(plan["count_doses_from"])
        self.steps = [(step["step"], step["after_days"]) for step in plan["steps"]]
        self.wave_cohorts = {wave["wave"]: wave.get("cohorts", []) for wave in plan["waves"]}
        self.vaccine, self.cohort, self.not_now = CRITERIA[self.id]
        self.waves = defaultdict(Wave)
        self.eligible = set()
        self.invited = set()  # (NHS number, dose) written to about it, in whatever wave
        self.open = []
        self.carried = set()  # (NHS number, dose) that an invitation of a superseded number goes on under
        self.last_outcome = {}  # NHS number -> latest reason, `None` where written to
        self.reminder_outcomes = {}  # (NHS number, dose) -> reason, `None` where written to
        self.calls = set()  # (NHS number, dose)
        self.calls_made = 0


class Replay:
    """The timeline replayed."""

    def __init__(self, plans):
        self.register = Register()
        self.campaigns = {plan["campaign"]: Campaign(plan) for plan in plans}
        self.messages = {}  # Key -> Expected
        self.refused = {}  # (NHS number, campaign, dose, step) -> reason that nothing should have gone out
        self.api_accepted = 0
        self.api_rejected = 0
        self.disagreements = Counter()  # things acknowledged that this reading would have refused

    # The timeline --------------------------------------------------------------------------------------------------

    def play(self, lines, base=Path(".")):
        """Plays every line."""
        for line in lines:
            today = date.fromisoformat(line["day"])
            campaign = self.campaigns.get(line.get("campaign"))
            match line["kind"]:
                case "file":
                    beside = base / line["path"]
                    self.register.read_file(beside if beside.exists() else line["path"], today)
                case "immunization" | "booking":
                    self.acknowledged(line, today)
                case "select":
                    self.select(campaign, line["wave"], today)
                case "issue":
                    self.issue(campaign, line["wave"], today)
                case "due":
                    self.due(campaign, today)
                case "call":
                    self.called(campaign, line)
                case other:
                    raise ValueError(f"timeline: kind '{other}' is not known")

    def acknowledged(self, line, today):
        """A record that came by the API; only what was acknowledged counts."""
        if not 200 <= line["status"] < 300:
            self.api_rejected += 1
            return
        self.api_accepted += 1
        try:
            if line["kind"] == "immunization":
                self.register.fhir_immunization(line["body"], line["status"])
            else:
                self.register.booking_row(line["body"], today)
        except Rejected as why:
            self.disagreements[f"{line['kind']}: {why}"] += 1

    def called(self, campaign, line):
        """A recall call was made. Someone told that the person has died: nothing more is written."""
        campaign.calls_made += 1
        if line["outcome"] == "bereaved":
            self.register.person(line["nhs_number"]).bereaved = True

    # Deciding ------------------------------------------------------------------------------------------------------

    def doses(self, person, campaign):
        """Doses that count for the campaign."""
        return [given for given in self.register.doses(person, campaign.vaccine) if given >= campaign.count_doses_from]

    def not_now(self, person, campaign, today):
        """Why the person need not be invited now, by the campaign's criteria."""
        doses = self.register.doses(person, campaign.vaccine)
        return campaign.not_now(doses, self.register.booked_on(person, campaign.vaccine), today)

    def select(self, campaign, wave_name, today):
        """The snapshot is taken here and candidates are picked from it."""
        wave = campaign.waves[wave_name] = Wave(day=today)
        only = campaign.wave_cohorts[wave_name]
        for number, person in self.register.people.items():
            cohort = campaign.cohort(person, today)
            if cohort is None or off_the_list(person):
                continue
            wave.eligible += 1
            if only and cohort not in only:
                continue
            wave.eligible_in_cohorts += 1
            campaign.eligible.add(number)
            dose = len(self.doses(person, campaign)) + 1
            invited = any((one.nhs_number, dose) in campaign.invited for one in person.all_numbers())
            if self.not_now(person, campaign, today) is None and not invited:
                wave.candidates[number] = (dose, cohort)

    def reason_against(self, person, campaign, dose, today):
        """The first reason not to write to the person about this dose today, or `None`."""
        if off_the_list(person):
            return off_the_list(person)
        if person.restricted:
            return "restricted"
        if len(self.doses(person, campaign)) >= dose:
            return "vaccinated"
        booked = self.register.booked_on(person, campaign.vaccine)
        if booked is not None and booked >= today:
            return "booked"
        if campaign.cohort(person, today) is None or self.not_now(person, campaign, today):
            return "not_eligible"
        if opted_out(person, campaign.vaccine):
            return "opted_out"
        if person.is_in("in_custody"):
            return "in_custody"
        if channel(person, today) is None:
            return "no_contact_route"
        return None

    def already_written(self, person, campaign, dose, step):
        """Whether the message of this step left to a number that the person's superseded."""
        others = {one.nhs_number for one in person.all_numbers()} - {person.nhs_number}
        return any(
            key.nhs_number in others and (key.campaign, key.dose, key.step) == (campaign.id, dose, step)
            for key in self.messages
        ) if others else False

    def issue(self, campaign, wave_name, today):
        """Every candidate is decided again on what is known by now; the messages of the wave leave."""
        wave = campaign.waves[wave_name]
        wave.issued = True
        for number, (dose, _) in wave.candidates.items():
            if (number, dose) in campaign.invited:
                continue  # another wave wrote to them in the meantime
            person = self.register.people[number]
            reason = self.reason_against(person, campaign, dose, today)
            if reason is None and self.already_written(person, campaign, dose, campaign.steps[0][0]):
                reason = "already_written"
            wave.outcomes[number] = reason
            campaign.last_outcome[number] = reason
            first, *later = campaign.steps
            self.write(campaign, number, dose, first[0], reason, today)
            if reason is None:
                campaign.invited.add((number, dose))
                steps = [(step, today + timedelta(days=after)) for step, after in later]
                campaign.open.append(Invitation(number, dose, today, steps))

    def due(self, campaign, today):
        """Reminders and calls whose day has come. A reason against one ends the invitation; one step a run."""
        for invitation in campaign.open:
            if not invitation.steps_left or invitation.steps_left[0][1] > today:
                continue
            step, _ = invitation.steps_left.pop(0)
            number, dose = invitation.nhs_number, invitation.dose
            person = self.register.people[number]
            survivor = self.register.survivor(person)
            if survivor is not person:
                self.go_on(campaign, invitation, survivor, step, today)
            reason = self.reason_against(person, campaign, dose, today)
            if reason is None and self.already_written(person, campaign, dose, step):
                reason = "already_written"
            if reason is not None:
                invitation.steps_left.clear()
            if step == "call":
                if reason is None and may_telephone(person):
                    campaign.calls.add((number, dose))
                continue
            campaign.reminder_outcomes[number, dose] = reason
            self.write(campaign, number, dose, step, reason, today)
        campaign.open = [invitation for invitation in campaign.open if invitation.steps_left]

    def go_on(self, campaign, invitation, survivor, step, today):
        """An invitation goes on under the number that superseded its own, unless that was written to about the dose too."""
        known = (survivor.nhs_number, invitation.dose)
        if known in campaign.invited or known in campaign.carried:
            return
        campaign.carried.add(known)
        steps = [(step, today), *invitation.steps_left]
        # It is looked at in this run, since it stands behind the one that goes on.
        campaign.open.append(Invitation(*known, invitation.issued, steps))

    def write(self, campaign, number, dose, step, reason, today):
        """Notes the message that leaves, or the reason that none does."""
        if reason is not None:
            self.refused[number, campaign.id, dose, step] = reason
            return
        self.refused.pop((number, campaign.id, dose, step), None)
        person = self.register.people[number]
        by = channel(person, today)
        self.messages[Key(number, campaign.id, dose, step, by)] = Expected(today, person.mobile if by == "sms" else "")

    # Adding up -----------------------------------------------------------------------------------------------------

    def sums(self, campaign):
        """The campaign in numbers of people, in the shape of the demo's report."""
        selected = set().union(*(wave.candidates for wave in campaign.waves.values()))
        keys = [key for key in self.messages if key.campaign == campaign.id]
        sent = {key.nhs_number for key in keys} & selected
        suppressed = Counter(
            campaign.last_outcome[number] for number in selected - sent if campaign.last_outcome.get(number)
        )
        # Whoever's number was superseded is counted with the number that took its place.
        everybody = [person for person in self.register.people.values() if not person.superseded]
        messages = {"sms": Counter(), "letters": Counter()}
        for key in keys:
            messages["sms" if key.channel == "sms" else "letters"][key.step] += 1
        return {
            "eligible": len(campaign.eligible),
            "selected": len(selected),
            "sent": len(sent),
            "suppressed": dict(sorted(suppressed.items())),
            "failed": {},
            "pending": len(selected) - len(sent) - suppressed.total(),
            "messages": {kind: dict(counts) for kind, counts in messages.items()},
            "bookings": sum(booking.service == campaign.vaccine for booking in self.register.bookings.values()),
            "booked": sum(
                self.register.had_appointment(person, campaign.vaccine, campaign.count_doses_from)
                for person in everybody
            ),
            "vaccinated": sum(bool(self.doses(person, campaign)) for person in everybody),
            "recall_tasks": len(campaign.calls),
            "calls_made": campaign.calls_made,
        }

    def records(self):
        """Rows and API records accepted and refused."""
        files = self.register.files
        accepted = sum(file["accepted"] for file in files)
        rejected = sum(sum(file["rejected"].values()) for file in files)
        return {"records_accepted": accepted + self.api_accepted, "records_rejected": rejected + self.api_rejected}


def load_plans(folder):
    """The contact plans in a folder of campaigns, of those whose criteria the oracle knows."""
    plans = [json.loads(path.read_text()) for path in sorted(Path(folder).glob("*.plan.json"))]
    return [plan for plan in plans if plan["campaign"] in CRITERIA]


def load_timeline(path):
    """The timeline's lines."""
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]
