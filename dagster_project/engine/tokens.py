"""Identities of the rows of `checked`: tokens, clear values for the vault, columns of raw.

Contacts get their normal form here, each distinct writing once. A customer id whose id space is
that of a contact is read like one, but stays as it is written where it is none. Which
identities are one customer is decided in `customers/`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import duckdb
import pyarrow as pa

from dagster_project.engine.interface import LoadRequest
from dagster_project.engine.stores import identifier, literal
from dagster_project.ingest.canonical import CanonicalColumn
from dagster_project.ingest.contacts import CONTACT_SPACES, normal_contact
from dagster_project.ingest.tables import LISTED_IDS

SHA256_BLOCK_BYTES = 64
BATCH_ROWS = 100_000
# Column of raw with what a record lists beside its own id.
OTHER_IDS = "other_ids"


def token_pads(secret: bytes) -> tuple[bytes, bytes]:
    """Inner and outer padded keys of HMAC-SHA-256 (RFC 2104) for use in SQL."""
    key = secret if len(secret) <= SHA256_BLOCK_BYTES else hashlib.sha256(secret).digest()
    key = key.ljust(SHA256_BLOCK_BYTES, b"\0")
    return bytes(byte ^ 0x36 for byte in key), bytes(byte ^ 0x5C for byte in key)


def make_tokens(scratch: duckdb.DuckDBPyConnection, request: LoadRequest,
                secret: bytes) -> dict[str, int]:
    """`tokens` (column_name, written, id_space, clear_value, identity_id): distinct ids only.

    Returns:
        Column -> rows whose contact is none, and so no identity.
    """
    scratch.execute("create table written (column_name varchar, id_space varchar, text varchar)")
    scratch.execute("create table normal (column_name varchar, text varchar, clear_value varchar)")
    unusable = {}
    for column in identity_columns(request):
        space, value = space_of(column, request), identifier("v_" + column.name)
        scratch.execute(
            f"insert into written select {literal(column.name)}, {literal(space)}, * from ("
            f"select distinct {value} from checked where fault_no = 0 and {value} is not null)")
        if space not in CONTACT_SPACES:
            continue
        _add_normal_forms(scratch, request, column, space)
        rows_n = _one(scratch, f"select count(*) from checked semi join normal "
                               f"on {value} = normal.text and normal.clear_value is null "
                               f"and normal.column_name = {literal(column.name)} "
                               f"where fault_no = 0")
        if rows_n:
            unusable[column.name] = rows_n
    inner, outer = token_pads(secret)
    scratch.execute(
        """
        create table tokens as
        select column_name, text as written, id_space, clear_value,
            cast(substr(sha256($outer || unhex(sha256(
                $inner || encode(id_space || ':' || clear_value)))), 1, 32) as uuid) as identity_id
        from (
            select written.column_name, written.text, written.id_space,
                case when normal.text is null then written.text
                    else normal.clear_value end as clear_value
            from written
            left join normal on written.column_name = normal.column_name
                and written.text = normal.text
        )
        where clear_value is not null
        """,
        {"inner": inner, "outer": outer},
    )
    return unusable


def identity_columns(request: LoadRequest) -> tuple[CanonicalColumn, ...]:
    """The columns of the kind that name somebody."""
    return tuple(column for column in request.kind.columns if column.type == "identity")


def _is_contact(column: CanonicalColumn) -> bool:
    return column.id_space in CONTACT_SPACES


def space_of(column: CanonicalColumn, request: LoadRequest) -> str:
    """The id space of a column: its own, else that of the source."""
    return column.id_space or request.source.id_space


def _add_normal_forms(scratch: duckdb.DuckDBPyConnection, request: LoadRequest,
                      column: CanonicalColumn, space: str) -> None:
    """`normal`: the distinct writings of one column, in batches."""
    source, is_contact = request.source, _is_contact(column)
    # Read through a cursor of its own: an insert would end the result that is being read.
    reader = scratch.cursor().sql(
        "select text from scratch.file.written where column_name = ?", params=[column.name],
    ).to_arrow_reader(BATCH_ROWS)
    for batch in reader:
        texts = batch.column(0).to_pylist()
        values = [normal_contact(space, text, source.emails, source.phone_region)
                  for text in texts]
        if not is_contact:
            values = [value or text for value, text in zip(values, texts, strict=True)]
        scratch.register("normal_in", pa.table(
            {"text": pa.array(texts, pa.string()), "clear_value": pa.array(values, pa.string())}))
        scratch.execute(f"insert into normal select {literal(column.name)}, text, clear_value "
                        f"from normal_in")
        scratch.unregister("normal_in")


def write_identities(scratch: duckdb.DuckDBPyConnection, request: LoadRequest) -> None:
    """Ids that the vault does not know yet, in clear, with whether they may leave it."""
    personal = ", ".join(literal(space) for space in (
        *CONTACT_SPACES, *request.source.personal_id_spaces))
    scratch.execute(
        f"""
        insert into vault.identities
        select distinct identity_id, id_space, clear_value,
            id_space in ({personal}) or contains(clear_value, '@')
            or regexp_full_match(clear_value, '\\+[0-9]{{8,15}}|(\\+?86)?1[3-9][0-9]{{9}}')
        from tokens
        where identity_id not in (
            -- Asked this way round, the hash table is as large as the file, not as the vault.
            select identity_id from vault.identities
            where identity_id in (select identity_id from tokens)
        )
        """
    )


def make_document_identities(scratch: duckdb.DuckDBPyConnection, request: LoadRequest) -> bool:
    """`document_identities` (document columns, identity_id): whose a document of several lines is.

    An export may name the buyer on the first line of an order only, or name the account there
    and the address on the others: all lines belong to whom the best of them names.

    Returns:
        Whether there are such documents; without any the table is not made.
    """
    if request.kind.row_id is None or not _is_mixed(scratch, request):
        return False
    joins, tokens = _token_joins(request)
    best = ", ".join(f"min({token})" for token in tokens.values())
    scratch.execute(f"create table document_identities as "
                    f"select {_document(request)}, coalesce({best}) as identity_id "
                    f"from loadable {joins} group by {_document(request)}")
    return True


def _document(request: LoadRequest) -> str:
    return ", ".join(identifier("v_" + name) for name in request.kind.document)


def _is_mixed(scratch: duckdb.DuckDBPyConnection, request: LoadRequest) -> bool:
    """Some lines are named by one column and others by another, or by none."""
    columns = [identifier("v_" + column.name) for column in identity_columns(request)]
    if len(columns) < 2:
        return False
    named_by = " ".join(f"when {column} is not null then {number}"
                        for number, column in enumerate(columns))
    best = f"case {named_by} else {len(columns)} end"
    low, high, contacts = scratch.execute(
        f"select min({best}), max({best}), count(coalesce({', '.join(columns[1:])})) from loadable"
    ).fetchone() or (0, 0, 0)
    return bool(low != high and contacts)


def raw_identities(request: LoadRequest, *, are_mixed: bool) -> tuple[str, dict[str, str]]:
    """How the rows of `loadable` get their identities.

    Args:
        are_mixed: there are `document_identities`.

    Returns:
        Joins to `loadable`, and SQL for each raw column that holds a token. A row belongs to its
        customer id; without one to its e-mail address, else to its telephone number.
    """
    joins, tokens = _token_joins(request)
    values = dict(_raw_columns(request, tokens))
    if are_mixed:
        joins += f" left join document_identities using ({_document(request)})"
        values["identity_id"] = (f"coalesce({tokens['customer_id']}, "
                                 f"document_identities.identity_id, {values['identity_id']})")
    return joins, values


def _token_joins(request: LoadRequest) -> tuple[str, dict[str, str]]:
    """Joins of `loadable` to its tokens; column -> its token."""
    joins, tokens = [], {}
    for column in identity_columns(request):
        alias = identifier(f"token_{column.name}")
        joins.append(f"left join tokens as {alias} "
                     f"on {alias}.column_name = {literal(column.name)} "
                     f"and {alias}.written = loadable.{identifier('v_' + column.name)}")
        tokens[column.name] = f"{alias}.identity_id"
    return " ".join(joins), tokens


def _raw_columns(request: LoadRequest, tokens: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    contacts = {column.name: tokens[column.name] for column in identity_columns(request)
                if _is_contact(column)}
    if OTHER_IDS in request.kind.table.column_names:
        yield OTHER_IDS, _other_ids(request, tokens)
    for column in identity_columns(request):
        if column.raw_name is None:
            continue
        own = tokens[column.name]
        if column.name in contacts:
            # The id is the contact where the source numbers its customers so.
            is_id = request.source.id_space == column.id_space
            yield column.raw_name, f"coalesce({own}, {tokens['customer_id']})" if is_id else own
        elif contacts:
            yield column.raw_name, f"coalesce({', '.join((own, *contacts.values()))})"
        else:
            yield column.raw_name, own


def _other_ids(request: LoadRequest, tokens: Mapping[str, str]) -> str:
    """SQL for the ids of other systems that a row lists; NULL where it lists none."""
    listed = ", ".join(
        f"{{'id_space': {literal(space)}, 'identity_id': {tokens[name]}}}"
        for name, space in sorted(request.source.other_ids.items()))
    if not listed:
        return "null"
    return (f"nullif(list_filter([{listed}], lambda one: one.identity_id is not null), "
            f"cast([] as {LISTED_IDS}))")


def _one(scratch: duckdb.DuckDBPyConnection, query: str) -> int:
    row = scratch.execute(query).fetchone()
    return int(row[0]) if row else 0
