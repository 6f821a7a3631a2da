"""Typed events: a class of ours on one side, a map of fields on the wire.

`@event("traffic.near_miss")` turns a class with annotated fields into a frozen dataclass and hangs
an `EventType` on it. Fields are int, str, bool, float or bytes, lists of one of these, and any of
it optional. What a field may hold is checked both when we publish and when we hear, and an error
names the field, the value and what was expected.

Two fleets are never updated at the same instant, so reading is lenient where that is safe: fields
that we do not know are ignored, a field with a default may be absent, an optional one is absent
when it is None, and a whole number is a float (languages with one number type send it so). Nothing
else is converted. A class may check more in its `__post_init__` and raise ValueError.

There is no global table of types: the class is the entry, and two versions of an application in
one process cannot disturb each other.
"""

import math
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import (
    Any,
    Final,
    Generic,
    TypeVar,
    Union,
    cast,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from identity.capability import is_event_type
from identity.encoding import INTEGER_MAX
from mesh.choreography.event import EventError

__all__ = ["EventType", "EventTypeError", "InvalidDataError", "event", "event_type"]

_ATTRIBUTE: Final = "__mesh_event_type__"
_SCALARS: tuple[type, ...] = (int, str, bool, float, bytes)

_VALIDATION_ERRORS = (ArithmeticError, AssertionError, LookupError, TypeError, ValueError)
"""What a `__post_init__` may raise about a value; a peer's bytes must not throw in our tasks."""

T = TypeVar("T")


class EventTypeError(EventError):
    """A class that cannot be an event type: a fault in the declaration."""


class InvalidDataError(EventError):
    """Data that does not fit its event type."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """What one field holds: a scalar or a list of it, perhaps None, perhaps with a default."""

    name: str
    scalar: type
    is_list: bool
    optional: bool
    has_default: bool

    @property
    def expectation(self) -> str:
        text = f"list of {self.scalar.__name__}" if self.is_list else self.scalar.__name__
        return f"{text} or None" if self.optional else text


@dataclass(frozen=True, slots=True, eq=False)
class EventType(Generic[T]):
    """An event type: its name on the wire and the class that holds its data."""

    name: str
    cls: type[T]
    shapes: tuple[_Shape, ...]

    def encode(self, value: T) -> dict[str, object]:
        """Return the data map of an instance; fields that are None are left out.

        Raises:
            InvalidDataError: a field holds a value that its annotation does not allow.
        """
        data: dict[str, object] = {}
        for shape in self.shapes:
            held = self._checked(shape, getattr(value, shape.name))
            if held is not None:
                data[shape.name] = held
        return data

    def decode(self, data: Mapping[str, object]) -> T:
        """Return the instance that a data map stands for; unknown fields are ignored.

        Raises:
            InvalidDataError: a field is missing or holds something else than its annotation.
        """
        held: dict[str, object] = {}
        for shape in self.shapes:
            if shape.name in data:
                held[shape.name] = self._checked(shape, data[shape.name])
            elif shape.optional and not shape.has_default:
                held[shape.name] = None
            elif not shape.has_default:
                raise InvalidDataError(
                    f"{self.name}.{shape.name} is missing: expected {shape.expectation}"
                )
        try:
            return self.cls(**held)
        except _VALIDATION_ERRORS as error:  # raised by the class's own __post_init__
            raise InvalidDataError(f"{self.name} {held!r:.60} is refused: {error}") from error

    def _checked(self, shape: _Shape, value: object) -> object:
        if value is None and shape.optional:
            return None
        if not shape.is_list:
            return self._scalar(shape, value)
        if not isinstance(value, list | tuple):
            raise self._unfit(shape, value)
        items = cast("list[object] | tuple[object, ...]", value)
        return [self._scalar(shape, item) for item in items]

    def _scalar(self, shape: _Shape, value: object) -> object:
        if isinstance(value, bool) and shape.scalar is not bool:
            raise self._unfit(shape, value)
        if isinstance(value, int) and shape.scalar in (int, float):
            if not -INTEGER_MAX <= value <= INTEGER_MAX:
                raise self._unfit(shape, value, " with |n| < 2^53")
            return shape.scalar(value)
        if not isinstance(value, shape.scalar):
            raise self._unfit(shape, value)
        if isinstance(value, float) and not math.isfinite(value):
            raise self._unfit(shape, value, ", finite")
        return value

    def _unfit(self, shape: _Shape, value: object, more: str = "") -> InvalidDataError:
        return InvalidDataError(
            f"{self.name}.{shape.name} holds {value!r:.60} ({type(value).__name__}): "
            f"expected {shape.expectation}{more}"
        )


@dataclass_transform(frozen_default=True)
def event(name: str) -> Callable[[type[T]], type[T]]:
    """Declare an event type.

    Args:
        name: the type on the wire, such as `traffic.near_miss`.

    Returns:
        A decorator that makes the class a frozen dataclass, unless it is a dataclass already.

    Raises:
        EventTypeError: the name, or a field of the class, cannot be part of an event.

    Example:
        @mesh.event("traffic.near_miss")
        class NearMiss:
            kind: str
            confidence: float
    """
    if not is_event_type(name):
        raise EventTypeError(f"event type {name!r}: expected a name such as traffic.near_miss")

    def declare(cls: type[T]) -> type[T]:
        # `vars`: a subclass of a dataclass is not itself one yet.
        own = cls if "__dataclass_fields__" in vars(cls) else dataclass(frozen=True)(cls)
        hints = get_type_hints(own)
        declared = fields(cast("Any", own))
        shapes = tuple(_shape(name, field, hints[field.name]) for field in declared if field.init)
        setattr(own, _ATTRIBUTE, EventType(name, own, shapes))
        return own

    return declare


def event_type(cls: type[T]) -> EventType[T]:
    """Return the event type that a class was declared as.

    Raises:
        EventTypeError: the class was not declared with `@event`.
    """
    declared = vars(cls).get(_ATTRIBUTE)
    if not isinstance(declared, EventType) or not is_dataclass(cls):
        raise EventTypeError(f"{cls.__name__} is no event: declare it with @mesh.event(…)")
    return cast("EventType[T]", declared)


def _shape(event_name: str, field: "Field[Any]", hint: object) -> _Shape:
    inner, optional = hint, False
    if get_origin(hint) in (Union, types.UnionType):
        arms = [arm for arm in get_args(hint) if arm is not type(None)]
        optional = len(arms) < len(get_args(hint))
        inner = arms[0] if len(arms) == 1 else hint
    is_list = get_origin(inner) is list
    scalar = get_args(inner)[0] if is_list else inner
    if scalar not in _SCALARS:
        raise EventTypeError(
            f"{event_name}.{field.name} is annotated {hint}: expected int, str, bool, float or "
            "bytes, a list of one of them, or one of these or None"
        )
    has_default = field.default is not MISSING or field.default_factory is not MISSING
    return _Shape(field.name, cast("type", scalar), is_list, optional, has_default)
