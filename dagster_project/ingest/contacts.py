"""The normal form of an e-mail address and of a telephone number: equal forms are one contact.

What a business says about writing them stands here too. Pure: tokens are made in the engine.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Annotated

import phonenumbers
from pydantic import AfterValidator, BaseModel, ConfigDict, field_validator

CONTACT_SPACES = ("email", "phone")
LONGEST_EMAIL = 254

# Words that stand in numbers; with other letters it is an id, which the library would read as
# the digits of a keypad: C1000000247 as a number in Shanghai.
_WORDS_IN_NUMBERS = re.compile(r"tel:|ext(ensi[oó]n|n)?|x|转|分机", re.IGNORECASE)
_LETTER = re.compile(r"[^\W\d_]")

_PART = r"""[^\s@.,;:<>()\[\]"']"""
_EMAIL = re.compile(rf"(?:{_PART}|\.)+@(?:{_PART}+\.)+(?:(?!\d){_PART}){{2,}}")


class EmailRules(BaseModel):
    """Writings of one mailbox, where a provider delivers them alike.

    Attributes:
        ignore_dots_at: domains at which `a.b@` and `ab@` are one mailbox; `*` for all.
        ignore_tags_at: domains at which `a+news@` and `a@` are one mailbox; `*` for all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ignore_dots_at: tuple[str, ...] = ()
    ignore_tags_at: tuple[str, ...] = ()

    @field_validator("ignore_dots_at", "ignore_tags_at")
    @classmethod
    def _domains(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        for domain in domains:
            if domain != "*" and not re.fullmatch(r"[^\s@*]+\.[^\s@*]+", domain):
                raise ValueError(f"{domain!r} is no domain; write gmail.com, or * for all")
        return tuple(sorted({domain.lower() for domain in domains}))


def _known_region(region: str | None) -> str | None:
    if region is not None and region not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{region!r} is no region; write the two letters of ISO 3166, for "
                         f"example CN")
    return region


# Country of telephone numbers that state none; None: such numbers cannot be read.
PhoneRegion = Annotated[str | None, AfterValidator(_known_region)]


def normal_contact(space: str, text: str, emails: EmailRules, region: str | None) -> str | None:
    """The normal form of a contact; None: it is none.

    Args:
        space: `email` or `phone`.
        text: as the export writes it.
        emails: what is known of the writings of mailboxes.
        region: country of numbers that state none; None: such numbers cannot be read.
    """
    return normal_email(text, emails) if space == "email" else normal_phone(text, region)


def normal_email(text: str, rules: EmailRules) -> str | None:
    """The address in lower case, without what its provider ignores; None: it is none."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    text = text.strip().lower()
    if len(text) > LONGEST_EMAIL or not _EMAIL.fullmatch(text):
        return None
    mailbox, _, domain = text.rpartition("@")
    if not {"*", domain}.isdisjoint(rules.ignore_tags_at):
        mailbox = mailbox.partition("+")[0] or mailbox
    if not {"*", domain}.isdisjoint(rules.ignore_dots_at):
        mailbox = mailbox.replace(".", "") or mailbox
    return f"{mailbox}@{domain}"


def normal_phone(text: str, region: str | None) -> str | None:
    """The number in E.164, `+8613800138000`; None: it is no number of its country."""
    if region and (plain := _plain_mobile(region)) and plain[0].fullmatch(text):
        return f"+{plain[1]}{text}"
    if _LETTER.search(_WORDS_IN_NUMBERS.sub("", text)):
        return None
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@lru_cache
def _plain_mobile(region: str) -> tuple[re.Pattern[str], int] | None:
    """Mobile numbers that are written as they are dialled, and the code of their country.

    Nearly all numbers of an export are of this kind, and the library takes some twenty times as
    long for one. What begins like a prefix for dialling is left to the library, and so are
    countries that share their code with others.
    """
    code = phonenumbers.country_code_for_region(region)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    if metadata is None or len(phonenumbers.region_codes_for_country_code(code)) > 1:
        return None
    mobile, every = metadata.mobile, metadata.general_desc
    if not (mobile and mobile.national_number_pattern and every):
        return None
    prefixes = "|".join(f"(?:{prefix})" for prefix in (
        metadata.international_prefix, metadata.national_prefix_for_parsing, "0") if prefix)
    pattern = (f"(?!{prefixes})(?=(?:{every.national_number_pattern})$)"
               f"(?:{mobile.national_number_pattern})")
    return re.compile(pattern, re.ASCII), code
