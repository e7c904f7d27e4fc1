"""Who is one customer in a night: the statements in raw, merged by the rules of crm.yaml.

How identities are merged stands in `identities.py`, how raw is asked in the engine.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator
from datetime import date

import pandas as pd

from dagster_project.configuration import Configuration, Identities
from dagster_project.customers.identities import (
    IGNORED,
    MergeRules,
    Merges,
    identity_token,
    merge_identities,
)
from dagster_project.engine.contact_edges import Readable, read_edges
from dagster_project.ingest.contacts import CONTACT_SPACES, normal_contact
from dagster_project.ingest.sources import Sources


def merges_of(engine: Readable, configuration: Configuration, tokens: Tokens, as_of_date: date,
              known_load_seq: int) -> Merges:
    """The merges of D, as known at K, under a configuration.

    Args:
        tokens: of the home.
    """
    rules = merge_rules(configuration.identities, tokens)
    return merge_identities(
        read_edges(engine, as_of_date, known_load_seq, configuration.business.time_zone,
                   rules.maximum_customers_per_contact, rules.named), rules)


class Tokens:
    """What a clear id of this home may stand for."""

    def __init__(self, secret: bytes, sources: Sources) -> None:
        self._secret = secret
        self._sources = sources.sources
        self.spaces = sources.id_spaces

    def readings(self, text: str) -> Iterator[tuple[str, str]]:
        """(id space, id) that a text may mean: in every space, or in the one before its colon."""
        for space in self.spaces:
            yield space, text
        space, colon, value = text.partition(":")
        if colon and value and space in self.spaces:
            yield space, value

    def of_id(self, text: str) -> frozenset[str]:
        """Tokens of a customer id, `zendesk:123` where its space is known; one is itself."""
        return frozenset((*self._as_token(text), *(
            identity_token(self._secret, space, value) for space, value in self.readings(text))))

    def of_contact(self, text: str) -> frozenset[str]:
        """Tokens of an e-mail address or telephone number, as the sources read it."""
        return frozenset(
            identity_token(self._secret, space, value)
            for source in self._sources for space in CONTACT_SPACES
            if (value := normal_contact(space, text, source.emails, source.phone_region)))

    def _as_token(self, text: str) -> Iterator[str]:
        try:
            yield str(uuid.UUID(text))
        except ValueError:
            return


def merge_rules(identities: Identities, tokens: Tokens) -> MergeRules:
    """The rules of crm.yaml, in tokens."""
    return MergeRules(
        identities.maximum_customers_per_contact,
        frozenset(identities.ignored_contacts),
        tuple((tokens.of_id(one.strip()), tokens.of_id(other.strip()))
              for one, other in identities.never_merge),
        identities.source_priority)


def left_out_identities(configuration: Configuration, tokens: Tokens) -> pd.DataFrame:
    """Identities that crm.yaml leaves out by list: identity_id, rule."""
    listed = {token for value in configuration.exclude.customers.ids
              for token in tokens.of_id(value) | tokens.of_contact(value)}
    return pd.DataFrame(
        [*_by_rule(listed, "listed_customer"),
         *_by_rule(configuration.identities.ignored_contacts, IGNORED)],
        columns=["identity_id", "rule"], dtype=str)


def _by_rule(identities: Collection[str], rule: str) -> Iterator[dict[str, str]]:
    for identity in sorted(identities):
        yield {"identity_id": identity, "rule": rule}
