"""multistream-select that a stranger cannot abuse.

Both sides propose and answer in lines of text, each with its length in front (multistream-select
1.0). The stock reader believes any announced length, dies of bytes that are not UTF-8 and answers
proposals for as long as they come; this one reads lines of at most `NEGOTIATION_LINE_SIZE_MAX`
bytes, at most `NEGOTIATION_LINES_MAX` of them, and reports whatever is wrong as what it is: a
negotiation that failed.
"""

from libp2p.abc import IMultiselectCommunicator
from libp2p.io.abc import ReadWriteCloser
from libp2p.protocol_muxer.exceptions import MultiselectCommunicatorError

from mesh.net.limits import NEGOTIATION_LINE_SIZE_MAX, NEGOTIATION_LINES_MAX

__all__ = ["BoundedCommunicator"]


class BoundedCommunicator(IMultiselectCommunicator):
    """Reads and writes the lines of one negotiation."""

    def __init__(self, stream: ReadWriteCloser) -> None:
        self._stream = stream
        self._lines_read = 0

    async def write(self, msg_str: str) -> None:
        """Sends one line.

        Raises:
            MultiselectCommunicatorError: The stream is gone.
        """
        line = msg_str.encode() + b"\n"
        size = len(line)
        prefix = bytes([size]) if size < 0x80 else bytes([size & 0x7F | 0x80, size >> 7])
        try:
            await self._stream.write(prefix + line)
        except Exception as error:
            raise MultiselectCommunicatorError(f"cannot send {msg_str!r}: {error!r}") from error

    async def read(self) -> str:
        """Reads one line.

        Raises:
            MultiselectCommunicatorError: There is no line, or it breaks a limit.
        """
        self._lines_read += 1
        if self._lines_read > NEGOTIATION_LINES_MAX:
            raise MultiselectCommunicatorError(f"more than {NEGOTIATION_LINES_MAX} proposals")
        try:
            size = (await self._exactly(1))[0]
            if size & 0x80:
                high = (await self._exactly(1))[0]
                if high & 0x80:
                    raise MultiselectCommunicatorError("a line of 16384 bytes or more")
                size = size & 0x7F | high << 7
            if size > NEGOTIATION_LINE_SIZE_MAX:
                raise MultiselectCommunicatorError(f"a line of {size} bytes")
            line = await self._exactly(size)
            text = line.decode()
        except MultiselectCommunicatorError:
            raise
        except Exception as error:
            raise MultiselectCommunicatorError(f"no line: {error!r}") from error
        if not text.endswith("\n"):
            raise MultiselectCommunicatorError(f"a line that does not end: {text[-32:]!r}")
        return text[:-1]

    async def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            chunk = await self._stream.read(size - len(data))
            if not chunk:
                raise MultiselectCommunicatorError("the stream ended inside a line")
            data += chunk
        return data
