"""Which version a worker says that it is."""

from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest
from temporalio.common import VersioningBehavior
from temporalio.workflow import _Definition as Definition

from perennial.config import SettingsError, load_settings
from perennial.temporal.builds import sum_of
from worker import code_build, deployment
from workflows.registry import WORKFLOWS


def test_versions_are_off_unless_both_parts_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_DEPLOYMENT_NAME", "")  # as compose hands on what is not set
    monkeypatch.setenv("PERENNIAL_BUILD_ID", "")
    assert deployment(load_settings()) is None
    monkeypatch.setenv("PERENNIAL_DEPLOYMENT_NAME", "perennial")
    with pytest.raises(SettingsError, match="PERENNIAL_BUILD_ID: is required beside the other part"):
        load_settings()
    monkeypatch.setenv("PERENNIAL_BUILD_ID", "1.4.0")
    told = deployment(load_settings())
    assert told is not None
    assert (told.version.to_canonical_string(), told.use_worker_versioning) == ("perennial.1.4.0", True)
    assert told.default_versioning_behavior is VersioningBehavior.AUTO_UPGRADE


def test_a_name_that_temporal_would_read_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_DEPLOYMENT_NAME", "perennial.eu")
    monkeypatch.setenv("PERENNIAL_BUILD_ID", "1")
    with pytest.raises(SettingsError, match="PERENNIAL_DEPLOYMENT_NAME: must hold neither a dot nor a colon"):
        load_settings()


def test_a_build_without_a_name_is_the_sum_of_its_code(tmp_path: Path, root: Path) -> None:
    """Also what stands within a function counts, which the SDK's own sum leaves out."""
    code = tmp_path / "here" / "workflows"
    copytree(root / "workflows", code, ignore=ignore_patterns("__pycache__"))
    before = sum_of([code])
    moved = code.rename(tmp_path / "workflows")
    assert sum_of([moved]) == before
    mended = moved / "subscription.py"
    mended.write_text(mended.read_text().replace("self._busy = True", "self._busy = False"))
    assert sum_of([moved]) != before
    assert len(code_build()) == len(before) == 12


def test_no_workflow_is_pinned() -> None:
    """What a workflow does not say, the worker's default says: it moves on with the newest version."""
    said = {Definition.must_from_class(each).versioning_behavior for each in WORKFLOWS}
    assert said == {VersioningBehavior.UNSPECIFIED}
