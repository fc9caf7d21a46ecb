"""Authlib's OAuth 2.0 server on 127.0.0.1, which rotates refresh tokens: one that was used is refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import flask
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from werkzeug.serving import make_server

CLIENT = "connector"
CLIENT_SECRET = "client/secret+1"
FIRST = "refresh-0000"


@dataclass
class Application(ClientMixin):  # type: ignore[misc]  # Authlib has no types
    secret: str = CLIENT_SECRET

    def get_client_id(self) -> str:
        return CLIENT

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == self.secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in ("client_secret_basic", "client_secret_post")

    def check_grant_type(self, grant_type: str) -> bool:
        return True


@dataclass
class Token(TokenMixin):  # type: ignore[misc]  # Authlib has no types
    access_token: str
    refresh_token: str | None
    expires_at: float
    revoked: bool = False
    user: str = "ann"

    def check_client(self, client: Application) -> bool:
        return True

    def get_scope(self) -> str:
        return ""

    def is_expired(self) -> bool:
        return time.time() > self.expires_at

    def is_revoked(self) -> bool:
        return self.revoked

    def get_user(self) -> str:
        return self.user

    def get_client(self) -> Application:
        return Application()


class CredentialsGrant(grants.ClientCredentialsGrant):  # type: ignore[misc]  # Authlib has no types
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")


@dataclass
class OAuthServer:
    """The authorization server, with an API behind it.

    generated  makes the tokens, from a word; None leaves that to Authlib
    """

    client_secret: str = CLIENT_SECRET
    expires_in: int = 3600  # 0: the answer does not say it
    token_seconds: float = 0.0
    url: str = ""
    tokens: list[Token] = field(default_factory=lambda: [Token("access-0000", FIRST, time.time())])
    token_calls: list[str] = field(default_factory=list)
    records: list[Any] = field(default_factory=lambda: [1])
    generated: Callable[[str], str] | None = None

    def save(self, token: dict[str, Any], request: Any) -> None:
        expires_at = time.time() + token.get("expires_in", 3600)
        self.tokens.append(Token(token["access_token"], token.get("refresh_token"), expires_at))

    def app(self) -> flask.Flask:
        app = flask.Flask("oauth")
        app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
        if self.generated is not None:
            make = self.generated
            app.config["OAUTH2_ACCESS_TOKEN_GENERATOR"] = lambda *_, **__: make("access")
            app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = lambda *_, **__: make("refresh")
        app.config["OAUTH2_TOKEN_EXPIRES_IN"] = dict.fromkeys(("client_credentials", "refresh_token"), self.expires_in)
        server = AuthorizationServer(
            app,
            query_client=lambda name: Application(self.client_secret) if name == CLIENT else None,
            save_token=self.save,
        )
        server.register_grant(CredentialsGrant)
        server.register_grant(self.refresh_grant())

        @app.post("/token")
        @app.post("/oauth/token")
        def token() -> Any:
            self.token_calls.append(flask.request.form["grant_type"])
            time.sleep(self.token_seconds)
            return server.create_token_response()

        @app.get("/api")
        @app.get("/users")
        def api() -> Any:
            given = flask.request.headers.get("Authorization", "")
            good = [t for t in self.tokens if given == f"Bearer {t.access_token}" and not t.revoked]
            return (flask.jsonify(self.records), 200) if good and not good[0].is_expired() else (flask.jsonify([]), 401)

        return app

    def refresh_grant(oauth) -> type:  # `self` is the grant below
        class Rotating(grants.RefreshTokenGrant):  # type: ignore[misc]  # Authlib has no types
            INCLUDE_NEW_REFRESH_TOKEN = True
            TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

            def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
                return next((t for t in oauth.tokens if t.refresh_token == refresh_token and not t.revoked), None)

            def authenticate_user(self, refresh_token: Token) -> str:
                return refresh_token.user

            def revoke_old_credential(self, refresh_token: Token) -> None:
                refresh_token.revoked = True

        return Rotating


@contextmanager
def oauth_server(server: OAuthServer) -> Iterator[OAuthServer]:
    """Serve it on a free port until the end. Authlib wants AUTHLIB_INSECURE_TRANSPORT=1 in the environment."""
    http = make_server("127.0.0.1", 0, server.app(), threaded=True)
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, name="oauth-server")
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
