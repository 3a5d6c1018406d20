def pytest_configure(config):
    config.addinivalue_line("markers", "full: at the benchmark's own sizes, minutes long; run with `-m full`")


def pytest_collection_modifyitems(config, items):
    if config.getoption("-m") != "full":
        kept = [item for item in items if item.get_closest_marker("full") is None]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
