import os
import subprocess
import sys
from pathlib import Path

from provider_server import OpenAIResponses, ProviderServer, Say

from metalsci.devices.cpu.cpu_device import CpuDevice

GIVEN = ("device.ceilings.bandwidth=40", "device.ceilings.fp32=200")  # on a busy machine a measurement is unsettled


def doctor(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "metalsci.doctor", *arguments]
    return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, timeout=600)


def test_a_healthy_machine_gets_a_line_a_part_and_exit_status_zero() -> None:
    done = doctor(*GIVEN, METALSCI_ARCHITECTURE="")
    assert done.returncode == 0, done.stdout
    lines = {line.split()[1]: line for line in done.stdout.splitlines()}
    parts = {
        "python",
        "MLX",
        "compiler",
        "isolation",
        "device",
        "instructions",
        "ceilings",
        "kernel",
        "keys",
        "W&B",
        "disk",
    }
    assert set(lines) == parts
    assert all(line.split()[0] == "ok" for line in lines.values())
    assert "right" in lines["kernel"]
    assert "GB/s" in lines["ceilings"]
    assert "native" in lines["instructions"]
    assert "seccomp" in lines["isolation"]
    assert "landlock" in lines["isolation"]


def test_ceilings_show_their_date_and_are_measured_anew_when_asked(tmp_path: Path) -> None:
    device = CpuDevice()
    kept = tmp_path / device.ceilings_file.name
    device.close()
    level = '[{"footprint": 1048576, "bandwidth": 7.0}]'
    text = f'{{"bandwidth": 7.0, "fp32": 9.0, "source": "measured on this machine on 2001-02-03", "levels": {level}}}'
    kept.write_text(text)
    assert "7.0 GB/s, 9 GFLOP/s (measured on this machine on 2001-02-03)" in doctor(METALSCI_CACHE=str(tmp_path)).stdout
    assert "2001" not in doctor("--measure-ceilings", METALSCI_CACHE=str(tmp_path)).stdout
    assert not kept.exists() or "2001" not in kept.read_text()  # what is unsettled is not kept


def test_keys_are_named_and_their_values_never_shown() -> None:
    done = doctor(ANTHROPIC_API_KEY="sk-ant-not-to-be-seen", OPENAI_API_KEY="")
    assert "ANTHROPIC_API_KEY" in done.stdout
    assert "OPENAI_API_KEY" not in done.stdout
    assert "not-to-be-seen" not in done.stdout + done.stderr


def test_what_is_broken_is_told_and_the_rest_is_still_examined(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = doctor(METALSCI_CACHE=str(tmp_path / "file"))
    assert done.returncode == 1
    assert "to do  disk" in done.stdout
    assert "METALSCI_CACHE" in done.stdout
    assert "ok  kernel" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_model_is_asked_one_tiny_thing_when_it_is_named() -> None:
    server = ProviderServer(OpenAIResponses(), [Say("ready")])
    done = doctor("model=gpt", *GIVEN, f"model.transport.base_url={server.url}", OPENAI_API_KEY="sk-some-key")
    server.close()
    assert done.returncode == 0, done.stdout
    (line,) = (line for line in done.stdout.splitlines() if line.split()[1] == "model")
    assert "'ready'" in line


def test_a_device_that_is_not_there_is_one_line_with_what_to_use() -> None:
    done = doctor("device=apple")
    if "ok  device" in done.stdout:
        return  # a Mac
    assert done.returncode == 1
    assert "device=cpu" in done.stdout
    assert "kernel" not in [line.split()[-1] for line in done.stdout.splitlines() if line.startswith("to do")]
    assert "No Metal back-end" not in done.stdout


def test_a_setting_that_nothing_reads_is_refused() -> None:
    done = doctor("+device.thread=1")
    assert done.returncode == 2
    assert "did you mean threads?" in done.stderr


def test_an_unknown_model_is_refused_with_the_choices() -> None:
    done = doctor("model=gtp")
    assert done.returncode == 2
    assert "gemini" in done.stderr
    assert "Traceback" not in done.stderr
