"""Backups of the database, restores of them, and what the histories know of the time in between."""
