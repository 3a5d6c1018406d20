"""A coding agent as the model: real processes in a workspace, good ones and bad ones."""

import json
import re
import sys
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from metalsci.cpu_metal.execute.isolation import state
from metalsci.evaluation.results import Outcome
from metalsci.files.locations import data
from metalsci.models.agents.agent import Agent
from metalsci.models.errors import DeadlineError, ModelError
from metalsci.models.protocol import Expense, ModelCall, Prompt, Response, Stop, ToolAnswer
from metalsci.search.answer import read_answer

PARENT = "kernel void f(device float *u, uint i [[thread_position_in_grid]]) { u[i] = 0; }\n"
BETTER = PARENT.replace("= 0", "= 1")
KERNELS = frozenset({"f"})
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="nothing else adopts orphans")
needs_landlock = pytest.mark.skipif(not state().landlock, reason="this kernel has no Landlock")


class Told:
    """Tools that remember what they were asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []

    def call(self, tool: str, arguments: Mapping[str, str]) -> ToolAnswer:
        self.asked.append((tool, dict(arguments)))
        return ToolAnswer(f"{tool} says fine")


def attempt(
    folder: Path, script: str, call: ModelCall | None = None, tools: Told | None = None, **settings: Any
) -> Response:
    """Make one attempt with an agent that is a Python script."""
    agent = Agent(command=[sys.executable, "-c", textwrap.dedent(script)], **settings)
    agent.equip(tools or Told())
    (folder / "config.yaml").write_text("heldout: {N: 77}")
    return agent.propose(Prompt("You write kernels.", "# Task: toy", 3, PARENT), call or ModelCall(folder=folder))


def outcome(response: Response) -> Outcome | None:
    return read_answer(response, KERNELS).outcome


def test_it_works_with_its_tools_and_hands_in(tmp_path: Path) -> None:
    script = f"""
        import json, pathlib, subprocess
        def tool(*words):
            done = subprocess.run(["metalsci", *words], capture_output=True, text=True)
            print(words[0], done.returncode, done.stdout.strip())
        assert "# Task: toy" in pathlib.Path("TASK.md").read_text()
        assert pathlib.Path("log/01_status.json").read_text() == "{{}}"
        assert pathlib.Path("kernel.metal").read_text() == pathlib.Path("incumbent.metal").read_text()
        pathlib.Path("kernel.metal").write_text({BETTER!r})
        tool("check"), tool("evaluate"), tool("evaluate"), tool("evaluate"), tool("profile", "kernel.metal", "N=8")
        tool("status"), tool("submit", "kernel.metal", "Ones", "instead.")
        tool("nonsense"), tool("check", "none.metal")
        usage = {{"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 7}}
        print(json.dumps({{"total_cost_usd": 0.25, "usage": usage}}))
    """
    (tmp_path / "01_status.json").write_text("{}")
    tools = Told()
    response = attempt(tmp_path, script, tools=tools, evaluations=2)
    answer = read_answer(response, KERNELS)
    assert (answer.source, response.headline, response.stop) == (BETTER, "Ones instead.", Stop.END)
    assert (response.cost, response.usage.input, response.usage.cached, response.usage.output) == (0.25, 100, 90, 7)
    assert [tool for tool, _ in tools.asked] == ["check", "evaluate", "evaluate", "profile"]
    assert tools.asked[-1][1] == {"source": BETTER, "size": "N=8"}
    said = (tmp_path / "03_agent.log").read_text()
    assert "evaluate 1 no evaluation is left" in said
    assert re.search(r"status 0 0 evaluations and 1\d\.\d minutes are left; nothing was handed in yet", said)
    assert "nonsense 2" in said
    assert "check 1 none.metal: " in said


def test_a_kernel_that_lies_there_at_the_end_is_handed_in_and_unknown_costs_are_unknown(tmp_path: Path) -> None:
    response = attempt(tmp_path, f"open('kernel.metal', 'w').write({BETTER!r})")
    assert read_answer(response, KERNELS).source == BETTER
    assert response.cost is None


def test_it_is_told_what_to_do_and_where(tmp_path: Path) -> None:
    agent = Agent(command=["sh", "-c", "echo '{prompt}' in '{workspace}' '{other}'; exit 3"])
    response = agent.propose(Prompt("", "", 3, PARENT), ModelCall(folder=tmp_path))
    assert "Read TASK.md in this folder" in response.text
    assert f"in {tmp_path / '03_workspace'} {{other}}" in response.text
    assert outcome(response) is Outcome.AGENT_DIED


@pytest.mark.parametrize(
    ("script", "settings", "expected", "message"),
    [
        ("import time; time.sleep(600)", {"minutes": 0.01}, Outcome.AGENT_OVERDUE, "stopped after 0.01 minutes"),
        ("while True: print('x' * 1000)", {"megabytes": 0.1}, Outcome.AGENT_FLOODED, "more than 0.1 MB"),
        (
            "import itertools\nfor i in itertools.count(): open(f'tmp/{i}', 'w').write('x' * 50_000)",
            {"megabytes": 0.2},
            Outcome.AGENT_FLOODED,
            "more than 0.2 MB",
        ),
        ("import os; os.kill(os.getpid(), 9)", {}, Outcome.AGENT_DIED, "with status -9"),
        ("raise RuntimeError('no idea')", {}, Outcome.AGENT_DIED, "no idea"),
        ("pass", {}, Outcome.AGENT_DIED, "of its own accord and handed nothing in"),
        (
            "import os; os.remove('kernel.metal'); os.symlink('/etc/passwd', 'kernel.metal')",
            {},
            Outcome.AGENT_STRAYED,
            "kernel.metal is no file of the workspace",
        ),
        (
            "import os; os.remove('kernel.metal'); os.mkfifo('kernel.metal')",
            {},
            Outcome.AGENT_STRAYED,
            "no regular file",
        ),
    ],
    ids=["hangs", "floods", "fills the disk", "dies", "fails", "does nothing", "links out", "pipe"],
)
def test_what_goes_wrong_is_an_outcome(
    tmp_path: Path, script: str, settings: dict[str, Any], expected: Outcome, message: str
) -> None:
    response = attempt(tmp_path, script, **settings)
    answer = read_answer(response, KERNELS)
    assert (answer.source, answer.outcome) == (None, expected)
    assert message in answer.message


def test_what_was_handed_in_before_it_hung_counts(tmp_path: Path) -> None:
    script = f"""
        import pathlib, subprocess, time
        pathlib.Path("kernel.metal").write_text({BETTER!r})
        subprocess.run(["metalsci", "submit"])
        time.sleep(600)
    """
    assert read_answer(attempt(tmp_path, script, minutes=0.03), KERNELS).source == BETTER


@pytest.mark.parametrize(
    "ending", ["pass", "time.sleep(600)", "os.kill(os.getpid(), 9)"], ids=["ends", "hangs", "dies"]
)
@pytest.mark.parametrize("session", [False, pytest.param(True, marks=only_linux)], ids=["child", "daemon"])
def test_nothing_that_it_started_outlives_it(tmp_path: Path, ending: str, session: bool) -> None:
    script = f"""
        import os, subprocess, sys, time
        waits = "import time; time.sleep(600)"
        if {session}:
            daemon = f"import os; os.fork() and os._exit(0); os.setsid(); print(os.getpid(), flush=True); {{waits}}"
            subprocess.run([sys.executable, "-c", daemon], env={{}})
        else:
            print(subprocess.Popen([sys.executable, "-c", waits]).pid, flush=True)
        time.sleep(0.3)
        {ending}
    """
    attempt(tmp_path, script, minutes=0.02)
    pid = int((tmp_path / "03_agent.log").read_text())
    until = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until


@needs_landlock
def test_it_writes_nowhere_else_and_reads_neither_sizes_nor_the_run(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    script = f"""
        import os, pathlib
        def tries(what, call):
            try:
                call()
            except OSError as error:
                print(what, type(error).__name__)
            else:
                print(what, "went through")
        tries("outside", lambda: pathlib.Path({str(tmp_path / "stray")!r}).write_text("x"))
        tries("run", lambda: pathlib.Path("../03_result.json").write_text("x"))
        tries("config", lambda: pathlib.Path("../config.yaml").read_text())
        tries("sizes", lambda: pathlib.Path({str(data("conf") / "task" / "lbm.yaml")!r}).read_text())
        tries("environment", lambda: pathlib.Path(f"/proc/{{os.getppid()}}/environ").read_bytes())
        tries("elsewhere", lambda: pathlib.Path({str(tmp_path / "notes")!r}).read_text())
        tries("inside", lambda: pathlib.Path("tmp/x").write_text("x"))
        tries("null", lambda: pathlib.Path("/dev/null").write_text("x"))
    """
    (tmp_path / "notes").write_text("anybody's")
    attempt(tmp_path / "run", script)
    assert (tmp_path / "run" / "03_agent.log").read_text().splitlines() == [
        *("outside PermissionError", "run PermissionError", "config PermissionError", "sizes PermissionError"),
        *("environment PermissionError", "elsewhere went through", "inside went through", "null went through"),
    ]
    assert not (tmp_path / "stray").exists()


def test_requests_that_make_no_sense_are_told_so(tmp_path: Path) -> None:
    script = """
        import os, socket
        for line in (b"{", b"[]", b'{"tool": 3}', b'{"tool": "heldout"}', b'{"tool": "submit"}', b"[" * 100_000, b""):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(os.environ["METALSCI_TOOLS"])
            connection.sendall(line + b"\\n")
            print(connection.makefile().readline().strip())
    """
    attempt(tmp_path, script)
    told = [json.loads(line)["text"] for line in (tmp_path / "03_agent.log").read_text().splitlines()]
    assert [text[:20] for text in told] == [
        *("the request is no li", "a request is a JSON ", "a request is a JSON ", "there is no tool 'he"),
        *("the kernel is empty", "the request is no li", "the request is no li"),
    ]


def test_it_gets_the_keys_that_it_was_given_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_API_KEY", "sk-toy")
    monkeypatch.setenv("OTHER_API_KEY", "sk-other")
    attempt(tmp_path, "import os; print([k for k in os.environ if k.endswith('_KEY')])", keys=["TOY_API_KEY"])
    assert (tmp_path / "03_agent.log").read_text() == "['TOY_API_KEY']\n"


def test_a_key_that_it_needs_and_that_is_not_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        pytest.raises(ModelError, match="coder needs an API key: set TOY2_API_KEY"),
        Agent(command=["coder"], keys=["TOY2_API_KEY"]),
    ):
        pass
    monkeypatch.setenv("TOY2_API_KEY", "sk-toy")
    with Agent(command=["coder"], keys=["TOY2_API_KEY"]):
        pass


def test_a_budget_that_is_over_starts_nobody_and_one_that_ends_is_no_failure_of_the_agent(tmp_path: Path) -> None:
    with pytest.raises(DeadlineError):
        attempt(tmp_path, "pass", ModelCall(folder=tmp_path, deadline=time.monotonic() - 1))
    assert not (tmp_path / "03_workspace").exists()
    with pytest.raises(DeadlineError):
        attempt(tmp_path, "import time; time.sleep(600)", ModelCall(folder=tmp_path, deadline=time.monotonic() + 0.3))


def test_a_command_that_there_is_not_dies_with_its_name(tmp_path: Path) -> None:
    response = Agent(command=["no-such-agent"]).propose(Prompt("", "", 3, PARENT), ModelCall(folder=tmp_path))
    assert outcome(response) is Outcome.AGENT_DIED
    assert "no-such-agent: No such file" in response.text


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"command": []}, r"model\.command"),
        ({"minutes": 0}, r"model\.minutes=0"),
        ({"megabytes": -1}, "megabytes"),
        ({"evaluations": -1}, r"model\.evaluations=-1"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Agent(**{"command": ["x"], **settings})


def test_what_it_may_cost_is_what_the_settings_say() -> None:
    assert Agent(command=["x"], tokens=5, dollars=2.0).worst_case(Prompt("", "", 1, "")) == Expense(5, 2.0)
    assert Agent(command=["x"]).worst_case(Prompt("", "", 1, "")).dollars is None


def test_a_long_folder_name_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    said = attempt(folder, "import subprocess; subprocess.run(['metalsci', 'status'])", evaluations=2).reasoning
    assert said.startswith("2 evaluations and ")
