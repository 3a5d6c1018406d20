"""The reasons why a model cannot go on, with advice. A run that ends with one of these can be resumed."""


class ModelError(Exception):
    """A failure of a model. The message says what happened and what to do: a variable to set, a setting to change."""


class DeadlineError(ModelError):
    """A budget whose time ran out between two attempts; nothing was answered."""


class OutOfAnswersError(ModelError):
    """A model without a further answer (a recording has ended); a search ends here as by its budget."""
