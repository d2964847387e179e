"""Counts with the right plural."""


def count_of(number: int, singular: str, plural: str = "") -> str:
    """`1 backup`, `2 backups`, `1,200 backups`; `plural` if it is not the singular with an s."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
