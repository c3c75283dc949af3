"""What users import from `aion` is a short list, and all of it is there."""

import aion

MOST_NAMES = 30


def test_the_front_door_is_small() -> None:
    assert len(aion.__all__) <= MOST_NAMES


def test_every_public_name_exists() -> None:
    missing = [name for name in aion.__all__ if not hasattr(aion, name)]

    assert missing == []
