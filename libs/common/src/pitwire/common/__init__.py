"""Schemas, subjects, folds, bus and service shell shared by every Pitwire service."""
