"""Predictions for a GPU that is not there, next to measured times.

Only where the device can count what it executes. A forecast never fails: what could not be counted is said in it.
"""

from collections.abc import Mapping

from metalsci.devices.errors import CANDIDATE_FAULTS
from metalsci.devices.protocol import Countable, Device, Execution, Predicting
from metalsci.devices.virtual.forecast import Forecast, forecast
from metalsci.devices.virtual.gpu_facts import GpuFacts, facts_of
from metalsci.devices.virtual.prediction import predict


class Forecaster:
    """Predictor of seconds on one GPU. gpu: the chip's facts, see metalsci.devices.virtual.gpu_facts."""

    def __init__(self, gpu: GpuFacts) -> None:
        self.gpu = gpu

    def forecast(self, executions: Mapping[str, Execution]) -> Forecast | None:
        """Predict from one candidate's executions by the labels of their sizes; None if the device cannot count."""
        counted = {label: execution for label, execution in executions.items() if isinstance(execution, Countable)}
        if not counted or len(counted) < len(executions):
            return None
        try:
            predictions = {label: predict(execution.profile(), self.gpu) for label, execution in counted.items()}
        except CANDIDATE_FAULTS as failure:
            return Forecast(self.gpu.name, unknown=str(failure))
        return forecast(self.gpu.name, predictions)


def forecaster(device: Device, chip: str) -> Forecaster:
    """Make a forecaster for the device's own GPU if it predicts one, else for `chip`. Raises UnknownGpuError."""
    return Forecaster(device.predicted_gpu if isinstance(device, Predicting) else facts_of(chip))
