"""Valid files of every kind that is read, with their readers, and the damages that they are put through."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from hypothesis import strategies as st

from platform.bank.bank import Bank
from platform.bank.card import Card, TrainingData, file_sha256
from platform.bank.imports import import_checkpoint
from platform.bank.networks import build_network
from platform.benchmarks.recording import Found, Recording
from platform.benchmarks.store import FrameStore
from platform.benchmarks.store_writer import write_store
from platform.config.errors import UserError
from platform.config.load import SEARCH_SPACES, load_run
from platform.config.network import NetworkConfig
from platform.memory.block_file import BlockKey, DamagedBlock, block_batch, check_block, map_block, read_label
from platform.reporting.confirmed_table import confirmed_rows
from platform.reporting.confirmed_verdict import confirmed_verdict
from platform.reporting.page import render_report
from platform.results.comparison import Comparison
from platform.results.confirm_plan import ConfirmPlan, PlannedSetting
from platform.results.confirmed import read_confirmed
from platform.results.findings import Findings
from platform.results.incidents import read_incidents
from platform.results.progress import Running, RunningTrial, read_running, write_running
from platform.results.record import TrialRecord, read_results, write_results
from platform.results.run_folder import RunFolder
from platform.results.serving import read_totals
from platform.results.shared_study import read_shared_study
from platform.results.summary import RunSummary
from platform.results.tested import TestedTrial
from platform.training.checkpoint import saved_progress
from tests.given import REFERENCE
from tests.security.damages import ANY_BYTES, ANY_JSON, ANY_YAML, Damage, damaged_json, damaged_yaml
from tests.security.test_results import arrays, incidents, put_records, record
from tests.security.test_stores import IDENTITY, REQUEST, arrow_file, frames, memories

Damaged = tuple[Path, Callable[[], object], st.SearchStrategy[Damage]]  # a file, what reads it, what befalls it


def configs(folder: Path) -> Iterator[Damaged]:
    for name in ("transfer", "kth"):
        path = folder / f"{name}.yaml"
        path.write_bytes((SEARCH_SPACES / path.name).read_bytes())
        yield path, partial(load_run, str(path), profile="laptop"), ANY_YAML
    small = folder / "override"
    small.write_bytes(b"[1, {a: 2}]")
    yield small, partial(_override, small), ANY_YAML


def _override(path: Path) -> None:
    text = path.read_bytes().decode(errors="replace")
    for key in ("search.trials", "benchmark.split", "sources", "search.space", "trial.tmu.layers", "benchmark"):
        try:
            load_run("kth", profile="laptop", overrides=[f"{key}={text}"])
        except UserError:
            continue


def cards(folder: Path) -> Iterator[Damaged]:
    bank, network = Bank(folder / "bank"), NetworkConfig(hidden=(4,), kernel_size=3, patch_size=4)
    card = Card(
        name="one",
        network=network,
        channels=1,
        frame_size=16,
        weights_sha256="",
        data=TrainingData(label="digits", synthetic=False),
        parameters=1,
        created="2026-01-01",
    )
    bank.add("one", build_network(network, channels=1, frame_size=16), card)
    yield bank.path("one") / "card.json", partial(bank.load, "one"), ANY_JSON
    yield bank.path("one") / "weights.safetensors", partial(_load_with_hash, bank), ANY_BYTES
    fixture = REFERENCE / "convlstm_source_a" / "model.ckpt-20"
    for old in (False, True):
        path = folder / f"checkpoint-{old}"
        torch.save(torch.load(fixture, weights_only=True), path, _use_new_zipfile_serialization=not old)
        take = partial(import_checkpoint, bank, path, family="convlstm", patch_size=4, name="new", replace=True)
        yield path, take, ANY_BYTES


def _load_with_hash(bank: Bank) -> None:
    path = bank.path("one") / "card.json"
    card = json.loads(path.read_text()) | {"weights_sha256": file_sha256(bank.path("one") / "weights.safetensors")}
    path.write_text(json.dumps(card))
    bank.load("one")


def manifests(folder: Path) -> Iterator[Damaged]:
    recordings = [
        Recording(f"v{number}", str(number), "walking", f"k{number}", partial(frames, number), num_frames=6)
        for number in range(3)
    ]
    found = Found(recordings, frame_size=(8, 8), provenance={"source": "x"})
    store = write_store(folder / "kth-8", found, dataset="kth", synthetic=False, reader_version="1")
    yield store.path / "manifest.json", partial(_whole_store, store.path), ANY_JSON
    for name in ("videos.arrow", "hashes.arrow", "frames-00000.arrow"):
        yield store.path / name, partial(_whole_store, store.path, name), ANY_BYTES
    batch = block_batch(IDENTITY, REQUEST, memories())
    (folder / "000000.arrow").write_bytes(arrow_file(batch.schema, [batch]))
    yield folder / "000000.arrow", partial(_block, folder / "000000.arrow"), ANY_BYTES
    saved = folder / "saved"
    saved.mkdir()
    (saved / "a").write_text("x")
    told = {"progress": {"epochs": 1, "steps": 0}, "files": {"a": file_sha256(saved / "a")}}
    (saved / "manifest.json").write_text(json.dumps(told))
    yield saved / "manifest.json", partial(saved_progress, saved), ANY_JSON


def _whole_store(path: Path, damaged: str | None = None) -> None:
    """With the length in the manifest that the damaged file has."""
    if damaged is not None:
        manifest = json.loads((path / "manifest.json").read_text())
        for stored in (*manifest["shards"], manifest["videos"], manifest["hashes"]):
            stored["num_bytes"] = (path / stored["file"]).stat().st_size or 1
        (path / "manifest.json").write_text(json.dumps(manifest))
    store = FrameStore.open(path)
    store.verify()
    assert len(np.array(store.hashes)) == len(list(store.read_through())) * 6
    assert len(list(store.videos)) == len(store.videos.names)


def _block(path: Path) -> None:
    try:
        read_label(path)
        check_block(map_block(path), BlockKey.of(IDENTITY, REQUEST))
    except DamagedBlock as damaged:
        raise UserError(str(damaged)) from None


def results(folder: Path) -> Iterator[Damaged]:
    run = RunFolder(folder / "run")
    write_results(run.results, [record(0), record(1)], sources=["one"])
    yield run.results, partial(read_results, run.results), ANY_BYTES
    text = folder / "record.json"
    text.write_text(record(0).model_dump_json())
    yield text, partial(_as_table, text, folder / "other.parquet"), ANY_JSON
    trial = RunningTrial(trial=2, id="00002", seed=1, settings=record(2).settings, curve=record(2).curve)
    write_running(run.running, Running(trials=(trial,)))
    yield run.running, partial(read_running, run.running), ANY_JSON
    run.incidents.write_bytes(incidents(2))
    yield run.incidents, partial(read_incidents, run.incidents), ANY_BYTES
    parts: dict[Path, Any] = {
        run.memory: {"passes": 3, "announced": 1},
        run.shared_study: {"storage": "${X}", "name": "x-1"},
        run.provenance: {"benchmark": "kth", "sources": {"one": {"score": {"mse": 3.0}}}, "resumed": [{"a": 1}]},
    }
    for path, content in parts.items():
        path.write_text(json.dumps(content))
    config = {
        "name": "x",
        "benchmark": {"name": "kth", "input_length": 3, "total_length": 6, "frame_size": 16},
        "search": {"objectives": ["mse", "ssim"]},
        "training": {"epochs": 3, "schedule": "constant"},
        "compare": {"settings": {"a": {}, "b": {}}},
    }
    run.config.write_text(yaml.safe_dump(config))
    for path in parts:
        yield path, partial(_shown, run), ANY_JSON
    yield run.config, partial(_shown, run), ANY_YAML
    look = run.look(record(0).id)
    look.parent.mkdir(parents=True)
    np.savez_compressed(look, **arrays())  # type: ignore[arg-type]
    yield look, partial(Findings.read, run.path), ANY_BYTES
    for path in confirmed_files(RunFolder(run.confirm)):
        yield path, partial(_confirmed, run), ANY_JSON


def confirmed_files(folder: RunFolder) -> Iterator[Path]:
    """Two settings, trained and tested with two seeds."""
    planned = [
        PlannedSetting(name=name, role=role, trial=0, settings=record(0).settings)  # type: ignore[arg-type]
        for name, role in (("trial_0", "best"), ("scratch", "scratch"))
    ]
    folder.path.mkdir()
    folder.confirm_plan.write_text(ConfirmPlan(settings=tuple(planned)).model_dump_json())
    trained = [record(number).model_copy(update={"seed": number // 2, "state": "finished"}) for number in range(4)]
    write_results(folder.results, trained)
    for each in trained:
        values = tuple(float(clip + each.trial) for clip in range(3))
        tested = TestedTrial(
            trial=each.trial,
            setting=planned[each.trial % 2].name,
            seed=each.seed,
            benchmark="kth",
            synthetic=True,
            clips=("a@0", "a@4", "b@0"),
            per_clip={"mse": values},
            scores={"mse": 2.0},
            last_frame={"mse": 3.0},
            seconds_per_clip=0.1,
        )
        path = folder.tested(each.id)
        path.parent.mkdir(parents=True)
        path.write_text(tested.model_dump_json())
    yield folder.confirm_plan
    yield folder.tested(trained[0].id)


def _confirmed(run: RunFolder) -> None:
    confirmed = read_confirmed(RunSummary.read(run.path))
    assert confirmed is not None
    assert confirmed_verdict(confirmed)
    assert confirmed_rows(confirmed)


def _as_table(text: Path, table: Path) -> list[TrialRecord]:
    return read_results(put_records(table, text.read_bytes().decode(errors="replace")))


def _shown(run: RunFolder) -> None:
    summary = RunSummary.read(run.path)
    told = (summary.name, summary.benchmark, summary.objectives, summary.sources, summary.best, summary.pareto)
    assert len(repr((*told, read_totals(run), read_shared_study(run), summary.provenance.rest)))
    if run.shared_study.exists():
        run.shared_study.rename(run.path / "kept")
    try:
        assert Comparison.read(run.path).epochs
    finally:
        if (run.path / "kept").exists():
            (run.path / "kept").rename(run.shared_study)


def pages(folder: Path) -> Iterator[Damaged]:
    *_, (path, _, _) = ((path, read, damage) for path, read, damage in results(folder) if path.name == "config.yaml")
    run = RunFolder(path.parent)
    run.shared_study.unlink()
    text = folder / "records.json"
    text.write_text(json.dumps([record(number).model_dump(mode="json") for number in range(2)]))
    for part in (run.config, run.provenance, run.memory):
        yield part, partial(render_report, run.path), damaged_yaml() if part == run.config else damaged_json()
    yield text, partial(_page_of, text, run), damaged_json()


def _page_of(text: Path, run: RunFolder) -> None:
    found = json.loads(text.read_text())
    put_records(run.results, *map(json.dumps, found if isinstance(found, list) else [found]))
    render_report(run.path)


READERS = {"YAML": configs, "cards": cards, "manifests": manifests, "results": results, "pages": pages}
