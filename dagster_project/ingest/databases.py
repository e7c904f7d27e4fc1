"""What is new in a database -> chunks: Parquet files of text columns that are loaded like files.

Here belongs everything that is said to the database: one read-only transaction, one ordered
query that is streamed, and where it is cut. What the rows mean is the source's mapping; that a
chunk and its cursor are committed together is the engine's promise.

What is promised of a chunk:

- it ends between two values of the cursor, so that rows with equal values, and with `document`
  all lines of an order, lie in one load;
- the cursor that is committed with it is the value of its last row. A night that is killed goes
  on behind the last committed chunk;
- the rows from that value on (less `look_back`) are read again, and the load knows them as
  repeats by their id and version, or without an id by their content and their place among equal
  rows.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from dagster_project.engine.interface import Engine, LoadRequest, ReadCursor
from dagster_project.ingest.landing import FileRefused
from dagster_project.ingest.origins import Database
from dagster_project.ingest.sources import Source

DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg",
           "sqlite": "sqlite+pysqlite"}
CONNECT_SECONDS = 20
# Rows that are held in memory at a time, on both sides.
BATCH_ROWS = 2_000
LONGEST_SHOWN_CURSOR = 60
CURSOR_COLUMN = "crm_cursor"

CursorValue = int | date | datetime | str
UrlOf = Callable[[str], str | None]


@dataclass(frozen=True)
class Chunk:
    """Some rows of a database, in the order of their cursor.

    Attributes:
        name: `database:<source>/<first cursor>..<last cursor>`.
        path: Parquet file of text columns.
        content_hash: of query and rows, whatever order the database gave equal cursors in.
        reached: cursor up to which everything is read once this chunk is loaded.
        is_advance: the cursor has not been as far before.
    """

    name: str
    path: Path
    content_hash: str
    reached: str
    is_advance: bool
    rows_n: int


def query_hash(database: Database) -> str:
    """Hash of what the cursor's values belong to; another query is read from its beginning."""
    text = json.dumps([database.url, database.query, database.cursor, database.document])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_chunks(source: str, database: Database, url_of: UrlOf, last: str | None,
                folder: Path) -> Generator[Chunk, None, None]:
    """The rows that are new since `last`, chunk by chunk; each is written when it is asked for.

    Args:
        source: name of the source.
        database: where, which query, which cursor.
        url_of: value of an environment variable; None if it is not set.
        last: `reached` of the last chunk that was committed for this query; None: from the start.
        folder: where chunks are written; the caller deletes it.

    Raises:
        FileRefused: the database cannot be read as it is declared. What was yielded stays good.
    """
    url = _url(source, database, url_of(database.url))
    with _faults_in_words(source, url), _transaction(url) as connection:
        selection = _Selection(connection, source, database)
        selection.require_columns()
        selection.require_cursors()
        value = parse_cursor(last) if last else None
        start = _looked_back(value, database.look_back)
        with closing(selection.rows_from(start)) as rows:
            writer: _ChunkWriter | None = None
            for row in rows:
                if writer and writer.rows_n >= database.chunk_rows and row[-1] != writer.last:
                    yield writer.close(source, query_hash(database), value)
                    writer = None
                writer = writer or _ChunkWriter(folder, selection.names)
                writer.add(row)
            if writer:
                yield writer.close(source, query_hash(database), value)


def chunk_requests(source: Source, url_of: UrlOf, reached: str | None, folder: Path, *,
                   run_id: str, now: datetime) -> Generator[LoadRequest, None, None]:
    """What is new in the database of a source, a request a chunk.

    A chunk must be loaded before the next one is asked for: its file is deleted then. Whoever
    cannot load one asks for no more, or its rows would be passed over for good.

    Args:
        source: with a `database`.
        url_of, folder: see `read_chunks`.
        reached: cursor of the last load of this source and query.
        run_id: run metadata.
        now: UTC time of the load, run metadata.

    Raises:
        FileRefused: see `read_chunks`.
    """
    assert source.database is not None
    read = read_chunks(source.name, source.database, url_of, reached, folder)
    with closing(read) as chunks:
        for chunk in chunks:
            yield LoadRequest(
                path=chunk.path, name=chunk.name, source=source, kind=source.export_kind,
                content_hash=chunk.content_hash, file_version_at=None,
                run_id=run_id, loaded_at=now,
                cursor=ReadCursor(query_hash(source.database), chunk.reached, chunk.is_advance),
            )
            chunk.path.unlink(missing_ok=True)


def reached_cursors(engine: Engine) -> dict[tuple[str, str], str]:
    """(source, query hash) -> the cursor that its last load reached."""
    frame = engine.read_current(
        "raw", "select source, query_hash, cursor_to from load_ledger "
               "where cursor_to is not null order by load_seq")
    return {(row.source, row.query_hash): row.cursor_to
            for row in frame.itertuples(index=False)}


def cursor_text(value: object) -> str:
    """A cursor's value with its kind, as the ledger keeps it.

    Raises:
        FileRefused: the value is of no kind that can be a cursor.
    """
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | date | str):
        raise FileRefused(
            f"its cursor is a {type(value).__name__}; a cursor is a whole number, a date, a time "
            f"or a text: cast it in the query")
    if isinstance(value, datetime):
        return "time " + value.isoformat(sep=" ")
    if isinstance(value, date):
        return "date " + value.isoformat()
    return f"text {value}" if isinstance(value, str) else f"integer {value}"


def parse_cursor(text: str) -> CursorValue:
    """The value that `cursor_text` wrote."""
    kind, _, value = text.partition(" ")
    if kind == "time":
        return datetime.fromisoformat(value)
    if kind == "date":
        return date.fromisoformat(value)
    return int(value) if kind == "integer" else value


def _looked_back(value: CursorValue | None, look_back: int) -> CursorValue | None:
    if isinstance(value, datetime):
        return value - timedelta(seconds=look_back)
    return value - look_back if isinstance(value, int) else value


def _furthest(value: CursorValue, before: CursorValue | None) -> CursorValue:
    """The later of two cursors. Texts only ever go on: they have no looking back."""
    if isinstance(value, str) or type(value) is not type(before):
        return value
    try:
        return max(value, before)  # type: ignore[type-var, return-value]
    except TypeError:  # one has a zone, the other has not: the column was changed
        return value


class _Selection:
    """The configured query as a subquery, and what is asked of it."""

    def __init__(self, connection: sa.Connection, source: str, database: Database) -> None:
        self._connection = connection
        self._source = source
        self._database = database
        quoted = connection.dialect.identifier_preparer.quote_identifier
        self._cursor = quoted(database.cursor)
        self._document = quoted(database.document) if database.document else None
        # A colon is a parameter to SQLAlchemy, and a cast to PostgreSQL.
        query = database.query.strip().rstrip(";").replace(":", "\\:")
        self._query = f"(\n{query}\n)"
        self.names: tuple[str, ...] = ()

    def require_columns(self) -> None:
        """Fill `names`; raise FileRefused for one twice, or no cursor among them."""
        empty = self._connection.execute(
            sa.text(f"select q.* from {self._query} as q where 1 = 0"))
        names = tuple(empty.keys())
        empty.close()
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise FileRefused(f"database:{self._source}: the query gives {', '.join(twice)} "
                              f"twice; name each column once")
        for key, name in (("cursor", self._database.cursor),
                          ("document", self._database.document)):
            if name is not None and name not in names:
                close = difflib.get_close_matches(name, names, 1)
                guess = f"did you mean {close[0]!r}? " if close else ""
                raise FileRefused(f"database:{self._source}: the query has no column {name!r}, "
                                  f"its {key}; {guess}Its columns: {', '.join(names)}")
        self.names = names

    def require_cursors(self) -> None:
        """Raise FileRefused if a row has no cursor: it would never be read again."""
        found = self._connection.execute(sa.text(
            f"select 1 from {self._query} as q where q.{self._cursor} is null limit 1")).first()
        if found is not None:
            raise FileRefused(
                f"database:{self._source}: some rows have no {self._database.cursor}, and would "
                f"not be found when they change; give them one in the query, for example "
                f"coalesce({self._database.cursor}, created_at)")

    def rows_from(self, value: CursorValue | None) -> Generator[Sequence[Any], None, None]:
        """The rows from `value` on, in the order of their cursor, which is the last field."""
        text = (self._rows() if self._document is None
                else self._documents(moved=value is not None))
        condition = "" if value is None else f"where {CURSOR_COLUMN} >= :last"
        statement = sa.text(f"select * from ({text}) as r {condition} order by {CURSOR_COLUMN}")
        parameters: Mapping[str, Any] = {} if value is None else {"last": value}
        streamed = self._connection.execution_options(stream_results=True, yield_per=BATCH_ROWS)
        with streamed.execute(statement, parameters) as result:
            for batch in result.partitions(BATCH_ROWS):
                yield from batch

    def _rows(self) -> str:
        return f"select q.*, q.{self._cursor} as {CURSOR_COLUMN} from {self._query} as q"

    def _documents(self, *, moved: bool) -> str:
        """All rows of a document have the newest cursor of them; rows without one their own."""
        rows = (f"select q.*, max(q.{self._cursor}) over (partition by q.{self._document}) "
                f"as {CURSOR_COLUMN} from {self._query} as q where ")
        if moved:
            # Asked by the plain column, so that the database can use its index; and without an
            # `or`, with which it would compare every row with every document that has moved.
            rows += (f"q.{self._document} in (select m.{self._document} from {self._query} as m "
                     f"where m.{self._cursor} >= :last)")
        else:
            rows += f"q.{self._document} is not null"
        return f"{rows} union all {self._rows()} where q.{self._document} is null"


class _ChunkWriter:
    """One Parquet file of text columns, written batch by batch."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._path = path = folder / f"chunk-{uuid.uuid4().hex}.parquet"
        self._names = list(names)
        self._schema = pa.schema([(name, pa.string()) for name in names])
        self._file = pq.ParquetWriter(path, self._schema)
        self._pending: list[Sequence[Any]] = []
        self._sum = 0
        self.rows_n = 0
        self._first: Any = None
        self.last: Any = None

    def add(self, row: Sequence[Any]) -> None:
        """One row, its cursor last."""
        if not self.rows_n:
            self._first = row[-1]
        self.last = row[-1]
        self._pending.append(row)
        self.rows_n += 1
        if len(self._pending) >= BATCH_ROWS:
            self._flush()

    def close(self, source: str, hash_of_query: str, before: CursorValue | None) -> Chunk:
        """The finished chunk.

        Args:
            source: name of the source.
            hash_of_query: what the rows are rows of.
            before: cursor that was reached before this night.
        """
        self._flush()
        self._file.close()
        first, last = cursor_text(self._first), cursor_text(self.last)
        reached = cursor_text(_furthest(parse_cursor(last), before))
        content = json.dumps([hash_of_query, self._names, self.rows_n, self._sum])
        return Chunk(
            name=f"database:{source}/{_shown(first)}..{_shown(last)}",
            path=self._path, content_hash=hashlib.sha256(content.encode()).hexdigest(),
            reached=reached, rows_n=self.rows_n,
            is_advance=before is None or reached != cursor_text(before))

    def _flush(self) -> None:
        if not self._pending:
            return
        columns = list(zip(*self._pending, strict=True))[:-1]
        texts = [[_text(value) for value in column] for column in columns]
        self._file.write_table(pa.table(
            [pa.array(column, pa.string()) for column in texts], schema=self._schema))
        # A sum does not know the order: equal cursors come as the database likes.
        for row in zip(*texts, strict=True):
            digest = hashlib.blake2b(repr(row).encode(), digest_size=16).digest()
            self._sum = (self._sum + int.from_bytes(digest)) % (1 << 128)
        self._pending.clear()


def _shown(cursor: str) -> str:
    text = cursor.partition(" ")[2]
    return text if len(text) <= LONGEST_SHOWN_CURSOR else text[:LONGEST_SHOWN_CURSOR - 3] + "..."


def _text(value: Any) -> str | None:
    """A cell as a file would have it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value.total_seconds():f}"
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return repr(value) if isinstance(value, float) else str(value)


def _url(source: str, database: Database, text: str | None) -> sa.URL:
    if not text:
        raise FileRefused(f"database:{source}: the environment variable {database.url} is not "
                          f"set; give it the URL of the database, for example "
                          f"postgresql://user:password@host/shop")
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError):
        # The library's own words would repeat the URL; so would the chained error.
        raise FileRefused(f"database:{source}: the environment variable {database.url} holds no "
                          f"database URL; write it as postgresql://user:password@host/shop, with "
                          f"characters such as @ or / in the password as %40, %2F") from None
    backend = url.drivername.partition("+")[0]
    if backend not in DRIVERS:
        raise FileRefused(f"database:{source}: {backend} databases cannot be read; "
                          f"{database.url} must begin with postgresql:// or sqlite:///")
    return url.set(drivername=DRIVERS[backend])


@contextmanager
def _transaction(url: sa.URL) -> Iterator[sa.Connection]:
    """One read-only transaction that sees the database as of its beginning."""
    is_postgresql = url.get_backend_name() == "postgresql"
    if is_postgresql:
        arguments: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS}
    else:
        if not url.database or not Path(url.database).is_file():
            raise FileRefused("the database file does not exist; an absolute path has four "
                              "slashes: sqlite:////srv/shop.db")
        url = url.set(database="file:" + quote(url.database),
                      query={"mode": "ro", "uri": "true"})
        arguments = {"timeout": CONNECT_SECONDS}
    engine = sa.create_engine(url, poolclass=NullPool, hide_parameters=True,
                              connect_args=arguments)
    read_only = ("set session characteristics as transaction read only" if is_postgresql
                 else "pragma query_only = on")

    @sa.event.listens_for(engine, "connect")
    def _forbid_writing(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(read_only)
        cursor.close()
        connection.commit()

    with engine.connect() as connection:
        if is_postgresql:
            connection = connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True)
            connection.exec_driver_sql("set local time zone 'UTC'")
        yield connection
        connection.rollback()


@contextmanager
def _faults_in_words(source: str, url: sa.URL) -> Iterator[None]:
    """What the database or its driver says against it, without who logs in and without values."""
    try:
        yield
    except FileRefused as refusal:
        text = str(refusal)
        place = f"database:{source}: "
        raise FileRefused(text if text.startswith(place) else place + text) from None
    except (SQLAlchemyError, UnicodeDecodeError, pa.ArrowInvalid) as error:
        raise FileRefused(
            f"database:{source}: cannot be read: {_masked(_words(error), url)}; correct the query "
            f"or its database, the rows read so far are kept") from None


def _words(error: Exception) -> str:
    origin: Any = error.orig if isinstance(error, DBAPIError) else None
    if origin is None:
        return type(error).__name__
    # Class 22 and the decoder of SQLite repeat the value at fault, which may be personal.
    if str(getattr(origin, "sqlstate", None) or "").startswith("22"):
        return f"a value does not fit ({type(origin).__name__})"
    text = " ".join(str(origin).split())
    return text.partition(" with text ")[0]


def _masked(text: str, url: sa.URL) -> str:
    for secret in (url.password, url.username):
        if secret:
            text = re.sub(rf"(?<!\w){re.escape(str(secret))}(?!\w)", "***", text)
    return text

