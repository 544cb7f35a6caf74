"""Job ids the store makes: short, and in order of time."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_EPOCH = 1_735_689_600_000  # 2025-01-01T00:00:00Z in milliseconds
_RANDOM_BITS = 15
LENGTH = 11


def first_id_number(now: int, random: Random) -> int:
    """Where a run of ids begins: milliseconds since 2025, then 15 random bits."""
    return (max(0, now - _EPOCH) << _RANDOM_BITS) | random.getrandbits(_RANDOM_BITS)


def encode(number: int) -> str:
    """``number`` as 11 characters that sort as the numbers do (good until the year 2059)."""
    high, low = divmod(number, 1 << 10)
    return _leading(high) + _pairs()[low]


@lru_cache(maxsize=1)
def _leading(number: int) -> str:
    """All but the last two characters: the same for a thousand ids on end."""
    return _encode(number, LENGTH - 2)


def _encode(number: int, length: int) -> str:
    characters = []
    for _ in range(length):
        number, digit = divmod(number, 32)
        characters.append(_ALPHABET[digit])
    return "".join(reversed(characters))


@lru_cache(maxsize=1)
def _pairs() -> tuple[str, ...]:
    return tuple(_encode(number, 2) for number in range(1 << 10))
