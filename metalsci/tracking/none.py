"""No tracker: everything is in the run folder anyway."""

from collections.abc import Sequence

from metalsci.tracking.protocol import Observer
from metalsci.tracking.wandb_mode import WandbMode


class NoTracker(Observer):
    """No tracker: the run folder has everything. It takes W&B's settings, so a preset with tags runs without W&B too.

    - project, entity, mode, group, tags: not used.
    """

    def __init__(
        self,
        *,
        project: str | None = None,
        entity: str | None = None,
        mode: WandbMode = WandbMode.auto,
        group: str | None = None,
        tags: Sequence[str] = (),
    ) -> None:
        pass
