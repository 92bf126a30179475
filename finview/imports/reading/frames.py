"""Length-prefixed JSON frames between the service and the reading child.

JSON and never pickle: the child is the untrusted side.
"""

import struct
from typing import Any, BinaryIO

import orjson

FRAME_BYTES_MAX = 64 * 1024 * 1024
_LENGTH = struct.Struct(">I")


class BadFrame(ValueError):
    """A frame that is cut off, too long or no JSON object."""


def write(stream: BinaryIO, frame: dict[str, Any]) -> None:
    """Write one frame; blocks while the pipe is full, which is the back-pressure."""
    body = orjson.dumps(frame)
    if len(body) > FRAME_BYTES_MAX:
        raise BadFrame("frame too long")
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


def read(stream: BinaryIO) -> dict[str, Any] | None:
    """Return the next frame, None at the end of the stream; raise BadFrame for anything else."""
    head = stream.read(_LENGTH.size)
    if not head:
        return None
    if len(head) < _LENGTH.size:
        raise BadFrame("cut off")
    (length,) = _LENGTH.unpack(head)
    if length > FRAME_BYTES_MAX:
        raise BadFrame("frame too long")
    body = stream.read(length)
    if len(body) < length:
        raise BadFrame("cut off")
    frame = orjson.loads(body)
    if not isinstance(frame, dict):
        raise BadFrame("no object")
    return frame
