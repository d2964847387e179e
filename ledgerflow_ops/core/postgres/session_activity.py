"""What a server's sessions and our programs do while nothing comes from them: at work, or stalled."""

import re
from dataclasses import dataclass, field, replace
from typing import Protocol

_WAITS_FOR_OTHERS = {"Client", "Activity"}
"""Kinds of wait (pg_stat_activity.wait_event_type) in which a session does nothing itself."""
_WAKING = {"ProcSignalBarrier", "RegisterSyncRequest", "BackupWaitWalArchive"}
"""Events (pg_stat_activity.wait_event) that a session waits for in a loop: it wakes up, looks and sleeps
again, for ever where whom it waits for is stopped. Source: the waits with a time limit in PostgreSQL's
procsignal.c, sync.c and xlog.c."""
_RUNNING = "R"
_STOPPED = ("T", "t")
_WORDS = 80
_VALUE = re.compile(r"'|\$|(?<![\w])\d|--|/\*")


class Watcher(Protocol):
    """Looks after a wait: told when something came, asked time and again while nothing does."""

    def heard(self) -> None:
        """Something came."""

    def tick(self) -> None:
        """Nothing has come since; raises what is to end the wait."""


class _Nobody:
    """A watcher that waits for ever."""

    def heard(self) -> None:
        pass

    def tick(self) -> None:
        pass


NOBODY = _Nobody()


@dataclass(frozen=True, slots=True)
class Limits:
    """How long nothing may come from anywhere, and how long a lock of others is waited for; in seconds."""

    stall: float = 300.0
    lock: float = 300.0

    @property
    def answer(self) -> float:
        """How long a look at the server itself may take."""
        return min(10.0, max(2.0, self.stall / 4))


@dataclass(frozen=True, slots=True)
class Session:
    """A session of ours, as pg_stat_activity tells it.

    `marks` is whatever changes as it gets on: the times of its statement, the counters of pg_stat_progress_*.
    `process` is the state's letter and the count of switches of its process, as Linux tells them; empty
    where we may not see them.
    """

    pid: int
    state: str
    wait: str
    event: str
    marks: tuple[str, ...] = ()
    process: tuple[str, ...] = ()

    @property
    def stopped(self) -> bool:
        return self.process[:1] != () and self.process[0] in _STOPPED

    @property
    def sure(self) -> bool:
        """Whether it would be seen to get on if it did."""
        return self.state != "active" or bool(self.process) or self.wait in _WAITS_FOR_OTHERS

    @property
    def still(self) -> "Session":
        """The same, less the switches of a process that wakes up only to go on waiting."""
        return replace(self, process=self.process[:1]) if self.event in _WAKING else self

    @property
    def sentence(self) -> str:
        if self.stopped:
            return f"its process {self.pid} at the server is stopped (SIGSTOP)"
        waits = f", waits for {self.wait}/{self.event}" if self.wait else ""
        return f"its session {self.pid} at the server is {self.state or 'there'}{waits}"


@dataclass(frozen=True, slots=True)
class Program:
    """A program of ours on this machine: its name, its state's letter, its seconds of processor time."""

    pid: int
    name: str
    state: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Activity:
    """One look. `silent` says how the server failed to answer the look itself; empty when it did answer.

    `unsure` when the look could not be taken for a reason that says nothing: no right, no free connection.
    """

    sessions: tuple[Session, ...] = ()
    programs: tuple[Program, ...] = ()
    silent: str = ""
    unsure: bool = False

    @property
    def still(self) -> "Activity":
        """What would have changed between two looks if somebody had got on."""
        return replace(self, sessions=tuple(session.still for session in self.sessions))

    @property
    def running(self) -> bool:
        """Whether somebody is at work at this very moment."""
        letters = [one.process[0] for one in self.sessions if one.process]
        return _RUNNING in letters or any(one.state == _RUNNING for one in self.programs)

    @property
    def sure(self) -> bool:
        """Whether it would be seen if somebody got on."""
        return not self.unsure and all(session.sure for session in self.sessions)


def stalled(before: Activity, now: Activity) -> str | None:
    """What nothing gets on for, in words, when nobody did between two looks; None as long as somebody may.

    A server that computes on its processor cannot be told from one that hangs where its process cannot be
    seen: it is given the benefit of the doubt, and the limit of the whole command.
    """
    if now.silent:
        return f"the server does not answer a new connection either ({now.silent})" if before.silent else None
    waits = any(one.wait == "Lock" for one in now.sessions)  # has a limit of its own
    if before.still != now.still or now.running or not now.sure or waits:
        return None
    stopped = [one for one in now.programs if one.state in _STOPPED]
    if stopped:
        return f"{stopped[0].name} (process {stopped[0].pid}) on this machine is stopped (SIGSTOP)"
    asleep = [one for one in now.sessions if one.stopped] or [
        one for one in now.sessions if one.state == "active"
    ]
    return asleep[0].sentence if asleep else "no session at the server and no program here is at work"


def stopped(now: Activity) -> int | None:
    """The process that somebody has stopped, if one of those seen is."""
    here = [one.pid for one in now.programs if one.state in _STOPPED]
    there = [one.pid for one in now.sessions if one.stopped]
    return next(iter(here + there), None)


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session that somebody waits for. `words` are the first of what it does, without any value.

    The process 0 is a prepared transaction: see pg_blocking_pids. A session that begins has no names yet.
    `for_us` when it waits for one of ours itself.
    """

    pid: int
    user: str
    application: str
    state: str
    since: str
    words: str
    for_us: bool = False

    @property
    def sentence(self) -> str:
        if not self.pid:
            return "a prepared transaction"
        who = f"{self.user}, {self.application or 'no application name'}"
        what = f": {self.words}" if self.words else ""
        return f"process {self.pid} ({who}; {self.state or 'state unknown'} since {self.since or '?'}{what})"


@dataclass(frozen=True, slots=True)
class LockWait:
    """A session of ours that waits for a lock on `relation`, and who stands in its way."""

    pid: int
    relation: str
    blockers: tuple[Blocker, ...] = field(default=())

    @property
    def sentence(self) -> str:
        whom = "; ".join(blocker.sentence for blocker in self.blockers) or "somebody who has just gone"
        return f"waiting for a lock on {self.relation or 'an object'}, held or asked for by {whom}"

    @property
    def knotted(self) -> bool:
        """Whether whom it waits for waits for one of ours: that never ends by itself."""
        return any(blocker.for_us for blocker in self.blockers)


def statement_words(query: str) -> str:
    """The first words of a statement, for people: its keywords and names, up to the first value in it.

    What stands in quotes, or is a number, may be a secret or an account's.
    """
    text = " ".join(query.split())
    end = _VALUE.search(text)
    text = f"{text[: end.start()]}…" if end else text
    return text if len(text) <= _WORDS else f"{text[:_WORDS].rsplit(' ', 1)[0]} …"
