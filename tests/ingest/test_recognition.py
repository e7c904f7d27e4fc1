"""Which source a file belongs to: by what sources.yaml says, canonical columns, or one preset."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dagster_project.ingest.loading import IngestReport, words_of
from dagster_project.ingest.presets import Preset
from dagster_project.ingest.sources import Sources
from tests.ingest.conftest import Landing

CANONICAL = "order_id,ordered_at,unit_price,currency\no1,2026-01-05,1,CNY\n"
LEDGER = "select source, file_name from load_ledger order by load_seq"


def preset(name: str, **changes: Any) -> Preset:
    """A preset of orders, known by its columns No and Placed."""
    return Preset.model_validate({
        "preset": name, "title": {"en": name.title(), "zh": name}, "kind": "orders",
        "recognise": {"columns": ["No", "Placed"]}, "time_zone": "UTC", "currency": "EUR",
        "columns": {"order_id": "No", "ordered_at": "Placed", "unit_price": "Price"}, **changes})


@pytest.fixture
def home(landing_of: Callable[..., Landing]) -> Callable[..., Landing]:
    """Makes a Landing with these presets and a source of canonical orders."""
    def make(*presets: Preset, **sources: Any) -> Landing:
        landing = landing_of(unused={"kind": "orders", "files": ["unused/*"]})
        declared = sources or {"orders": {"kind": "orders", "files": ["orders*"]}}
        landing.sources = Sources.model_validate(
            {"time_zone": "Asia/Shanghai", "sources": declared}, context={"presets": presets})
        return landing
    return make


def line_of(report: IngestReport, name: str) -> str:
    """What people are told of a file."""
    (line,) = [line for line in words_of(report) if line.startswith(f"landing/{name}:")]
    return line


def test_a_canonical_file_is_that_of_the_source_that_claims_it(home):
    landing = home(preset("shop"))
    landing.put("orders.csv", CANONICAL)
    assert line_of(landing.load(), "orders.csv").startswith(
        "landing/orders.csv: canonical orders, source orders; 1 rows read, 1 loaded")


@pytest.mark.parametrize("name", ["orders.csv", "whatever/it is.csv"])
def test_a_file_that_one_preset_knows_is_a_source_of_its_name(home, name):
    landing = home(preset("shop"), preset("other", recognise={"columns": ["No", "Date"]}))
    landing.put(name, "no,PLACED ,Price\n7,2026-01-05,9\n")
    assert line_of(landing.load(), name).startswith(
        f"landing/{name}: Shop (preset shop); 1 rows read, 1 loaded")
    assert landing.rows("select source, order_id, currency from raw_order_lines") == [
        ("shop", "7", "EUR")]
    again = landing.load()
    assert (again.known_n, again.loaded, again.refused) == (1, [], {})


def test_a_source_that_names_a_preset_is_asked_before_all_others(home):
    """Its name is part of every key: the file must not become another source's by its header."""
    landing = home(preset("shop"), north={"preset": "shop", "files": ["north/*"],
                                          "columns": {"channel": {"constant": "north"}}})
    landing.put("north/a.csv", "No,Placed,Price\n7,2026-01-05,9\n")
    landing.put("b.csv", "No,Placed,Price\n8,2026-01-05,9\n")
    report = landing.load()
    assert landing.rows(LEDGER) == [("shop", "b.csv"), ("north", "north/a.csv")]
    assert "preset shop, source north" in line_of(report, "north/a.csv")
    assert landing.only("select channel from raw_order_lines where source = 'north'") == "north"


def test_a_source_that_bears_a_preset_and_its_name_is_meant_everywhere(home):
    landing = home(preset("shop"), shop={"preset": "shop", "files": ["a*"], "currency": "CHF"})
    landing.put("b.csv", "No,Placed,Price\n8,2026-01-05,9\n")
    landing.load()
    assert landing.rows("select source, currency from raw_order_lines") == [("shop", "CHF")]


@pytest.mark.parametrize("name", ["orders.csv", "somewhere.csv"])
def test_a_file_that_several_presets_fit_is_refused(home, name):
    landing = home(preset("one"), preset("two"))
    landing.put(name, "No,Placed,Price\n7,2026-01-05,9\n")
    assert "any of the layouts one, two; state which" in landing.load().refused[name]


def test_what_must_not_be_there_and_what_must_look_so_decide(home):
    landing = home(
        preset("plain", recognise={"columns": ["No"], "none_of": ["Line"], "any_of": [["Placed"]],
                                   "patterns": ["^P.*d$"]}),
        preset("lined", recognise={"columns": ["No", "Line"]}),
        preset("three", recognise={"columns": ["No"], "none_of": ["Line"],
                                   "header_rows": {2: "^(id|nr)$"}},
               read={"rows_after_header": 1}))
    landing.put("a.csv", "No,Placed,Price\n1,2026-01-05,9\n")
    landing.put("b.csv", "No,Placed,Price,Line\n2,2026-01-05,9,1\n")
    landing.put("c.csv", "No,When,Placed,Price\nnr,x,x,x\n3,x,2026-01-05,9\n")
    landing.sources = Sources.model_validate(
        {"time_zone": "UTC", "sources": {"orders": {"kind": "orders", "files": ["orders*"]}}},
        context={"presets": landing.sources.presets})
    report = landing.load()
    assert landing.rows("select source, order_id from raw_order_lines where source <> 'three' "
                        "order by order_id") == [("plain", "1"), ("lined", "2")]
    assert "plain, three" in report.refused["c.csv"]


def test_a_header_further_down_another_encoding_and_delimiter_are_found(home):
    known = preset("shop", read={"header_row": 3, "encodings": ["utf-8", "gb18030"]},
                   recognise={"columns": ["订单号", "Placed"]},
                   columns={"order_id": "订单号", "ordered_at": "Placed", "unit_price": {
                       "from": "Price", "number": {"decimal": ","}}})
    landing = home(known)
    text = "Report\n\nSeller;x\n订单号;Placed;Price\n7;2026-01-05;9,5\n"
    landing.put("a.csv", text.replace("\n\n", "\n").encode("gb18030"))
    landing.put("b.csv.gz", gzip.compress(text.replace("\n\n", "\n").replace("7", "8").encode()))
    report = landing.load()
    assert report.refused == {}
    assert landing.rows("select order_id, cast(unit_price as varchar) from raw_order_lines "
                        "order by 1") == [("7", "9.5000"), ("8", "9.5000")]


def test_a_claimed_file_that_nothing_fits_is_refused_with_the_nearest_presets(home):
    landing = home(preset("shop", recognise={"columns": ["No", "Placed", "Till"]}),
                   preset("kiosk", recognise={"columns": ["A", "B", "No"]}),
                   preset("far", recognise={"columns": ["X", "Y", "Z"]}))
    landing.put("orders.csv", "No,Placed,ordred_at\n7,2026-01-05,9\n")
    said = landing.load().refused["orders.csv"]
    for words in ("lacks order_id, ordered_at (did you mean 'ordred_at'?), unit_price, currency",
                  "Nearest presets: shop (lacks Till); kiosk (lacks A, B)", "sources.orders",
                  "Header: No, Placed, ordred_at"):
        assert words in said
    assert "far" not in said


def test_a_changed_export_that_nobody_claims_is_refused_other_files_are_left_alone(home):
    """An export whose column was renamed would otherwise be missing, and nobody would know."""
    landing = home(preset("shop", recognise={"columns": ["No", "Placed", "Till", "Price"]}))
    landing.put("a.csv", "No,Placed,Till 2,Price\n7,2026-01-05,x,9\n")
    landing.put("notes.txt", "call Anna")
    landing.put("plan.csv", "week,who\n1,Anna\n")
    landing.put("broken.xlsx", b"no workbook")
    report = landing.load()
    assert list(report.refused) == ["a.csv"]
    assert "shop (lacks Till)" in report.refused["a.csv"]
    assert report.unclaimed == ["broken.xlsx", "notes.txt", "plan.csv"]


ZONED = {"read": {"rows_after_header": 1}, "time_zone_key": "zone", "time_zone": None}


@pytest.mark.parametrize(("cell", "stated", "utc"), [
    ('{""zone"":""America/New_York""}', {}, "2026-01-05 15:00:00"),
    ('{""zone"":""America/New_York""}', {"time_zone": "UTC"}, "2026-01-05 15:00:00"),
    ('{""id"":1}', {"time_zone": "Europe/Berlin"}, "2026-01-05 09:00:00"),
])
def test_the_zone_inside_a_file_is_taken(home, cell, stated, utc):
    known = preset("shop", **{key: value for key, value in ZONED.items() if value})
    source = {"shop": {"preset": "shop", "files": ["a*"], **stated}}
    landing = home(known.model_copy(update={"time_zone": None}), **source)
    landing.put("a.csv", f'No,Placed,Price\nx,"{cell}",x\n7,2026-01-05 10:00:00,9\n')
    landing.load()
    assert str(landing.only("select ordered_at from raw_order_lines")) == utc


@pytest.mark.parametrize(("cells", "words"), [
    (("x", "y"), "names no zone under zone"),
    (('"{""zone"":""UTC""}"', '"{""zone"":""Asia/Tokyo""}"'), "names the zones Asia/Tokyo, UTC"),
    (('"{""zone"":""Mars""}"', "y"), "'Mars' is no IANA time zone"),
])
def test_a_zone_that_is_not_clear_refuses_the_file(home, cells, words):
    """Read in the home's zone, a survey's answers would move by half a day."""
    known = preset("shop", **{key: value for key, value in ZONED.items() if value})
    landing = home(known)
    landing.put("a.csv", f"No,Placed,Price\n{cells[0]},{cells[1]},x\n7,2026-01-05 10:00:00,9\n")
    said = landing.load().refused["a.csv"]
    assert words in said
    assert "state time_zone: in a source" in said


def test_the_files_of_a_preset_keep_their_source_when_a_source_claims_them_later(home,
                                                                                tmp_path: Path):
    """What was loaded under a preset's name is not loaded again by the same name."""
    landing = home(preset("shop"))
    landing.put("orders_1.csv", "No,Placed,Price\n7,2026-01-05,9\n")
    landing.load()
    landing.put("orders_2.csv", CANONICAL)
    report = landing.load()
    assert landing.rows(LEDGER) == [("shop", "orders_1.csv"), ("orders", "orders_2.csv")]
    assert report.known_n == 1


@pytest.mark.parametrize(("sign", "words"), [(";", "';'"), ("\t", "a tab"), ("|", "'|'")])
def test_a_header_that_nothing_knows_gets_no_nearest_preset_but_a_question(home, sign, words):
    """Presets of which nothing matches are no help; the delimiter may be all that is wrong."""
    landing = home(preset("shop"), preset("kiosk", recognise={"columns": ["A", "B"]}))
    landing.put("orders.csv", sign.join(["nr", "when", "what"]) + "\n" + sign.join("abc") + "\n")
    said = landing.load().refused["orders.csv"]
    assert "earest preset" not in said
    assert "(docs/presets.md)" in said
    assert said.endswith(f"(one column: does {words} part its cells? Then state it as delimiter: "
                         f"under read:)")
