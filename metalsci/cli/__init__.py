"""What the commands share: arguments, help, and errors that name their cure."""
