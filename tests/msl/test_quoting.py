"""Characters that a reader cannot see are shown as their code points."""

import pytest

from metalsci.msl.text.quoting import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, größer ×2\n\tindented", "plain, größer ×2\n\tindented"),
        ("\x1b[2Jcleared", "⟨U+001B⟩[2Jcleared"),
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("zero\u200bwidth", "zero⟨U+200B⟩width"),
        ("line\rover", "line⟨U+000D⟩over"),
        ("isolate\u2066", "isolate⟨U+2066⟩"),
        ("tag\U000e0041", "tag⟨U+E0041⟩"),
        ("lone\ud800", "lone⟨U+D800⟩"),
    ],
)
def test_characters_that_act_or_hide_are_made_visible(text: str, shown: str) -> None:
    assert visible(text) == shown
