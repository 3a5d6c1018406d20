"""The parts that commands share: arguments, help, and errors that name their cure."""
