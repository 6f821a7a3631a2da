"""The bodies of the kinds that the folds read; None is what folds as nothing.

A body lacking a field or with a wrong type folds as nothing, unknown fields are ignored. A cut
names a (lane, inc) once and no lane that prunes, `replaces` names a key once, or the whole entry is
nothing. A capability that is malformed, or that carries a field its verb does not read, is dropped
alone.
"""

from identity.capability import Capability, capability_from_value, is_name
from identity.errors import InvalidCapabilityError
from identity.keys import is_valid_point

Cut = dict[tuple[int, int], tuple[int, bytes]]
"""(lane, inc): (seq, id)."""

TOPICS_MAX = 64
"""Most topics of one author in a lane, and so in a snapshot."""


def integer(value: object, stop: int) -> bool:
    """Whether a value is an integer from 0 to below `stop`; true and false are none."""
    return type(value) is int and 0 <= value < stop


def octets(value: object, size: int = 32) -> bool:
    """Whether a value is a byte string of that size."""
    return isinstance(value, bytes) and len(value) == size


def cut(value: object) -> Cut | None:
    """Read [[lane, inc, seq, id]…]."""
    if not isinstance(value, list):
        return None
    for item in value:
        match item:
            case [0 | 3 | 4 as lane, inc, seq, id_] if (
                integer(lane, 5) and integer(inc, 2**48) and integer(seq, 2**40) and octets(id_)
            ):
                continue
            case _:
                return None
    places = [(lane, inc) for lane, inc, _, _ in value]
    if len(set(places)) < len(places):
        return None
    return {(lane, inc): (seq, id_) for lane, inc, seq, id_ in value}


def replaces(value: object) -> dict[bytes, Cut] | None:
    """Read [{pk, cut}…]."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return None
    keys = [item.get("pk") for item in value]
    cuts = [cut(item.get("cut")) for item in value]
    if not all(octets(key) for key in keys) or None in cuts or len(set(keys)) < len(keys):
        return None
    return dict(zip(keys, cuts, strict=True))


def capabilities(value: object) -> list[Capability] | None:
    """Read the well-formed ones of a list of capabilities."""
    if not isinstance(value, list):
        return None
    found = []
    for item in value:
        try:
            found.append(capability_from_value(item))
        except InvalidCapabilityError:
            continue
    return found


def grant(body: object) -> dict | None:
    """Read {pk, name, stratum, epoch, caps, place?, replaces, exp?}."""
    if not isinstance(body, dict):
        return None
    read = {
        "pk": body.get("pk"),
        "name": body.get("name"),
        "stratum": body.get("stratum"),
        "epoch": body.get("epoch"),
        "caps": capabilities(body.get("caps")),
        "place": body.get("place"),
        "replaces": replaces(body.get("replaces")),
    }
    well_formed = (
        octets(read["pk"])
        and is_valid_point(read["pk"])
        and isinstance(read["name"], str)
        and is_name(read["name"])
        and integer(read["stratum"], 8)
        and read["stratum"] > 0
        and integer(read["epoch"], 2**48)
        and read["caps"] is not None
        and read["replaces"] is not None
        and ("place" not in body or isinstance(body["place"], str))
        and ("exp" not in body or type(body["exp"]) is int)
    )
    return read if well_formed else None


def revoke(body: object) -> dict | None:
    """Read {pk, name, mode, cut}; the name is `*`, `p/*` or one name."""
    if not isinstance(body, dict):
        return None
    name, items = body.get("name"), cut(body.get("cut"))
    well_formed = (
        octets(body.get("pk"))
        and isinstance(name, str)
        and (name == "*" or is_name(name.removesuffix("/*")))
        and body.get("mode") in ("compromise", "retire")
        and items is not None
    )
    return {"pk": body["pk"], "name": name, "cut": items} if well_formed else None


def pin(body: object) -> dict | None:
    """Read {pk, lane, inc, seq, id}."""
    if not isinstance(body, dict):
        return None
    well_formed = (
        octets(body.get("pk"))
        and integer(body.get("lane"), 5)
        and integer(body.get("inc"), 2**48)
        and integer(body.get("seq"), 2**40)
        and octets(body.get("id"))
    )
    return body if well_formed else None


def put(body: object) -> dict | None:
    """Read {key, value, supersedes}."""
    if not isinstance(body, dict):
        return None
    named = body.get("supersedes")
    well_formed = (
        isinstance(body.get("key"), str)
        and "value" in body
        and isinstance(named, list)
        and all(octets(item) for item in named)
    )
    return body if well_formed else None


def snap(body: object) -> dict | None:
    """Read {map: {topic: value}} and return the map."""
    topics = body.get("map") if isinstance(body, dict) else None
    return topics if isinstance(topics, dict) and len(topics) <= TOPICS_MAX else None


READERS = {"grant": grant, "revoke": revoke, "pin": pin, "put": put}
"""The kinds of the AUTH lane that are read."""
