"""What is said after a night of customers without ids, and of keys that changed."""

from __future__ import annotations

import textwrap
from pathlib import Path
from uuid import UUID

import duckdb
import pytest

from dagster_project.publish.remarks import key_changes_in_words, publication_remarks


def said(folder: Path, customers: int, with_id: int, changes: list[tuple[int, int, str]]) -> str:
    """The remarks on a warehouse file of publication 2; changes as (key, publication, reason)."""
    with duckdb.connect(str(folder / "w.duckdb")) as connection:
        connection.execute("""
            create schema crm;
            create table crm.publication as
                select * from (values (1, false), (2, true)) as p(publication_id, is_current);
            create table crm.customers (customer_key uuid);
            create table crm.customer_ids (customer_key uuid, id_space varchar);
            create table crm.customer_key_changes
                (old_customer_key uuid, publication_id integer, reason varchar)""")
        for number in range(customers):
            connection.execute("insert into crm.customers values (?)", [UUID(int=number)])
        for number in range(with_id):
            # Two ids of one customer are one customer.
            connection.execute("insert into crm.customer_ids values (?, 'shop'), (?, 'till')",
                               [UUID(int=number), UUID(int=number)])
        for key, publication, reason in changes:
            connection.execute("insert into crm.customer_key_changes values (?, ?, ?)",
                               [UUID(int=key), publication, reason])
        return "\n".join(publication_remarks(connection))


@pytest.mark.parametrize(("customers", "with_id", "words"), [
    (3, 0, "3 of 3 customers are known by e-mail or phone alone: customer_ids leads to none of "
           "them; deliver a customers export with their ids"),
    (3, 2, "1 of 3 customers is known by e-mail or phone alone: customer_ids does not lead to "
           "them, who are guests or in no customers export"),
    (4, 2, "2 of 4 customers are known by e-mail or phone alone: customer_ids does not lead to "
           "them, who are guests or in no customers export"),
    (3, 3, ""), (0, 0, "")])
def test_customers_without_an_id_are_counted(tmp_path: Path, customers: int, with_id: int,
                                             words: str) -> None:
    assert said(tmp_path, customers, with_id, []) == words


def test_keys_that_this_publication_changed_are_counted(tmp_path: Path) -> None:
    """An unmerge has a row for each new key; changes of earlier nights were told then."""
    changes = [(7, 1, "merge"), (8, 2, "merge"), (9, 2, "merge")]
    assert said(tmp_path, 1, 1, changes) == (
        "2 customers have a new key (merge): see customer_key_changes")
    assert key_changes_in_words({"unmerge": 1, "merge": 1}) == (
        "2 customers have a new key (merge 1, unmerge 1): see customer_key_changes")
    assert key_changes_in_words({"merge": 1}).startswith("1 customer has a new key")


def test_a_list_follows_its_keys_as_the_page_says() -> None:
    """Merged twice, once, and never; a change before the list was made is none of it."""
    page = (Path(__file__).parents[2] / "docs" / "bi.md").read_text(encoding="utf-8")
    section = page.split("## Keys that change\n", 1)[1].split("\n## ", 1)[0]
    query = textwrap.dedent("".join(
        line for line in section.splitlines(keepends=True) if line.startswith("    ")))
    with duckdb.connect() as connection:
        connection.execute("""
            create schema crm;
            create table crm.customer_key_changes as select * from (values
                ('a', 'b', 1), ('b', 'c', 2), ('d', 'e', 2), ('f', 'g', 2), ('g', 'f', 3)
            ) as changes(old_customer_key, new_customer_key, publication_id);
            create table my_list as
                select * from (values ('a'), ('d'), ('f'), ('x')) as l(customer_key)""")
        assert sorted(connection.execute(query).fetchall()) == [
            ("a", "c"), ("d", "e"), ("f", "f"), ("x", "x")]
