"""The results database: typed SQLAlchemy models behind a small interface, and the only writer."""
