"""The rules between the keys of `config/crm.yaml`: what a single section cannot see."""

from __future__ import annotations

import difflib
import itertools
import re
import zoneinfo
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from dagster_project.configuration.indicator_kinds import (
    COLUMNS,
    KIND_RULES,
    OPTIONS,
    SCORE_OPTIONS,
)
from dagster_project.configuration.sections import (
    CATCH_ALL,
    LEVELS,
    NAME,
    NAME_LENGTH,
    PLAIN,
    REQUIRED_COMPOSITES,
    RFM_MEASURES,
    RFM_RESERVED,
    TAKEN_NAMES,
    TOKEN,
    Composite,
    CostToServe,
    Cut,
    Identities,
    Indicator,
    Matrix,
    MatrixCuts,
    Profile,
    ProfileIndicator,
    RfmBox,
    RfmMeasure,
    RfmSegment,
    TierCuts,
    quadrant_name,
)
from dagster_project.yaml_file import Fault, KeyPath, unknown

if TYPE_CHECKING:
    from dagster_project.configuration import Configuration


def broken_rules(configuration: Configuration) -> Iterator[Fault]:
    """Key and words of everything that its sections do not agree on."""
    yield from _business_faults(configuration)
    yield from _identity_faults(configuration.identities)
    for name, indicator in configuration.indicators.items():
        path: KeyPath = ("indicators", name)
        yield from _name_faults(path, name)
        yield from _kind_faults(path, indicator)
        yield from _score_faults((*path, "score"), indicator)
    yield from _composite_faults(configuration)
    yield from _profile_faults(configuration)
    figures = configuration.population_figures
    if figures.few_n < figures.minimum_n:
        yield ("population_figures", "few_n"), (
            f"is {figures.few_n}, must be at least minimum_n ({figures.minimum_n}): what is too "
            "few to be shown cannot be shown as few"
        )
    yield from _tier_faults(("tiers",), configuration.tiers)
    yield from _matrix_faults(("matrix",), configuration.matrix)
    yield from _cell_faults(configuration.matrix)
    yield from _serving_faults(configuration.cost_to_serve)
    yield from _segment_faults(configuration)


def _business_faults(configuration: Configuration) -> Iterator[Fault]:
    zones = zoneinfo.available_timezones()
    zone = configuration.business.time_zone
    if zone not in zones:
        close = difflib.get_close_matches(zone, zones, n=1)
        guess = f", did you mean {close[0]!r}?" if close else ""
        yield ("business", "time_zone"), (
            f"unknown time zone {zone!r}{guess} Use an IANA name such as Asia/Shanghai"
        )
    currency = configuration.business.base_currency
    if not re.fullmatch("[A-Z]{3}", currency):
        yield ("business", "base_currency"), (
            f"is {currency!r}, must be the three capital letters of ISO 4217, such as CNY"
        )
    for position, identifier in enumerate(configuration.exclude.customers.ids):
        if "@" in identifier or not identifier.strip():
            # The list is published with the configuration, and personal data must not be.
            yield ("exclude", "customers", "ids", position), (
                "must be a customer id as the exports write it, not an e-mail address"
            )


def _identity_faults(identities: Identities) -> Iterator[Fault]:
    for position, pair in enumerate(identities.never_merge):
        path: KeyPath = ("identities", "never_merge", position)
        if len(pair) != 2 or pair[0].strip() == pair[1].strip():
            yield path, "must be two different ids, such as [C-1, C-2]"
        if any("@" in one or not one.strip() for one in pair):
            # The list is published with the configuration, and personal data must not be.
            yield path, "must be customer ids as the exports write them, or tokens; an e-mail " \
                        "address has a token: crm-value explain names it"
    for position, token in enumerate(identities.ignored_contacts):
        if not TOKEN.fullmatch(token):
            yield ("identities", "ignored_contacts", position), (
                "must be the token of the contact, such as "
                "1f0e8a1c-6f0f-3b1c-9d3e-0a1b2c3d4e5f; crm-value explain names it when it is "
                "asked for the address or number"
            )


def _name_faults(path: KeyPath, name: str) -> Iterator[Fault]:
    if not NAME.match(name) or len(name) > NAME_LENGTH:
        yield path, (
            f"the name {name!r} must begin with a-z, hold only a-z, 0-9 and single _, and have "
            f"at most {NAME_LENGTH} characters, since columns are named after it"
        )


def _kind_faults(path: KeyPath, indicator: Indicator) -> Iterator[Fault]:
    kind, rule = indicator.kind, KIND_RULES[indicator.kind]
    if indicator.of not in rule.of:
        yield (*path, "of"), f"is {indicator.of!r}; {kind} is of {' or '.join(rule.of)}"
        return
    for option in rule.required:
        if getattr(indicator, option) is None:
            yield (*path, option), f"must be given for kind {kind}"
    misplaced = {
        option for option in OPTIONS
        if getattr(indicator, option) not in (None, (), False)
        and option not in rule.required + rule.optional
    }
    if indicator.types and indicator.of != "interactions":
        misplaced.add("types")
    if indicator.skip_first and indicator.of != "orders":
        misplaced.add("skip_first")
    if indicator.skip_first and indicator.channels:
        yield (*path, "channels"), (
            "cannot stand beside skip_first: a customer's first purchase is counted over all "
            "channels; leave one of the two out"
        )
    for option in sorted(misplaced):
        allowed = ", ".join((*rule.required, *rule.optional, "score", "unit", "label"))
        yield (*path, option), (
            f"does not belong to kind {kind} of {indicator.of}; its options are: {allowed}"
        )
    columns = COLUMNS.get(indicator.of, ())
    is_closed = columns and "column" not in misplaced
    if is_closed and indicator.column is not None and indicator.column not in columns:
        yield (*path, "column"), unknown("column", indicator.column, columns)
    for option in ("column", "instrument"):
        value = getattr(indicator, option)
        if value is not None and not PLAIN.match(value):
            yield (*path, option), f"{value!r} holds quotes, braces or is empty or too long"
    absent = rule.absent if indicator.of == "interactions" else rule.absent[:2]
    if indicator.absent is not None and indicator.absent not in absent:
        yield (*path, "absent"), (
            f"is {indicator.absent!r}; for kind {kind} of {indicator.of} it is "
            f"{' or '.join(absent)}"
        )


def _score_faults(path: KeyPath, indicator: Indicator) -> Iterator[Fault]:
    score = indicator.score
    options = SCORE_OPTIONS[score.method]
    for option in ("better", "points", "k"):
        if getattr(score, option) is not None and option not in options:
            yield (*path, option), f"does not belong to method {score.method}"
    if score.method == "survey" and indicator.kind != "mean_answer":
        yield (*path, "method"), "survey is for kind mean_answer; use percentile or threshold"
    if score.method == "survey" and score.k is None:
        yield (*path, "k"), "must be given for method survey, for example 3"
    if score.method != "threshold":
        return
    points = score.points
    if points is None or len(points) < 2:
        yield (*path, "points"), "must be given for method threshold: two or more [fact, score]"
        return
    facts, scores = [x for x, _ in points], [y for _, y in points]
    if any(later <= earlier for earlier, later in zip(facts, facts[1:], strict=False)):
        yield (*path, "points"), "the facts (first numbers) must rise from point to point"
    if max(abs(fact) for fact in facts) > Decimal(10) ** 15:
        yield (*path, "points"), "facts must lie between -1e15 and 1e15"
    if scores not in (sorted(scores), sorted(scores, reverse=True)):
        yield (*path, "points"), "the scores (second numbers) must rise or fall throughout"


def _composite_faults(configuration: Configuration) -> Iterator[Fault]:
    composites, indicators = configuration.composites, configuration.indicators
    for name in REQUIRED_COMPOSITES:
        if name not in composites:
            yield ("composites", name), "must be given, since published tables have its column"
    known = [*indicators, *composites]
    for name, composite in composites.items():
        path: KeyPath = ("composites", name)
        yield from _name_faults(path, name)
        if name in indicators:
            yield path, "is the name of an indicator too; choose another"
        if name in TAKEN_NAMES:
            yield path, "is the name of a fixed column; choose another"
        yield from _weight_faults((*path, "parts"), composite.parts)
        for part in composite.parts:
            if part not in indicators and part not in composites:
                yield (*path, "parts", part), unknown("indicator or composite", part, known)
    yield from _cycle_faults(composites)


def _weight_faults(path: KeyPath, parts: dict[str, Decimal]) -> Iterator[Fault]:
    total = sum(parts.values(), Decimal(0))
    if total != 1:
        yield path, f"weights add up to {format(total.normalize(), 'f')}, must be 1"


def _cycle_faults(composites: dict[str, Composite]) -> Iterator[Fault]:
    """One fault for each composite that is part of itself."""
    for name in composites:
        reached: set[str] = set()
        waiting = list(composites[name].parts)
        while waiting:
            part = waiting.pop()
            if part in composites and part not in reached:
                reached.add(part)
                waiting.extend(composites[part].parts)
        if name in reached:
            circle = " and ".join(sorted(
                other for other in reached if name in _reached_from(composites, other)
            ))
            yield ("composites", name, "parts"), f"is part of itself, in a circle of {circle}"


def _reached_from(composites: dict[str, Composite], name: str) -> set[str]:
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        for part in composites[waiting.pop()].parts:
            if part in composites and part not in reached:
                reached.add(part)
                waiting.append(part)
    return reached


def _profile_faults(configuration: Configuration) -> Iterator[Fault]:
    profiles = configuration.profiles
    if not profiles or profiles[-1].name != CATCH_ALL or profiles[-1].customer_types is not None:
        yield ("profiles",), (
            f"the last profile must be named {CATCH_ALL!r} and have no customer_types, so that "
            "every customer has one"
        )
    claimed = set(configuration.exclude.customers.types)
    is_everyone_claimed = False
    for position, profile in enumerate(profiles):
        path: KeyPath = ("profiles", position)
        yield from _name_faults((*path, "name"), profile.name)
        if profile.name in [earlier.name for earlier in profiles[:position]]:
            yield (*path, "name"), f"a profile {profile.name!r} stands above already"
        types = profile.customer_types
        if is_everyone_claimed:
            yield path, "no customer can have it: a profile above takes everyone"
        elif types is None:
            is_everyone_claimed = True
        elif not set(types) - claimed:
            yield (*path, "customer_types"), (
                "no customer can have it: its types are "
                + ("none" if not types else "all excluded or taken by profiles above")
            )
        claimed |= set(types or ())
        yield from _override_faults(path, profile, configuration)


def _override_faults(
    path: KeyPath, profile: Profile, configuration: Configuration
) -> Iterator[Fault]:
    for name, measured in profile.indicators.items():
        yield from _profile_indicator_faults((*path, "indicators", name), name, measured,
                                             configuration)
    for name, override in profile.composites.items():
        where: KeyPath = (*path, "composites", name)
        base = configuration.composites.get(name)
        if base is None:
            yield where, unknown("composite", name, list(configuration.composites))
            continue
        yield from _weight_faults((*where, "parts"), override.parts)
        for part in override.parts:
            if part not in base.parts:
                yield (*where, "parts", part), unknown(f"part of {name}", part, list(base.parts))
    if profile.cuts.tiers:
        yield from _tier_faults((*path, "cuts", "tiers"), profile.cuts.tiers)
    if profile.cuts.matrix:
        yield from _matrix_faults((*path, "cuts", "matrix"), profile.cuts.matrix)


def _profile_indicator_faults(
    path: KeyPath, name: str, measured: ProfileIndicator, configuration: Configuration
) -> Iterator[Fault]:
    base = configuration.indicators.get(name)
    if base is None:
        yield path, unknown("indicator", name, list(configuration.indicators))
        return
    given = [option for option in ("window_days", "half_life_days")
             if getattr(measured, option) is not None]
    if not given:
        yield path, "must give window_days or half_life_days, else leave it out"
    rule = KIND_RULES[base.kind]
    for option in given:
        if option not in rule.required + rule.optional:
            yield (*path, option), f"does not belong to kind {base.kind} of {base.of}"


def _cut_faults(path: KeyPath, cut: Cut) -> Iterator[Fault]:
    if (cut.quantile is None) == (cut.score is None):
        yield path, "must have either quantile (0-1) or score (0-100)"


def _tier_faults(path: KeyPath, tiers: TierCuts) -> Iterator[Fault]:
    high, medium = tiers.high, tiers.medium
    yield from _cut_faults((*path, "high"), high)
    yield from _cut_faults((*path, "medium"), medium)
    if (high.quantile is None) != (medium.quantile is None):
        yield path, "high and medium must both be quantiles or both be scores"
    elif high.quantile is not None and medium.quantile is not None:
        if high.quantile <= medium.quantile:
            yield path, "cuts must fall: high above medium"
    elif high.score is not None and medium.score is not None and high.score <= medium.score:
        yield path, "cuts must fall: high above medium"


def _matrix_faults(path: KeyPath, matrix: MatrixCuts) -> Iterator[Fault]:
    yield from _cut_faults((*path, "value"), matrix.value)
    yield from _cut_faults((*path, "loyalty"), matrix.loyalty)


def _cell_faults(matrix: Matrix) -> Iterator[Fault]:
    seen: set[str] = set()
    for position, cell in enumerate(matrix.cells):
        if cell.quadrant in seen:
            yield ("matrix", "cells", position), f"maps {cell.quadrant} a second time"
        seen.add(cell.quadrant)
    for value in LEVELS:
        for loyalty in LEVELS:
            if quadrant_name(value, loyalty) not in seen:
                yield ("matrix", "cells"), (
                    f"no cell maps value {value} and loyalty {loyalty}"
                )


def _serving_faults(costs: CostToServe) -> Iterator[Fault]:
    for name in costs.types:
        if not PLAIN.match(name):
            yield ("cost_to_serve", "types", name), (
                f"{name!r} must be 1 to 60 characters without quotes, backslashes and braces")


def _segment_faults(configuration: Configuration) -> Iterator[Fault]:
    segments = configuration.segments
    bands = segments.age_bands
    if any(later <= earlier for earlier, later in itertools.pairwise(bands)):
        yield ("segments", "age_bands"), "the ages must rise"
    for name in RFM_MEASURES:
        measure: RfmMeasure | None = getattr(segments.rfm, name)
        if measure is not None:
            yield from _rfm_measure_faults(
                ("segments", "rfm", name), measure, configuration.indicators)
    yield from _rfm_map_faults(("segments", "rfm", "segments"), segments.rfm.segments)


def _rfm_measure_faults(
    path: KeyPath, measure: RfmMeasure, indicators: dict[str, Indicator]
) -> Iterator[Fault]:
    if (measure.cuts is None) == (measure.indicator is None):
        yield path, "must have either cuts (four rising numbers) or indicator"
    elif measure.cuts is not None:
        if any(later <= earlier for earlier, later in itertools.pairwise(measure.cuts)):
            yield (*path, "cuts"), "the four numbers must rise"
    elif measure.indicator not in indicators:
        yield (*path, "indicator"), unknown("indicator", str(measure.indicator), list(indicators))


def _rfm_map_faults(path: KeyPath, segments: tuple[RfmSegment, ...]) -> Iterator[Fault]:
    """Every cell has one segment, so that every buyer has one."""
    owners: dict[str, str] = {}
    for position, segment in enumerate(segments):
        where: KeyPath = (*path, position)
        yield from _name_faults((*where, "segment"), segment.segment)
        if segment.segment in RFM_RESERVED:
            yield (*where, "segment"), "is a word for customers without a cell; choose another"
        if segment.segment in [earlier.segment for earlier in segments[:position]]:
            yield (*where, "segment"), f"a segment {segment.segment!r} stands above already"
        for number, box in enumerate(segment.where):
            if any(low > high for low, high in (box.recency, box.frequency, box.monetary)):
                yield (*where, "where", number), "a range goes from the lower to the higher score"
            taken = sorted({cell for cell in box.cells() if cell in owners})
            if taken:
                yield (*where, "where", number), (
                    f"maps {_few(taken)} a second time; {owners[taken[0]]} has "
                    f"{taken[0]} already")
            for cell in box.cells():
                owners.setdefault(cell, segment.segment)
    missing = sorted(set(RfmBox().cells()) - set(owners))
    if missing:
        yield path, (f"no segment has {_few(missing)} (recency, frequency, monetary); every buyer "
                     "must have one")


def _few(cells: list[str]) -> str:
    rest = f" and {len(cells) - 3} more" if len(cells) > 3 else ""
    return f"cell{'s' if len(cells) > 1 else ''} {', '.join(cells[:3])}{rest}"
