"""From a request to a candidate through a model: prompt, conversation, answer, and their files."""

from collections.abc import Callable, Sequence

from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.models.protocol import Prompt, Response, Stop
from metalsci.models.record import Answered
from metalsci.msl.language.parse import Unit, parse
from metalsci.search.answer import Answer, read_answer
from metalsci.search.answer_edits import EditError, apply_edits, has_edits
from metalsci.search.archive import Archive
from metalsci.search.conversation import Conversation
from metalsci.search.prompting.prompt_builder import PromptBuilder
from metalsci.search.proposal import Job, Progress, Proposal
from metalsci.search.request import Request
from metalsci.search.run_folder import RunFolder
from metalsci.task.definition import TaskView


class Proposer:
    """A Propose for a task and the model of the conversation.

    prepare: is given each candidate in the thread that waited for its answer, e.g. to compile it while another one is
        timed. It raises nothing.
    """

    def __init__(
        self,
        task: TaskView,
        conversation: Conversation,
        folder: RunFolder,
        prompts: PromptBuilder | None = None,
        prepare: Callable[[Unit], None] = lambda unit: None,
    ) -> None:
        self._task = task
        self._conversation = conversation
        self._folder = folder
        self._prompts = prompts or PromptBuilder()
        self._prepare = prepare
        self._kernels = frozenset(s.name for s in task.signatures)

    def __call__(self, request: Request, archive: Archive, heard: Sequence[Answered]) -> Job:
        prompt = self._prompts.build(self._task, archive, request)
        return lambda progress: self._propose(prompt, heard, progress)

    def _propose(self, prompt: Prompt, heard: Sequence[Answered], progress: Progress) -> Proposal:
        response, seconds = self._conversation.answer(prompt, heard, progress)
        self._folder.response(prompt.iteration, response)
        answer = self._read(response, prompt)
        if answer.unit is None:
            failure = Evaluation(answer.outcome or Outcome.NO_CODE, answer.message)
            return Proposal(None, failure, response.text, response.reply, seconds)
        self._folder.candidate(prompt.iteration, answer.unit.source)
        for unit in (answer.unit, *answer.others):
            if unit not in prompt.tried:
                self._prepare(unit)
        return Proposal(answer.source, None, response.text, response.reply, seconds, answer.unit, answer.others)

    def _read(self, response: Response, prompt: Prompt) -> Answer:
        """Read the candidate of an answer: the whole file, or edits of the kernel that the prompt named."""
        if response.stop is not Stop.END or not has_edits(response.text):
            return read_answer(response, self._kernels, prompt.candidates)
        try:
            return Answer(parse(apply_edits(response.text, prompt.parent, prompt.shown)))
        except EditError as error:
            return Answer(None, outcome=Outcome.BAD_EDIT, message=str(error))
