"""The registry of search attributes."""

from __future__ import annotations

from aion.client.calls import twin
from aion.core.search_attributes import AttributeKind
from aion.operations import search_attributes as _registry
from aion.operations.search_attributes import RegisteredAttribute

register_search_attribute = _registry.register


unregister_search_attribute = _registry.unregister


list_search_attributes = _registry.list_registered


async def aregister_search_attribute(name: str, kind: AttributeKind | str) -> RegisteredAttribute:
    """Async twin of `register_search_attribute`."""
    registered: RegisteredAttribute = await twin(register_search_attribute)(name, kind)
    return registered


async def aunregister_search_attribute(name: str, *, force: bool = False) -> None:
    """Async twin of `unregister_search_attribute`."""
    await twin(unregister_search_attribute)(name, force=force)


async def alist_search_attributes() -> list[RegisteredAttribute]:
    """Async twin of `list_search_attributes`."""
    found: list[RegisteredAttribute] = await twin(list_search_attributes)()
    return found
