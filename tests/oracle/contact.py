"""Whether a person may be written to, and how."""

from .fields import age_on


def off_the_list(person):
    """Dead, removed (superseded included) or invalidated: such people are not selected at all."""
    if person.dead or person.told_dead:
        return "dead"
    if person.removed or person.superseded:
        return "removed"
    if person.invalidated:
        return "invalidated"
    return None


def opted_out(person, vaccine):
    """Asked not to be written to at all, or not about this vaccine."""
    return person.is_in("contact_opt_out_all") or person.is_in(f"contact_opt_out_{vaccine.lower()}")


def has_address(person):
    """At least one address line, and a postcode that is not a dummy."""
    postcode = person.postcode.replace(" ", "").upper()
    return bool(person.address_lines) and 5 <= len(postcode) <= 7 and not postcode.startswith("ZZ")


def channel(person, today):
    """Text message to people of 16 and over with a mobile number, else letter, else `None`."""
    of_age = person.born is not None and age_on(person.born, today) >= 16
    if person.restricted:
        return None
    if person.mobile and of_age and not person.is_in("contact_no_text"):
        return "sms"
    return "letter" if has_address(person) else None


def may_telephone(person):
    """Has a number and has not asked for no calls."""
    has_number = bool(person.telephone or person.mobile)
    return has_number and not person.restricted and not person.is_in("contact_no_telephone")
