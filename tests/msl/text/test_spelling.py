"""Sources that are the same program, and sources that are not."""

import pytest

from metalsci.msl.text.spelling import spelling


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("int a ; // one\n", "int  a;"),
        ("a /* b */ + c", "a+c"),
        ("f(a , b)", "f(a,\n  b)"),
    ],
)
def test_comments_and_blanks_make_no_new_source(one, other):
    assert spelling(one) == spelling(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("int ab;", "int a b;"),
        ("a+ ++b", "a++ +b"),
        ("a - -b", "a--b"),
        ("#define F (x)\n", "#define F(x)\n"),
        ("#define N 1\n2", "#define N 1 2"),
        ('"a  b"', '"a b"'),
        ("1.0f", "1.0"),
    ],
)
def test_what_means_something_else_is_another_source(one, other):
    assert spelling(one) != spelling(other)
