"""The results database: typed SQLAlchemy models, and the only code that writes to them."""
