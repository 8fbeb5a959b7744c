"""`demo --cloud`: a POD, a broker, a database and services, as a newcomer starts them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from models.render import camera_process

ROOT = Path(__file__).resolve().parents[2]


def test_a_plate_added_in_the_cloud_opens_the_gate_and_the_audit_arrives_there(tmp_path: Path) -> None:
    if camera_process.available() is not None:
        pytest.skip("needs GStreamer")
    ran = subprocess.run(
        [sys.executable, "-m", "pod.cli", "demo", "--cloud", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    report = json.loads(ran.stdout.splitlines()[-1])
    assert report["ok"]
    assert report["source"] == "rtsp"
    first = report["plates"].index(report["plate"])
    assert (report["verdicts"][first], report["reasons"][first]) == ("deny", "not_listed")
    opened = [
        (verdict, reason)
        for plate, verdict, reason in zip(
            report["plates"], report["verdicts"], report["reasons"], strict=True
        )
        if plate == report["plate"]
    ]
    assert ("allow", "listed") in opened
    assert report["cloud_audit_verified"]
    assert report["cloud_rows"] > 0
    assert report["broker"].startswith("mqtts://")


def test_a_demo_without_the_clouds_packages_names_the_mend(tmp_path: Path) -> None:
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            _WITHOUT,
            "demo",
            "--cloud",
            "--check",
            "--video",
            str(ROOT / "models/reference"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 2
    assert "run `./scripts/demo.sh --cloud`" in ran.stderr


_WITHOUT = """
import importlib.util, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "psycopg" else found(name, *more)
from pod.cli import main
sys.exit(main())
"""
