"""Faults injected on purpose, by the numbers of docs/promises.md."""
