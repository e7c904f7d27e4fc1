"""What whoever ran a night must know of the publication, and would not look for: in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def publication_remarks(connection: Any) -> Iterator[str]:
    """Remarks on the current publication of a warehouse file, the most far-reaching first.

    Args:
        connection: to the file, with its tables in schema `crm`.
    """
    customers_n, without_n = connection.execute(
        "select count(*), count(case when ids.customer_key is null then 1 end) "
        "from crm.customers as customers left join "
        "(select distinct customer_key from crm.customer_ids) as ids using (customer_key)"
    ).fetchone()
    if without_n:
        known = "is known" if without_n == 1 else "are known"
        # Of shops that sell to guests some are so every night; only if all are, a file is missing.
        leads = ("leads to none of them; deliver a customers export with their ids"
                 if without_n == customers_n else
                 "does not lead to them, who are guests or in no customers export")
        yield (f"{without_n:,} of {customers_n:,} customers {known} by e-mail or phone alone: "
               f"customer_ids {leads}")
    changed = dict(connection.execute(
        "select reason, count(distinct old_customer_key) from crm.customer_key_changes "
        "where publication_id = (select publication_id from crm.publication where is_current) "
        "group by reason order by reason").fetchall())
    if changed:
        yield key_changes_in_words(changed)


def key_changes_in_words(changed: Mapping[str, int]) -> str:
    """How many customers have a new key, and where to look.

    Args:
        changed: merge or unmerge -> customers.
    """
    customers_n = sum(changed.values())
    how = (next(iter(changed)) if len(changed) == 1
           else ", ".join(f"{reason} {count:,}" for reason, count in sorted(changed.items())))
    have = "customer has" if customers_n == 1 else "customers have"
    return f"{customers_n:,} {have} a new key ({how}): see customer_key_changes"
