"""List, add and remove the search attributes that runs may be found by."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from aion.core.errors import AionError
from aion.core.search_attributes import AttributeKind
from aion.operations.search_attributes import (
    RegisteredAttribute,
    list_registered,
    register,
    unregister,
)


class Command(BaseCommand):
    """`manage.py search_attributes [list | add NAME KIND | remove NAME]`."""

    help = "Lists, adds and removes registered search attributes."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the actions."""
        actions = parser.add_subparsers(dest="action", metavar="list | add | remove")
        each = [
            actions.add_parser("list", help="list what is registered (the default)"),
            actions.add_parser("add", help="register a name"),
            actions.add_parser("remove", help="remove a name from the table"),
        ]
        for action in each:
            action.add_argument("--json", action="store_true", help="write the answer as JSON")
        for action in each[1:]:
            action.add_argument("name")
        each[1].add_argument("kind", help=f"one of {', '.join(AttributeKind)}")
        each[2].add_argument(
            "--force", action="store_true", help="even if runs have values of the attribute"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked.

        Raises:
            CommandError: it is refused; the message says why.
        """
        as_json = options.get("json", False)
        try:
            match options["action"]:
                case "add":
                    self._show([register(options["name"], options["kind"])], as_json=as_json)
                case "remove":
                    unregister(options["name"], force=options["force"])
                    if as_json:
                        self.stdout.write(json.dumps({"removed": options["name"]}))
                case _:
                    self._show(list_registered(), as_json=as_json)
        except AionError as error:
            raise CommandError(f"{error} [{error.code}]") from error

    def _show(self, found: list[RegisteredAttribute], *, as_json: bool) -> None:
        if as_json:
            rows = [
                {"name": one.name, "kind": str(one.kind), "source": one.source} for one in found
            ]
            self.stdout.write(json.dumps(rows))
            return
        width = max((len(one.name) for one in found), default=0)
        for one in found:
            self.stdout.write(f"{one.name:<{width}}  {one.kind:<12}  {one.source}")
