"""Known authors: whose entries are stored at all.

A key is known if a chain of grants leads from genesis to it by signatures, strata and capabilities
alone. Cuts, pins, epochs, evidence, limits and who else holds the name are ignored, so that more
entries can only make more keys known.
"""

from collections.abc import Iterable, Sequence

from crdt.entry import Entry
from identity.capability import covers, permits
from identity.genesis import Genesis, RootStatement

from .authority import ROOT, all_words
from .held import hold


def known_authors(
    genesis: Genesis, statements: Sequence[RootStatement], entries: Iterable[Entry]
) -> frozenset[bytes]:
    """Return the keys that some chain of grants reaches, roots apart."""
    grants = [
        word for word in all_words(statements, hold(genesis, entries)) if word.kind == "grant"
    ]
    chains = {(*ROOT, 0): None}
    while True:
        longer = dict(chains)
        for word in grants:
            body = word.body
            issuers = [
                held
                for (key, _, stratum), held in chains.items()
                if key == (word.entry.author if word.entry else b"")
                and stratum < body["stratum"]
                and (
                    held is None
                    or any(permits(mine, verb="grant", name=body["name"]) for mine in held)
                )
            ]
            if issuers:
                place = (body["pk"], body["name"], body["stratum"])
                longer[place] = (longer.get(place) or frozenset()) | {
                    capability
                    for held in issuers
                    for capability in body["caps"]
                    if held is None or any(covers(outer, capability) for outer in held)
                }
        if longer == chains:
            return frozenset(key for key, _, _ in chains) - {ROOT[0]}
        chains = longer
