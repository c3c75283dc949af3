"""How a function may be called, and how its arguments and result are stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any

import msgspec

from aion.core.errors import DefinitionError, PayloadUndecodable
from aion.core.payloads.decoding import decoder_for, undecodable
from aion.core.payloads.encoding import encode as encode_payload
from aion.core.signatures.arguments import (
    NO_ARGUMENTS,
    by_name,
    by_position,
    encode_named,
    read_stored,
)
from aion.core.signatures.checking import CallShape
from aion.core.signatures.hints import name_of, resolve, signature_of

_RETURN = "return"


class CallSignature:
    """The parameters of a function, and their values as payloads. Made by `of`.

    `parameters` are the names in order, without `*` and `**`; `required` those without default;
    `var_positional` and `var_keyword` the names of `*` and `**`, or None.
    """

    def __init__(
        self, fn: Callable[..., Any], parameters: Mapping[str, Parameter], returns: Any
    ) -> None:
        self.name = name_of(fn)
        self._fn = fn
        self._annotations = {name: each.annotation for name, each in parameters.items()}
        self._annotations[_RETURN] = returns
        self._shape = shape = CallShape(parameters.values())
        self.parameters = shape.positional + shape.keyword_only
        self.required = shape.required
        self.var_positional = shape.var_positional
        self.var_keyword = shape.var_keyword
        self.check = shape.check
        self._readers: dict[str, Callable[[Any], Any]] = {}

    @classmethod
    def of(cls, fn: Callable[..., Any], *, skip_self: bool = False) -> CallSignature:
        """Describe a function; `skip_self` leaves out its first parameter.

        Raises: DefinitionError if it has no signature. Hints are not resolved yet.
        """
        signature = signature_of(fn)
        parameters = list(signature.parameters.items())
        return cls(
            fn, dict(parameters[1:] if skip_self else parameters), signature.return_annotation
        )

    @property
    def return_hint(self) -> Any:
        """The hint of the result; `inspect.Parameter.empty` without one.

        Raises: DefinitionError if it cannot be resolved.
        """
        return resolve(self._annotations[_RETURN], fn=self._fn, place="the result")

    def hint_of(self, parameter: str) -> Any:
        """Give the hint of a parameter; `inspect.Parameter.empty` without one.

        Raises: DefinitionError if it cannot be resolved; KeyError if there is no such parameter.
        """
        place = f"parameter {parameter!r}"
        return resolve(self._annotations[parameter], fn=self._fn, place=place)

    def encode(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, what: str) -> bytes:
        """Give the arguments of a call as JSON.

        Raises: PayloadUnserializable or PayloadTooLarge naming the argument.
        """
        return encode_named(args, kwargs, what, self._name_position)

    def decode(
        self, raw: bytes | msgspec.Raw, *, what: str
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Read stored arguments as the types of the parameters they are for.

        Arguments that the function does not take are dropped, those that are missing are left to
        their defaults.

        Raises: PayloadUndecodable naming the argument that does not fit or is missing;
                DefinitionError for a hint that cannot be resolved.
        """
        shape = self._shape
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        if raw != NO_ARGUMENTS:
            stored = read_stored(raw, what)
            for index, each in enumerate(stored.args):
                name = self._parameter_at(index)
                if name is not None:
                    args.append(self._read(name, each, what, index))
            for name, each in stored.kwargs.items():
                parameter = name if name in shape.by_keyword else shape.var_keyword
                if parameter is not None:
                    kwargs[name] = self._read(parameter, each, what, name)
        problem = shape.problem(len(args), kwargs)
        if problem is not None:
            raise PayloadUndecodable(
                f"the stored arguments no longer fit: {what} {problem}",
                field=f"the arguments of {what}",
            )
        return tuple(args), kwargs

    def encode_result(self, value: Any, *, what: str) -> bytes:
        """Give a result as JSON.

        Raises: PayloadUnserializable or PayloadTooLarge.
        """
        return encode_payload(value, field="the result", owner=f" of {what}")

    def decode_result(self, raw: bytes | msgspec.Raw, *, what: str) -> Any:
        """Read a result as the type that the function says it returns.

        Raises: PayloadUndecodable; DefinitionError for a hint that cannot be resolved.
        """
        return self._read(_RETURN, raw, what, _RETURN)

    def _parameter_at(self, index: int) -> str | None:
        names = self._shape.positional
        return names[index] if index < len(names) else self.var_positional

    def _name_position(self, index: int) -> str:
        names = self._shape.positional
        return by_name(names[index]) if index < len(names) else by_position(index)

    def _read(
        self, parameter: str, raw: bytes | msgspec.Raw, what: str, given_as: int | str
    ) -> Any:
        """Read a value by a parameter's hint; errors name it by the index or name it came with."""
        try:
            read = self._readers.get(parameter) or self._reader(parameter)
            return read(raw)
        except DefinitionError:
            raise
        except Exception as error:
            name = by_name(given_as) if isinstance(given_as, str) else self._name_position(given_as)
            field = "the result" if parameter == _RETURN else name
            raise undecodable(error, field, owner=f" of {what}") from error

    def _reader(self, parameter: str) -> Callable[[Any], Any]:
        hint = self.return_hint if parameter == _RETURN else self.hint_of(parameter)
        read = self._readers[parameter] = decoder_for(hint).read
        return read
