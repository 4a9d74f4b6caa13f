"""A store that is damaged: what is wrong is said, and what can be read is saved."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cnnprof.errors import StoreError
from cnnprof.model.plain import replace
from cnnprof.store.rescue import Finding, salvage, verify
from cnnprof.store.runs import Store
from tests.helpers import runs

WHOLE = runs.run()
LONG = runs.run("long", runs.part(forwards=2000))


@pytest.fixture
def path(tmp_path):
    return runs.store_of(tmp_path / "runs", WHOLE, LONG)


def last(ids: list[str]) -> str:
    return ids[-1]


def only(run_id: str):
    """Choose a run that must be there."""
    return lambda ids: ids[ids.index(run_id)]


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement)


def test_a_store_as_it_was_written_has_no_findings(path):
    assert ((runs.ID, "long"), 3 + 2000, ()) == verify(path)


def test_a_store_that_is_not_there_has_none_either(tmp_path):
    assert ((), 0, ()) == verify(tmp_path / "nothing")
    assert [] == list(tmp_path.iterdir())


def test_an_empty_file_is_a_store_without_runs(tmp_path):
    (tmp_path / "runs").touch()

    assert ((), 0, ()) == verify(tmp_path / "runs")


def test_a_database_of_another_program_is_not_looked_at(tmp_path):
    change(tmp_path / "other", "CREATE TABLE runs (x)")

    with pytest.raises(StoreError, match=r"(?m)is a database, but not one of cnnprof$"):
        verify(tmp_path / "other")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE records SET data = replace(data, '7', '8') WHERE key = 4",
         [(runs.ID, "forward 4: its checksum is wrong")]),
        ("UPDATE records SET crc = 1 WHERE key IN (1, 5)",
         [(runs.ID, "warm-up 1: its checksum is wrong"), (runs.ID, "temperature 5: its checksum is wrong")]),
        ("UPDATE parts SET head = '{' WHERE key = 1",
         [(runs.ID, "part 0: its checksum is wrong; its samples are lost with it")]),
        ("UPDATE parts SET network = '' WHERE key = 1",
         [(runs.ID, "network of part 0: its checksum is wrong; its graph and analysis are lost")]),
        ("UPDATE runs SET head = 'null' WHERE number = 1", [(runs.ID, "its checksum is wrong")]),
        ("DELETE FROM parts WHERE key = 1", [(None, "6 samples belong to no part that can be read")]),
        ("DELETE FROM runs WHERE number = 1", [(None, "1 runs cannot be read, and their parts belong to nothing")]),
        ("PRAGMA user_version = 9", [(None, "it is of version 9, and this cnnprof knows version 2")]),
    ],
)  # fmt: skip
def test_every_row_that_is_not_what_was_written_is_found(path, statement, expected):
    change(path, statement)

    assert [Finding(*each) for each in expected] == list(verify(path).findings)


def test_a_figure_that_cannot_be_is_found(path):
    with Store.open(path, write=True) as store:
        store.add(runs.run("odd", runs.part(forwards=1, marks=("node",))))

    assert [Finding("odd", "parts[0]: 2 layers have 1 marks")] == list(verify(path).findings)


def test_twenty_findings_of_a_run_are_enough(path):
    change(path, "UPDATE records SET crc = 1")

    assert {runs.ID: 6, "long": 20} == {
        run: sum(finding.run == run for finding in verify(path).findings) for run in (runs.ID, "long")
    }


def change_bytes(path: Path, old: bytes, new: bytes) -> None:
    """Change bytes of the file at the first place where they are."""
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


def test_a_bit_of_a_records_kind_that_changed_is_found_and_costs_that_record_only(path):
    change_bytes(path, b'forward{"kind":"E","wall_ns":1,', b'forw`rd{"kind":"E","wall_ns":1,')

    assert Finding("long", "forw`rd 8: there is no such kind of record") in verify(path).findings
    run, problems = salvage(path, only("long"))
    assert len(LONG.parts[0].forwards) - 1 == len(run.parts[0].forwards)
    assert "forw`rd 8: there is no such kind of record" in problems


def test_a_kind_that_changed_is_damage_in_a_store_of_an_older_version_too(tmp_path):
    path = tmp_path / "runs"
    sql = (Path(__file__).parent / "assets" / "version_1.sql").read_text()
    with closing(sqlite3.connect(path)) as db:
        db.executescript(sql)
    change_bytes(path, b"forward{", b"forw`rd{")

    with pytest.raises(StoreError, match="is damaged: CHECK constraint failed") as caught:
        Store.open(path)
    assert "store-damaged" == caught.value.code
    assert any("there is no such kind of record" in each.message for each in verify(path).findings)


def test_a_schema_that_is_no_longer_utf_8_is_damage(path):
    change_bytes(path, b'CREATE TABLE "records"', b'CRE\xffTE TABLE "records"')

    with pytest.raises(StoreError, match="is damaged: a text in it is not UTF-8") as caught:
        Store.open(path)
    assert "store-damaged" == caught.value.code
    assert verify(path).findings
    assert WHOLE.id == salvage(path, only(runs.ID))[0].id


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("head", "its checksum is wrong"),
        ("crc", "its checksum is wrong"),
        ("writer = '[1', head", "its checksum is wrong"),
        ("id", "the id of run 1 is damaged"),
        ("touched", "the touched of run 1 is damaged"),
    ],
)
def test_a_column_that_became_null_is_found_and_costs_no_other_run(path, column, expected):
    loosen(path)
    change(path, f"UPDATE runs SET {column} = NULL WHERE number = 1")  # noqa: S608 the columns above

    assert expected in [finding.message for finding in verify(path).findings]
    assert LONG == salvage(path, only("long"))[0]


def loosen(path: Path) -> None:
    """Let a table of runs have NULL where it may not, as the bytes of a damaged one can."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '') WHERE name = 'runs'")


def test_a_text_that_is_no_longer_utf_8_is_found(path):
    change_bytes(path, b'"wall_ns":1,', b'"wall_n\xff":1,')

    assert [("long", "forward 8: its checksum is wrong")] == list(verify(path).findings)


def test_a_writer_and_an_id_that_changed_are_found(path):
    change(path, "UPDATE runs SET writer = '[1' WHERE number = 1")
    change(path, "UPDATE runs SET id = 'lung' WHERE number = 2")

    expected = [(runs.ID, "which process measures it cannot be read"), ("lung", "its id was long")]
    assert expected == list(verify(path).findings)


def test_what_an_environment_cannot_be_is_damage_and_left_out(path):
    odd = runs.run("odd", runs.part(environment={"cores": "two", "mine": "two"}))
    with Store.open(path, write=True) as store:
        store.add(odd)

    told = "part 0: environment.cores must be a whole number above 0"
    assert [("odd", told)] == list(verify(path).findings)
    run, problems = salvage(path, only("odd"))
    assert ({"mine": "two"}, [told]) == (run.parts[0].environment, problems)


# What can be read


def test_of_a_run_with_a_damaged_sample_all_others_are_saved(path):
    change(path, "UPDATE records SET crc = 1 WHERE key = 2")

    run, problems = salvage(path, only(runs.ID))

    (part,) = WHOLE.parts
    assert replace(WHOLE, parts=(replace(part, forwards=(part.forwards[0], *part.forwards[2:])),)) == run
    assert ["forward 2: its checksum is wrong"] == problems


def test_a_run_that_is_whole_is_saved_whole_beside_a_damaged_one(path):
    change(path, "UPDATE runs SET crc = 1 WHERE id = 'long'")

    assert (WHOLE, []) == salvage(path, only(runs.ID))
    with pytest.raises(StoreError, match="is damaged: long: its checksum is wrong"):
        salvage(path, only("long"))


def cut(path: Path, keep: float) -> None:
    """Lose the end of a file."""
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * keep) // 4096 * 4096)


@pytest.mark.parametrize("keep", [0.95, 0.7, 0.4])
def test_of_a_file_that_was_cut_off_every_row_that_is_left_is_saved(path, keep):
    cut(path, keep)

    with pytest.raises(StoreError, match="is damaged: database disk image is malformed") as caught:
        Store.open(path)
    run, problems = salvage(path, only("long"))

    assert "store-damaged" == caught.value.code
    assert problems
    saved, whole = run.parts[0].forwards, LONG.parts[0].forwards
    assert whole[: len(saved)] == saved
    assert (keep - 0.25) * len(whole) < len(saved) < len(whole)
    assert WHOLE == salvage(path, only(runs.ID))[0]
    assert {runs.ID, "long"} == set(verify(path).runs)


def leaves(path: Path, table: str) -> list[int]:
    """The pages with the rows of a table, in the order of keys."""
    data = path.read_bytes()
    size = int.from_bytes(data[16:18], "big")
    with closing(sqlite3.connect(path)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()

    def below(number: int) -> list[int]:
        page = data[(number - 1) * size : number * size]
        if page[0] == 13:
            return [number]
        assert 5 == page[0], "an inner page of a table"
        cells = int.from_bytes(page[3:5], "big")
        starts = [int.from_bytes(page[12 + 2 * n : 14 + 2 * n], "big") for n in range(cells)]
        children = [int.from_bytes(page[at : at + 4], "big") for at in starts] + [int.from_bytes(page[8:12], "big")]
        return [leaf for child in children for leaf in below(child)]

    return below(root)


def overwrite(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xde\xad\xbe\xef" * 1024)


@pytest.mark.parametrize("places", [[0.5], [0.3, 0.6], [0.2, 0.4, 0.6, 0.8]])
def test_a_page_that_was_overwritten_costs_the_rows_on_it_only(path, places):
    pages = leaves(path, "records")
    for place in places:
        overwrite(path, pages[int(place * len(pages))])

    run, problems = salvage(path, only("long"))

    lost = len(LONG.parts[0].forwards) - len(run.parts[0].forwards)
    assert 0 < lost <= 40 * len(places)
    assert set(run.parts[0].forwards) < set(LONG.parts[0].forwards)
    assert any("some rows of records cannot be read; " in problem for problem in problems)
    assert verify(path).findings


def test_rows_far_behind_a_page_that_was_overwritten_are_saved_too(path):
    """Keys have a gap where runs were deleted: it cannot be crossed one by one."""
    change(path, "UPDATE records SET key = key + 1000000000000 WHERE part = 2 AND key > 1000")
    pages = leaves(path, "records")
    overwrite(path, pages[len(pages) // 4])

    saved = salvage(path, only("long"))[0].parts[0].forwards

    assert LONG.parts[0].forwards[-500:] == saved[-500:]


@pytest.mark.parametrize("destroy", [lambda path: overwrite(path, 1), lambda path: path.write_bytes(b"x" * 5000)])
def test_a_file_without_its_head_is_not_taken_for_a_store(path, destroy):
    destroy(path)

    for look in (verify, lambda path: salvage(path, last)):
        with pytest.raises(StoreError, match="is no store of cnnprof, or its beginning is lost") as caught:
            look(path)
        assert "store" == caught.value.code


def test_a_store_of_which_only_the_first_bytes_are_damaged_is_a_damaged_one(path):
    change_bytes(path, b"SQLite format 3", b"SQLite_format 3")

    assert [f"the store {path} is damaged: file is not a database"] == [each.message for each in verify(path).findings]
    with pytest.raises(StoreError, match=r"^the store [^ ]* is damaged: file is not a database"):
        salvage(path, last)


def test_damage_is_looked_at_and_not_touched(path):
    cut(path, 0.5)
    before = path.read_bytes()

    verify(path)
    salvage(path, last)

    assert before == path.read_bytes()
    assert ["runs"] == [each.name for each in path.parent.iterdir()]
