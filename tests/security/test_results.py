"""What a run folder that came from elsewhere can do: be refused in a sentence, or shown without its hostile part."""

import json
import os
import struct
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from platform.config.errors import UserError
from platform.reporting.page import render_report
from platform.results.comparison import Comparison
from platform.results.findings import Findings
from platform.results.incidents import read_incidents
from platform.results.look import LookFacts, MeasuredField, SourceLook
from platform.results.progress import Running, RunningTrial, read_running, write_running
from platform.results.record import TrialRecord, read_results, write_results
from platform.results.run_folder import RunFolder
from platform.results.serving import read_totals
from platform.results.shared_study import read_shared_study
from platform.results.summary import RunSummary
from tests.security.limits import ending_of, refusal

VERSION = {b"tmu.results.schema_version": b"1"}
DEEP = b"[" * 1_000_000
HOSTILE_JSON = {
    "lists within lists": DEEP,
    "mappings within mappings": b'{"a":' * 200_000,
    "many lists": b"[" + b"[]," * 3_000_000 + b"0]",
    "a million wrong entries": b'{"schema_version": 1, "trials": ['
    + b"1," * 900_000
    + b'1], "skipped": ['
    + b"1," * 900_000
    + b"1]}",
    "a million unknown keys": b"{" + b",".join(b'"%d":1' % number for number in range(990_000)) + b"}",
    "a long number": b'{"schema_version": ' + b"9" * 1_000_000 + b"}",
    "no text": b"\xff\xfe" * 1000,
    "a list": b"[]",
    "a text for a number": b'{"schema_version": "one"}',
    "more than any search writes": b" " * (70 << 20),
}


def record(trial: int = 0, **changed: Any) -> TrialRecord:
    plain: dict[str, Any] = {
        "trial": trial,
        "id": f"{trial:05d}",
        "state": "finished",
        "seed": 1,
        "settings": {"sources": ["one"], "start": "scratch", "learning_rate": 1e-3},
        "metrics": {"mse": 30.0 + trial},
        "curve": ({"epoch": 1.0, "mse": 31.0},),
        "epochs": 1,
    }
    return TrialRecord(**{**plain, **changed})


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    write_results(folder.results, [record(0), record(1)], sources=["one"])
    folder.config.write_text("name: small\nbenchmark: {name: kth}\ntraining: {epochs: 1, schedule: constant}\n")
    return folder


def put_table(path: Path, texts: pa.Array, rows: int | None = None, **options: Any) -> Path:
    table = pa.table({"record": texts}).replace_schema_metadata(VERSION)
    pq.write_table(table, path, **options)
    return path


def put_records(path: Path, *texts: str) -> Path:
    return put_table(path, pa.array(texts))


def many_of(text: str, count: int) -> pa.Array:
    """Which parquet stores once."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([text]))


@pytest.mark.parametrize("kind", HOSTILE_JSON)
def test_hostile_trials_that_run_are_refused_within_bounds(run: RunFolder, kind: str) -> None:
    run.running.write_bytes(HOSTILE_JSON[kind])
    assert "Delete it: its trials then begin anew" in refusal(partial(read_running, run.running))


def test_a_pipe_instead_of_running_trials_is_not_waited_for(run: RunFolder) -> None:
    os.mkfifo(run.running)
    assert "is a folder, a pipe or a device" in refusal(partial(read_running, run.running))


@pytest.mark.parametrize("name", ["../../elsewhere", "/etc", "..", "", "a/b", ".hidden", "a\n", "a" * 200])
def test_no_trial_has_its_folder_elsewhere(run: RunFolder, name: str) -> None:
    """Whoever goes on with a run removes what lies in its trials' folders."""
    write_running(run.running, Running(trials=(RunningTrial(trial=0, id="00000", seed=1, settings={}),)))
    content = json.loads(run.running.read_text())
    content["trials"][0]["id"] = name
    run.running.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"trials\.0\.id"):
        read_running(run.running)
    put_records(run.results, json.dumps(record().model_dump(mode="json") | {"id": name}))
    with pytest.raises(UserError, match=r"\(id: |it is damaged \(id"):
        read_results(run.results)


@pytest.mark.parametrize(
    "changed",
    [
        {"trial": 10**30},
        {"settings": {"sources": 3}},
        {"settings": {"sources": [["one"]]}},
        {"settings": {"start": ["scratch"]}},
        {"settings": {"learning_rate": 10**400}},
        {"settings": []},
        {"curve": [3]},
        {"state": "done"},
    ],
    ids=str,
)
def test_a_trial_that_no_search_records_is_refused(run: RunFolder, changed: dict[str, Any]) -> None:
    put_records(run.results, json.dumps(record().model_dump(mode="json") | changed))
    with pytest.raises(UserError, match="cannot be read as a table of trials"):
        read_results(run.results)


HOSTILE_TABLES: dict[str, Callable[[Path], object]] = {
    "lists within lists": lambda path: put_records(path, '{"settings": ' + "[" * 1_000_000),
    "a thousand million rows of a megabyte": lambda path: put_table(path, many_of("x" * (1 << 20), 900_000)),
    "more rows than trials": lambda path: put_table(path, many_of("{}", 2_000_000)),
    "many lists": lambda path: put_records(path, "[" + "[]," * 10_000_000 + "0]"),
    "packed a thousand times": lambda path: put_table(path, pa.array(["x" * (1 << 28)]), compression="zstd"),
    "packed by gzip": lambda path: put_table(path, pa.array(["x" * (1 << 26)]), compression="gzip"),
    "large when unpacked": lambda path: put_table(
        path, pa.array(["x" * (1 << 28), "x" * (1 << 20)]), compression="snappy"
    ),
    "numbers instead of texts": lambda path: put_table(path, pa.array([1, 2])),
    "lists instead of texts": lambda path: put_table(path, pa.array([["a"], ["b"]])),
    "a trial with a million wrong epochs": lambda path: put_records(path, '{"curve": [' + "1," * 1_900_000 + "1]}"),
    "a trial with a million unknown keys": lambda path: put_records(
        path, "{" + ",".join(f'"{number}":1' for number in range(990_000)) + "}"
    ),
    "an empty record": lambda path: put_table(path, pa.array([None, "{}"])),
    "no record": lambda path: pq.write_table(pa.table({"x": [1]}).replace_schema_metadata(VERSION), path),
    "a footer of gigabytes": lambda path: path.write_bytes(b"PAR1" + bytes(100) + struct.pack("<I", 1 << 31) + b"PAR1"),
    "an empty file": lambda path: path.write_bytes(b""),
    "no table": lambda path: path.write_bytes(bytes(1000)),
}


@pytest.mark.parametrize("kind", HOSTILE_TABLES)
def test_a_hostile_table_of_trials_is_refused_within_bounds(run: RunFolder, kind: str) -> None:
    HOSTILE_TABLES[kind](run.results)
    told = refusal(partial(read_results, run.results))
    assert f"{run.results} cannot be read as a table of trials" in told


def test_a_column_that_says_to_be_longer_than_it_is_is_refused(run: RunFolder) -> None:
    """Every number of the footer that is large enough to be a length, made larger."""
    whole = put_table(run.results, pa.array(["{}" * 500]), compression="none").read_bytes()
    for place in range(len(whole) - 300, len(whole) - 8):
        run.results.write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])
        with pytest.raises(UserError):
            read_results(run.results)


def incidents(count: int) -> bytes:
    return b'{"at": "2026-11-20T09:00:00Z", "kind": "trial", "what": "it died"}\n' * count


def test_incidents_that_cannot_be_are_left_out_and_too_many_are_refused(run: RunFolder) -> None:
    run.incidents.write_bytes(DEEP[:100_000] + b"\n" + incidents(1) + b'{"at": ' + b"9" * 100_000 + b"}\n\xff\n")
    assert [each.what for each in read_incidents(run.incidents)] == ["it died"]
    run.incidents.write_bytes(incidents(200_000))
    assert "Delete it to see the rest of the run" in refusal(partial(read_incidents, run.incidents))
    assert any("incidents.jsonl cannot be shown" in told for told in RunSummary.read(run.path).missing)


@pytest.mark.parametrize("kind", [*HOSTILE_JSON, "huge numbers"])
@pytest.mark.parametrize("file", ["test.json", "provenance.json", "memory.json", "study.json", "config.yaml"])
def test_a_run_is_shown_without_its_hostile_part(run: RunFolder, file: str, kind: str) -> None:
    content = HOSTILE_JSON.get(kind, json.dumps({"wall": 10**400, "mse": -(10**400)}).encode())
    (run.path / file).write_bytes(content)
    assert ending_of(partial(_everything, run.path)).error == ""


def _everything(path: Path) -> None:
    folder = RunFolder(path)
    RunSummary.read(path)
    read_totals(folder)
    read_shared_study(folder)


@pytest.mark.parametrize("storage", ['$(touch x)";', "sqlite:///study.db", "${NAME", "${NAME}x", "${A}\n"])
def test_a_shared_study_names_a_variable_and_nothing_else(run: RunFolder, storage: str) -> None:
    """It is printed as a command to be copied."""
    run.shared_study.write_text(json.dumps({"storage": storage, "name": "x"}))
    assert read_shared_study(run) is None


def arrays(**changed: np.ndarray) -> dict[str, np.ndarray]:
    """Of a look at trial 0."""
    facts = LookFacts(
        trial=0,
        benchmark="kth",
        input_length=2,
        clips=("a@0", "b@0"),
        kept=("a@0", "b@0"),
        mse=(1.0, 2.0),
        horizon={"mse": (1.0, 2.0), "csi_0.5": (0.5, None)},
        floor={"mse": (3.0, 4.0), "csi_0.5": (0.25, None)},
        layers=(0,),
        sources={"one": SourceLook(openness=(0.5,), drawn=(0.1,), worth=(0.5, 0.25))},
        field=MeasuredField(unit="mm/h", values=tuple(map(float, range(256))), step_s=300),
    )
    plain: dict[str, np.ndarray] = {
        "clips": np.zeros((2, 4, 8, 8, 1), np.uint8),
        "predicted": np.zeros((2, 3, 8, 8, 1), np.uint8),
        "openness": np.zeros((1, 1, 2, 3, 2, 2), np.uint8),
        "steps": np.zeros((2, 1, 1, 3), np.float32),
        "facts": np.frombuffer(facts.model_dump_json().encode(), np.uint8),
    }
    return {**plain, **changed}


def told(content: bytes) -> dict[str, Any]:
    return {**arrays(), "facts": np.frombuffer(content, np.uint8)}


def with_field(**changed: Any) -> bytes:
    facts = json.loads(arrays()["facts"].tobytes())
    return json.dumps({**facts, "field": {**facts["field"], **changed}}).encode()


def header(shape: str, kind: str = "|u1") -> bytes:
    told = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(told)) + told


def put_entry(path: Path, name: str, content: bytes) -> None:
    np.savez_compressed(path, **{key: value for key, value in arrays().items() if key != name})  # type: ignore[arg-type]
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}.npy", content)


def put_many_entries(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(50_000):
            archive.writestr(f"{number}.npy", b"")


HOSTILE_LOOKS: dict[str, Callable[[Path], object]] = {
    "terabytes": lambda path: put_entry(path, "clips", header("(1, 1099511627776, 1, 1, 1)")),
    "more than 64 bits": lambda path: put_entry(path, "clips", header(f"({10**15}, {10**15}, 1, 1, 1)")),
    "a gigabyte of nothing": lambda path: put_entry(path, "clips", header(f"(1, {1 << 30}, 1, 1, 1)") + bytes(1 << 30)),
    "objects": lambda path: put_entry(path, "clips", header("(1, 2, 1, 1, 1)", "|O") + b"cos\nsystem\n(S'ls'\ntR."),
    "nested": lambda path: put_entry(path, "clips", header("(" * 3000)),
    "a program": lambda path: put_entry(path, "clips", header("__import__('os').system('ls')")),
    "thousands of entries": put_many_entries,
    "no facts": lambda path: np.savez(path, **told(b"[]")),
    "nested facts": lambda path: np.savez(path, **told(b"[" * 100_000)),
    "a field of a million bytes": lambda path: np.savez(path, **told(with_field(values=[0.0] * 1_000_000))),
    "values that are none": lambda path: np.savez(path, **told(with_field(values=[-1e300, *[1e300] * 255]))),
    "frames ages apart": lambda path: np.savez(path, **told(with_field(step_s=10**400))),
    "steps that are no numbers": lambda path: np.savez(path, **arrays(steps=np.full((2, 1, 1, 3), np.nan, np.float32))),  # type: ignore[arg-type]
    "other layers": lambda path: np.savez(path, **arrays(openness=np.zeros((2, 1, 2, 3, 2, 2), np.uint8))),  # type: ignore[arg-type]
    "no frames": lambda path: np.savez(path, **arrays(clips=np.zeros((0, 4, 8, 8, 1), np.uint8))),  # type: ignore[arg-type]
    "no archive": lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100)),
    "an empty file": lambda path: path.write_bytes(b""),
    "a pipe": lambda path: os.mkfifo(path),
}


@pytest.mark.parametrize("kind", HOSTILE_LOOKS)
def test_hostile_looks_are_left_out_within_bounds(run: RunFolder, kind: str) -> None:
    path = run.look("00000")
    path.parent.mkdir(parents=True)
    HOSTILE_LOOKS[kind](path)
    assert ending_of(partial(_read_without_looks, run.path)).error == ""


def test_the_look_that_was_damaged_is_shown_where_it_is_whole(run: RunFolder) -> None:
    path = run.look("00000")
    path.parent.mkdir(parents=True)
    np.savez_compressed(path, **arrays())  # type: ignore[arg-type]
    assert [look.facts.trial for look in Findings.read(run.path).looks] == [0]


def _read_without_looks(path: Path) -> None:
    findings = Findings.read(path)
    assert findings.looks == ()
    assert any("look.npz of trial 0" in text for text in findings.missing)


@pytest.mark.parametrize(
    "config",
    [
        "[]",
        '{question: "\\ud800", name: "\\ud800"}',
        "{compare: [a]}",
        "{compare: {settings: {a: {}}}, training: 3}",
        "{compare: {settings: {a: {}}}, training: {epochs: .inf, schedule: []}}",
        "{compare: {settings: {1: {}}}}",
        "{benchmark: {input_length: a, total_length: [1]}, search: {objectives: {}}, sources: 3}",
        "{name: [1], search: {objectives: 7}, benchmark: 3, training: {epochs: [1]}}",
    ],
)
def test_a_configuration_that_makes_no_sense_hides_no_trial(run: RunFolder, config: str) -> None:
    run.config.write_text(config)
    render_report(run.path)
    with pytest.raises(UserError):
        Comparison.read(run.path)


def test_what_a_run_says_is_no_part_of_its_page(run: RunFolder) -> None:
    hostile = "</script><script>alert(1)</script>"
    write_results(run.results, [record(0, state="failed", reason=hostile), record(1, settings={"x": hostile})])
    run.provenance.write_text(json.dumps({"benchmark": hostile, "synthetic": True, "sources": {hostile: {}}}))
    run.config.write_text(json.dumps({"name": hostile, "question": hostile}))
    render_report(run.path)
    assert "<script>alert" not in run.report.read_text()
