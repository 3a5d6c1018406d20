"""Analysis of a kernel's code before it is written for vectors of threads, with the reasons against that."""

from collections.abc import Mapping, Sequence, Set

from metalsci.cpu_metal.compile.lanes.divergence import Divergence, Searches
from metalsci.cpu_metal.compile.lanes.flattened import flatten
from metalsci.cpu_metal.compile.lanes.flow import FewThreadsError, OwnPlacesError, RefusedError, end_early
from metalsci.cpu_metal.compile.lanes.idle import Idleness, shared
from metalsci.cpu_metal.compile.lanes.section import INDEX, LANE, Section, X, regions
from metalsci.cpu_metal.compile.lanes.shapes import UNIFORM, VARYING, Shape
from metalsci.cpu_metal.compile.lanes.sparse import one_of
from metalsci.cpu_metal.compile.lanes.steps import EXCHANGE, exchanges
from metalsci.cpu_metal.compile.lanes.variables import keep_vectors_together, shapes_of, variables
from metalsci.cpu_metal.compile.lanes.worth import (
    FEWEST_IF_LONG,
    WhenInLanes,
    few_have_loops,
    gathered_too_much,
    scatters_too_much,
)

# What makes an address of others.
_ADDRESSES = frozenset({"getelementptr", "phi", "select", "bitcast", "freeze", "addrspacecast"})


class Analysis:
    """A section, its shapes and its regions between barriers. Raises RefusedError for what cannot run in lanes.

    lanes: axes by the values that are threads' places. firsts: what those places are counted from. own_lanes: values
    that are a thread's place in its simdgroup. variables: threads' own, by name. of_group, in_general, in_rows: shapes
    over all threads of a group, over a vector, and over one that lies in a row. region: of each node, the head of its
    region. heads: of the regions, the first one first. crossing: values that outlive their region. shared: those of
    them that a group has in common. ends_early: threads may end before the others.
    joins_rows: vectors may reach over the ends of rows. Whether they do does not decide what is refused.
    needs_whole_rows: it is only for groups whose rows are made of whole vectors.
    """

    def __init__(self, found: Section, width: int, *, is_row: bool, joins_rows: bool = True) -> None:
        self.section, self.width, self.is_row, self.graph = found, width, is_row, found.graph
        self.needs_whole_rows = not (is_row or joins_rows)
        places = [each for node in self.graph.nodes.values() for each in node.body if each.callee == LANE]
        self.lanes = {each.result: int(each.operands[0].value) for each in places}
        self.firsts = {each.result: each.operands[1].value for each in places}
        self.brought, self.own_lanes = exchanges(self.graph)
        self.variables = variables(found.before, self.graph)
        self._find_shapes(joins_rows=joins_rows)
        if keep_vectors_together(self.variables, self.graph, self.in_rows):
            self._find_shapes(joins_rows=joins_rows)
        self._find_regions()

    def _find_shapes(self, *, joins_rows: bool) -> None:
        of_group = self._given_to_the_group()
        searches = Searches(self.graph, of_group.keys())
        self.of_group = searches.divergence(of_group)
        while end_early(self.graph, self._ways_to_an_end(self.of_group)):
            searches = Searches(self.graph, of_group.keys())
            self.of_group = searches.divergence(of_group)
        given = self._given(joined=True)
        self.in_rows = self.of_group if self.is_row else searches.divergence(self._given(joined=False))
        if flatten(self.graph, self.in_rows):
            searches = Searches(self.graph, of_group.keys())
            self.of_group = searches.divergence(of_group)
            self.in_rows = self.of_group if self.is_row else searches.divergence(self._given(joined=False))
        if given == of_group:
            self.in_general = self.of_group
        elif joins_rows or self.brought:
            self.in_general = searches.divergence(given)
        else:
            self.in_general = self.in_rows

    def _find_regions(self) -> None:
        self.region = regions(self.graph)
        self.heads = list(dict.fromkeys(self.region.values()))
        self.ends_early = any(edge.ends for node in self.graph.nodes.values() for edge in node.edges)
        self._check()
        self.crossing = self._find_crossing()
        self._check_exchanges()
        self.shared = shared(self.crossing, [self.of_group, self.in_general, self.in_rows])
        self.idleness = Idleness(self.graph, self.lanes, self.of_group, self.crossing - self.shared)

    def _ways_to_an_end(self, known: Divergence) -> list[str]:
        """List nodes whose branches threads may end by.

        LLVM lets threads of which it knows the answer go past a question that all are asked, such as whether there is
        anything to do before a loop with barriers. The others then end there, though all have the same answer.
        """
        found = set(known.branches)
        for region in known.influenced.values():
            if any(edge.barrier for label in region for edge in self.graph.nodes[label].edges):
                found |= {label for label in region if len(self.graph.nodes[label].edges) == 2}
        return sorted(found)

    def _given(self, *, joined: bool) -> dict[str, Shape]:
        """Return shapes of a thread's place: in a row, or if a vector may reach over the ends of rows."""
        given = shapes_of(self.variables)
        given |= dict.fromkeys(self.brought, UNIFORM) | dict.fromkeys(self.own_lanes, Shape("strided", 1))
        for name, axis in self.lanes.items():
            if axis == INDEX or (axis == X and (self.is_row or not joined)):
                given[name] = Shape("strided", 1, span=self.width)
            else:
                given[name] = VARYING if joined and not self.is_row else UNIFORM
        return given

    def _given_to_the_group(self) -> dict[str, Shape]:
        """Return shapes of a thread's place over all threads of the group."""
        if self.is_row:
            return self._given(joined=True)
        varying = dict.fromkeys([*self.brought, *self.own_lanes, *self.lanes], VARYING)
        return shapes_of(self.variables) | varying

    def _check(self) -> None:
        for label in self.graph.ordered(self.of_group.branches):
            region = self.of_group.influenced[label]
            if any(self.region.get(each) != self.region[label] for each in region):
                raise RefusedError(self._divergence(region))
        for label in self.graph.ordered(self.in_general.branches):
            region = self.in_general.influenced[label]
            # Who takes part then is who comes together: that is what stacks are for.
            for each in (each for name in self.graph.ordered(region) for each in self.graph.nodes[name].body):
                if each.callee == EXCHANGE:
                    raise RefusedError("a function of a simdgroup where threads may go different ways", each)

    def _divergence(self, region: Set[str]) -> str:
        edges = [edge for label in region for edge in self.graph.nodes[label].edges]
        lines = sorted({int(edge.line) for edge in edges if edge.line.isdigit()})
        where = "a barrier"
        if lines:
            where = f"the barrier in line {lines[0]}"
        return f"threads may come to {where} on different ways; let all decide by what is the same for the group"

    def _find_crossing(self) -> frozenset[str]:
        found: set[str] = set()
        place = self.graph.place()
        for label, node in self.graph.nodes.items():
            for phi in node.phis:
                sources = {self.region.get(source) for source in phi.labels}
                if sources != {self.region[label]} or label in self.heads:
                    found.add(phi.result)
                for operand, source in zip(phi.operands, phi.labels, strict=True):
                    if operand.value in place and self.region[place[operand.value]] != self.region[source]:
                        found.add(operand.value)
            used = [name for each in node.body for name in each.used]
            used += [node.condition.value] if node.condition is not None else []
            found |= {name for name in used if name in place and self.region[place[name]] != self.region[label]}
        if len(self.heads) == 1:
            return frozenset()
        again, changed = self._graph_definitions(), True
        while changed:  # a value that another region computes again needs its operands there
            changed = False
            for name in list(found):
                for known in (self.in_rows, self.in_general):
                    shape = known.shapes.get(name)
                    if shape is None or shape.exact or name not in again:
                        continue
                    new = {used for used in again[name] if used in place} - found
                    found |= new
                    changed = changed or bool(new)
        return frozenset(found)

    def _graph_definitions(self) -> Mapping[str, Sequence[str]]:
        return {each.result: each.used for node in self.graph.nodes.values() for each in node.body if each.result}

    def _check_exchanges(self) -> None:
        """Refuse addresses of exchanged values that are used in another region than the call.

        LLVM moves a load behind the place where two ways meet, whichever address it is of. By then the next vector of
        threads has written there.
        """
        addresses = set(self.brought)
        while True:
            new = {
                each.result
                for node in self.graph.nodes.values()
                for each in [*node.phis, *node.body]
                if each.opcode in _ADDRESSES and each.result not in addresses and addresses & set(each.used)
            }
            if not new:
                break
            addresses |= new
        if addresses & self.crossing:
            calls = (each for node in self.graph.nodes.values() for each in node.body if each.callee == EXCHANGE)
            raise RefusedError("what lanes have exchanged is read behind a barrier", next(calls, None))

    def check_worth(self, when: WhenInLanes) -> None:
        """Refuse threads that run faster one after the other. They must not wait for one another."""
        if len(self.heads) > 1:
            return
        own = {name for variable in self.variables.values() for name in variable.pointers}
        if scatters_too_much(self.graph, self.in_rows, own):
            raise RefusedError("")  # LLVM's loop over threads knows better, and says what it made of them
        question = few_have_loops(self.graph, self.in_rows)
        if question is not None:
            reason = "one thread of many does their work, which LLVM may vectorise by itself"
            raise FewThreadsError(reason, question, one_of(self.graph, self.in_rows))
        load = gathered_too_much(self.graph, self.in_rows)
        if load is not None:
            reason = "threads leave a loop at different times in which each accesses places of its own"
            raise OwnPlacesError(reason, load)
        if when is WhenInLanes.IF_FASTER_THOUGH_LONG:
            load = gathered_too_much(self.graph, self.in_rows, FEWEST_IF_LONG)
            if load is not None:
                raise RefusedError("it is long, and threads leave its loops at different times", load)

    def parts_in_loops(self) -> bool:
        """Return True if lanes part within a loop that all of them run.

        Code for both kinds of vectors would be a loop with two ways in, of which LLVM makes little.
        """
        influenced = {label for region in self.in_rows.influenced.values() for label in region}
        return any(loop.nodes & influenced and not loop.nodes <= influenced for loop in self.in_rows.loops)

    def goes_round(self, head: str) -> bool:
        """Return True if a region leads to itself over a barrier, which its own loops do not show."""
        return any(
            edge.barrier and edge.target == head
            for label, node in self.graph.nodes.items()
            if self.region.get(label) == head
            for edge in node.edges
        )
