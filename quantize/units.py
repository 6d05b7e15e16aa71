"""Bytes and durations as people read them: `24.0 GiB`, `1m 20s`."""

from __future__ import annotations

_STEPS = ("B", "KiB", "MiB", "GiB", "TiB")


def size(value: float) -> str:
    """`value` bytes in the largest binary unit that leaves at least one: 25769803776 -> '24.0 GiB', 512 -> '512 B'."""
    amount, unit = float(value), _STEPS[0]
    for unit in _STEPS:
        if abs(amount) < 1023.95 or unit == _STEPS[-1]:  # 1023.96 KiB would be shown as 1024.0 KiB
            break
        amount /= 1024
    return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"


def duration(value: float) -> str:
    """`value` seconds: 0.25 -> '0.2s', 42 -> '42s', 80 -> '1m 20s', 5400 -> '1h 30m'. Negative ones are 0."""
    value = max(value, 0.0)
    if value < 9.95:
        return f"{value:.1f}s" if value != int(value) else f"{int(value)}s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {seconds:02d}s" if minutes else f"{seconds}s"
