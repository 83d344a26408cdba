"""Runs and scans tables: read with their defaults, refused with the row and the remedy."""

import pytest

from giblet import tables
from giblet.errors import TableError

RUNS = "run\tmovie\tn_trs\nrun-1\ta film.mp4\t10\nrun-2\tb'quote.mp4\t\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="runs.tsv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_defaults_are_filled_in(write):
    table = tables.load_runs(write(RUNS))
    assert table["n_trs"].tolist() == [10, 0]
    assert table["text_part"].tolist() == [1, 1]
    assert table["movie"].tolist() == ["a film.mp4", "b'quote.mp4"]
    assert table["text"].tolist() == ["", ""]


def test_comma_separated_with_comments_and_spaces_in_headers(write):
    table = tables.load_runs(write("# note\nrun , movie\nrun-1,a.mp4\n", "runs.csv"))
    assert table["run"].tolist() == ["run-1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("movie\na.mp4\n", "no column 'run'; found movie"),
        ("run\tfilm\nrun-1\ta.mp4\n", "unknown column 'film'"),
        ("run\tmovie\tonset\nrun-1\ta.mp4\t0\n", "unknown column 'onset'"),
        ("run\tmovie\n", "no rows"),
        ("run\tmovie\nrun_1\ta.mp4\n", "row 2: run 'run_1' becomes part of file names"),
        ("run\tmovie\nr\ta.mp4\nr\tb.mp4\n", "'r' is listed twice"),
        ("run\tmovie\n\ta.mp4\n", "row 2: column 'run' is empty"),
        ("run\tmovie\nr\t\n", "run 'r' has neither a movie nor n_trs"),
        ("run\tmovie\tn_trs\nr\ta.mp4\t9.5\n", "n_trs is '9.5', expected a whole number"),
        ("run\tmovie\tmovie_onset_s\nr\ta.mp4\tsoon\n", "movie_onset_s is 'soon'"),
        ("run\tmovie\tsplit\nr\ta.mp4\ttesting\n", "split is 'testing'"),
    ],
)
def test_bad_runs_tables(write, text, message):
    with pytest.raises(TableError, match=message):
        tables.load_runs(write(text))


def test_missing_table(tmp_path):
    with pytest.raises(TableError, match="no such file: correct the path"):
        tables.load_runs(tmp_path / "runs.tsv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("subject\trun\tbold\ns\trun-9\tx.nii\n", "run 'run-9' is not in the runs table"),
        ("subject\trun\tbold\ns\trun-1\tx.nii\ns\trun-1\ty.nii\n", "'s run-1' is listed twice"),
        ("subject\trun\tbold\tfirst_volume\ns\trun-1\tx.nii\t-3\n", "first_volume is '-3'"),
    ],
)
def test_bad_scans_tables(write, text, message):
    runs = tables.load_runs(write(RUNS))
    with pytest.raises(TableError, match=message):
        tables.load_scans(write(text, "bold.tsv"), runs)


def config(film=False, bold=False, runs=None, scans=None):
    return {
        "dataset": "x",
        "runs": runs,
        "scans": scans,
        "simulate": {
            "film": {"make": film, "n_trs": [5, 6]},
            "bold": {"make": bold, "n_subjects": 2},
        },
    }


def test_simulated_study_needs_no_tables():
    runs, scans = tables.load_study(config(film=True, bold=True))
    assert runs["run"].tolist() == ["run-1", "run-2"]
    assert runs["n_trs"].tolist() == [5, 6]
    assert len(scans) == 4


def test_simulated_subjects_can_watch_a_real_film(write):
    runs, scans = tables.load_study(config(bold=True, runs=write(RUNS)))
    assert runs["movie"].tolist()[0] == "a film.mp4"
    assert set(scans["subject"]) == {"sub-01", "sub-02"}


def test_missing_tables_name_the_two_ways_out(write):
    with pytest.raises(TableError, match="name a runs table"):
        tables.load_study(config(bold=True))
    with pytest.raises(TableError, match="name a scans table"):
        tables.load_study(config(runs=write(RUNS)))


def test_lookups_turn_empty_cells_into_no_input(write):
    runs, scans = tables.load_study(config(bold=True, runs=write(RUNS)))
    by_run, by_scan = tables.lookups(runs, scans)
    assert by_run["run-1"]["text"] == []
    assert by_run["run-1"]["n_trs"] == 10
    assert by_scan["sub-02"]["run-2"]["bold"].endswith("sub-02_run-2_bold.nii.gz")


@pytest.mark.parametrize(
    ("configured", "movie", "text", "expected"),
    [
        (None, "a.mp4", "a.srt", ["video", "audio", "text"]),
        (None, "a.mp4", "", ["video", "audio"]),
        (None, "", "a.tsv", ["text"]),
        (["text", "audio"], "a.wav", "a.srt", ["audio", "text"]),
        (["audio"], "a.wav", "a.srt", ["audio"]),
    ],
)
def test_modalities_are_those_named(write, configured, movie, text, expected):
    runs = tables.load_runs(write(f"run\tmovie\ttext\tn_trs\nr\t{movie}\t{text}\t9\n", "runs.tsv"))
    assert tables.study_modalities(configured, runs) == expected


@pytest.mark.parametrize(
    ("configured", "rows", "message"),
    [
        (None, "r\t\t\t9\n", "names neither films nor texts"),
        (["video"], "r\t\ta.srt\t9\n", "run 'r' has no movie"),
        (None, "r\ta.mp4\t\t9\ns\t\ta.srt\t9\n", "run 's' has no movie"),
        (["text"], "r\ta.mp4\t\t9\n", "no run has a text"),
    ],
)
def test_modalities_that_the_table_lacks_are_refused(write, configured, rows, message):
    runs = tables.load_runs(write(f"run\tmovie\ttext\tn_trs\n{rows}", "runs.tsv"))
    with pytest.raises(TableError, match=message):
        tables.study_modalities(configured, runs)


def test_subjects_to_train_without_have_to_be_in_the_scans_table():
    runs = tables.simulated_runs("demo", [10])
    scans = tables.simulated_scans("demo", runs, 2)
    tables.check_unseen(["sub-02"], scans)
    with pytest.raises(TableError, match="names 'sub-03', the scans table has sub-01, sub-02"):
        tables.check_unseen(["sub-03"], scans)
    with pytest.raises(TableError, match="nobody to train on"):
        tables.check_unseen(["sub-02", "sub-01"], scans)


def test_runs_that_show_the_same_are_known(write):
    shown = ["a.mp4\t0\tw.srt", "b.mp4\t0\tw.srt", "a.mp4\t0\tw.srt", "a.mp4\t3\tw.srt"]
    rows = [*shown, "\t0\t", "\t0\t"]
    text = "".join(f"run-{k}\t{row}\t9\n" for k, row in enumerate(rows, start=1))
    runs = tables.load_runs(write(f"run\tmovie\tmovie_onset_s\ttext\tn_trs\n{text}"))
    assert tables.shown_again(runs) == {"run-3": "run-1"}


def test_what_the_runs_table_says_of_a_text_as_a_whole(write):
    lines = ("r1\ta.mp4\ta.srt\t1\t0", "r2\ta.mp4\ta.srt\t3\t0", "r3\tb.mp4\tb.srt\t1\t0")
    again = ("r4\tc.mp4\tc.srt\t1\t0", "r5\tc.mp4\tc.srt\t1\t-600", "r6\td.mp4\t\t1\t0")
    same = ("r7\tb.mp4\tb.srt\t1\t0",)
    table = "\n".join(["run\tmovie\ttext\ttext_part\tmovie_onset_s", *lines, *again, *same])
    assert tables.pieces_of_texts(tables.load_runs(write(table + "\n"))) == {
        "a.srt": (3, True),
        "b.srt": (1, False),
        "c.srt": (1, True),
    }
