"""What the command line logs: warnings of ours, nothing of the libraries below, unless asked."""

import logging

__all__ = ["configure_logging"]

_LIBRARIES = ("libp2p", "multiaddr", "async_service", "trio")


def configure_logging(*, verbose: bool) -> None:
    """Log warnings of ours; with `verbose` everything, also of the libraries below."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.WARNING,
        format="%(name)s: %(message)s",
        force=True,
    )
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.NOTSET if verbose else logging.CRITICAL)
