"""The loading of the sample data as a process of the stack that ends by itself."""

from __future__ import annotations

from athena_lab.stack.place import Place, athena, base_environment
from athena_lab.stack.process import Process, never


def load_sample(place: Place) -> Process:
    """Describe `athena sample` as the analyst: it fills an empty warehouse and leaves another one alone."""
    own = base_environment(place, "analyst", place.home.analyst)
    own |= {"ATHENA_GATEWAY_URL": place.url("gateway"), "ATHENA_TOKEN_FILE": str(place.home.analyst / "token")}
    return Process(
        name="sample",
        argv=athena("sample", "--if-empty"),
        account=place.accounts.of("analyst"),
        directory=place.home.analyst,
        environment=own,
        is_ready=never,
        after=("gateway", "emulator"),
        is_oneshot=True,
    )
