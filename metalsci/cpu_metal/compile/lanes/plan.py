"""Decisions about a region's nodes, made before any is written.

Nodes that only some lanes may run are laid out in groups, one after the other; a loop among them stands where its
header would. Those that are worth it are written once more, for vectors of which all lanes run them (see whole.py).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property

from metalsci.cpu_metal.compile.lanes.divergence import Divergence
from metalsci.cpu_metal.compile.lanes.flow import Graph, RefusedError, order
from metalsci.cpu_metal.compile.lanes.whole import copied_arms


@dataclass(frozen=True)
class MaskedLoop:
    """A loop of nodes under masks.

    items: its nodes in their order, with loops among them as one. has_one_way_back: only one of its nodes begins it
        again.
    """

    header: str
    nodes: frozenset[str]
    items: Sequence["MaskedLoop | str"]
    has_one_way_back: bool


@dataclass(frozen=True)
class MaskedGroup:
    """Nodes under masks that are laid out together.

    start, end: labels of the places before and behind them. items: as those of a loop. following: the nodes at which
        their lanes go on behind them.
    """

    nodes: frozenset[str]
    start: str
    end: str
    items: Sequence[MaskedLoop | str] = ()
    following: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Plan:
    """The groups of nodes under masks. copied: those of their nodes that whole vectors run without one."""

    groups: Sequence[MaskedGroup]
    copied: frozenset[str]

    def group(self, label: str) -> MaskedGroup | None:
        """Return the group of a node; None if all lanes run it that have not ended."""
        return self._by_node.get(label)

    def begun_again(self, label: str, target: str) -> MaskedLoop | None:
        """Return the loop under masks that lanes begin again if they go from one node to another."""
        loop = self._loops.get(target)
        if loop is None or label not in loop.nodes:
            return None
        return loop

    @cached_property
    def _by_node(self) -> Mapping[str, MaskedGroup]:
        return {label: group for group in self.groups for label in group.nodes}

    @cached_property
    def _loops(self) -> Mapping[str, MaskedLoop]:
        return {loop.header: loop for group in self.groups for loop in _loops(group.items)}


def plan(graph: Graph, known: Divergence, inside: Sequence[str], name: Callable[[], str], *, copies: bool) -> Plan:
    """Plan a region. Raises RefusedError.

    inside: its nodes. name: makes a label. copies: whole vectors have a copy of what all lanes run.
    """
    groups, copied = _groups(graph, known, inside, name), frozenset[str]()
    if copies:
        copied = copied_arms(graph, known, inside, [group.nodes for group in groups])
    found = []
    for group in groups:
        items = _items(graph, known, group.nodes, group.nodes)
        found.append(replace(group, items=items, following=_following(graph, known, inside, group.nodes)))
    return Plan(found, copied)


def _groups(graph: Graph, known: Divergence, inside: Sequence[str], name: Callable[[], str]) -> Sequence[MaskedGroup]:
    """Join what branches decide about to groups, if one of them decides about nodes of another."""
    found: dict[str, MaskedGroup] = {}
    for label in inside:
        nodes = known.influenced.get(label, frozenset())
        if not nodes:
            continue
        if not nodes <= set(inside):
            raise RefusedError("a barrier where threads have gone different ways")
        nodes = nodes.union(*(found[each].nodes for each in nodes if each in found))
        found |= dict.fromkeys(graph.ordered(nodes), MaskedGroup(nodes, name(), name()))
    return list({group.start: group for group in found.values()}.values())


def _following(graph: Graph, known: Divergence, inside: Sequence[str], nodes: Set[str]) -> frozenset[str]:
    parting = [label for label in inside if label in known.branches and known.influenced[label] & nodes]
    edges = (edge for label in {*nodes, *parting} for edge in graph.nodes[label].edges)
    return frozenset(edge.target for edge in edges if not edge.ends and edge.target not in nodes)


def _items(graph: Graph, known: Divergence, nodes: Set[str], cut: Set[str]) -> Sequence[MaskedLoop | str]:
    """Bring nodes into an order in which each follows all that lead to it; loops become items of their own.

    cut: nodes between which edges count; a loop's header is not among them for the edges that go back to it.
    """
    within = [loop for loop in known.loops if loop.nodes <= nodes and loop.header in cut]
    outer = [loop for loop in within if not any(loop.nodes < other.nodes for other in within)]
    owner = {label: loop.header for loop in outer for label in loop.nodes}
    follows: dict[str, list[str]] = {}
    for label in graph.ordered(nodes):
        own = owner.get(label, label)
        follows.setdefault(own, [])
        for target in graph.nodes[label].targets:
            other = owner.get(target, target)
            if target in cut and other != own and other not in follows[own]:
                follows[own].append(other)
    reached = {target for targets in follows.values() for target in targets}
    roots = [label for label in follows if label not in reached]
    sequence = order("", {**follows, "": roots})[1:]
    if len(sequence) < len(follows):
        raise RefusedError("its loops have more than one entry")
    by_header = {loop.header: loop for loop in outer}
    items: list[MaskedLoop | str] = []
    for label in sequence:
        if label in by_header:
            inner = by_header[label].nodes
            ways_back = sum(label in graph.nodes[each].targets for each in inner)
            items.append(MaskedLoop(label, inner, _items(graph, known, inner, inner - {label}), ways_back == 1))
        else:
            items.append(label)
    return items


def _loops(items: Sequence[MaskedLoop | str]) -> Iterator[MaskedLoop]:
    for item in items:
        if not isinstance(item, str):
            yield item
            yield from _loops(item.items)
