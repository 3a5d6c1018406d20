"""What is solved and how it is judged: tasks, and the evaluation of a candidate on them."""
