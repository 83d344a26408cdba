"""Fingerprints change with the code's meaning and with nothing else."""

import pytest

from giblet import fingerprint


@pytest.fixture
def tree(tmp_path):
    package = tmp_path / "giblet"
    (package / "sub").mkdir(parents=True)
    (package / "__init__.py").write_text('"""Doc."""\n')
    (package / "sub" / "__init__.py").write_text("")
    (package / "deep.py").write_text("VALUE = 1\n")
    (package / "sub" / "near.py").write_text(
        "def f():\n    from .. import deep\n    return deep.VALUE\n"
    )
    (package / "unused.py").write_text("X = 1\n")
    (tmp_path / "script.py").write_text("from giblet.sub.near import f\nf()\n")
    return tmp_path


def take(root):
    return fingerprint.CodeIndex(root).fingerprint("script.py")


def test_imports_are_followed_wherever_they_stand(tree):
    assert fingerprint.CodeIndex(tree).modules_behind("script.py") == {
        "giblet",
        "giblet.sub",
        "giblet.sub.near",
        "giblet.deep",
    }


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("giblet/deep.py", '"""New docstring."""\n# comment\nVALUE   =   1\n'),
        ("giblet/unused.py", "X = 2\n"),
        ("script.py", "from giblet.sub.near import f\n\n\n# why\nf()\n"),
    ],
)
def test_comments_layout_and_unused_modules_do_not_count(tree, file, text):
    before = take(tree)
    (tree / file).write_text(text)
    assert take(tree) == before


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("giblet/deep.py", "VALUE = 2\n"),
        ("giblet/sub/near.py", "def f():\n    from .. import deep\n    return -deep.VALUE\n"),
        ("script.py", "from giblet.sub.near import f\nf()\nf()\n"),
    ],
)
def test_changed_constants_and_calls_count(tree, file, text):
    before = take(tree)
    (tree / file).write_text(text)
    assert take(tree) != before


def test_what_was_kept_gives_the_same_and_sees_changes(tree):
    first = fingerprint.CodeIndex(tree, tree / "kept" / "code.json")
    before = first.fingerprint("script.py")
    first.keep()
    again = fingerprint.CodeIndex(tree, tree / "kept" / "code.json")
    assert again.fingerprint("script.py") == before == take(tree)
    (tree / "giblet" / "deep.py").write_text("VALUE = 2\n")
    changed = fingerprint.CodeIndex(tree, tree / "kept" / "code.json")
    assert changed.fingerprint("script.py") == take(tree) != before


def test_damaged_memory_is_read_anew(tree):
    (tree / "code.json").write_text("{")
    index = fingerprint.CodeIndex(tree, tree / "code.json")
    assert index.fingerprint("script.py") == take(tree)


def test_this_library_is_what_the_scripts_of_this_checkout_import():
    import giblet

    assert fingerprint.ROOT.joinpath("giblet", "__init__.py").samefile(giblet.__file__)
