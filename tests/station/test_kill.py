"""kill -9 of either process at random moments: the whole campaign of fifty is `python -m benchmarks.faults`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.faults import figures, kill_campaign


def test_station_killed_at_random_moments_has_one_row_per_picture(tmp_path: Path, bundle_path: Path):
    campaign = kill_campaign(tmp_path, bundle_path, kills=8, seed=7)
    counted = figures(campaign)
    assert campaign.kills.total() >= 8
    assert counted["rows"] == counted["pictures"]
    for name in ("pictures_without_a_row", "pictures_with_two_rows", "open_rows", "images_missing_or_wrong"):
        assert counted[name] == 0, counted
    assert counted["rows_without_reason"] == 0
    assert counted["images_stored"] > 0
