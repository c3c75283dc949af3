"""Types that users pass around, for the tests of payloads. Hints are text here, as in most code."""

from __future__ import annotations

import enum
import typing
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar
from uuid import UUID

import attrs
import msgspec
import pydantic

T = TypeVar("T")
OrderId = NewType("OrderId", int)


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Plain(enum.Enum):
    ONE = "one"


class Mixed(enum.Enum):
    HALF = 0.5
    PAIR = (1, 2)
    NONE = None
    WORD = "word"


class Right(enum.Flag, boundary=enum.STRICT):  # early releases of Python 3.11 have another default
    READ = 1
    WRITE = 2


@dataclass
class Item:
    name: str
    price: Decimal
    count: int = 1


@dataclass(frozen=True, slots=True)
class Order:
    id: UUID
    items: list[Item]
    placed_at: datetime
    due: date | None = None
    colour: Colour = Colour.RED
    tags: frozenset[str] = frozenset()
    wait: timedelta = timedelta()
    blob: bytes = b""
    pair: tuple[int, str] = (0, "")
    scores: dict[UUID, dict[int, float]] = field(default_factory=dict)


@dataclass
class Cat:
    name: str
    lives: int = 9


@dataclass
class Dog:
    name: str
    tricks: list[str] = field(default_factory=list)


@dataclass
class Fish:
    litres: float


@dataclass
class Owner:
    """A dataclass that msgspec refuses as a whole, for the union in it."""

    name: str
    pet: Cat | Dog | None
    others: dict[str, Cat | Dog | Fish] = field(default_factory=dict)
    seen: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.name == "nobody":
            raise ValueError("nobody owns a pet")


@dataclass
class Branch:
    """Recursive through a union that msgspec refuses."""

    label: str
    children: list[Branch | Leaf] = field(default_factory=list)


@dataclass
class Leaf:
    value: int


@dataclass
class Box(Generic[T]):
    content: T


@dataclass
class IntBox(Box[int]):
    label: str = ""


@dataclass
class PetBox(Box[Cat | Dog]):
    label: str = ""


class Point(NamedTuple):
    x: int
    y: int = 0


class Home(NamedTuple):
    pet: Cat | Dog
    street: str = "Elm"


class Address(TypedDict):
    street: str
    number: typing.NotRequired[int]


class Household(TypedDict, total=False):
    pet: typing.Required[Cat | Dog]
    note: str


@attrs.define
class Car:
    wheels: int
    maker: str = "x"


@attrs.define
class Garage:
    parked: Cat | Dog
    size: int = 1


@attrs.define
class Hidden:
    shown: int
    _secret: int = 0


class Tagged(msgspec.Struct, tag="tagged"):
    value: int


class Other(msgspec.Struct, tag="other"):
    value: int


class Kennel(msgspec.Struct, rename="camel"):
    main_pet: Cat | Dog
    room_count: int = 1


class Customer(pydantic.BaseModel):
    name: str
    age: int = pydantic.Field(ge=0)
    id: UUID | None = None
    since: date | None = None
    nick: str = pydantic.Field(default="", alias="nickName")

    model_config = pydantic.ConfigDict(validate_by_name=True, validate_by_alias=True)

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def shout(self) -> str:
        return self.name.upper()


class Company(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra="forbid")

    boss: Customer
    founded: date
    codes: set[int] = set()


class Login(pydantic.BaseModel):
    user: str
    password: pydantic.SecretStr | None = None


@dataclass
class Deal:
    buyer: Customer
    sellers: list[Customer | Company] = field(default_factory=list)


@dataclass
class Numeric:
    value: complex


@dataclass
class Nested:
    inner: list[Numeric]


@dataclass
class Unresolved:
    value: Nowhere  # type: ignore[name-defined] # noqa: F821


@dataclass
class Anything:
    data: Any
    thing: object = None
    kind: Literal["a", 1, None] = None
