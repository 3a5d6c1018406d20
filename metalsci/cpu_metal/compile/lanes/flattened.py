"""Short arms of branches in loops that threads leave at different times are computed by all.

`if (r2 >= cutoff) continue;` parts the lanes in each turn. Under masks both ways are computed anyway; with a select in
place of the branch the loop has one branch less that lanes take differently, mostly its last, and all lanes take turns
together up to the first one's last (see together.py).
"""

from collections.abc import Set

from metalsci.cpu_metal.compile.lanes.divergence import Divergence
from metalsci.cpu_metal.compile.lanes.flow import Edge, FlowNode, Graph
from metalsci.cpu_metal.compile.lanes.needless import may_be_needless
from metalsci.cpu_metal.compile.llvm.instruction import Instruction, Operand

_MOST = 24  # instructions of an arm: so many run under a mask without a question


def flatten(graph: Graph, known: Divergence) -> bool:
    """Take branches away by which lanes part for a short while. Returns True if anything was changed."""
    inside = {label for loop in known.loops if loop.header in known.divergent for label in loop.nodes}
    parting = graph.ordered(known.branches & inside)
    count = 0
    while any(_flattened(graph, graph.nodes[label], inside) for label in parting if label in graph.nodes):
        count += 1  # an arm may have had a branch of its own
    return count > 0


def _flattened(graph: Graph, node: FlowNode, inside: Set[str]) -> bool:
    if node.condition is None or len(node.edges) != 2 or node.cases:
        return False
    arms = [_arm(graph, node, edge, inside) for edge in node.edges]
    ends = [edge.target if arm is None else arm.edges[0].target for edge, arm in zip(node.edges, arms, strict=True)]
    for first, second in ((0, 1), (1, 0)):  # one of them may be where the other leads to
        if arms[first] is not None and ends[first] == node.edges[second].target:
            arms[second], ends[second] = None, ends[first]
    if ends[0] != ends[1] or arms == [None, None] or ends[0] not in inside:
        return False
    for arm in arms:
        if arm is not None:
            node.body += arm.body
            del graph.nodes[arm.label]
    sources = [node.label if arm is None else arm.label for arm in arms]
    _choose(graph.nodes[ends[0]], node, node.condition, sources)
    node.edges, node.condition = [Edge(ends[0])], None
    return True


def _arm(graph: Graph, node: FlowNode, edge: Edge, inside: Set[str]) -> FlowNode | None:
    """Return a node that only this edge leads to and that all may run; None if the edge leads to no such one."""
    arm = graph.nodes.get(edge.target)
    if arm is None or arm.label not in inside or edge.barrier or edge.ends or arm.phis or len(arm.edges) != 1:
        return None
    is_short = len(arm.body) <= _MOST and all(map(may_be_needless, arm.body))
    leads_on = not (arm.edges[0].barrier or arm.edges[0].ends)
    others = [each for each in graph.nodes.values() if each is not node and arm.label in each.targets]
    return arm if is_short and leads_on and not others else None


def _choose(target: FlowNode, node: FlowNode, condition: Operand, sources: list[str]) -> None:
    """Let the phis of a node choose by a condition what they would have got from either side."""
    for place, phi in enumerate(target.phis):
        given = [phi.operands[phi.labels.index(source)] for source in sources]
        rest = [pair for pair in zip(phi.operands, phi.labels, strict=True) if pair[1] not in sources]
        value = given[0]
        if given[0] != given[1]:
            name = f"{phi.result}.of.{node.label[1:]}".replace('"', "")
            node.body.append(Instruction.parse(f"{name} = select {condition}, {given[0]}, {given[1]}"))
            value = Operand(phi.type, name)
        incoming = ", ".join(f"[ {operand.value}, {label} ]" for operand, label in [*rest, (value, node.label)])
        target.phis[place] = Instruction.parse(f"{phi.result} = phi {phi.type} {incoming}{phi.metadata}")
