"""Data that does not fit is refused, with the place; hints that cannot work are found early."""

from __future__ import annotations

import collections
import contextlib
import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass
from typing import Any, Literal, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aion.core.errors import PayloadUndecodable
from aion.core.payloads import Decoder, check_hint, decode, decoder_for
from tests.core.payloads import samples as s

Bound = TypeVar("Bound", bound=int)


@dataclass
class WithInitVar:
    value: int
    scale: InitVar[int] = 2


@dataclass
class Explosive:
    value: int

    def __post_init__(self) -> None:
        raise KeyError("boom")


class Row:
    _meta = object()
    pk = 1


@pytest.mark.parametrize(
    ("raw", "hint", "message"),
    [
        (b'"a"', int, "x cannot be read: Expected `int`, got `str`"),
        (b"[1,{}]", list[int], "x[1] cannot be read: Expected `int`, got `object`"),
        (
            b'{"id":"00000000-0000-0000-0000-000000000001","placed_at":"2026-01-01",'
            b'"items":[{"name":"a","price":"1"},{"name":"b","price":"much"}]}',
            s.Order,
            "x.placed_at cannot be read: Invalid RFC3339",
        ),
        (b'[{"name":"a","price":"1"},{"name":"b","price":"much"}]', list[s.Item], "x[1].price"),
        (b'{"a":{"1":"x"}}', dict[str, dict[int, int]], "x[...][...] cannot be read: Expected"),
        (b'{"a":{"b":1}}', dict[str, dict[int, int]], "x[...] cannot be read: a key: Expected"),
        (b'{"price":"1"}', s.Item, "x cannot be read: Object missing required field `name`"),
        (b'{"name":"A","pet":{"name":3}}', s.Owner, "x.pet cannot be read: Expected one of 2"),
        (b'{"name":"nobody","pet":null}', s.Owner, "x cannot be read: nobody owns a pet"),
        (
            b'[{"label":"a","children":[{"label":"b","children":[{"value":1},{"value":"c"}]}]}]',
            list[s.Branch],
            "x[0].children[0].children[1].value cannot be read: Expected `int`, got `str`",
        ),
        (b"[1]", list[s.Cat | s.Dog], "x[0] cannot be read: Expected one of 2 types (Cat: "),
        (b'{"name":"a","age":-1}', s.Customer, "x cannot be read: 1 validation error for Customer"),
        (b"0.25", s.Mixed, "x cannot be read: Invalid value 0.25 for Mixed"),
        (b'{"0.25":1}', dict[s.Mixed, int], "x cannot be read: a key: Invalid value '0.25'"),
        (b"8", s.Right, "x cannot be read: Invalid enum value 8"),
        (b'{"value":1}', Explosive, "x cannot be read: 'boom'"),
        (b"{", Any, "x cannot be read: Input data was truncated"),
        (b"", Any, "x cannot be read: Input data was truncated"),
        (b"1 2", Any, "x cannot be read: JSON is malformed"),
        (b"NaN", Any, "x cannot be read: JSON is malformed"),
        (b'"\\ud800"', str, "x cannot be read:"),
        (b'"\xff"', str, "x cannot be read:"),
        (b"1e999", float, "x cannot be read: Number out of range"),
        (b"[" * 100_000, Any, "x cannot be read: the JSON is nested too deeply"),
        (b'"a"', complex, "x cannot be read: complex cannot be rebuilt from JSON"),
    ],
)
def test_a_refusal_names_the_place(raw: bytes, hint: Any, message: str) -> None:
    with pytest.raises(PayloadUndecodable) as caught:
        pytest.fail(f"it was read as {decode(raw, hint, field='x')!r}")

    assert str(caught.value).startswith(message)
    assert caught.value.field == "x"
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("base", [enum.Flag, enum.IntFlag])
@pytest.mark.parametrize("boundary", list(enum.FlagBoundary))
@pytest.mark.parametrize("before", [-1, 3, 8, 2**40, -(2**40)])
def test_flags_are_read_the_same_whatever_the_process_has_combined(
    base: Any, boundary: enum.FlagBoundary, before: int
) -> None:
    def rights() -> Any:
        return base("Rights", {"READ": 1, "WRITE": 2}, boundary=boundary)

    def readings(kind: Any) -> list[str]:
        return [reading(number, kind) for number in (*range(-9, 10), 2**40, -(2**40), 2**64)]

    def reading(number: int, kind: Any) -> str:
        try:
            return repr(decode(str(number).encode(), kind, field="x"))
        except PayloadUndecodable as error:
            return str(error)

    used_early, used_late, unused = rights(), rights(), rights()
    with contextlib.suppress(ValueError):
        used_early(before)  # keeps a member for it, which msgspec copies with the others
    check_hint(used_late)
    with contextlib.suppress(ValueError):
        used_late(before)

    assert readings(used_early) == readings(used_late) == readings(unused)
    strict = boundary is enum.STRICT
    assert ("x cannot be read: Invalid enum value 8" in readings(used_early)) is strict


def test_a_decoder_names_the_field_too() -> None:
    with pytest.raises(PayloadUndecodable, match=r"the memo\[0\] cannot be read"):
        decoder_for(list[int]).decode(msgspec.Raw(b'["a"]'), field="the memo")


@given(st.binary(max_size=40), st.sampled_from([Any, s.Order, s.Owner, s.Mixed, s.Customer]))
def test_no_bytes_raise_anything_else(raw: bytes, hint: Any) -> None:
    with contextlib.suppress(PayloadUndecodable):
        decode(raw, hint, field="x")


def test_decoders_are_made_once_for_each_hint() -> None:
    assert decoder_for(list[s.Cat]) is decoder_for(list[s.Cat])
    assert decoder_for(s.Cat | s.Dog) is not decoder_for(s.Dog | s.Cat)
    assert decoder_for(s.Cat).hint is s.Cat


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from aion.core.payloads import decoding

    monkeypatch.setattr(decoding, "_decoders", {})
    monkeypatch.setattr(decoding, "_KEPT_DECODERS", 2)

    for hint in (int, str, float, bytes):
        decoder_for(hint)

    assert len(decoding._decoders) == 2


# --- hints ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hint",
    [
        Any,
        object,
        None,
        int,
        list,
        tuple,
        dict,
        Sequence[int],
        Mapping[str, s.Cat | s.Dog],
        Bound,
        s.Order,
        s.Owner,
        s.Branch,
        s.Deal,
        list[s.Box[s.Cat | s.Dog]],
        msgspec.Raw,
    ],
    ids=repr,
)
def test_a_hint_that_can_be_decoded_has_no_problem(hint: Any) -> None:
    assert check_hint(hint) is None


@pytest.mark.parametrize(
    ("hint", "sentence"),
    [
        (complex, "complex cannot be rebuilt from JSON; use a dataclass"),
        (list[complex], "complex cannot be rebuilt"),
        (dict[str, tuple[int, complex]], "complex cannot be rebuilt"),
        (int | complex, "complex cannot be rebuilt"),
        (s.Numeric, "in Numeric: complex cannot be rebuilt"),
        (s.Nested, "in Nested: in Numeric: complex cannot be rebuilt"),
        (Callable[[], int], "Callable cannot be rebuilt"),
        (type[int], "type cannot be rebuilt"),
        (collections.deque[int], "deque cannot be rebuilt"),
        (Row, "Row is a database row; take its primary key instead"),
        (list[Row | None], "Row is a database row"),
        (s.Hidden, "Hidden._secret is private, and would not be stored"),
        (s.Box[s.Hidden], "in Box: Hidden._secret is private"),
        (s.Login, "Login.password is a secret"),
        (dict[s.Customer, int], "Customer cannot be the key of a dict"),
        (WithInitVar, "WithInitVar.scale is an InitVar, which is not stored"),
        (s.Unresolved, "Unresolved cannot be read from JSON: name 'Nowhere' is not defined"),
        ("Order", "'Order' is a name and not a type"),
        (3, "3 cannot be read from JSON"),
        (enum.Enum("Odd", {"A": object()}), "Odd"),
        (enum.Flag("Far", {"A": 2**63}), "Far cannot be read from JSON: Integer values > "),
        (Literal[2**63], "cannot be read from JSON: Integer values > "),
    ],
    ids=str,
)
def test_a_hint_that_cannot_be_decoded_is_explained(hint: Any, sentence: str) -> None:
    problem = check_hint(hint)

    assert problem is not None
    assert sentence in problem
    with pytest.raises(PayloadUndecodable, match="x cannot be read"):
        decode(b"null", hint, field="x")
    with pytest.raises(TypeError):
        Decoder(hint)
