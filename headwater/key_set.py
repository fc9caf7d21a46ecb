"""Sets of keys: which keys of a batch have been there before.

Takes     the key column of a batch
Gives     whether each key is new
Promises  "new" is said only of keys that are; where there can be no set, nothing is said

A set is a bit for each integer: some 125 kB for a million keys that follow each other, a twentieth of the time of
looking for them in a table. There is none for other keys, for integers far from each other, and in Python alone.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from headwater.compiled import compiled

# Keys of a batch that lie farther apart than that, on average, take more memory than they are worth.
MOST_BITS_PER_KEY = 64

_compiled = compiled()


class KeySet:
    """The integer keys so far, in at most so many bytes; once those are used up, it knows nothing any more."""

    def __init__(self, nbytes: int) -> None:
        self._set = None if _compiled is None else _compiled.integer_set(nbytes)

    def add(self, keys: pa.ChunkedArray, least: Any, most: Any) -> bool:
        """Add keys, none of them NULL; say whether it is certain that each is new, and none comes twice.

        least, most  the ends of their range
        """
        if self._set is None:
            return False
        if not pa.types.is_int64(keys.type) or most - least >= MOST_BITS_PER_KEY * len(keys):
            self._set = None
            return False
        answers = [self._set.add(part.buffers()[1], part.offset, len(part)) for part in keys.chunks if len(part)]
        if None in answers:
            self._set = None
        return all(answers)
