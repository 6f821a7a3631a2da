"""Signature policy: what the signature fields of a message must look like.

Our meshes are StrictNoSign: every payload is signed inside, so the fields must be absent, not
merely empty. StrictSign is for foreign meshes: the author's peer id, an 8-byte number and an
Ed25519 signature over "libp2p-pubsub:" ‖ the message without signature and key.

Source: libp2p specs, pubsub/README.md, "Message Signing" and "Signature Policy Options".
"""

from identity.errors import InvalidKeyError
from identity.keys import peer_id_bytes, public_from_peer_id, verify
from mesh.gossip.effects import StrictSign
from mesh.gossip.messages import SIGNING_DOMAIN, Message, encode_message

SEQNO_SIZE = 8
"""Bytes of a message number, big endian."""


class SignaturePolicy:
    """Dresses own messages and judges those of others.

    Args:
        strict_sign: key and first number of own messages; None for StrictNoSign.
    """

    __slots__ = ("_seqno", "_strict_sign")

    def __init__(self, strict_sign: StrictSign | None) -> None:
        self._strict_sign = strict_sign
        self._seqno = 0 if strict_sign is None else strict_sign.first_seqno

    def dress(self, topic: str, data: bytes) -> Message:
        """Return an own message with the fields that the policy asks for."""
        if self._strict_sign is None:
            return Message(topic, data)
        key = self._strict_sign.key
        seqno = self._seqno.to_bytes(SEQNO_SIZE, "big")
        self._seqno += 1
        message = Message(topic, data, peer_id_bytes(key.public), seqno)
        signature = key.sign(SIGNING_DOMAIN, encode_message(message, signed_part=True))
        return message._replace(signature=signature)

    def allows(self, message: Message) -> bool:
        """Whether a message of another has the right fields and, if any, the right signature."""
        _, _, author, seqno, signature, key = message
        if self._strict_sign is None:
            return author is None and seqno is None and signature is None and key is None
        if author is None or seqno is None or signature is None or len(seqno) != SEQNO_SIZE:
            return False
        try:
            public = public_from_peer_id(author)
        except InvalidKeyError:
            return False
        raw = encode_message(message, signed_part=True)
        return verify(public, SIGNING_DOMAIN, raw, signature)
