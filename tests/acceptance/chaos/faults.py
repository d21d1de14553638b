"""The faults, each injected for real: processes are killed, disks are full, clocks go backwards."""

from __future__ import annotations

import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
from ground import Ground, Row, disk, kill, remount

# The clock of the day shifted by the seconds that a file holds; the monotonic clocks are left alone
CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long shift(void) {
    long seconds = 0;
    FILE *file = fopen(getenv("CHAOS_CLOCK"), "r");
    if (file) {
        if (fscanf(file, "%ld", &seconds) != 1) seconds = 0;
        fclose(file);
    }
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += shift();
    return code;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec fine;
    int code = clock_gettime(CLOCK_REALTIME, &fine);
    now->tv_sec = fine.tv_sec;
    now->tv_usec = fine.tv_nsec / 1000;
    return code;
}

time_t time(time_t *where) {
    struct timespec fine;
    clock_gettime(CLOCK_REALTIME, &fine);
    if (where) *where = fine.tv_sec;
    return fine.tv_sec;
}
"""


def harness_killed(ground: Ground, tries: int, chance: random.Random) -> Row:
    """Half of the kills anywhere between start-up and report, half around the writing of a record."""
    row = Row("`kill -9` of the harness, at random moments", "resumed until done: all records, each once")
    while row.tries < tries:
        folder = ground.new()
        for _ in range(chance.randint(4, 12)):
            if row.tries == tries:
                break
            process = ground.begin(folder)
            if chance.random() < 0.5:
                time.sleep(chance.uniform(0, ground.seconds))
            else:
                ground.wait_for(process, folder, ground.lines(folder) + chance.randint(0, 6))
                time.sleep(chance.uniform(0, 0.03))
            alive = process.poll() is None
            kill(process)
            row.tries += alive
            print(f"\r{row.tries}", end="", file=sys.stderr, flush=True)
            ground.check_orphans(row)
        code, err = ground.go_on(folder)
        row.expect(code == 0, f"exit code {code} after resuming: {err[-300:]}")
        ground.check(row, folder)
    return row


def parent_killed(ground: Ground, tries: int, chance: random.Random) -> Row:
    row = Row("`kill -9` of a warm parent", "its launch fails, the run goes on to its end")
    while row.tries < tries:
        folder = ground.new()
        process = ground.begin(folder)
        ground.wait_for(process, folder, chance.randint(0, 20))
        time.sleep(chance.uniform(0, 0.1))
        workers = ground.workers(process)
        if workers:
            try:
                chance.choice(workers).kill()
                row.tries += 1
            except psutil.NoSuchProcess:
                workers = []
        time.sleep(0.1)
        ground.check_zombies(row, process)
        code, err = ground.end(process)
        failed = [record for record in ground.check(row, folder) if record.status == "failed"]
        row.expect(code == (1 if failed else 0), f"exit code {code} with {len(failed)} failed: {err[-300:]}")
        row.expect(all(r.failure in ("parent", "import", "signal") for r in failed), f"{[r.reason for r in failed]}")
        row.expect(not failed or bool(workers), f"failed with nobody killed: {[r.reason for r in failed]}")
    return row


def power_lost(ground: Ground, tries: int, chance: random.Random) -> Row:
    row = Row("power lost: the last write cut at a random byte, or zeros in its place", "told, set aside, made again")
    whole = (ground.folder / "undisturbed" / "records.jsonl").read_bytes().splitlines(keepends=True)
    for _ in range(tries):
        row.tries += 1
        folder = ground.new()
        shutil.copytree(ground.folder / "undisturbed", folder)
        number = chance.randrange(len(whole))
        last = whole[number]
        cut = chance.randrange(1, len(last))
        torn = last[:cut] + (b"\0" * (len(last) - cut) if chance.random() < 0.3 else b"")
        (folder / "records.jsonl").write_bytes(b"".join(whole[:number]) + torn)
        (folder / "run.json.partial").write_bytes(b"{" * chance.randrange(3))
        code, err = ground.go_on(folder)
        row.expect(code == 0, f"exit code {code}: {err[-300:]}")
        # cut by its line break alone, a record is whole
        told = f"records.jsonl:{number + 1}: set aside" in err
        row.expect(told or torn == last[:-1], f"cut at byte {cut} of line {number + 1}, and not told")
        ground.check(row, folder)
    return row


def disk_full(ground: Ground, tries: int, chance: random.Random) -> Row:
    row = Row("disk full (a small file system, then a larger one)", "exit code 2, how to go on; then all records")
    for _ in range(tries):
        place = ground.folder / f"disk-{ground.made}"
        with disk(place, f"size={chance.randint(4, 60) * 4}k") as mounted:
            if not mounted:
                row.skipped = "mounting is not permitted here"
                return row
            row.tries += 1
            folder = place / ground.new().name
            code, err = ground.run("run", "chaos.toml", "-o", folder, "--no-certify")
            refused(row, code, err, r"No space left on device")
            remount(place, "size=20m")
            code, err = ground.go_on(folder)
            row.expect(code == 0, f"exit code {code} with room again: {err[-300:]}")
            ground.check(row, folder)
    return row


def temporary_disk_full(ground: Ground, tries: int, chance: random.Random) -> Row:
    row = Row("no room for temporary files", "exit code 2, or failed records, or it fits; then all records")
    for _ in range(tries):
        place = ground.folder / f"temporary-{ground.made}"
        with disk(place, f"size={chance.randint(1, 2) * 4}k") as mounted:
            if not mounted:
                row.skipped = "mounting is not permitted here"
                return row
            row.tries += 1
            folder = ground.new()
            how = {"variables": {"TMPDIR": str(place)}}
            code, err = ground.run("run", "chaos.toml", "-o", folder, "--no-certify", **how)
            row.expect("Traceback" not in err, err[-300:])
            row.expect(code in (0, 1, 2), f"exit code {code}: {err[-300:]}")
            code, err = ground.go_on(folder)
            ground.check(row, folder)
    return row


def file_limit(ground: Ground, tries: int, chance: random.Random) -> Row:
    row = Row("no file may grow further (RLIMIT_FSIZE, EFBIG)", "exit code 2, how to go on; then all records")
    for _ in range(tries):
        row.tries += 1
        folder = ground.new()
        limit = chance.randint(4, 60) * 2048
        code, err = ground.run("run", "chaos.toml", "-o", folder, "--no-certify", limit_file=limit)
        refused(row, code, err, r"File too large")
        code, err = ground.go_on(folder)
        row.expect(code == 0, f"exit code {code} without the limit: {err[-300:]}")
        ground.check(row, folder)
    return row


def read_only(ground: Ground, tries: int, chance: random.Random) -> Row:
    row = Row("read-only file system", "exit code 2, and nothing is started")
    place = ground.folder / "read-only"
    with disk(place, "size=20m") as mounted:
        if not mounted:
            row.skipped = "mounting is not permitted here"
            return row
        shutil.copytree(ground.folder / "undisturbed", place / "run")
        (place / "run" / "records.jsonl").unlink()
        shutil.copy(ground.folder / "dots.csv", place)  # the suite's file, seen from the run's folder
        remount(place, "ro")
        for number in range(tries):
            row.tries += 1
            words = ("chaos.toml", "-o", place / "new", "--no-certify") if number % 2 else ("--resume", place / "run")
            code, err = ground.run("run", *words)
            refused(row, code, err, r"Read-only file system")
            ground.check_orphans(row)
        code, err = ground.run("show", place / "run")
        row.expect(code == 0, f"exit code {code} of show: {err[-300:]}")
    return row


def two_at_once(ground: Ground, tries: int, chance: random.Random) -> Row:
    row = Row("two harnesses on one run", "the second is refused with exit code 2, the first is not disturbed")
    while row.tries < tries:
        folder = ground.new()
        first = ground.begin(folder)
        ground.wait_for(first, folder, chance.randint(0, 4))
        words = ("--resume", folder) if chance.random() < 0.5 else ("chaos.toml", "-o", folder, "--no-certify")
        second, err = ground.run("run", *words)
        early = first.poll() is not None
        code, first_err = ground.end(first)
        if not early:
            row.tries += 1
            refused(row, second, err, r"another levelfield is writing")
        row.expect(code == 0, f"exit code {code} of the first: {first_err[-300:]}")
        ground.check(row, folder)
    return row


def clock_set_back(ground: Ground, tries: int, chance: random.Random) -> Row:
    row = Row("clock set back while it runs, and again before it is resumed", "all records, no negative time")
    compiler, library = shutil.which("cc"), ground.folder / "clock.so"
    if compiler is None or sys.platform != "linux":
        row.skipped = "needs Linux and a C compiler"
        return row
    build = [compiler, "-shared", "-fPIC", "-x", "c", "-", "-o", str(library), "-ldl"]
    subprocess.run(build, input=CLOCK.encode(), check=True)
    shift = ground.folder / "clock"
    clock = {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(shift)}
    day = 86_400
    for _ in range(tries):
        row.tries += 1
        folder = ground.new()
        shift.write_text("0")
        passed = ("--env", "LD_PRELOAD", "--env", "CHAOS_CLOCK")
        process = ground.start("run", "chaos.toml", "-o", folder, "--no-certify", *passed, variables=clock)
        ground.wait_for(process, folder, chance.randint(1, 8))
        shift.write_text(f"{-day * chance.randint(1, 400)}")
        ground.wait_for(process, folder, chance.randint(9, 20))
        kill(process)
        ground.check_orphans(row)
        shift.write_text(f"{-day * chance.randint(401, 4000)}")
        code, err = ground.run("run", "--resume", folder, variables=clock)
        row.expect(code == 0, f"exit code {code}: {err[-300:]}")
        made = ground.check(row, folder)
        times = [t for r in made for t in (r.wall_seconds, *r.epoch_seconds, *r.phases.values())]
        row.expect(all(0 <= t < 300 for t in times), f"times from {min(times)} to {max(times)} s")
        begun = [record.started for record in made]
        row.expect(begun != sorted(begun), "the clock was not set back")
    return row


def interrupted(ground: Ground, tries: int, chance: random.Random, again: bool = False) -> Row:
    what = "Ctrl-C twice" if again else "Ctrl-C once"
    row = Row(what, "exit code 130 with the command that goes on; then all records")
    while row.tries < tries:
        folder = ground.new()
        process = ground.begin(folder)
        ground.wait_for(process, folder, chance.randint(1, 20))
        time.sleep(chance.uniform(0, 0.1))
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        if again:
            time.sleep(chance.uniform(0.001, 0.1))
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        code, err = ground.end(process)
        row.expect("Traceback" not in err, err[-2000:])
        before = {record.launch_id for record in ground.records(folder)}
        if before == ground.ids:
            row.expect(code in (0, 130), f"exit code {code} after the last launch")
        else:
            row.tries += 1
            row.expect(code == 130, f"exit code {code}: {err[-300:]}")
            printed = re.search(r"levelfield (run --resume .*)", err)
            row.expect(printed is not None, f"no command that goes on: {err[-300:]}")
            if printed is not None:
                code, err = ground.run(*shlex.split(printed[1]))
                row.expect(code == 0, f"exit code {code} of the printed command: {err[-300:]}")
        if not (folder / "records.jsonl").exists() or before != ground.ids:
            ground.go_on(folder)
        ground.check(row, folder)
    return row


def interrupted_twice(ground: Ground, tries: int, chance: random.Random) -> Row:
    return interrupted(ground, tries, chance, again=True)


def refused(row: Row, code: int, err: str, pattern: str) -> None:
    row.expect(code == 2, f"exit code {code}: {err[-300:]}")
    row.expect(re.search(pattern, err) is not None, f"{pattern!r} is not in: {err[-300:]}")
    row.expect("hint:" in err, f"no hint in: {err[-300:]}")
    row.expect("Traceback" not in err, err[-2000:])


Fault = Callable[[Ground, int, random.Random], Row]
# fault → tries in the full form, in the short one
FAULTS: dict[Fault, tuple[int, int]] = {
    harness_killed: (200, 3),
    parent_killed: (20, 1),
    power_lost: (20, 1),
    disk_full: (5, 1),
    temporary_disk_full: (4, 1),
    file_limit: (5, 1),
    read_only: (4, 2),
    two_at_once: (5, 1),
    clock_set_back: (5, 1),
    interrupted: (10, 1),
    interrupted_twice: (10, 1),
}
