"""docs/api.md: its commands, as they stand there, against the shipped POD."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import gate_clips
import pytest
from running_pod import RunningPod, until

from pod.web.admin_password import AdminPassword

DOCUMENT = Path(__file__).parents[2] / "docs" / "api.md"
PASSWORD = "a long one for this test"

needs_tools = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq"
)


@needs_tools
def test_the_commands_of_the_document_sign_in_read_and_open_a_gate(tmp_path: Path) -> None:
    with RunningPod(tmp_path, str(gate_clips.standing()), loop=True) as pod:
        until(lambda: pod.address, what="the start")
        AdminPassword(pod.data_dir).change(PASSWORD)
        script = "\n".join(re.findall(r"```sh\n(.*?)```", DOCUMENT.read_text(), re.DOTALL))
        script = script.replace("http://127.0.0.1:8480", str(pod.address).rstrip("/"))
        script = script.replace('"..."', json.dumps(PASSWORD)).replace("curl -s", "echo; curl -s")
        script = script.replace("$(echo; ", "$(")
        ended = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=60
        )
        until(pod.pulses, what="the pulse")
    events, health, opened, ticket = [json.loads(line) for line in ended.stdout.splitlines() if line]
    assert events == [] or events[0]["plate"] == gate_clips.PLATE
    assert health["alarms"] == []
    assert (opened["result"], opened["repeated"]) == ("commanded", False)
    assert len(pod.pulses()) == 1
    assert (ticket["whep"], ticket["lease_s"]) == ("/whep/entry", 300)
