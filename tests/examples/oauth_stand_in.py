"""An API of people behind Authlib's OAuth server; a refresh token that was used once is refused.

A seed is a .json file: the people, and that the access tokens given so far have expired.

    {"people": [{"id": 1, "name": "Ada"}], "expired": true}
"""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.unit.sdk_helpers.oauth_server import FIRST, OAuthServer, Token, oauth_server


class PeopleApi(OAuthServer):
    """The server, whose tokens are numbered, so that two runs of a sync leave the same state."""

    def __init__(self) -> None:
        # Authlib takes the secret in the header as it is, and not form-encoded as RFC 6749, section 2.3.1 has it:
        # one without special characters is the same in both.
        super().__init__(client_secret="c-90a2", expires_in=0)
        self.generated = lambda kind: f"{kind}-{len(self.tokens):04}"

    def fill(self, seeds: Sequence[Path]) -> None:
        """Forget all tokens but the first refresh token, and hold what these files say."""
        self.tokens = [Token("access-0000", FIRST, time.time())]
        self.add(seeds)

    def add(self, seeds: Sequence[Path]) -> None:
        for seed in seeds:
            said = json.loads(seed.read_text(encoding="utf-8"))
            self.records = said["people"]
            if said.get("expired"):
                for token in self.tokens:
                    token.expires_at = time.time() - 1

    def snapshot(self) -> Callable[[], None]:
        """Remember the tokens and the people; the result brings them back."""
        kept = copy.deepcopy((self.tokens, self.records))

        def restore() -> None:
            self.tokens, self.records = copy.deepcopy(kept)

        return restore


@contextmanager
def people_api() -> Iterator[PeopleApi]:
    # Authlib refuses http:// otherwise; the server is the only one in this process that asks.
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    with oauth_server(PeopleApi()) as server:
        assert isinstance(server, PeopleApi)
        yield server
