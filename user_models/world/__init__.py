"""The fitted user model: tables, parameters, storage."""
