"""A run that was stopped in the middle goes on where it stood and ends in the same bytes."""

import signal
import time
from pathlib import Path

import pytest

from demo_archive import write_demo_archive
from tests.dashboard.emulator import Emulator
from tests.integration.conftest import Checkout
from tests.integration.test_dashboard import SCORES, asked_bins, config

DEADLINE = 60.0  # seconds for a run to get half way


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_stopped_run_goes_on_and_ends_in_the_same_bytes(tmp_path: Path, sign: signal.Signals) -> None:
    archive = tmp_path / "archive"
    write_demo_archive(archive)
    with Emulator({"demo": archive}, latency=0.1) as dashboard:
        undisturbed = Checkout(tmp_path / "undisturbed")
        undisturbed.run(config(dashboard))
        expected = undisturbed.files("demo")
        all_bins = asked_bins(dashboard)

        dashboard.clear()
        stopped = Checkout(tmp_path / "stopped")
        process = stopped.start(config(dashboard))
        give_up = time.monotonic() + DEADLINE
        while sum(r.status == 200 for r in dashboard.requests if SCORES in r.target) < len(all_bins) // 2:
            assert time.monotonic() < give_up
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(sign)
        printed, _ = process.communicate(timeout=60)
        assert process.returncode != 0, printed
        assert not (stopped.results("demo") / "abundance_long.csv").exists()
        whole = {path.stem for path in (stopped.results("demo") / "bins").rglob("*.parquet")}
        assert len(all_bins) // 3 < len(whole) < len(all_bins)
        for path in (stopped.results("demo") / "bins").rglob("*.parquet"):  # whole, not merely there
            assert path.read_bytes() == expected[str(path.relative_to(stopped.results("demo")))]

        if sign == signal.SIGKILL:  # nobody was left to release the lock
            assert "--unlock" in stopped.run(config(dashboard), fails=True)
            stopped.run(config(dashboard), "--unlock")
        dashboard.clear()
        stopped.run(config(dashboard))
        again = set(asked_bins(dashboard)) & whole
        assert len(again) <= (8 if sign == signal.SIGKILL else 0)
        assert set(asked_bins(dashboard)) | whole == set(all_bins)
        assert stopped.files("demo") == expected
