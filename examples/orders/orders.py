"""Orders: the confirmation is in the transaction of the order, and a worker sends it.

Serve it, and send its mail, which is printed by the worker::

    flask --app orders run
    flask --app orders mail work
"""

from __future__ import annotations

from typing import Any

from flask import Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_mail_queue import define_tables
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import CheckConstraint, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from flask_mail import Mail, MessageError

db = SQLAlchemy()
mail = Mail()

STOCK = {"Blue teapot": 3, "Red teapot": 1}


class Item(db.Model):  # type: ignore[misc,name-defined]  # the extension makes it
    """A teapot, and how many of it there are."""

    name: Mapped[str] = mapped_column(primary_key=True)
    stock: Mapped[int]
    __table_args__ = (CheckConstraint("stock >= 0"),)


class Order(db.Model):  # type: ignore[misc,name-defined]
    """An order, and the Message-ID of its confirmation."""

    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str]
    item: Mapped[str]
    message_id: Mapped[str]


define_tables(db.metadata)


def create_app(**config: Any) -> Flask:
    """Return the app; ``config`` overrides the environment (``FLASK_...``)."""
    app = Flask(__name__)
    app.config.update(
        SQLALCHEMY_DATABASE_URI="sqlite:///orders.sqlite",
        MAIL_DEFAULT_SENDER=("The Teapot Shop", "shop@shop.example"),
        MAIL_MAILERS={
            # mail.send() stores messages, and the worker sends them by the other mailer.
            "default": {"BACKEND": "queue", "MAILER": "delivery"},
            "delivery": "console",
        },
    )
    app.config.from_prefixed_env()
    app.config.update(config)
    db.init_app(app)
    mail.init_app(app)
    app.add_url_rule("/", view_func=show)
    app.add_url_rule("/", view_func=order, methods=["POST"])
    with app.app_context():
        db.create_all()
        for name, stock in STOCK.items():
            db.session.execute(insert(Item).prefix_with("OR IGNORE").values(name=name, stock=stock))
        db.session.commit()
    return app


def show(problem: str = "") -> str:
    """Return the page with the teapots, and with the orders and what became of their mail."""
    queue = db.metadata.tables["mail_queue"]
    of_the_order = queue.c.message_id == Order.message_id
    orders = select(Order, queue.c.state).outerjoin(queue, of_the_order).order_by(Order.id.desc())
    return render_template(
        "page.html",
        items=db.session.scalars(select(Item).order_by(Item.name)),
        orders=db.session.execute(orders),
        problem=problem,
    )


def order() -> ResponseReturnValue:
    """Take an order; its confirmation is stored in the same transaction."""
    name, address = request.form["item"], request.form["address"].strip()
    item = db.get_or_404(Item, name)
    message = mail.render("confirmation", [address], subject="Your order", item=name)
    try:
        db.session.add(Order(address=address, item=name, message_id=message.msgId))
        mail.send(message)
        item.stock -= 1
        db.session.commit()
    except MessageError as error:  # such as an address that is not valid
        db.session.rollback()
        return show(str(error)), 422
    except IntegrityError:
        # The last one was sold meanwhile: there is no order, and no mail.
        db.session.rollback()
        return show(f"{name} is sold out."), 409
    return redirect(url_for("show"))
