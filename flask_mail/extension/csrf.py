"""Exemption from the CSRF check of Flask-WTF, for requests of mail services and mail programs.

They send no token, and carry no cookie that another site could misuse.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, request, request_started

_names: set[str] = set()


def exempt(app: Flask, blueprint: str) -> None:
    """Exempt the blueprint of that name, which `app` has, from the check."""
    _names.add(blueprint)
    request_started.connect(_exempt, sender=app)


def _exempt(app: Flask, **extra: Any) -> None:
    # At the request, as the program may add Flask-WTF later.
    name = request.blueprint
    exempt_from = getattr(app.extensions.get("csrf"), "exempt", None)
    if name in _names and exempt_from is not None:
        exempt_from(app.blueprints[name])
