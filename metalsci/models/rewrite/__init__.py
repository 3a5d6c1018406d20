"""The offline rewriter: a model that proposes kernels by rewriting their source, with no key and no network."""

from metalsci.models.rewrite.change import Change, Rewrite
from metalsci.models.rewrite.rewriter import Rewriter

__all__ = ["Change", "Rewrite", "Rewriter"]
