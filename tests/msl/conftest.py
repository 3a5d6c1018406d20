import pytest
from mlx_generator import Emit, emit


@pytest.fixture(scope="session")
def emitted() -> Emit:
    """Return the function that asks MLX's own generator for a kernel's source."""
    return emit
