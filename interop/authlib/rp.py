"""A relying party with Authlib: its client session, and its checks of an ID token."""
import json
import os
import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, jwt
from authlib.oidc.core import CodeIDToken

ISSUER, CLIENT_ID, CLIENT_SECRET = (os.environ[name] for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET"))
SCOPE, PORT = (os.environ[name] for name in ("SCOPE", "PORT"))
HOME = f"http://localhost:{PORT}"
META = requests.get(ISSUER + "/.well-known/openid-configuration", timeout=10).json()
KEYS = JsonWebKey.import_key_set(requests.get(META["jwks_uri"], timeout=10).json())
sessions = {}


def client(**more):
    return OAuth2Session(CLIENT_ID, CLIENT_SECRET, redirect_uri=HOME + "/callback", code_challenge_method="S256", **more)


def keep(session, token, refreshed=False):
    session["token"] = {**session.get("token", {}), **token}
    expected = {"iss": {"essential": True, "value": ISSUER}, "aud": {"essential": True, "value": CLIENT_ID}}
    checked = {"client_id": CLIENT_ID, "access_token": token["access_token"]}
    if not refreshed:
        checked |= {"nonce": session["nonce"], "max_age": session["max_age"]}
    claims = jwt.decode(token["id_token"], KEYS, claims_cls=CodeIDToken, claims_options=expected, claims_params=checked)
    claims.validate(leeway=5)
    userinfo = client(token=token).get(META["userinfo_endpoint"]).json()
    return {"ok": True, "claims": claims, "amr": claims.get("amr"), "acr": claims.get("acr"), "userinfo": userinfo}


def login(query, session):
    extra = {name: query[name][0] for name in ("prompt", "max_age", "acr_values") if name in query}
    session.update(verifier=secrets.token_urlsafe(48), nonce=secrets.token_urlsafe(16), max_age=None)
    if "max_age" in extra:
        session["max_age"] = int(extra["max_age"])
    address, session["state"] = client(scope=SCOPE).create_authorization_url(
        META["authorization_endpoint"], code_verifier=session["verifier"], nonce=session["nonce"], **extra)
    return address


def callback(query, session, address):
    if "error" in query:
        raise OAuthError(query["error"][0])
    token = client(state=session["state"]).fetch_token(
        META["token_endpoint"], authorization_response=address, code_verifier=session["verifier"])
    return keep(session, token)


def refresh(session):
    old = session["token"]["refresh_token"]
    return keep(session, client().refresh_token(META["token_endpoint"], refresh_token=old), refreshed=True)


def introspect(session):
    claims = client().introspect_token(META["introspection_endpoint"], token=session["token"]["access_token"]).json()
    return {"ok": claims["active"], "claims": claims, "amr": claims.get("amr"), "acr": claims.get("acr")}


def revoke(session):
    answer = client().revoke_token(META["revocation_endpoint"], token=session["token"]["refresh_token"])
    return {"ok": answer.status_code == 200}


def machine():
    token = client().fetch_token(META["token_endpoint"], grant_type="client_credentials")
    return {"ok": True, "token_type": token["token_type"]}


class Handler(BaseHTTPRequestHandler):
    def answer(self, session):
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        match url.path:
            case "/login": return login(query, session)
            case "/callback": return callback(query, session, HOME + self.path)
            case "/refresh": return refresh(session)
            case "/introspect": return introspect(session)
            case "/revoke": return revoke(session)
            case "/machine": return machine()
        return {"ok": False, "error": "nothing here"}

    def do_GET(self):
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("rp_session")
        name = cookie.value if cookie else secrets.token_urlsafe(16)
        try:
            shown = self.answer(sessions.setdefault(name, {}))
        except OAuthError as error:
            shown = {"ok": False, "error": error.error}
        except Exception as error:  # whoever looks at the test's output wants to see it
            shown = {"ok": False, "error": repr(error)}
        self.send_response(303 if isinstance(shown, str) else 200)
        self.send_header("Set-Cookie", f"rp_session={name}; Path=/; HttpOnly")
        if isinstance(shown, str):
            self.send_header("Location", shown)
        else:
            self.send_header("Content-Type", "application/json")
        self.end_headers()
        if not isinstance(shown, str):
            self.wfile.write(json.dumps({"rp": "authlib", **shown}).encode() + b"\n")

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(PORT)), Handler).serve_forever()
