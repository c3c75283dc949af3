"""The smallest program: a workflow that runs one activity.

    client.execute_workflow(Hello, "Ann")

The activity is an ordinary function: it may do anything, and runs again if its worker dies. The workflow only
decides. When its worker dies it goes on elsewhere, and the activity's result is not asked for a second time.
"""

from __future__ import annotations

from aion import activity, workflow


@activity.defn
def compose_greeting(name: str, greeting: str = "Hello") -> str:
    return f"{greeting}, {name}!"


@workflow.defn
class Hello:
    @workflow.run
    async def run(self, name: str) -> str:
        return await compose_greeting.execute(name)


# A workflow that needs no handlers may be a plain function, and arguments may have names.
@workflow.defn
async def hello_twice(name: str) -> list[str]:
    return [
        await compose_greeting.execute(name),
        await compose_greeting.execute(name, greeting="Good day"),
    ]
