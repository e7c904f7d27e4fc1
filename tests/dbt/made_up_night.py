"""One made-up night in which every customer stands for one rule. Data only."""

from __future__ import annotations

from datetime import date, datetime

from builds import Row, configuration_vars, identity, indicator

HALF_LIFE, LONG_HALF_LIFE = 30, 60


def weight(age_days: int, half_life: int = HALF_LIFE) -> int:
    """Weight in millionths of an event of that age."""
    return int(1_000_000 * 2 ** (-age_days / half_life) + 0.5)


def order(order_id: str, customer: int | None, day: str, price: float, **more: object) -> Row:
    """One order line at noon UTC of `day`, known by a version of the same evening."""
    return {
        "order_id": order_id, "identity_id": None if customer is None else identity(customer),
        "ordered_at": datetime.fromisoformat(f"{day} 06:00"), "unit_price": price,
        "version_at": datetime.fromisoformat(f"{day} 12:00"),
    } | more


def at(text: str) -> datetime:
    """A UTC time."""
    return datetime.fromisoformat(text)


ORDERS: list[Row] = [
    # 1, 2: 10+20+30 corrected to 12+20, in either order of arrival.
    *(order("v1", 1, "2026-06-01", price, line_key=key, load_seq=load, version_at=at(version))
      for load, version, key, price in [
          (1, "2026-06-02", "1", 10), (1, "2026-06-02", "2", 20), (1, "2026-06-02", "3", 30),
          (2, "2026-06-03", "1", 12), (2, "2026-06-03", "2", 20)]),
    *(order("v2", 2, "2026-06-01", price, line_key=key, load_seq=load, version_at=at(version))
      for load, version, key, price in [
          (2, "2026-06-02", "1", 10), (2, "2026-06-02", "2", 20), (2, "2026-06-02", "3", 30),
          (1, "2026-06-03", "1", 12), (1, "2026-06-03", "2", 20)]),
    # 3: a source without versions: line by line, the later load.
    order("a", 3, "2026-06-01", 10, line_key="1", load_seq=1, source="till", version_at=None),
    order("a", 3, "2026-06-01", 5, line_key="2", load_seq=1, source="till", version_at=None),
    order("a", 3, "2026-06-01", 15, line_key="1", load_seq=2, source="till", version_at=None),
    # 4: equal versions: the greater hash, and equal content once.
    order("t", 4, "2026-06-01", 99, load_seq=1, row_hash=identity(2)),
    order("t", 4, "2026-06-01", 10, load_seq=1, row_hash=identity(1)),
    order("t", 4, "2026-06-01", 99, load_seq=2, row_hash=identity(2)),
    # 5: refunded without an amount: in full, at its date.
    order("f", 5, "2026-06-01", 100, status="refunded", refunded_at=at("2026-06-20 06:00")),
    # 6: a refund later than D.
    order("l", 6, "2026-06-01", 100, refund=30, refunded_at=at("2026-07-02 06:00")),
    # 7: cancelled without a date: the first version that shows it.
    order("c", 7, "2026-06-01", 100, load_seq=1, version_at=at("2026-06-05 06:00")),
    *(order("c", 7, "2026-06-01", 100, load_seq=load, version_at=at(version), status="cancelled")
      for load, version in [(2, "2026-06-20 06:00"), (3, "2026-07-05 06:00")]),
    # 8: partly refunded, then cancelled: only what was left is taken back.
    order("p", 8, "2026-06-01", 100, refund=30, refunded_at=at("2026-06-10 06:00"),
          status="cancelled", cancelled_at=at("2026-06-20 06:00")),
    # 9, 10: foreign money with a rate, and without.
    order("x1", 9, "2026-06-11", 10.005, currency="USD"),
    order("x2", 10, "2026-06-12", 10, currency="USD"),
    # 11 and 12 are one person.
    order("m1", 11, "2026-06-01", 10),
    order("m2", 12, "2026-06-01", 20),
    # 13, 14: gaps of 10, 20, 29 and of 10, 21 days.
    *(order(f"g{day}", 13, day, 1)
      for day in ["2026-01-01", "2026-01-11", "2026-01-31", "2026-03-01"]),
    *(order(f"h{day}", 14, day, 1) for day in ["2026-01-01", "2026-01-11", "2026-02-01"]),
    # 15 is staff, 16 stands on a list.
    order("s", 15, "2026-06-01", 500),
    order("e", 16, "2026-06-01", 500),
    # 17: the last second of D in Shanghai, and the first of the next day.
    order("d1", 17, "2026-06-30", 7, ordered_at=at("2026-06-30 15:59:59")),
    order("d2", 17, "2026-06-30", 70, ordered_at=at("2026-06-30 16:00:00")),
    # 18: not completed; a channel that is left out; a zero amount.
    order("o1", 18, "2026-06-01", 100, status="open"),
    order("o2", 18, "2026-06-01", 100, channel="internal"),
    order("o3", 18, "2026-06-01", 0),
    # 20: the first day inside a window of 365 days, and the last outside.
    order("w1", 20, "2025-07-01", 1),
    order("w2", 20, "2025-06-30", 2),
    # 21: periods of 30 days since 1 April: 0, 0, 1, 3 of four.
    *(order(f"r{day}", 21, day, 1)
      for day in ["2026-04-01", "2026-04-30", "2026-05-01", "2026-06-30"]),
    # 22, 23: a margin, and a purchase of unknown cost.
    order("k1", 22, "2026-06-01", 100, cost=40, shipping=5, refund=20,
          refunded_at=at("2026-06-15 06:00")),
    order("k2", 22, "2026-06-02", 50, cost=20, status="cancelled",
          cancelled_at=at("2026-06-03 06:00")),
    order("k3", 23, "2026-06-01", 100),
    # 31: a company, whose profile counts amounts over two years and answers of all ages alike.
    order("b1", 31, "2025-07-01", 1),
    order("b2", 31, "2025-06-30", 2),
    order("b3", 31, "2024-06-30", 4),
    # 35: a discount, a refund of one line, an order before the 120 days of profitability.
    order("q0", 35, "2026-01-01", 999, cost=1),
    order("q1", 35, "2026-06-01", 60, line_key="1", quantity=2, discount=20, cost=30, shipping=5,
          product_category="tea"),
    order("q1", 35, "2026-06-01", 100, line_key="2", cost=40, refund=10,
          refunded_at=at("2026-06-15 06:00"), product_category="cups"),
    # 32, 33: a known product cost behind a quarter, and behind half of the money.
    order("t1", 32, "2026-06-01", 100, cost=60),
    order("t2", 32, "2026-06-01", 300),
    order("t3", 33, "2026-06-01", 300, cost=100, product_category="tea"),
    order("t4", 33, "2026-06-02", 300, product_category="cups"),
    # 34: a line cancelled, half of the other sent back.
    order("u1", 34, "2026-06-01", 50, line_key="1", quantity=2, cost=40, product_category="tea"),
    order("u1", 34, "2026-06-01", 80, line_key="2", cost=30, product_category="cups",
          status="cancelled", cancelled_at=at("2026-06-10 06:00")),
    order("u1", 34, "2026-06-12", 50, line_key="3", quantity=-1, cost=-20,
          product_category="tea", version_at=at("2026-06-01 12:00")),
    # Nobody's.
    order("n", None, "2026-06-01", 11),
]


def interaction(number: int, customer: int | None, day: str, **more: object) -> Row:
    """One visit at noon UTC."""
    return {
        "interaction_id": f"i{number}", "occurred_at": at(f"{day} 06:00"),
        "identity_id": None if customer is None else identity(customer),
    } | more


INTERACTIONS: list[Row] = [
    interaction(1, 19, "2026-06-30"),
    interaction(2, 19, "2026-05-31", duration_seconds=90, completion="0.5"),
    interaction(3, 19, "2026-06-30", type="complaint"),
    interaction(4, 25, "2026-06-01"),
    interaction(5, None, "2026-06-01"),
    interaction(6, 25, "2026-07-01"),
    # Corrected: the duration of the newer version counts.
    interaction(7, 26, "2026-06-01", duration_seconds=10, version_at=at("2026-06-01 12:00")),
    interaction(7, 26, "2026-06-01", duration_seconds=60, version_at=at("2026-06-02 12:00"),
                load_seq=2),
    interaction(8, 24, "2026-01-01", duration_seconds=5),
    # Two complaints without a cost of their own, one with, one before the 120 days.
    *(interaction(number, 35, day, type="complaint", cost=cost) for number, day, cost in [
        (9, "2026-06-02", None), (10, "2026-06-02", None), (11, "2026-06-02", 4),
        (12, "2026-01-05", None)]),
]

ANSWERS: list[Row] = [
    {"response_id": "s1", "identity_id": identity(19), "responded_at": at("2026-06-30 06:00"),
     "score": 5},
    {"response_id": "s2", "identity_id": identity(19), "responded_at": at("2026-05-31 06:00"),
     "score": 2},
    {"response_id": "s3", "identity_id": identity(25), "responded_at": at("2026-06-30 06:00"),
     "instrument": "ces", "score": 2, "scale_min": 1, "scale_max": 7,
     "direction": "lower_is_better"},
    *({"response_id": f"s{day}", "identity_id": identity(31), "responded_at": at(f"{day} 06:00"),
       "score": score} for day, score in [("2026-06-30", 5), ("2025-12-31", 1)]),
]

def listing(*numbers: int) -> list[Row]:
    """What a record lists: ids of the help desk."""
    return [{"id_space": "desk", "identity_id": identity(number)} for number in numbers]


CUSTOMERS: list[Row] = [
    {"identity_id": identity(15), "customer_type": "staff"},
    {"identity_id": identity(11), "valid_from": date(2026, 1, 1), "city": "Suzhou"},
    {"identity_id": identity(12), "valid_from": date(2026, 2, 1), "city": "Hangzhou"},
    {"identity_id": identity(12), "valid_from": date(2026, 7, 1), "city": "Nanjing"},
    {"identity_id": identity(24), "attributes": '{"loyalty points": "12.5"}'},
    {"identity_id": identity(28), "customer_type": "company",
     "email_identity_id": identity(900)},
    {"identity_id": identity(29), "valid_from": date(2026, 8, 1), "city": "Ningbo"},
    {"identity_id": identity(31), "customer_type": "company"},
    {"identity_id": identity(29), "valid_from": date(2026, 9, 1), "city": "Wuxi"},
    # 700: a joined customer's; 701: kept alone by a rule; 702: listed later; 703: no more listed.
    {"identity_id": identity(12), "source": "desk", "other_ids": listing(700, 701)},
    {"identity_id": identity(31), "source": "desk", "valid_from": date(2026, 7, 1),
     "other_ids": listing(702)},
    {"identity_id": identity(24), "source": "desk", "version_at": at("2026-06-01 12:00"),
     "other_ids": listing(703)},
    {"identity_id": identity(24), "source": "desk", "version_at": at("2026-06-02 12:00"),
     "load_seq": 2, "other_ids": listing(704, 24)},
    # 25 has interactions of its own, and a rule keeps it alone; 705 is joined by the map.
    {"identity_id": identity(35), "source": "desk", "other_ids": listing(25, 705)},
]

RAW = {
    "raw_order_lines": ORDERS, "raw_interactions": INTERACTIONS, "raw_survey_answers": ANSWERS,
    "raw_customers": CUSTOMERS,
    "raw_fx_rates": [{"rate_date": date(2026, 6, 11), "currency": "USD", "rate": "7.15"}],
}

NIGHT = {
    "customer_map": [
        {"identity_id": identity(number), "customer_key": identity(11)} for number in (11, 12)
    ] + [{"identity_id": identity(900), "customer_key": identity(28)},
         {"identity_id": identity(28), "customer_key": identity(28)},
         *({"identity_id": identity(number), "customer_key": identity(number)}
           for number in (25, 701)),
         *({"identity_id": identity(number), "customer_key": identity(35)}
           for number in (35, 705))],
    "excluded_identities": [{"identity_id": identity(16), "rule": "list:marketplaces"}],
    "decay_weights": [
        {"half_life_days": half_life, "age_days": age,
         "weight_millionths": weight(age, half_life)}
        for half_life in (HALF_LIFE, LONG_HALF_LIFE) for age in range(21 * half_life)
    ],
}

CRM = configuration_vars(
    [
        indicator("purchase_amount", "sum", "orders", column="net_revenue", window_days=365),
        indicator("margin", "sum", "orders", column="margin", window_days=365),
        indicator("units", "sum", "orders", column="quantity"),
        indicator("purchases", "count", "orders", window_days=365),
        indicator("repeats", "count", "orders", window_days=365, skip_first=True),
        indicator("fresh_purchases", "decayed_count", "orders", half_life_days=HALF_LIFE),
        indicator("silent_days", "days_since", "orders"),
        indicator("retention", "active_share", "orders", period_days=30, minimum_age_days=60),
        indicator("visits", "decayed_count", "interactions", half_life_days=HALF_LIFE,
                  types=["visit"], window_days=60),
        indicator("seconds", "sum", "interactions", column="duration_seconds", window_days=60),
        indicator("completion", "sum", "interactions", column="completion"),
        indicator("quiet_days", "days_since", "interactions"),
        indicator("complaints", "count", "interactions", types=["complaint"], window_days=60,
                  absent="zero_if_contact"),
        indicator("csat", "mean_answer", "surveys", instrument="csat", absent="missing",
                  half_life_days=HALF_LIFE, window_days=365),
        indicator("ces", "mean_answer", "surveys", instrument="ces", absent="missing"),
        indicator("points", "attribute", "customers", column="loyalty points", absent="missing"),
    ],
    indicator_variants=[
        {"profile": "b2b", "variant_of": "purchase_amount"} | indicator(
            "purchase_amount__b2b", "sum", "orders", column="net_revenue", window_days=730),
        {"profile": "b2b", "variant_of": "csat"} | indicator(
            "csat__b2b", "mean_answer", "surveys", instrument="csat", absent="missing",
            half_life_days=LONG_HALF_LIFE, window_days=365),
    ],
    excluded_customer_types=["staff"],
    excluded_order_channels=["internal"],
    costs_to_serve=[{"type": "complaint", "amount": "15.0000"},
                    {"type": "service_contact", "amount": "8.5000"}],
    profitability_days=120,
    segment_attributes=["loyalty points"],
    profiles=[{"name": "b2b", "customer_types": ["company"]},
              {"name": "all", "customer_types": None}],
)
