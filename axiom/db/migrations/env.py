"""Alembic's entry: runs the revisions on the connection, and inside the transaction, of `Database.migrate`."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
context.run_migrations()
