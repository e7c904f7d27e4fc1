"""How a file is to be read, and what is known of it before its rows are: models, no reading.

`ReadRules` stands under `read:` in presets and in sources.yaml. What the columns mean is said in
the mapping; which bytes are which cell is said here. The reading itself is the engine's work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

Format = Literal["csv", "tsv", "jsonl", "json", "parquet", "excel"]
FORMATS: tuple[Format, ...] = get_args(Format)
ENDINGS: dict[str, Format] = {
    ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
    ".parquet": "parquet", ".xlsx": "excel", ".xlsm": "excel", ".xls": "excel",
}
DELIMITERS: dict[str, str] = {"csv": ",", "tsv": "\t"}
# Formats whose columns are the keys that the rows happen to have: no rows, no columns.
KEYED_FORMATS: tuple[Format, ...] = ("jsonl", "json")


class ReadRules(BaseModel):
    """How the bytes of an export become cells of text.

    Attributes:
        formats: what a file may be; empty: what its ending says. One format holds for every
            ending, several only for the endings that mean one of them.
        encodings: of text, tried in this order; the first that the whole file is in is taken.
            `utf-8` may begin with a byte order mark. Nothing is guessed beyond this list.
        delimiter: one character between cells; None: comma for csv, tab for tsv.
        header_row: the row that names the columns, 1 for the first row of the file or sheet.
        rows_after_header: further header rows below it that are no data.
        sheet: name of the sheet of a workbook; None: its only visible one.
        empty_words: cells that mean no value, for example `-` or `(空)`.
        strip_prefixes: what a program put in front of ids to keep them text: `'`, a tab, or `=`
            for cells written as ="00123".
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    formats: tuple[Format, ...] = ()
    encodings: tuple[str, ...] = Field(default=("utf-8",), min_length=1)
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    header_row: int = Field(default=1, ge=1, le=1000)
    rows_after_header: int = Field(default=0, ge=0, le=100)
    sheet: str | None = None
    empty_words: tuple[str, ...] = ()
    strip_prefixes: tuple[str, ...] = ()

    @field_validator("encodings")
    @classmethod
    def _known_encodings(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            try:
                "".encode(name)
            except (LookupError, ValueError) as error:
                raise ValueError(
                    f"{name!r} is no encoding, for example utf-8, gb18030, cp1252") from error
        return names

    @field_validator("delimiter")
    @classmethod
    def _can_part_cells(cls, delimiter: str | None) -> str | None:
        if delimiter is not None and (delimiter in '"\r\n\0' or ord(delimiter) > 127):
            raise ValueError(f"{delimiter!r} cannot part cells; usual are , ; | and a tab (\\t)")
        return delimiter


@dataclass(frozen=True)
class Look:
    """What is known of a file before its rows are read.

    Attributes:
        format: one of FORMATS.
        encoding: of text formats; None for workbooks and Parquet.
        delimiter: of csv and tsv.
        header_rows: names of the columns in the file's own spelling without spaces around them
            (in JSON `a.b` for key b of an object under key a), then the further header rows.
            `lines` has its columns c0, c1 ... in the order of the first.
        first_rows: the first rows of the file as they stand, header rows among them.
        sheets: visible sheets of a workbook.
        sheet: the one that is read.
    """

    format: Format
    encoding: str | None
    delimiter: str | None
    header_rows: tuple[tuple[str, ...], ...]
    first_rows: tuple[tuple[str, ...], ...] = ()
    sheets: tuple[str, ...] = ()
    sheet: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.header_rows[0] if self.header_rows else ()
