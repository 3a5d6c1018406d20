from metalsci.cpu_metal.profiler.loops import in_loop_order, loop_depths


def test_a_loop_s_body_comes_before_what_follows_it_even_where_the_text_has_the_exit_first() -> None:
    graph = {"entry": ["loop"], "exit": [], "loop": ["exit", "body"], "body": ["loop"]}
    assert in_loop_order(graph, "entry") == ["entry", "loop", "body", "exit"]


def test_an_early_exit_waits_for_the_lanes_that_are_still_in_the_loop() -> None:
    graph = {
        "entry": ["head"],
        "head": ["found", "next"],
        "found": ["end"],
        "next": ["head", "end"],
        "end": [],
    }
    order = in_loop_order(graph, "entry")
    assert order.index("next") < order.index("found") < order.index("end")


def test_loops_within_loops_are_as_deep_as_they_are_nested() -> None:
    graph = {"entry": ["outer"], "outer": ["inner", "end"], "inner": ["inner", "latch"], "latch": ["outer"], "end": []}
    assert loop_depths(graph, "entry") == {"entry": 0, "outer": 1, "inner": 2, "latch": 1, "end": 0}


def test_blocks_that_nothing_leads_to_are_left_out() -> None:
    assert in_loop_order({"entry": [], "dead": []}, "entry") == ["entry"]
