"""Reading single fields: NHS numbers, dates and times. A field that cannot be read rejects its row."""

from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")


class Rejected(Exception):
    """The row is refused; the text says why, without personal data."""


def nhs_number(text):
    """A valid NHS number: ten digits, the last a modulus 11 check digit."""
    if len(text) != 10 or not (text.isascii() and text.isdigit()):
        raise Rejected("invalid NHS number")
    weighted = sum(int(digit) * weight for digit, weight in zip(text, range(10, 1, -1)))
    check = (11 - weighted % 11) % 11
    if check == 10 or check != int(text[9]):
        raise Rejected("invalid NHS number")
    return text


def day(text, what):
    """`YYYYMMDD`."""
    if len(text) != 8 or not (text.isascii() and text.isdigit()):
        raise Rejected(f"{what} is not a date")
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        raise Rejected(f"{what} is not a date") from None


def past_day(text, what, today):
    """`YYYYMMDD`, today at the latest."""
    value = day(text, what)
    if value > today:
        raise Rejected(f"{what} is in the future")
    return value


def moment(text, what):
    """`YYYYMMDDThhmmss`, with `00` (UTC) or `01` (British Summer Time) after it or nothing (UTC), as London time."""
    if len(text) not in (15, 17) or text[8] != "T" or text[15:] not in ("", "00", "01"):
        raise Rejected(f"{what} is not a date and time")
    try:
        written = datetime.strptime(text[:15], "%Y%m%dT%H%M%S")
    except ValueError:
        raise Rejected(f"{what} is not a date and time") from None
    offset = timezone(timedelta(hours=1 if text[15:] == "01" else 0))
    return written.replace(tzinfo=offset).astimezone(LONDON)


def past_moment(text, what, today):
    """As `moment`, today at the latest."""
    value = moment(text, what)
    if value.date() > today:
        raise Rejected(f"{what} is in the future")
    return value


def required(row, *names):
    """Refuses the row if any of the columns is blank."""
    for name in names:
        if not row[name].strip():
            raise Rejected(f"{name} is missing")


def one_of(text, allowed, what):
    """Refuses any text that is not one of those allowed."""
    if text not in allowed:
        raise Rejected(f"{what} is not one of {', '.join(filter(None, sorted(allowed)))}")
    return text


def age_on(born, today):
    """Completed years; someone born on 29 February comes of age on 1 March in common years."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
