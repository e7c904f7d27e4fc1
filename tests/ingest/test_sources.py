"""sources.yaml and presets as people write them: what is taken over, what is refused and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.ingest.presets import Preset, load_presets, shipped_presets
from dagster_project.ingest.sources import Source, Sources, load_sources
from dagster_project.yaml_file import ConfigurationError

SHOP_PRESET = """\
preset: my_shop
title: {en: My shop, zh: 我的店}
kind: orders
recognise:
  columns: [No, Placed]
time_zone: Europe/Berlin
currency: EUR
id_space: my_shop
read: {delimiter: ";", encodings: [cp1252]}
columns:
  order_id: No
  ordered_at: {from: [Placed], format: "%d.%m.%Y"}
  unit_price: {from: [Total], number: {decimal: ","}}
"""
HEAD = "time_zone: Asia/Shanghai\nsources:\n"


def presets_of(folder: Path, text: str = SHOP_PRESET, name: str = "my_shop") -> tuple[Preset, ...]:
    """The presets of a home that has one."""
    (folder / "presets").mkdir(exist_ok=True)
    (folder / "presets" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return load_presets(folder / "presets")


def sources_of(folder: Path, text: str, presets: tuple[Preset, ...] = ()) -> Sources:
    """sources.yaml with this text below `sources:`."""
    path = folder / "sources.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    return load_sources(path, presets)


def only_source(folder: Path, text: str) -> Source:
    """The one source of a home with the preset of these tests."""
    (source,) = sources_of(folder, text, presets_of(folder)).sources
    return source


def test_a_source_takes_from_its_preset_what_it_does_not_say_itself(tmp_path: Path):
    source = only_source(tmp_path, """\
  north:
    preset: my_shop
    files: ["north/*"]
    currency: CHF
    read: {encodings: [utf-8]}
    columns: {customer_id: Client, unit_price: Amount}
""")
    assert (source.kind, source.time_zone, source.currency) == ("orders", "Europe/Berlin", "CHF")
    assert (source.read.delimiter, source.read.encodings) == (";", ("utf-8",))
    assert source.columns["order_id"].from_ == ("No",)
    assert source.columns["unit_price"].from_ == ("Amount",)
    assert source.columns["unit_price"].number is None
    assert list(source.columns) == ["order_id", "ordered_at", "unit_price", "customer_id"]


def test_a_preset_without_a_zone_leaves_that_of_the_home(tmp_path: Path):
    presets = presets_of(tmp_path, SHOP_PRESET.replace("time_zone: Europe/Berlin\n", ""))
    (source,) = sources_of(tmp_path, "  s: {preset: my_shop, files: [x]}\n", presets).sources
    assert source.time_zone == "Asia/Shanghai"


@pytest.mark.parametrize(("text", "fragments"), [
    ("  s: {preset: my_shp, files: [x]}\n",
     ["sources.yaml line 3, sources.s.preset", "did you mean 'my_shop'?"]),
    ("  s: {kind: order, files: [x]}\n", ["line 3, sources.s.kind", "did you mean 'orders'?"]),
    ("  s:\n    kind: orders\n    files: [x]\n    columns:\n      order_id: No\n"
     "      ordred_at: When\n      unit_price: P\n      currency: C\n",
     ["line 8, sources.s.columns.ordred_at", "did you mean 'ordered_at'?",
      "line 6, sources.s.columns: says nothing of ordered_at"]),
    ("  s:\n    preset: my_shop\n    files: [x]\n    columns:\n      order_id: {frm: No}\n",
     ["line 7, sources.s.columns.order_id.frm", "did you mean 'from'?"]),
    ("  s:\n    preset: my_shop\n    files: [x]\n    columns:\n      status:\n        from: S\n"
     "        words:\n          paid: complete\n",
     ["line 10, sources.s.columns.status.words.paid", "did you mean 'completed'?"]),
    ("  s: {preset: my_shop, files: [x], columns: {status: {from: S, constant: paid}}}\n",
     ["sources.s.columns.status.constant", "unknown word 'paid'"]),
    ("  s: {preset: my_shop, files: [x], columns: {unit_price: {from: P, number: "
     "{decimal: ',', thousands: ','}}}}\n", ["decimal and thousands are both ','"]),
    ("  s: {preset: my_shop, files: [x], columns: {unit_price: {from: P, format: '%d'}}}\n",
     ["unit_price is no time or date"]),
    ("  s: {preset: my_shop, files: [x], columns: {ordered_at: {from: P, format: dd.mm.yyyy}}}\n",
     ["'dd.mm.yyyy' is no date format"]),
    ("  s: {preset: my_shop, files: [x], columns: {discount: {from: P, once_per: order}}}\n",
     ["columns.discount.once_per", "did you mean 'order_id'?"]),
    ("  s: {preset: my_shop, files: [x], columns: {channel: {from: P, once_per: order_id}}}\n",
     ["only numbers are counted once"]),
    ("  s: {preset: my_shop, files: [x], columns: {channel: {from: P, pattern: '(?=x)'}}}\n",
     ["no look-around"]),
    ("  s: {preset: my_shop, files: [x], columns: {channel: {from: P, pattern: '('}}}\n",
     ["is no regular expression"]),
    ("  s: {preset: my_shop, files: [x], columns: {channel: {prefix: a}}}\n",
     ["says no column"]),
    ("  s: {preset: my_shop, files: [x], columns: {email: Mail, order_id: {join: [No, mail]}}}\n",
     ["columns.order_id.join.1", "mail is the email of a person"]),
    ("  s: {preset: my_shop, files: [x], customer_ids_are_personal: true, columns: "
     "{customer_id: Mail, order_id: {join: [No, Mail]}}}\n",
     ["columns.order_id.join.1", "Mail is the customer_id of a person"]),
    ("  s: {preset: my_shop, files: [x], left_out: [{rule: a, column: B}]}\n",
     ["sources.s.left_out.0", "exactly one of words, pattern, filled"]),
    ("  s: {preset: my_shop, files: [x], answers: [{question: Q, instrument: nps}]}\n",
     ["sources.s.answers: belong to kind surveys only"]),
    ("  s: {kind: surveys, files: [x], answers: [{question: {text: a, column: b}, "
     "instrument: nps}]}\n", ["answers.0.question", "state column"]),
    ("  s: {kind: surveys, files: [x], answers: [{question: Q, instrument: nps, "
     "scale: [10, 0]}]}\n", ["answers.0", "scale must rise"]),
    ("  s: {preset: my_shop, files: [x], lines: {numbered: {product_id: Item id}}}\n",
     ["sources.s.lines.numbered.product_id", "{n}"]),
    ("  s: {preset: my_shop, files: [x], read: {encodings: [utf-9]}}\n",
     ["sources.s.read.encodings", "'utf-9' is no encoding"]),
    ("  s: {preset: my_shop, files: [x], time_zone: China}\n", ["is no IANA time zone"]),
    ("  s: {preset: my_shop, files: [x], attributes: [age]}\n", ["belong to kind customers only"]),
    ("  s: {preset: my_shop, files: [x], other_ids: {desk: zendesk}}\n",
     ["sources.s.other_ids: belong to kind customers only"]),
    ("  s:\n    kind: customers\n    files: [x]\n    other_ids:\n      account_id: crm\n",
     ["line 7, sources.s.other_ids.account_id: is a column of customers", "for example crm_id"]),
    ("  s: {kind: customers, files: [x], attributes: [a], other_ids: {a: crm}}\n",
     ["sources.s.other_ids.a: is also in attributes"]),
    ("  s: {kind: customers, files: [x], other_ids: {a: email}}\n",
     ["sources.s.other_ids.a: email is no id space of ids"]),
    ("  s: {kind: customers, files: [x], other_ids: {a: Zendesk}}\n",
     ["'Zendesk' is no id space; write small letters"]),
    ("  s: {kind: customers, files: [x], other_ids: {Zendesk ID: zendesk}}\n",
     ["'Zendesk ID' can be no column's name here", "for example zendesk_id"]),
    ("  s: {kind: customers, files: [x], other_ids: {row_hash: crm}}\n",
     ["'row_hash' can be no column's name here"]),
    ("  s: {kind: customers, files: [x], other_ids: {crm_id: crm}, columns: {customer_id: No, "
     "crm_ids: Crm}}\n", ["columns.crm_ids", "did you mean 'crm_id'?"]),
])
def test_a_wrong_source_is_refused_with_its_place(tmp_path: Path, text: str,
                                                  fragments: list[str]):
    with pytest.raises(ConfigurationError) as refused:
        sources_of(tmp_path, text, presets_of(tmp_path))
    for fragment in fragments:
        assert fragment in str(refused.value)


@pytest.mark.parametrize(("change", "fragment"), [
    (("order_id: No", "order_nr: No"), "my_shop.yaml line 11, columns.order_nr: unknown column"),
    (("preset: my_shop", "preset: shop"), "the file must be named after it"),
    (("[No, Placed]", "[]"), "line 4, recognise"),
    (("kind: orders", "kind: odrers"), "did you mean 'orders'?"),
])
def test_a_wrong_preset_is_refused_with_its_place(tmp_path: Path, change: tuple[str, str],
                                                  fragment: str):
    with pytest.raises(ConfigurationError) as refused:
        presets_of(tmp_path, SHOP_PRESET.replace(*change))
    assert fragment in str(refused.value)


def test_a_preset_of_a_home_replaces_the_shipped_one(tmp_path: Path):
    known = shipped_presets()[0]
    presets = presets_of(tmp_path, SHOP_PRESET.replace("my_shop", known.preset), known.preset)
    assert [preset.title.en for preset in presets] == ["My shop"]
    with_shipped = load_presets(tmp_path / "presets", shipped_presets())
    assert [preset.preset for preset in with_shipped] == [
        preset.preset for preset in shipped_presets()]
    assert [preset for preset in with_shipped if preset.preset == known.preset] == list(presets)


def test_what_decides_how_a_row_is_read_is_in_the_hash_of_the_declaration(tmp_path: Path):
    line = "  s: {preset: my_shop, files: [x]}\n"
    first = only_source(tmp_path, line).declaration_hash
    assert only_source(tmp_path, line).declaration_hash == first
    for change in ("currency: CHF", "columns: {channel: {constant: web}}", "time_zone: UTC",
                   "left_out: [{rule: a, column: B, filled: true}]", "read: {header_row: 2}"):
        assert only_source(tmp_path, line.replace("files", f"{change}, files")) \
            .declaration_hash != first
    assert only_source(tmp_path, line.replace("files", "maximum_rejected_share: 0.5, files")) \
        .declaration_hash == first
