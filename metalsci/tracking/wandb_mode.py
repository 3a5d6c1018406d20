"""The choice between Weights & Biases online and offline."""

from enum import Enum


class WandbMode(Enum):
    """auto: online if there is a login, offline if there is none."""

    auto = "auto"
    online = "online"
    offline = "offline"
