"""A backend in front of Graph, and messages for it."""

from __future__ import annotations

from flask_mail_graph import GraphBackend
from service import CLIENT, SECRET, TENANT, TOKEN

from flask_mail import Message


def options_of(graph, **options):
    return {"token": lambda: TOKEN, "url": graph.url, "timeout": 5.0, **options}


def new_backend(graph, **options):
    return GraphBackend.from_options(options_of(graph, **options), None)


def msal_options(graph, entra):
    return {
        "tenant": TENANT,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "authority": entra.url,
        "url": graph.url,
        "timeout": 5.0,
    }


def with_msal(graph, entra, **options):
    return GraphBackend.from_options({**msal_options(graph, entra), **options}, None)


def message(**fields):
    return Message(
        **{
            "subject": "Hello",
            "recipients": ["bob@example.com"],
            "body": "Hi",
            "sender": "ann@example.com",
            **fields,
        }
    )
