"""What a checkpoint has from which a run can be resumed."""

# Where -> type of what a run is resumed from.
NEEDED = {
    ('meta', 'epoch'): int,
    ('meta', 'iter'): int,
    ('message_hub', 'log_scalars'): dict,
    ('message_hub', 'resumed_keys'): dict,
    ('message_hub', 'runtime_info'): dict,
    ('optimizer',): dict,
}


def check_needed(checkpoint: object) -> None:
    """Raise a ValueError for what is missing in a checkpoint or of another type."""
    missing = []
    for place, kind in NEEDED.items():
        value: object = checkpoint
        for key in place:
            value = value.get(key) if isinstance(value, dict) else None
        if value is None:
            missing.append('.'.join(place))
        elif type(value) is not kind and not (kind is dict and isinstance(value, dict)):
            raise ValueError(f'has {".".join(place)} of type {type(value).__name__}')
    if missing:
        raise ValueError(f'has no {", ".join(missing)}')
