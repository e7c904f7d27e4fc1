"""E-mail addresses and telephone numbers of exports: tokens, whose a row is, who states what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.customers.identities import identity_token
from dagster_project.engine.contact_edges import read_edges
from dagster_project.ingest.contacts import EmailRules, normal_email, normal_phone
from dagster_project.ingest.loading import words_of
from dagster_project.ingest.sources import Sources, sources_faults
from dagster_project.yaml_file import ConfigurationError, checked
from ingest.conftest import SECRET, Landing

ORDERS: Mapping[str, Any] = {"kind": "orders", "files": ["orders/*"], "version": "file_name"}
CUSTOMERS: Mapping[str, Any] = {"kind": "customers", "files": ["customers*"]}
HEADER = "order_id,line_id,customer_id,email,phone,ordered_at,unit_price,currency\n"
D = date(2026, 11, 20)
# How long an example takes depends on what else the machine does.
UNHURRIED = settings(deadline=None)
REGIONS = ("CN", "DE", "FR", "GB", "HK", "IN", "IT", "JP", "US", "BR", "AU", "MX")


def token(space: str, value: str) -> str:
    return identity_token(SECRET, space, value)


def order(number: int, customer: str = "", email: str = "", phone: str = "",
          day: str = "2026-11-10", line: int = 1) -> str:
    return f"o{number},{line},{customer},{email},{phone},{day} 10:00:00,10,CNY\n"


def identities(landing: Landing) -> list[Any]:
    return landing.rows("select order_id, cast(identity_id as varchar) from raw_order_lines "
                        "order by order_id, line_key")


def edges(landing: Landing, day: date = D, known: int = 1000,
          maximum: int = 5) -> set[tuple[str, str, str]]:
    """identity, contact, date of the edges that may join."""
    found = read_edges(landing.engine, day, known, "Asia/Shanghai", maximum)
    return {(row.identity_id, row.contact_identity_id, str(row.edge_date)[:10])
            for row in found.itertuples(index=False) if row.identity_id != row.contact_identity_id}


@pytest.fixture
def shop(landing_of: Callable[..., Landing]) -> Landing:
    """Orders of one shop whose numbers are Chinese, and its customer records."""
    return landing_of(shop={**ORDERS, "phone_region": "CN"},
                      people={**CUSTOMERS, "phone_region": "CN"})


@pytest.mark.parametrize(("text", "expected"), [
    (" Ada@Example.COM ", "ada@example.com"), ("a.da+news@example.com", "a.da+news@example.com"),
    ("A.D.A+news@gmail.com", "ada@gmail.com"), ("李娜@例子.公司", "李娜@例子.公司"),
    ("ada\uff20example.com", "ada@example.com"), ("+@gmail.com", "+@gmail.com"),
    ("ada@example", None), ("ada", None), ("a@b@example.com", None), ("-", None),
    ("ada@example.com, bob@example.com", None), ("ada@127.0.0.1", None), ("@example.com", None),
    (f"{'a' * 250}@example.com", None),
])
def test_normal_form_of_an_address(text, expected):
    rules = EmailRules(ignore_dots_at=("gmail.com",), ignore_tags_at=("gmail.com",))
    assert normal_email(text, rules) == expected


@pytest.mark.parametrize(("text", "region", "expected"), [
    ("13800138000", "CN", "+8613800138000"), ("+86 138-0013-8000", None, "+8613800138000"),
    ("008613800138000", "CN", "+8613800138000"), ("021-12345678", "CN", "+862112345678"),
    ("+44 (0)20 7946 0958", "CN", "+442079460958"), ("(415) 555-2671", "US", "+14155552671"),
    ("\uff11\uff13\uff18\uff10\uff10\uff11\uff13\uff18\uff10\uff10\uff10", "CN", "+8613800138000"),
    ("13800138000", None, None), ("11111111111", "CN", None), ("0", "CN", None),
    ("-", "CN", None), ("1380013800", "CN", None), ("138001380001", "CN", None),
    # An id whose first letter is a 2 on a keypad; an extension is none of the number.
    ("C1000000247", "CN", None), ("021-12345678 ext. 12", "CN", "+862112345678"),
])
def test_normal_form_of_a_number(text, region, expected):
    assert normal_phone(text, region) == expected


@UNHURRIED
@given(st.sampled_from(REGIONS), st.data())
def test_numbers_are_read_as_the_library_reads_them(region, data):
    """The short way for mobile numbers and the library must never differ."""
    known = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    start = str(known.national_number)[: data.draw(st.integers(0, 6))]
    text = start + data.draw(st.text("0123456789", min_size=5, max_size=10))
    try:
        number = phonenumbers.parse(text, region)
        is_valid = phonenumbers.is_valid_number(number)
    except phonenumbers.NumberParseException:
        is_valid = False
    expected = phonenumbers.format_number(
        number, phonenumbers.PhoneNumberFormat.E164) if is_valid else None
    assert normal_phone(text, region) == expected


def test_a_row_belongs_to_its_id_then_its_address_then_its_number(shop):
    shop.put("orders/o_2026-11-10.csv", HEADER
             + order(1, "c1", "Ada@example.com", "13800138000")
             + order(2, "", "ADA@example.com", "138 0013 8000")
             + order(3, "", "", "+86 13800138000") + order(4)
             + order(5, "", "no address", "12") + order(6, "", "none", "13800138000"))
    report = shop.load()
    phone = token("phone", "+8613800138000")
    assert identities(shop) == [
        ("o1", token("customer", "c1")), ("o2", token("email", "ada@example.com")),
        ("o3", phone), ("o4", None), ("o5", None), ("o6", phone)]
    (file,) = report.loaded
    assert file.result.rows_rejected_n == 0
    assert file.result.unusable_contacts == {"email": 2, "phone": 1}
    assert shop.rows("select id_space, clear_value, is_personal from identities order by 1, 2",
                     "vault") == [("customer", "c1", False), ("email", "ada@example.com", True),
                                  ("phone", "+8613800138000", True)]


def test_all_lines_of_an_order_belong_to_whom_one_names(shop):
    """Exports name the buyer on the first line only, or differently on the others."""
    shop.put("orders/o_2026-11-10.csv", HEADER
             + order(1, "", "ada@example.com", line=2) + order(1, "c1", "ada@example.com")
             + order(1, line=3) + order(2, "", "", "13800138000", line=2)
             + order(2, "", "bob@example.com", line=1) + order(3))
    shop.load()
    account, bob = token("customer", "c1"), token("email", "bob@example.com")
    assert identities(shop) == [*[("o1", account)] * 3, *[("o2", bob)] * 2, ("o3", None)]


def test_an_id_space_of_addresses_meets_the_addresses_of_other_exports(
        landing_of: Callable[..., Landing]):
    """Answers whose customer_id is an address, written as people write them."""
    landing = landing_of(
        shop=ORDERS, answers={"kind": "surveys", "files": ["answers*"], "id_space": "email"})
    landing.put("answers.csv", "response_id,customer_id,responded_at,instrument,score\n"
                "r1, ADA@Example.com,2026-11-01,csat,5\nr2,somebody,2026-11-01,csat,5\n")
    landing.put("orders/o_2026-11-10.csv", HEADER + order(1, "c1", "ada@example.com"))
    landing.load()
    ada = token("email", "ada@example.com")
    assert landing.rows(
        "select response_id, cast(identity_id as varchar), cast(email_identity_id as varchar) "
        "from raw_survey_answers order by 1") == [
        ("r1", ada, ada), ("r2", token("email", "somebody"), token("email", "somebody"))]
    assert landing.only("select bool_and(is_personal) from identities where id_space = 'email'",
                        "vault")
    assert edges(landing) == {(token("customer", "c1"), ada, "2026-11-10")}


def test_rows_of_all_kinds_state_contacts_from_their_dates_on(
        landing_of: Callable[..., Landing]):
    landing = landing_of(
        shop=ORDERS, people=CUSTOMERS, visits={"kind": "interactions", "files": ["visits*"]},
        answers={"kind": "surveys", "files": ["answers*"]})
    landing.put("customers.csv", "customer_id,valid_from,email\nc1,2026-11-05,x@example.com\n"
                "c2,,x@example.com\nc9,,alone@example.com\n")
    landing.put("orders/o_2026-11-10.csv", HEADER + order(1, "c3", "x@example.com")
                + order(2, "c3", "x@example.com", day="2026-11-08"))
    # Half an hour into the 4th where the shop is; the 3rd in UTC.
    landing.put("visits.csv", "interaction_id,customer_id,email,occurred_at\n"
                "v1,c4,x@example.com,2026-11-04 00:30:00\n")
    landing.put("answers.csv", "response_id,customer_id,email,responded_at,instrument,score\n"
                "r1,c5,x@example.com,2026-11-21 10:00:00,csat,5\n")
    landing.load()
    x = token("email", "x@example.com")
    dates = {"c1": "2026-11-05", "c2": "1900-01-01", "c3": "2026-11-08", "c4": "2026-11-04",
             "c5": "2026-11-21"}
    expected = {(token("customer", one), x, day) for one, day in dates.items()}
    assert edges(landing, date(2026, 11, 21)) == expected
    assert edges(landing) == {edge for edge in expected if edge[2] != "2026-11-21"}
    assert edges(landing, date(2026, 11, 3)) == set(), "one identity alone joins nobody"


def test_a_corrected_document_no_longer_states_its_old_contact(shop):
    """In whatever order the two versions come, and only once the correction is known."""
    shop.put("orders/o_2026-11-11.csv",
             HEADER + order(1, "c1", "right@example.com") + order(2, "c2", "wrong@example.com"))
    shop.put("orders/p_2026-11-11.csv", HEADER + order(3, "c3", "right@example.com"))
    shop.load()
    right, wrong = token("email", "right@example.com"), token("email", "wrong@example.com")
    both = {(token("customer", one), right, "2026-11-10") for one in ("c1", "c3")}
    assert edges(shop) == both
    shop.put("orders/o_2026-11-10.csv", HEADER + order(1, "c1", "wrong@example.com"))
    shop.load()
    assert edges(shop) == both
    shop.put("orders/o_2026-11-12.csv", HEADER + order(1, "c1", "wrong@example.com"))
    shop.load()
    assert edges(shop) == {(token("customer", one), wrong, "2026-11-10") for one in ("c1", "c2")}
    assert edges(shop, known=3) == both


def test_an_address_that_is_somebody_joins_with_one_account_alone(shop):
    shop.put("orders/o_2026-11-10.csv", HEADER + order(1, "", "ada@example.com"))
    shop.put("customers.csv", "customer_id,email\nc1,ada@example.com\nc2,bob@example.com\n")
    shop.load()
    assert edges(shop) == {
        (token("customer", "c1"), token("email", "ada@example.com"), "1900-01-01")}


def test_an_id_with_too_many_contacts_is_given_with_all_of_them(shop):
    """An account for guests: its addresses are nobody else's, and yet it must be seen."""
    shop.put("orders/o_2026-11-10.csv",
             HEADER + "".join(order(n, "guest", f"g{n}@example.com") for n in range(4)))
    shop.load()
    assert edges(shop, maximum=4) == set()
    assert len(edges(shop, maximum=3)) == 4


@pytest.mark.parametrize(("key", "value", "words"), [
    ("phone_region", "China", "is no region; write the two letters"),
    ("emails", {"ignore_dots_at": ["gmail"]}, "is no domain; write gmail.com"),
])
def test_wrong_rules_of_writing_are_refused(key, value, words):
    content = {"time_zone": "UTC", key: value, "sources": {"shop": dict(ORDERS)}}
    with pytest.raises(ConfigurationError, match=words):
        checked(content, Sources, sources_faults, "sources.yaml")


@pytest.mark.parametrize(("region", "cure"), [
    ("CN", "numbers without a country code are read as those of CN; if they are of another "
           "country, change phone_region in config/sources.yaml; for a new home, crm-value init "
           "--phone-region US"),
    (None, "numbers without a country code need phone_region in config/sources.yaml; for a new "
           "home, crm-value init --phone-region US"),
])
def test_numbers_that_cannot_be_read_are_told_with_the_cure(landing_of, region, cure):
    """A shop of another country would lose all its numbers, and not know why."""
    landing = landing_of(shop={"kind": "orders", "files": ["orders/*"], "phone_region": region})
    landing.put("orders/o.csv", HEADER + order(1, "", "", "(617) 555-0134")
                + order(2, "", "", "(617) 555-0188") + order(3, "", "none", "+8613800138000"))
    (line,) = words_of(landing.load())
    assert (f"2 rows have a telephone number that cannot be read and identifies nobody ({cure})"
            in line)
    assert "1 row has an e-mail address that cannot be read and identifies nobody" in line
