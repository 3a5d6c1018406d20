"""When Weights & Biases is online."""

from enum import Enum


class WandbMode(Enum):
    """auto: online when there is a login, offline when there is none."""

    auto = "auto"
    online = "online"
    offline = "offline"
