"""Whole nights through the doors that people use: command line, Dagster, files."""
