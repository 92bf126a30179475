"""What the two databases write differently, and a statement compiled to text once and for all."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    ColumnElement,
    Date,
    Dialect,
    Engine,
    Integer,
    Select,
    String,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.types import TypeEngine

from finview.db.base import UtcDateTime
from finview.money import currencies_by_digits


class Sql(ABC):
    """One database's way to write values as text."""

    name: str
    plans_once = False
    """Whether a prepared statement keeps its plan, where that promises to be as good as new."""

    def __init__(self, engine: Engine) -> None:
        self.dialect: Dialect = engine.dialect

    @abstractmethod
    def keys(self, name: str) -> Any:
        """Return what a key column is compared with by `in_`: any number of keys, one bind."""

    @abstractmethod
    def packed(self, keys: Sequence[int]) -> Any:
        """Return keys as the bind of `keys` takes them."""

    @abstractmethod
    def instant(self, column: Any) -> ColumnElement[str]:
        """Return milliseconds since 1970 as an instant with six decimals and Z."""

    @abstractmethod
    def day(self, column: Any) -> ColumnElement[str]:
        """Return a date as ISO 8601."""

    def shown(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return a column as the API shows it: instants and dates as text."""
        if isinstance(column.type, UtcDateTime):
            return self.instant(type_coerce(column, BigInteger))
        return self.day(column) if isinstance(column.type, Date) else column

    @abstractmethod
    def quoted(self, value: Any) -> ColumnElement[str]:
        """Return a text that is not NULL as a JSON string, escaped as orjson does."""

    @abstractmethod
    def joined(self, item: Any, between: str) -> Any:
        """Return the texts of rows in one, in the order they come in; NULL without rows."""

    @abstractmethod
    def base64url(self, value: Any) -> ColumnElement[str]:
        """Return a text in base64 as URLs take it, without padding."""

    def in_cursor(self, column: Any, type_: TypeEngine[Any]) -> ColumnElement[str]:
        """Return the value of a column as it stands in a cursor."""
        if isinstance(type_, UtcDateTime):
            return text('{"t":') + cast(type_coerce(column, BigInteger), Text) + text("}")
        if isinstance(type_, Date):
            return text('{"d":"') + self.day(column) + text('"}')
        return cast(column, Text) if isinstance(type_, Integer) else self.quoted(column)

    def public_id(self, tag: str, columns: Sequence[Any]) -> ColumnElement[str]:
        """Return a public id."""
        found: ColumnElement[str] = text(tag)
        for column in columns:
            found = found + text("_") + cast(column, Text)
        return found

    def money(self, minor: Any, currency: Any) -> ColumnElement[str]:
        """Return minor units as a decimal text; NULL for a currency nobody knows."""
        groups = currencies_by_digits()
        usual = max(groups, key=lambda n: len(groups[n]))
        ways = [
            (self._among(currency, groups[n]), self._decimal(minor, n))
            for n in sorted(groups, key=lambda n: n != usual)
        ]
        return case((currency == text("EUR"), self._decimal(minor, 2)), *ways)

    @abstractmethod
    def among(self, value: Any, listed: Any) -> ColumnElement[bool]:
        """Tell whether a text stands in another one."""

    def _among(self, currency: Any, codes: Iterable[str]) -> ColumnElement[bool]:
        # One text, not a list: SQLite loads each constant of a list anew for every statement.
        listed = text("|" + "|".join(sorted(codes)) + "|")
        whole = func.length(currency, type_=BigInteger) == number(3)
        return and_(whole, self.among(text("|") + currency + text("|"), listed))

    @abstractmethod
    def padded(self, number_: Any, size: int) -> ColumnElement[str]:
        """Return a whole number with zeros in front."""

    def _decimal(self, minor: Any, digits: int) -> ColumnElement[str]:
        """Return a whole number with its point moved."""
        if not digits:
            return cast(minor, Text)
        owed = self.pointed(minor, digits)
        return case((minor >= number(0), owed), else_=text("-") + self.pointed(-minor, digits))

    def pointed(self, minor: Any, digits: int) -> ColumnElement[str]:
        """Return a number that is not negative with its point moved."""
        unit = number(10**digits)
        return cast(minor // unit, Text) + text(".") + self.padded(minor % unit, digits)


class Sqlite(Sql):
    """SQLite 3.40 and newer."""

    name = "sqlite"

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.dialect = type(engine.dialect)(  # type: ignore[call-arg]  # the class is pysqlite's
            paramstyle="named", json_deserializer=orjson.loads
        )

    def quoted(self, value: Any) -> ColumnElement[str]:
        """Return the text as JSON."""
        return func.json_quote(value, type_=Text)

    def joined(self, item: Any, between: str) -> Any:
        """Return the texts in one."""
        return func.group_concat(item, text(between), type_=Text)

    def base64url(self, value: Any) -> ColumnElement[str]:
        """Return the text in base64, by a function every reading connection has."""
        return func.base64url(value, type_=Text)

    def keys(self, name: str) -> Any:
        """Return the numbers of a JSON array."""
        found = func.json_each(later(name, String)).table_valued("value")
        return select(found.c.value)

    def packed(self, keys: Sequence[int]) -> Any:
        """Return a JSON array."""
        return orjson.dumps(keys).decode()

    def instant(self, column: Any) -> ColumnElement[str]:
        """Return the instant; the remainder is made positive for times before 1970."""
        rest = _rest(column)
        seconds = (column - rest) // number(1000)
        stamp = func.strftime(text("%Y-%m-%dT%H:%M:%S"), seconds, text("unixepoch"), type_=Text)
        return stamp + text(".") + self.padded(rest, 3) + text("000Z")

    def among(self, value: Any, listed: Any) -> ColumnElement[bool]:
        """Tell whether it does."""
        return func.instr(listed, value, type_=BigInteger) > number(0)

    def pointed(self, minor: Any, digits: int) -> ColumnElement[str]:
        """Return the number: one call is cheaper than four texts."""
        unit = number(10**digits)
        return func.printf(text(f"%d.%0{digits}d"), minor // unit, minor % unit, type_=Text)

    def padded(self, number_: Any, size: int) -> ColumnElement[str]:
        """Return the number with zeros in front."""
        return func.printf(text(f"%0{size}d"), number_, type_=Text)

    def day(self, column: Any) -> ColumnElement[str]:
        """Return the date: it is kept so."""
        return type_coerce(column, Text)


class Postgres(Sql):
    """PostgreSQL."""

    name = "postgresql"
    plans_once = True

    def quoted(self, value: Any) -> ColumnElement[str]:
        """Return the text as JSON."""
        return cast(func.to_json(cast(value, Text)), Text)

    def joined(self, item: Any, between: str) -> Any:
        """Return the texts in one."""
        return func.string_agg(item, text(between), type_=Text)

    def base64url(self, value: Any) -> ColumnElement[str]:
        """Return the text in base64, without the line breaks and the padding of MIME."""
        encoded = func.encode(func.convert_to(value, text("UTF8")), text("base64"))
        return func.translate(encoded, text("+/=\n"), text("-_"), type_=Text)

    def keys(self, name: str) -> Any:
        """Return the numbers of an array."""
        return select(func.unnest(later(name, ARRAY(BigInteger))))

    def packed(self, keys: Sequence[int]) -> Any:
        """Return a list, which the driver makes an array."""
        return list(keys)

    def instant(self, column: Any) -> ColumnElement[str]:
        """Return the instant, read as UTC whatever the session's zone is."""
        rest = _rest(column)
        seconds = (column - rest) // number(1000)
        moment = func.timezone(text("UTC"), func.to_timestamp(seconds))
        stamp = func.to_char(moment, text('YYYY-MM-DD"T"HH24:MI:SS'), type_=Text)
        return stamp + text(".") + self.padded(rest, 3) + text("000Z")

    def among(self, value: Any, listed: Any) -> ColumnElement[bool]:
        """Tell whether it does."""
        return func.strpos(listed, value, type_=BigInteger) > number(0)

    def padded(self, number_: Any, size: int) -> ColumnElement[str]:
        """Return the number with zeros in front."""
        return func.lpad(cast(number_, Text), number(size), text("0"), type_=Text)

    def day(self, column: Any) -> ColumnElement[str]:
        """Return the date."""
        return func.to_char(column, text("YYYY-MM-DD"), type_=Text)


def later(name: str, type_: Any) -> BindParameter[Any]:
    """Return a bind that each request gives a value."""
    return bindparam(name, None, type_=type_, required=False)


def number(value: int) -> ColumnElement[int]:
    """Return a whole number that stands in the statement itself."""
    return literal(value, BigInteger, literal_execute=True)


def _rest(column: Any) -> ColumnElement[int]:
    """Return the milliseconds past the full second, also of times before 1970."""
    second = number(1000)
    rest: ColumnElement[int] = (column % second + second) % second
    return rest


def text(value: str) -> ColumnElement[str]:
    """Return a constant that stands in the statement itself."""
    return literal(value, Text, literal_execute=True)


def sql_of(engine: Engine) -> Sql:
    """Return how the database of an engine writes."""
    return Sqlite(engine) if engine.dialect.name == "sqlite" else Postgres(engine)


Process = Callable[[Any], Any]


def to_bind(type_: TypeEngine[Any], sql: Sql) -> Process | None:
    """Return what the driver's value is made with, if anything has to be done."""
    return type_.dialect_impl(sql.dialect).bind_processor(sql.dialect)


def from_row(type_: TypeEngine[Any], sql: Sql) -> Process | None:
    """Return what makes a Python value of the driver's, if anything has to be done."""
    return type_.dialect_impl(sql.dialect).result_processor(sql.dialect, None)


class Statement:
    """A statement as text, with its constants and the names of what each request binds."""

    __slots__ = ("fixed", "sources", "text")

    def __init__(self, statement: Select[Any], sql: Sql, named: Mapping[str, str]) -> None:
        """Compile; `named` are the binds with values, by their keys, that are given anew."""
        compiled: Any = statement.compile(
            dialect=sql.dialect, compile_kwargs={"render_postcompile": True}
        )
        self.text = str(compiled)
        self.fixed: dict[str, Any] = {}
        self.sources: list[tuple[str, str, Process | None]] = []
        missing = dict(named)
        for bind, name in compiled.bind_names.items():
            process = to_bind(bind.type, sql)
            if bind.key in named:
                self.sources.append((name, named[bind.key], process))
                missing.pop(bind.key, None)
            elif not bind.unique:
                self.sources.append((name, bind.key, process))
            elif not bind.literal_execute:
                value = bind.effective_value
                self.fixed[name] = process(value) if process else value
        # A value of the first request must never stay for the second.
        assert not missing

    def params(self, binds: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of one execution."""
        found = dict(self.fixed)
        for name, key, process in self.sources:
            found[name] = binds[key] if process is None else process(binds[key])
        return found


__all__ = [
    "Postgres",
    "Sql",
    "Sqlite",
    "Statement",
    "from_row",
    "later",
    "number",
    "sql_of",
    "text",
    "to_bind",
]
