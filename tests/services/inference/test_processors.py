import os
from pathlib import Path

from services.inference.processors import count_processors


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_without_a_quota_the_affinity_counts(tmp_path: Path) -> None:
    assert count_processors(root=tmp_path) == len(os.sched_getaffinity(0))


def test_a_quota_below_the_affinity_counts(tmp_path: Path) -> None:
    write(tmp_path / "sys/fs/cgroup/cpu.max", "100000 100000\n")
    assert count_processors(root=tmp_path) == 1


def test_a_part_of_a_processor_is_one(tmp_path: Path) -> None:
    write(tmp_path / "sys/fs/cgroup/cpu.max", "20000 100000\n")
    assert count_processors(root=tmp_path) == 1


def test_one_and_a_half_processors_are_two_where_there_are_two(tmp_path: Path) -> None:
    write(tmp_path / "sys/fs/cgroup/cpu.max", "150000 100000\n")
    assert count_processors(root=tmp_path) == min(2, len(os.sched_getaffinity(0)))


def test_the_least_quota_of_our_group_and_its_parents_counts(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/cgroup", "0::/system.slice/sightline.service\n")
    write(tmp_path / "sys/fs/cgroup/cpu.max", "max 100000\n")
    write(tmp_path / "sys/fs/cgroup/system.slice/cpu.max", "100000 100000\n")
    write(tmp_path / "sys/fs/cgroup/system.slice/sightline.service/cpu.max", "900000 100000\n")
    assert count_processors(root=tmp_path) == 1


def test_an_old_control_group_counts(tmp_path: Path) -> None:
    write(tmp_path / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n")
    write(tmp_path / "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    assert count_processors(root=tmp_path) == 1


def test_no_limit_in_an_old_control_group_is_none(tmp_path: Path) -> None:
    write(tmp_path / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")
    write(tmp_path / "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    assert count_processors(root=tmp_path) == len(os.sched_getaffinity(0))
