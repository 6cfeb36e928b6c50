"""Alembic migrations, run by `Database.migrate`."""
