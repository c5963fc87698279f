"""What the web server answers besides the pages, and whom it refuses: it is asked by who sits at this machine."""

import hmac
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import flask
import plotly

from platform import reporting
from platform.config.errors import UserError
from platform.results.run_folder import RunFolder
from platform.viewing.figure_route import serve_figures
from platform.viewing.runs import Runs
from platform.viewing.tools import Tools

OWN_FILES = {
    "page.css": Path(reporting.__file__).parent,
    "colours.js": Path(reporting.__file__).parent,
    "plotly.min.js": Path(plotly.__file__).parent / "package_data",
}
PROBLEM = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>not opened</title>
<link rel="stylesheet" href="/own/page.css"></head>
<body><main><h1>It cannot be opened</h1><p>{{ text }}</p></main></body>
</html>"""


def serve_routes(server: flask.Flask, runs: Runs, tools: Tools, hosts: Sequence[str]) -> None:
    """`hosts`: the names under which it may be asked for."""
    _guard(server, hosts)
    serve_figures(server, runs)

    @server.get("/own/<name>")
    def own(name: str) -> flask.Response:
        if name not in OWN_FILES:
            flask.abort(404)
        return flask.send_from_directory(OWN_FILES[name], name)

    @server.post("/open/<tool>/<key>")
    def open_tool(tool: str, key: str) -> flask.Response:
        """It starts a program, so that a page of this server must ask, which alone knows the token."""
        if not hmac.compare_digest(flask.request.form.get("token", "").encode(), tools.token.encode()):
            return _problem("This page is of an earlier dashboard: load it again, then open it from there.", 403)
        try:
            return flask.redirect(tools.open(tool, RunFolder(runs.get(key).path)), 303)  # type: ignore[return-value]
        except UserError as error:
            return _problem(str(error), 404)


def _problem(text: str, status: int) -> flask.Response:
    return flask.Response(flask.render_template_string(PROBLEM, text=text), status)


def _guard(server: flask.Flask, hosts: Sequence[str]) -> None:
    @server.before_request
    def check() -> flask.Response | None:
        """A name that an attacker's server answers for may lead here; so may a form or an image of another page."""
        asked = urlsplit(f"//{flask.request.host}").hostname
        from_elsewhere = flask.request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
        is_link = flask.request.headers.get("Sec-Fetch-Mode") == "navigate" and flask.request.method == "GET"
        is_link = is_link and not flask.request.path.startswith("/open")
        if asked not in hosts and not _is_number(asked):
            return flask.Response(f"This dashboard is not {asked}: begin it with --host.\n", 403)
        if from_elsewhere and not is_link:
            return flask.Response("Asked for by another page.\n", 403)
        return None

    @server.after_request
    def harden(response: flask.Response) -> flask.Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Frame-Options"] = "DENY"
        return response


def _is_number(host: str | None) -> bool:
    """An address by its number is asked for by nobody who was led here by a name."""
    try:
        ipaddress.ip_address(host or "")
    except ValueError:
        return False
    return True
