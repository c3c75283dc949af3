"""Calls checked against a function, and its arguments and result stored and read again."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aion.core.errors import (
    DefinitionError,
    PayloadTooLarge,
    PayloadUndecodable,
    PayloadUnserializable,
)
from aion.core.payloads import Limits, default_limits, set_default_limits
from aion.core.signatures import (
    CallSignature,
    decode_any,
    decode_arguments,
    encode_arguments,
)
from tests.core.payloads.samples import Box, Cat, Dog, Item

if TYPE_CHECKING:
    from somewhere import Ghost  # type: ignore[import-not-found]

WHAT = "activity charge_card"


def plain(order_id: int, note: str = "none") -> str: ...
def nothing() -> None: ...
def strict(a: int, /, b: int, *, c: int, d: int = 4) -> None: ...
def open_ended(
    first: Decimal, *rest: Item, flag: bool = False, **more: Cat | Dog
) -> list[Item]: ...
def unhinted(a, b=None): ...
def haunted(ok: int, ghost: Ghost | None = None) -> Ghost: ...
def hopeless(value: complex) -> complex: ...
async def coroutine(item: Item) -> Item: ...


class Workflow:
    async def run(self, item: Item) -> int: ...

    def __call__(self, item: Item) -> int: ...


def described(fn: Callable[..., Any], **options: Any) -> CallSignature:
    return CallSignature.of(fn, **options)


# --- what it knows --------------------------------------------------------------------------------


def test_it_knows_the_parameters() -> None:
    signature = described(open_ended)

    assert signature.name == "open_ended"
    assert signature.parameters == ("first", "flag")
    assert signature.required == {"first"}
    assert (signature.var_positional, signature.var_keyword) == ("rest", "more")
    assert signature.return_hint == list[Item]
    assert signature.hint_of("rest") is Item
    assert described(strict).required == {"a", "b", "c"}
    assert described(nothing).return_hint is type(None)


def test_without_hints_there_is_nothing_to_resolve() -> None:
    signature = described(unhinted)

    assert signature.hint_of("a") is inspect.Parameter.empty
    assert signature.return_hint is inspect.Parameter.empty


def test_an_unknown_parameter_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        described(plain).hint_of("other")


def decorated(fn: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fn)
    def inner(*args: Any, **kwargs: Any) -> Any: ...

    return inner


@pytest.mark.parametrize(
    ("fn", "skip_self"),
    [
        (Workflow.run, True),
        (Workflow().run, False),
        (Workflow(), False),
        (coroutine, False),
        (decorated(coroutine), False),
        (functools.partial(decorated(coroutine)), False),
    ],
    ids=["method", "bound", "callable", "coroutine", "decorated", "partial"],
)
def test_any_callable_is_understood(fn: Callable[..., Any], skip_self: bool) -> None:
    signature = described(fn, skip_self=skip_self)

    assert signature.parameters == ("item",)
    assert signature.decode(b'{"args":[{"name":"a","price":"1"}]}', what=WHAT) == (
        (Item("a", Decimal(1)),),
        {},
    )


def test_a_hint_may_name_something_of_the_enclosing_function() -> None:
    class Local(msgspec.Struct):
        value: int

    def takes(local: Local) -> Local:
        return Local(local.value)

    assert described(takes).hint_of("local") is Local


def test_a_function_without_signature_is_refused() -> None:
    with pytest.raises(DefinitionError, match="no readable signature"):
        described(type)


# --- checking calls -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fn", "args", "kwargs"),
    [
        (nothing, (), {}),
        (plain, (1,), {}),
        (plain, (1, "x"), {}),
        (plain, (), {"order_id": 1}),
        (plain, (1,), {"note": "x"}),
        (strict, (1, 2), {"c": 3}),
        (strict, (1,), {"b": 2, "c": 3, "d": 4}),
        (open_ended, (1, 2, 3, 4), {"x": 1, "flag": True}),
        (open_ended, (), {"first": 1}),
    ],
)
def test_a_call_that_fits_passes(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    described(fn).check(args, kwargs, what=WHAT)


@pytest.mark.parametrize(
    ("fn", "args", "kwargs", "problem"),
    [
        (nothing, (1,), {}, "takes 0 positional arguments but 1 was given"),
        (coroutine, (1, 2), {}, "takes 1 positional argument but 2 were given"),
        (plain, (), {}, "missing 1 required positional argument: 'order_id'"),
        (plain, (), {"note": "x"}, "missing 1 required positional argument: 'order_id'"),
        (plain, (1, 2, 3), {}, "takes from 1 to 2 positional arguments but 3 were given"),
        (plain, (1,), {"order_id": 2}, "got multiple values for argument 'order_id'"),
        (plain, (1,), {"other": 2}, "got an unexpected keyword argument 'other'"),
        (strict, (1, 2), {}, "missing 1 required keyword-only argument: 'c'"),
        (strict, (), {"c": 1}, "missing 2 required positional arguments: 'a' and 'b'"),
        (
            strict,
            (),
            {"a": 1, "b": 2, "c": 3},
            "got the positional-only argument 'a' passed by keyword",
        ),
    ],
)
def test_a_call_that_does_not_fit_is_refused(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], problem: str
) -> None:
    with pytest.raises(TypeError) as caught:
        described(fn).check(args, kwargs, what=WHAT)

    assert str(caught.value) == f"{WHAT} {problem}"


@given(
    st.sampled_from([nothing, plain, strict, open_ended, unhinted]),
    st.integers(0, 4),
    st.sets(st.sampled_from(["a", "b", "c", "d", "order_id", "note", "first", "flag", "x"])),
)
def test_calls_are_judged_as_python_judges_them(
    fn: Callable[..., Any], count: int, names: set[str]
) -> None:
    args, kwargs = (0,) * count, dict.fromkeys(sorted(names), 0)
    try:
        inspect.signature(fn).bind(*args, **kwargs)
        fits = True
    except TypeError:
        fits = False

    try:
        described(fn).check(args, kwargs, what=WHAT)
        passed = True
    except TypeError:
        passed = False

    assert passed == fits


# --- storing arguments ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "kwargs", "raw"),
    [
        ((), {}, b"{}"),
        ((1, "x"), {}, b'{"args":[1,"x"]}'),
        ((), {"note": "x"}, b'{"kwargs":{"note":"x"}}'),
        ((1,), {"note": None}, b'{"args":[1],"kwargs":{"note":null}}'),
    ],
)
def test_the_stored_form(args: tuple[Any, ...], kwargs: dict[str, Any], raw: bytes) -> None:
    assert described(plain).encode(args, kwargs, what=WHAT) == raw
    assert encode_arguments(args, kwargs, what=WHAT) == raw
    assert decode_arguments(raw, what=WHAT) == (args, kwargs)


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((object(),), {}, f"argument 'first' of {WHAT} cannot be stored as JSON: values of"),
        ((1, Box([1, {1j}])), {}, f"argument 2.content[1][0] of {WHAT} cannot be stored"),
        (
            (1,),
            {"x": {"a": 1j}},
            f"argument 'x'['a'] of {WHAT} cannot be stored as JSON: values of",
        ),
        ((None, float("nan")), {}, f"argument 2 of {WHAT} cannot be stored as JSON: JSON has no"),
    ],
)
def test_an_argument_without_json_form_is_named(
    args: tuple[Any, ...], kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(PayloadUnserializable) as caught:
        described(open_ended).encode(args, kwargs, what=WHAT)

    assert str(caught.value).startswith(message)
    assert caught.value.field.endswith(f" of {WHAT}")


def test_arguments_nested_too_deeply_together_are_refused() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(PayloadUnserializable, match="argument 1 of activity x"):
        encode_arguments((deep,), {}, what="activity x")


@pytest.fixture
def small_limits() -> Any:
    before = default_limits()
    set_default_limits(Limits(warn=20, refuse=40))
    yield
    set_default_limits(before)


@pytest.mark.usefixtures("small_limits")
def test_the_argument_that_is_too_large_is_named() -> None:
    with pytest.raises(PayloadTooLarge) as caught:
        described(plain).encode((1, "x" * 50), {}, what=WHAT)

    assert caught.value.field == f"argument 'note' of {WHAT}"
    assert caught.value.size == 52


@pytest.mark.usefixtures("small_limits")
def test_arguments_too_large_together_are_named_together(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(PayloadTooLarge) as caught:
        described(plain).encode(("x" * 18, "y" * 18), {}, what=WHAT)

    assert caught.value.field == f"the arguments of {WHAT}"
    assert not caplog.records


@pytest.mark.usefixtures("small_limits")
def test_large_arguments_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    described(plain).encode(("x" * 10, "y"), {}, what=WHAT)

    assert [record.getMessage() for record in caplog.records] == [
        f"the arguments of {WHAT}: 27 bytes of JSON; above 40 it is refused"
    ]


# --- reading arguments ----------------------------------------------------------------------------


def test_arguments_are_read_by_their_hints() -> None:
    signature = described(open_ended)
    args = (Decimal("1.5"), Item("a", Decimal(1)), Item("b", Decimal(2)))
    kwargs = {"flag": True, "tom": Cat("Tom"), "rex": Dog("Rex")}

    raw = signature.encode(args, kwargs, what=WHAT)

    assert signature.decode(raw, what=WHAT) == (args, kwargs)
    assert signature.decode(msgspec.Raw(raw), what=WHAT) == (args, kwargs)


def test_what_a_function_no_longer_takes_is_dropped() -> None:
    raw = b'{"args":[1,"x",2,{}],"kwargs":{"gone":1}}'

    assert described(plain).decode(raw, what=WHAT) == ((1, "x"), {})
    assert described(nothing).decode(raw, what=WHAT) == ((), {})


def test_what_a_function_has_come_to_take_is_left_to_its_default() -> None:
    assert described(plain).decode(b'{"args":[1]}', what=WHAT) == ((1,), {})


@pytest.mark.parametrize("raw", [b"{}", b'{"args":[]}', b'{"kwargs":{"note":"x"}}'])
def test_a_required_argument_that_is_missing_is_named(raw: bytes) -> None:
    with pytest.raises(PayloadUndecodable) as caught:
        described(plain).decode(raw, what=WHAT)

    assert str(caught.value) == (
        "the stored arguments no longer fit: activity charge_card "
        "missing 1 required positional argument: 'order_id'"
    )
    assert caught.value.field == f"the arguments of {WHAT}"


def test_an_argument_given_twice_by_now_is_refused() -> None:
    raw = b'{"args":[1],"kwargs":{"order_id":2}}'

    with pytest.raises(PayloadUndecodable, match="multiple values for argument 'order_id'"):
        described(plain).decode(raw, what=WHAT)


@pytest.mark.parametrize(
    ("fn", "raw", "message"),
    [
        (plain, b'{"args":["x"]}', f"argument 'order_id' of {WHAT} cannot be read: Expected `int`"),
        (
            open_ended,
            b'{"args":["1",{"name":"a","price":"much"}]}',
            f"argument 2.price of {WHAT} cannot be read: ",
        ),
        (
            open_ended,
            b'{"args":["1"],"kwargs":{"tom":{"name":3,"lives":1}}}',
            f"argument 'tom'.name of {WHAT} cannot be read: Expected `str`, got `int`",
        ),
        (
            hopeless,
            b'{"args":[1]}',
            f"argument 'value' of {WHAT} cannot be read: complex cannot be rebuilt",
        ),
        (plain, b"[]", f"the arguments of {WHAT} cannot be read: Expected `object`"),
        (plain, b'{"args":1}', f"the arguments.args of {WHAT} cannot be read: "),
        (plain, b"", f"the arguments of {WHAT} cannot be read: "),
    ],
)
def test_an_argument_that_does_not_fit_is_named(
    fn: Callable[..., Any], raw: bytes, message: str
) -> None:
    with pytest.raises(PayloadUndecodable) as caught:
        described(fn).decode(raw, what=WHAT)

    assert str(caught.value).startswith(message)


def test_a_hint_only_for_type_checkers_fails_at_its_first_use() -> None:
    signature = described(haunted)

    assert signature.encode((1,), {}, what=WHAT) == b'{"args":[1]}'
    assert signature.decode(b'{"args":[1]}', what=WHAT) == ((1,), {})
    with pytest.raises(DefinitionError) as caught:
        signature.decode(b'{"args":[1,{}]}', what=WHAT)
    assert "the hint 'Ghost | None' of parameter 'ghost' of haunted" in str(caught.value)
    assert "name 'Ghost' is not defined" in str(caught.value)
    with pytest.raises(DefinitionError, match="the hint 'Ghost' of the result of haunted"):
        signature.decode_result(b"1", what=WHAT)


@given(st.integers(), st.text(st.characters(exclude_categories=["Cs"])))
def test_any_arguments_survive(order_id: int, note: str) -> None:
    signature = described(plain)

    raw = signature.encode((order_id,), {"note": note}, what=WHAT)

    assert signature.decode(raw, what=WHAT) == ((order_id,), {"note": note})


# --- calls by name --------------------------------------------------------------------------------


def test_arguments_by_name_are_named_by_position() -> None:
    with pytest.raises(PayloadUnserializable, match="argument 2 of activity x cannot"):
        encode_arguments((1, object()), {}, what="activity x")
    with pytest.raises(PayloadUndecodable, match="argument 1 of activity x cannot be read"):
        decode_arguments(b'{"args":[1e999]}', what="activity x")
    with pytest.raises(PayloadUndecodable, match="the arguments of activity x cannot be read"):
        decode_arguments(b"{", what="activity x")


def test_a_result_by_name_is_plain() -> None:
    assert decode_any(msgspec.Raw(b'{"a":[1]}')) == {"a": [1]}
    with pytest.raises(PayloadUndecodable, match="the result of a call by name cannot be read"):
        decode_any(b"")


# --- results --------------------------------------------------------------------------------------


def test_results_are_stored_and_read_by_hint() -> None:
    signature = described(coroutine)
    item = Item("a", Decimal(1))

    raw = signature.encode_result(item, what=WHAT)

    assert signature.decode_result(raw, what=WHAT) == item
    assert described(unhinted).decode_result(b"[1]", what=WHAT) == [1]
    assert described(nothing).decode_result(b"null", what=WHAT) is None


def test_a_result_that_does_not_fit_is_named() -> None:
    with pytest.raises(PayloadUnserializable, match=r"the result\[0\] of activity charge_card"):
        described(plain).encode_result([1j], what=WHAT)
    with pytest.raises(PayloadUndecodable, match=r"the result.price of activity charge_card"):
        described(coroutine).decode_result(b'{"name":"a","price":[]}', what=WHAT)
    with pytest.raises(PayloadUndecodable, match="the result of activity charge_card cannot"):
        described(hopeless).decode_result(b"1", what=WHAT)
