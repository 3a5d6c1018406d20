"""Why a model cannot go on, and what to do about it. A run that ends with one of these can be resumed."""


class ModelError(Exception):
    """The message says what happened and what to do: which variable to set, which setting to change."""


class DeadlineError(ModelError):
    """The time that the budget leaves ran out between two attempts; nothing was answered."""


class OutOfAnswersError(ModelError):
    """The model has no further answer to give (a recording has ended); a search ends here as by its budget."""
