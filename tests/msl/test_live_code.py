"""The code that the compiler reads for certain; every byte of it at its place."""

import pytest

from metalsci.msl.text.lexer import SourceText
from metalsci.msl.text.preprocessed import live_code


def words(source: str) -> list[str]:
    live = live_code(SourceText(source.encode()))
    assert len(live.data) == len(source.encode())
    for token in live.tokens:
        assert source.encode()[token.start : token.end] == token.text
    return live.data.decode().split()


@pytest.mark.parametrize(
    ("source", "want"),
    [
        ("a\n#define B 1\nc", ["a", "c"]),
        ("#if 0\na\n#else\nb\n#endif\nc", ["b", "c"]),
        ("#if 1\na\n#elif 1\nb\n#else\nc\n#endif", ["a"]),
        ("#ifdef __METAL__\na\n#else\nb\n#endif", ["a"]),
        ("#ifndef __METAL_VERSION__\na\n#endif\nb", ["b"]),
        ("#if __METAL_VERSION__ >= 310\na\n#endif\n#if __METAL_VERSION__ >= 320\nb\n#endif", ["a"]),
        ("#define FAST 1\n#if FAST\na\n#endif\n#undef FAST\n#ifdef FAST\nb\n#endif", ["a"]),
        ("#if 0\n#if 1\na\n#endif\nb\n#endif\nc", ["c"]),
        # What only the compiler can tell is left to it.
        ("#if __has_feature(x)\na\n#else\nb\n#endif\nc", ["c"]),
        ("#if 1\na\n#if defined(__SOMETHING)\nb\n#endif\nc\n#endif", ["a", "c"]),
        ("ünicode\n#if 0\nünicode\n#endif\n", ["ünicode"]),
        ("#if 0\na", []),
        ("", []),
    ],
)
def test_dead_and_doubtful_branches_are_blank(source: str, want: list[str]) -> None:
    assert words(source) == want


def test_lines_stay() -> None:
    live = live_code(SourceText(b"#if 0\r\na\r\n#endif\r\n  b"))
    assert live.position(live.data.index(b"b")) == (4, 3)
