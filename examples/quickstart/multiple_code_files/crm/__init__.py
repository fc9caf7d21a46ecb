"""The customer database: reading it, and cleaning what it gives."""
