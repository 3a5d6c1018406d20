"""One tiny call to a model, for the doctor."""

import time
from contextlib import AbstractContextManager, nullcontext

from metalsci.models.protocol import LanguageModel, Model, Prompt, Stop

_PROMPT = Prompt("Answer with one word and nothing else.", "Say: ready", iteration=1, parent="")


def check(model: Model | LanguageModel) -> str:
    """Describe the answer: who gave it, how long it took, its tokens and cost.

    Raises ModelError with advice if there is none. It costs as much as a few tokens, and the model's thinking.
    """
    with model if isinstance(model, AbstractContextManager) else nullcontext():
        begin = time.perf_counter()
        response = model.propose(_PROMPT)
        seconds = time.perf_counter() - begin
    said = " ".join(response.text.split())[:40] or "nothing"
    if response.cost is None:
        cost = "of unknown price"
    else:
        cost = f"${response.cost:.4f}"
    if response.stop is Stop.END:
        ended = ""
    else:
        ended = f", stopped by {response.stop}"
    return f"{model.name} said {said!r} in {seconds:.1f} s{ended}: {response.usage.total} tokens, {cost}"
