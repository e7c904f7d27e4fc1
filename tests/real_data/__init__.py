"""Whole nights over exports that other people made; selected with `-m real_data`."""
