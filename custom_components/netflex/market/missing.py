"""What is said of an entity that something waits for."""

from ..model.phrase import Phrase


def not_available(name: str) -> Phrase:
    """Say that an entity, or what a name stands for, is not available."""
    return Phrase("not_available", "{entity} is not available", entity=name)
